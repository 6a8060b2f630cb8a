//! TLS on the port of a node. The listener presents its certificate to all clients; nodes also
//! present theirs as clients.
//!
//! Invariant: a node's certificate contains the node's name (as a DNS name), so a name or an
//! address cannot be taken over without the key. Browsers present no certificate, and can use only
//! the HTTP API.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{CertificateError, ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::either::Either;
use tracing::warn;

use crate::id::NodeName;

/// The largest PEM file, in bytes.
const PEM_BYTES_MAX: u64 = 1 << 20;
/// The byte order mark of UTF-8. It cannot occur within PEM.
const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

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
    /// certificate does not name `me` or lacks a usage.
    pub fn load(me: NodeName, files: &Files) -> anyhow::Result<Self> {
        let certificates = certificates(&files.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&pem(&files.key)?)
            .with_context(|| format!("reading the key in {}", files.key.display()))?;
        let mut roots = RootCertStore::empty();
        let authorities = self::certificates(&files.authorities)?;
        for authority in &authorities {
            roots.add(authority.clone()).with_context(|| {
                format!("{} holds no certificate of a CA", files.authorities.display())
            })?;
        }
        let roots = Arc::new(roots);
        let first = certificates.first().cloned().context("there is a certificate")?;
        anyhow::ensure!(
            !authorities.contains(&first),
            "{} holds the certificate of a CA, not of a node",
            files.certificate.display()
        );
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
        let now = UnixTime::now();
        check_usage(&files.certificate, &certificates, &roots, &provider, now)?;
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

/// Checks that other nodes accept the certificate in this file, followed by intermediate ones.
///
/// # Errors
/// If it is the certificate of a CA, or lacks a usage. A certificate that is accepted only later or
/// elsewhere, for its dates or its CA, is a warning: the other nodes may have other clocks and
/// files.
fn check_usage(
    file: &Path,
    certificates: &[CertificateDer<'static>],
    roots: &Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
    now: UnixTime,
) -> anyhow::Result<()> {
    let Some((end, between)) = certificates.split_first() else { return Ok(()) };
    let parsed = ParsedCertificate::try_from(end)
        .with_context(|| format!("reading the certificate in {}", file.display()))?;
    let algorithms = provider.signature_verification_algorithms.all;
    let as_server =
        verify_server_cert_signed_by_trust_anchor(&parsed, roots, between, now, algorithms);
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider))
            .build()?;
    let as_client = verifier.verify_client_cert(end, between, now).map(drop);
    for (usage, verified) in [("serverAuth", as_server), ("clientAuth", as_client)] {
        match verified {
            Ok(()) => {}
            Err(error) if is_of_usage(&error) => anyhow::bail!(
                "the certificate in {} lacks the extended key usage {usage}: a node is a server \
                 and a client of other nodes, and needs serverAuth and clientAuth",
                file.display()
            ),
            Err(error) => {
                warn!("other nodes may refuse the certificate in {}: {error}", file.display());
                break;
            }
        }
    }
    Ok(())
}

fn is_of_usage(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::InvalidCertificate(
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. }
        )
    )
}

/// Returns the node's name as a server name. Some names are not valid there, for example those of
/// only digits.
fn server_name(node: NodeName) -> io::Result<ServerName<'static>> {
    ServerName::try_from(node.to_string())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

/// Reads a PEM file, without the byte order marks that some editors write. They would hide the
/// line after them.
fn pem(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(PEM_BYTES_MAX + 1).read_to_end(&mut bytes))
        .with_context(|| format!("reading {}", path.display()))?;
    anyhow::ensure!(
        bytes.len() as u64 <= PEM_BYTES_MAX,
        "{} is larger than the limit of {PEM_BYTES_MAX} bytes",
        path.display()
    );
    Ok(without_byte_order_marks(&bytes))
}

fn without_byte_order_marks(mut bytes: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(bytes.len());
    while let Some(at) = bytes.windows(BYTE_ORDER_MARK.len()).position(|it| it == BYTE_ORDER_MARK) {
        kept.extend_from_slice(&bytes[..at]);
        bytes = &bytes[at + BYTE_ORDER_MARK.len()..];
    }
    kept.extend_from_slice(bytes);
    kept
}

fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let reading = || format!("reading the certificates in {}", path.display());
    let all = CertificateDer::pem_slice_iter(&pem(path)?)
        .collect::<Result<Vec<_>, _>>()
        .with_context(reading)?;
    anyhow::ensure!(!all.is_empty(), "{} holds no certificate in PEM", path.display());
    Ok(all)
}
