//! Checks that nodes accept each other's certificates, now and in two weeks.
//!
//! The checks are those of rustls, which nodes themselves use.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, Error, ExtendedKeyPurpose, RootCertStore};

use api_types::NODES;
use superhero::read_file;

use super::configuration::Known;
use super::finding::Finding;
use crate::output::at;

/// The time before a certificate's expiry from which it is a warning.
const WARNING: Duration = Duration::from_secs(14 * 24 * 3600);
/// The largest number of certificates that are read from a file.
const CERTIFICATES_MAX: usize = 100;

/// Checks the certificates of each node that has any.
pub(super) fn examine(known: &Known, findings: &mut Vec<Finding>) {
    for node in NODES {
        let path = |key| known.text(node, key).map(Path::new);
        if let (Some(cert), Some(key), Some(ca)) =
            (path("tls-cert"), path("tls-key"), path("tls-ca"))
        {
            let check = format!("certificate of {node}");
            findings.push(match inspect(node, cert, key, ca, UnixTime::now()) {
                Ok(found) => Finding::ok(check, found),
                Err(CertificateProblem::Soon(found)) => Finding::warn(
                    check,
                    found,
                    "issue a new certificate before that, and replace the file; no restart is needed",
                ),
                Err(CertificateProblem::Now(found)) => Finding::fail(
                    check,
                    found,
                    format!("issue a new certificate for {node}, signed by the CA in tls-ca"),
                ),
            });
        }
    }
}

/// A problem of a certificate, a key or a CA.
#[derive(Debug, PartialEq, Eq)]
enum CertificateProblem {
    /// Peers reject the certificate now.
    Now(String),
    /// Peers will reject the certificate within [`WARNING`].
    Soon(String),
}

fn inspect(
    node: &str,
    cert: &Path,
    key: &Path,
    ca: &Path,
    now: UnixTime,
) -> Result<String, CertificateProblem> {
    let wrong = |path: &Path, why: &dyn std::fmt::Display| {
        CertificateProblem::Now(format!("{}: {why}", path.display()))
    };
    let provider = ring::default_provider();
    let authorities = certificates(ca).map_err(|why| wrong(ca, &why))?;
    let mut chain = certificates(cert).map_err(|why| wrong(cert, &why))?;
    let mut roots = RootCertStore::empty();
    for authority in &authorities {
        roots.add(authority.clone()).map_err(|error| wrong(ca, &error))?;
    }

    let end = chain[0].clone();
    if authorities.contains(&end) {
        return Err(wrong(cert, &"the certificate of a CA, not of a node"));
    }
    let parsed = ParsedCertificate::try_from(&end).map_err(|error| wrong(cert, &error))?;
    let soon = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs()) + WARNING);
    let verify_at = |at| verify(&provider, &roots, &end, &chain[1..], at);
    verify_at(now).map_err(|error| wrong(cert, &described(&error, ca, now)))?;
    verify_client(&provider, &roots, &end, &chain[1..], now)
        .map_err(|error| wrong(cert, &described(&error, ca, now)))?;
    let name = ServerName::try_from(node).map_err(|error| wrong(cert, &error))?;
    verify_server_name(&parsed, &name)
        .map_err(|_| wrong(cert, &format!("not valid for the name {node}")))?;
    for authority in &authorities {
        // A CA certificate always fails as a server certificate. But webpki checks the dates first,
        // so a date error means that the CA itself is expired or not yet valid.
        if let Err(error) = verify(&provider, &roots, authority, &[], now)
            && is_date_error(&error)
        {
            return Err(wrong(ca, &described(&error, ca, now)));
        }
    }
    let mut later = verify_at(soon)
        .map_err(|error| format!("{}: {}", cert.display(), described(&error, ca, now)));
    for authority in &authorities {
        if let Err(error) = verify(&provider, &roots, authority, &[], soon)
            && is_date_error(&error)
        {
            later = later.and(Err(format!("{}: {}", ca.display(), described(&error, ca, now))));
        }
    }
    let pem = read_file(key).map_err(|error| wrong(key, &error))?;
    let key_der = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| wrong(key, &error))?;
    chain.truncate(1);
    CertifiedKey::from_der(chain, key_der, &provider).map_err(|error| {
        let is_mismatch = matches!(error, Error::InconsistentKeys(_));
        if is_mismatch {
            wrong(key, &format!("does not match the certificate {}", cert.display()))
        } else {
            wrong(key, &error)
        }
    })?;
    // Last, since the upcoming expiry is only a warning.
    later.map_err(CertificateProblem::Soon)?;
    Ok(format!("{} is signed by {} and valid for at least two weeks", cert.display(), ca.display()))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = read_file(path).map_err(|error| error.to_string())?;
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(&pem).take(CERTIFICATES_MAX).collect();
    let certificates = certificates.map_err(|error| error.to_string())?;
    if certificates.is_empty() { Err("no certificate found".into()) } else { Ok(certificates) }
}

fn verify(
    provider: &CryptoProvider,
    roots: &RootCertStore,
    end: &CertificateDer<'_>,
    between: &[CertificateDer<'_>],
    at: UnixTime,
) -> Result<(), Error> {
    let algorithms = provider.signature_verification_algorithms.all;
    verify_server_cert_signed_by_trust_anchor(
        &ParsedCertificate::try_from(end)?,
        roots,
        between,
        at,
        algorithms,
    )
}

/// Verifies a certificate as that of a client: nodes are clients of each other, too.
fn verify_client(
    provider: &CryptoProvider,
    roots: &RootCertStore,
    end: &CertificateDer<'_>,
    between: &[CertificateDer<'_>],
    at: UnixTime,
) -> Result<(), Error> {
    let (roots, provider) = (Arc::new(roots.clone()), Arc::new(provider.clone()));
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider)
        .build()
        .map_err(|error| Error::General(error.to_string()))?;
    verifier.verify_client_cert(end, between, at).map(drop)
}

fn is_date_error(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(
            CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. }
        )
    )
}

fn described(error: &Error, ca: &Path, now: UnixTime) -> String {
    let date = |time: &UnixTime| at(time.as_secs().saturating_mul(1_000));
    if let Error::InvalidCertificate(invalid) = error {
        if let CertificateError::ExpiredContext { not_after, time } = invalid {
            let verb = if time.as_secs() > now.as_secs() { "expires" } else { "EXPIRED" };
            return format!("{verb} at {}", date(not_after));
        }
        if let CertificateError::NotValidYetContext { not_before, .. } = invalid {
            return format!("not valid before {}", date(not_before));
        }
        if let CertificateError::InvalidPurposeContext { required, .. } = invalid {
            let usage = match required {
                ExtendedKeyPurpose::ClientAuth => "clientAuth",
                ExtendedKeyPurpose::ServerAuth => "serverAuth",
                _ => "for nodes",
            };
            return format!(
                "lacks the extended key usage {usage}; nodes need serverAuth and clientAuth"
            );
        }
        if matches!(invalid, CertificateError::UnknownIssuer | CertificateError::BadSignature) {
            return format!("not signed by the CA in {}", ca.display());
        }
    }
    error.to_string()
}

#[cfg(test)]
mod tests;
