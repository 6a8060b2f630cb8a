//! The judgement of certificates: their usages, their CA, their dates.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// A time after the end of every certificate.
const NEVER: UnixTime = UnixTime::since_unix_epoch(Duration::from_secs(u64::MAX));

/// The use of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// It identifies this node.
    Node,
    /// It signs the certificates of nodes.
    Authority,
}

/// The end of the certificates in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// The use of the certificates.
    pub of: Use,
    /// The file.
    pub file: PathBuf,
    /// The time at which the first of them expires, since the beginning of 1970.
    pub at: Duration,
}

impl Expiry {
    pub(super) fn first(
        of: Use,
        file: &Path,
        certificates: &[CertificateDer<'static>],
        provider: &CryptoProvider,
    ) -> Option<Self> {
        let ends = certificates.iter().filter_map(|certificate| end(certificate, provider));
        Some(Self { of, file: file.to_owned(), at: Duration::from_secs(ends.min()?.as_secs()) })
    }
}

/// Returns the end of a certificate's validity.
///
/// webpki has no accessor for it. But it checks the dates before everything else, and its error
/// contains them.
fn end(certificate: &CertificateDer<'_>, provider: &CryptoProvider) -> Option<UnixTime> {
    let verified = verify_server_cert_signed_by_trust_anchor(
        &ParsedCertificate::try_from(certificate).ok()?,
        &RootCertStore::empty(),
        &[],
        NEVER,
        provider.signature_verification_algorithms.all,
    );
    match verified {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Some(not_after)
        }
        _ => None,
    }
}

/// Returns the verifier of other nodes' certificates.
pub(super) fn nodes(
    roots: &Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
) -> anyhow::Result<Arc<dyn ClientCertVerifier>> {
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider));
    // Browsers share the port and have no certificate; `/cluster` requires one itself.
    Ok(verifier.allow_unauthenticated().build()?)
}

/// The verifier of servers that may be any node of the cluster. Its name is not checked here, since it
/// is not known.
#[derive(Debug)]
pub(super) struct AnyNode {
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// Returns the verifier of servers that may be any node with a certificate of these CAs.
pub(super) fn any_node(roots: &Arc<RootCertStore>, provider: &CryptoProvider) -> AnyNode {
    let algorithms = provider.signature_verification_algorithms;
    AnyNode { roots: Arc::clone(roots), algorithms }
}

impl ServerCertVerifier for AnyNode {
    fn verify_server_cert(
        &self,
        end: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let end = ParsedCertificate::try_from(end)?;
        let algorithms = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&end, &self.roots, between, now, algorithms)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Checks that other nodes accept the certificate in this file, followed by intermediate ones.
/// Returns the reason for which they refuse it at present, its dates or its CA, if there is one.
///
/// # Errors
/// If it cannot be parsed, or lacks a usage.
pub(super) fn check(
    file: &Path,
    certificates: &[CertificateDer<'static>],
    roots: &RootCertStore,
    nodes: &dyn ClientCertVerifier,
    provider: &CryptoProvider,
    now: UnixTime,
) -> anyhow::Result<Option<Error>> {
    let (end, between) = certificates.split_first().context("there is a certificate")?;
    let parsed = ParsedCertificate::try_from(end)
        .with_context(|| format!("reading the certificate in {}", file.display()))?;
    let algorithms = provider.signature_verification_algorithms.all;
    let as_server =
        verify_server_cert_signed_by_trust_anchor(&parsed, roots, between, now, algorithms);
    let as_client = nodes.verify_client_cert(end, between, now).map(drop);
    for (usage, verified) in [("serverAuth", as_server), ("clientAuth", as_client)] {
        match verified {
            Ok(()) => {}
            Err(error) if is_of_usage(&error) => anyhow::bail!(
                "the certificate in {} lacks the extended key usage {usage}: a node is a server \
                 and a client of other nodes, and needs serverAuth and clientAuth",
                file.display()
            ),
            Err(error) => return Ok(Some(error)),
        }
    }
    Ok(None)
}

fn is_of_usage(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. }
        )
    )
}

pub(super) fn is_expired(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. }
        )
    )
}

/// Returns whether a TLS handshake failed because of the certificate of the other side.
pub(in crate::link) fn is_refused_certificate(error: &std::io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<Error>());
    matches!(cause, Some(Error::InvalidCertificate(_)))
}
