//! TLS on the port of a node. The listener presents its certificate to all clients; nodes also
//! present theirs as clients.
//!
//! Invariant: a node's certificate contains the node's name (as a DNS name), so a name or an
//! address cannot be taken over without the key. Browsers present no certificate, and can use only
//! the HTTP API.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::either::Either;

use crate::id::NodeName;

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
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
}

/// A certificate presented by a peer and signed by a CA of the cluster.
#[derive(Clone, Debug)]
pub(super) struct Certificate(CertificateDer<'static>);

impl Certificate {
    /// Returns whether the certificate names `node`.
    pub(super) fn is_for(&self, node: NodeName) -> bool {
        let (Ok(certificate), Ok(name)) =
            (webpki::EndEntityCert::try_from(&self.0), server_name(node))
        else {
            return false;
        };
        certificate.verify_is_valid_for_subject_name(&name).is_ok()
    }
}

impl Tls {
    /// Loads the certificate files of the node `me`.
    ///
    /// # Errors
    /// If a file cannot be read or has no usable content, the key does not match, or the
    /// certificate does not name `me`.
    pub fn load(me: NodeName, files: &Files) -> anyhow::Result<Self> {
        let certificates = certificates(&files.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&files.key)
            .with_context(|| format!("reading the key in {}", files.key.display()))?;
        let mut roots = RootCertStore::empty();
        for authority in self::certificates(&files.authorities)? {
            roots.add(authority).with_context(|| {
                format!("{} holds no certificate of a CA", files.authorities.display())
            })?;
        }
        let roots = Arc::new(roots);
        let first = certificates.first().cloned().context("there is a certificate")?;
        anyhow::ensure!(
            Certificate(first).is_for(me),
            "the certificate in {} does not name {me}: the DNS name {me} must be among its \
             alternative names",
            files.certificate.display()
        );
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let nodes =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
                // Browsers share the port and have no certificate; `/cluster` requires one itself.
                .allow_unauthenticated()
                .build()?;
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(nodes)
            .with_single_cert(certificates.clone(), key.clone_key())
            .with_context(|| {
                format!(
                    "the key in {} does not match the certificate in {}",
                    files.key.display(),
                    files.certificate.display()
                )
            })?;
        // The port serves only HTTP/1.1, which the WebSocket upgrade needs.
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(certificates, key)?;
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(server)),
            connector: TlsConnector::from(Arc::new(client)),
        })
    }

    /// Accepts a connection. Returns the certificate presented by the client, if any.
    pub(super) async fn accept(
        &self,
        stream: TcpStream,
    ) -> io::Result<(Stream, Option<Certificate>)> {
        let stream = self.acceptor.accept(stream).await?;
        let shown = stream.get_ref().1.peer_certificates().and_then(|shown| shown.first());
        let certificate = shown.map(|certificate| Certificate(certificate.clone().into_owned()));
        Ok((Either::Right(Box::new(stream.into())), certificate))
    }

    async fn connect(&self, peer: NodeName, stream: TcpStream) -> io::Result<Stream> {
        let stream = self.connector.connect(server_name(peer)?, stream).await?;
        Ok(Either::Right(Box::new(stream.into())))
    }
}

/// Connects to `peer`, over TLS if it is configured. With TLS, the connection fails unless the
/// server's certificate names `peer`.
pub(super) async fn connect(
    tls: Option<&Tls>,
    peer: NodeName,
    stream: TcpStream,
) -> io::Result<Stream> {
    match tls {
        None => Ok(Either::Left(stream)),
        Some(tls) => tls.connect(peer, stream).await,
    }
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

fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let reading = || format!("reading the certificates in {}", path.display());
    let all = CertificateDer::pem_file_iter(path)
        .with_context(reading)?
        .collect::<Result<Vec<_>, _>>()
        .with_context(reading)?;
    anyhow::ensure!(!all.is_empty(), "{} holds no certificate in PEM", path.display());
    Ok(all)
}
