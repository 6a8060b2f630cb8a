//! TLS on a node's one port. The listener shows its certificate to everybody; nodes show theirs to
//! each other.
//!
//! Invariant: a node's certificate names the node (as a DNS name), so neither a name nor an address
//! can be taken over without the key. Browsers show no certificate, and reach only the HTTP API.

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
    /// The node's certificate, and any intermediate ones.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The certificates of the cluster's authorities.
    pub authorities: PathBuf,
}

/// A node's certificate, its key, and the authorities that it trusts.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
}

/// A certificate that a peer has shown, signed by an authority of the cluster.
#[derive(Clone, Debug)]
pub(super) struct Certificate(CertificateDer<'static>);

impl Certificate {
    /// Returns whether it is a certificate for `node`.
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
    /// Reads the files of the node `me`.
    ///
    /// # Errors
    /// Where a file cannot be read or holds nothing of its kind, the key does not match, or the
    /// certificate does not name `me`.
    pub fn load(me: NodeName, files: &Files) -> anyhow::Result<Self> {
        let certificates = certificates(&files.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&files.key)
            .with_context(|| format!("reading the key in {}", files.key.display()))?;
        let mut roots = RootCertStore::empty();
        for authority in self::certificates(&files.authorities)? {
            roots.add(authority).with_context(|| {
                format!("{} holds no certificate of an authority", files.authorities.display())
            })?;
        }
        let roots = Arc::new(roots);
        let first = certificates.first().cloned().context("there is a certificate")?;
        anyhow::ensure!(
            Certificate(first).is_for(me),
            "the certificate in {} is not one for {me}: it needs the DNS name {me} among its alternative names",
            files.certificate.display()
        );
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let nodes =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
                .allow_unauthenticated()
                .build()?;
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(nodes)
            .with_single_cert(certificates.clone(), key.clone_key())
            .with_context(|| {
                format!("{} is not the key to {}", files.key.display(), files.certificate.display())
            })?;
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

    /// Accepts a connection. Returns the certificate that the client has shown, if any.
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

/// Connects to `peer`, over TLS where it is used. Then only the holder of that name's certificate
/// can answer.
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

/// Returns the node's name as a server name. Some names cannot be one (only digits, for example).
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
