//! TLS on the port of a node. The listener presents its certificate to all clients; nodes also
//! present theirs as clients.
//!
//! Invariants: a node's certificate contains the node's name (as a DNS name), so a name or an
//! address cannot be taken over without the key. A certificate is judged at the time of every new
//! connection and of every new link, so no session is resumed. Browsers present no certificate, and
//! can use only the HTTP API.

mod pem;
mod reload;
mod validity;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context as _;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::ClientCertVerifier;
use rustls::{ClientConfig, Error, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::either::Either;

use crate::id::NodeName;
use pem::Contents;

pub use reload::Reloader;
pub(super) use validity::is_refused_certificate;
pub use validity::{Expiry, Use};

/// A connection, plain or encrypted.
pub(super) type Stream = Either<TcpStream, Box<tokio_rustls::TlsStream<TcpStream>>>;

/// The paths of a node's certificate files, in PEM.
#[derive(Clone, Debug)]
pub struct Files {
    /// The node's certificate, followed by any intermediate ones.
    pub certificate: PathBuf,
    /// The node's private key.
    pub key: PathBuf,
    /// The CA certificates of the cluster.
    pub authorities: PathBuf,
}

/// The TLS configuration of a node: its certificate, its key, and the CA certificates to trust.
/// Clones share it, so all of them use the files that a [`Reloader`] has loaded.
#[derive(Clone)]
pub struct Tls {
    shared: Arc<Shared>,
}

struct Shared {
    me: NodeName,
    files: Files,
    current: RwLock<Arc<Loaded>>,
}

/// The contents of the files, as loaded together.
struct Loaded {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    /// The connector that accepts the certificate of any node of the cluster.
    connector_to_any: TlsConnector,
    nodes: Arc<dyn ClientCertVerifier>,
    fingerprint: Vec<u8>,
    expiries: Vec<Expiry>,
    /// The reason for which other nodes refused the certificate when it was loaded.
    refused: Option<Error>,
}

/// A certificate presented by a peer and signed by a CA of the cluster.
#[derive(Clone, Debug)]
pub(super) struct Certificate {
    /// The certificate, followed by intermediate ones.
    chain: Vec<CertificateDer<'static>>,
    tls: Tls,
}

impl Certificate {
    /// Returns whether the certificate names `node`.
    pub(super) fn is_for(&self, node: NodeName) -> bool {
        self.chain.first().is_some_and(|certificate| is_for(certificate, node))
    }

    /// Verifies the certificate at this time. Its connection may be older than its expiry, or than
    /// the CA certificates in use.
    pub(super) fn verify(&self) -> Result<(), Error> {
        let (end, between) = self.chain.split_first().ok_or(Error::NoCertificatesPresented)?;
        self.tls.current().nodes.verify_client_cert(end, between, UnixTime::now()).map(drop)
    }
}

fn is_for(certificate: &CertificateDer<'_>, node: NodeName) -> bool {
    let (Ok(certificate), Ok(name)) =
        (webpki::EndEntityCert::try_from(certificate), server_name(node))
    else {
        return false;
    };
    certificate.verify_is_valid_for_subject_name(&name).is_ok()
}

impl Tls {
    /// Loads the certificate files of the node `me`.
    ///
    /// # Errors
    /// If a file cannot be read or has no usable content, the key does not match, or the
    /// certificate does not name `me` or lacks a usage. A certificate that is refused only at
    /// present or elsewhere is [no error](Self::refused): other nodes may have other clocks and
    /// files.
    pub fn load(me: NodeName, files: &Files) -> anyhow::Result<Self> {
        let loaded = Loaded::from(me, files, Contents::read(files))?;
        let current = RwLock::new(Arc::new(loaded));
        Ok(Self { shared: Arc::new(Shared { me, files: files.clone(), current }) })
    }

    /// Uses these contents for new connections.
    fn replace(&self, contents: Contents) -> anyhow::Result<()> {
        let loaded = Loaded::from(self.shared.me, &self.shared.files, contents)?;
        if let Some(refused) = &loaded.refused {
            let file = self.shared.files.certificate.display();
            anyhow::bail!("other nodes would refuse the certificate in {file}: {refused}");
        }
        *self.shared.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
        Ok(())
    }

    fn current(&self) -> Arc<Loaded> {
        Arc::clone(&self.shared.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns when the certificates in use expire: of the node, and of the CA.
    #[must_use]
    pub fn expiries(&self) -> Vec<Expiry> {
        self.current().expiries.clone()
    }

    /// Returns the reason for which other nodes refuse the certificate in use, other than its
    /// [expiry](Self::expiries): a date in the future, or another CA.
    #[must_use]
    pub fn refused(&self) -> Option<String> {
        let current = self.current();
        let refused = current.refused.as_ref().filter(|error| !validity::is_expired(error))?;
        let file = self.shared.files.certificate.display();
        Some(format!("other nodes refuse the certificate in {file}: {refused}"))
    }

    /// Accepts a connection. Returns the certificate presented by the client, if any.
    pub(super) async fn accept(
        &self,
        stream: TcpStream,
    ) -> io::Result<(Stream, Option<Certificate>)> {
        let stream = self.current().acceptor.accept(stream).await?;
        let presented = stream.get_ref().1.peer_certificates();
        let certificate = presented.map(|chain| Certificate {
            chain: chain.iter().map(|certificate| certificate.clone().into_owned()).collect(),
            tls: self.clone(),
        });
        Ok((Either::Right(Box::new(stream.into())), certificate))
    }
}

impl Loaded {
    fn from(me: NodeName, files: &Files, contents: Contents) -> anyhow::Result<Self> {
        let fingerprint = contents.fingerprint();
        let certificates = pem::certificates(&files.certificate, &contents.certificate?)?;
        let key = PrivateKeyDer::from_pem_slice(&contents.key?)
            .with_context(|| format!("reading the key in {}", files.key.display()))?;
        let authorities = pem::certificates(&files.authorities, &contents.authorities?)?;
        let mut roots = RootCertStore::empty();
        for authority in &authorities {
            roots.add(authority.clone()).with_context(|| {
                format!("{} holds no certificate of a CA", files.authorities.display())
            })?;
        }
        let roots = Arc::new(roots);
        check_names(me, files, &certificates, &authorities)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let nodes = validity::nodes(&roots, &provider)?;
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(Arc::clone(&nodes))
            .with_single_cert(certificates.clone(), key.clone_key())
            .with_context(|| {
                format!(
                    "the key in {} does not match the certificate in {}",
                    files.key.display(),
                    files.certificate.display()
                )
            })?;
        let file = &files.certificate;
        let refused =
            validity::check(file, &certificates, &roots, &*nodes, &provider, UnixTime::now())?;
        // The port serves only HTTP/1.1, which the WebSocket upgrade needs.
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A resumed session would keep the certificate of its first connection unverified.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        let expiries = [
            Expiry::first(Use::Node, file, &certificates, &provider),
            Expiry::first(Use::Authority, &files.authorities, &authorities, &provider),
        ];
        let client = || {
            let versions = ClientConfig::builder_with_provider(Arc::clone(&provider));
            versions.with_safe_default_protocol_versions()
        };
        let mut to_node = client()?
            .with_root_certificates(Arc::clone(&roots))
            .with_client_auth_cert(certificates.clone(), key.clone_key())?;
        to_node.resumption = Resumption::disabled();
        let any_node = validity::any_node(&roots, &provider);
        let mut to_any = client()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(any_node))
            .with_client_auth_cert(certificates, key)?;
        to_any.resumption = Resumption::disabled();
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(server)),
            connector: TlsConnector::from(Arc::new(to_node)),
            connector_to_any: TlsConnector::from(Arc::new(to_any)),
            nodes,
            fingerprint,
            expiries: expiries.into_iter().flatten().collect(),
            refused,
        })
    }
}

/// Checks that the first certificate is that of the node `me`, and not that of a CA.
fn check_names(
    me: NodeName,
    files: &Files,
    certificates: &[CertificateDer<'static>],
    authorities: &[CertificateDer<'static>],
) -> anyhow::Result<()> {
    let first = certificates.first().context("there is a certificate")?;
    anyhow::ensure!(
        !authorities.contains(first),
        "{} holds the certificate of a CA, not of a node",
        files.certificate.display()
    );
    anyhow::ensure!(
        is_for(first, me),
        "the certificate in {} does not name {me}: the DNS name {me} must be among its \
         alternative names",
        files.certificate.display()
    );
    Ok(())
}

/// The node that is expected at an address.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expected {
    /// This one. With TLS, its certificate must name it.
    Node(NodeName),
    /// Any one, which is asked by the node `me`. With TLS, it must have a certificate of the cluster.
    AnyNode { me: NodeName },
}

/// Uses a connection to a node, over TLS if it is configured.
pub(super) async fn connect(
    tls: Option<&Tls>,
    expected: Expected,
    stream: TcpStream,
) -> io::Result<Stream> {
    let Some(tls) = tls else { return Ok(Either::Left(stream)) };
    let current = tls.current();
    let (connector, name) = match expected {
        Expected::Node(peer) => (&current.connector, peer),
        // A server has one certificate, so it ignores the name that it is asked for.
        Expected::AnyNode { me } => (&current.connector_to_any, me),
    };
    let stream = connector.connect(server_name(name)?, stream).await?;
    Ok(Either::Right(Box::new(stream.into())))
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

/// Returns the node's name as a server name. Some names are not valid there, for example those of
/// only digits.
fn server_name(node: NodeName) -> io::Result<ServerName<'static>> {
    ServerName::try_from(node.to_string())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}
