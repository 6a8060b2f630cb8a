//! Certificates for the nodes of a cluster: an authority, and one for each node that it signs.
//!
//! Invariant: a node's certificate names the node, by which the others know it. Names and addresses
//! that browsers use come after it.

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};

/// The greatest delay of a verifier's clock.
const SLACK: Duration = Duration::hours(1);

/// A certificate authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and the key to it, both in PEM.
#[derive(Debug)]
pub struct Signed {
    /// The certificate, which is public.
    pub certificate: String,
    /// The key, which is secret.
    pub key: String,
}

/// A period of validity.
#[derive(Clone, Copy, Debug)]
pub struct Validity {
    /// Not before this moment.
    pub from: OffsetDateTime,
    /// Not after this one.
    pub until: OffsetDateTime,
}

impl Validity {
    /// Returns the period that begins `now` and lasts this many days.
    #[must_use]
    pub fn days(now: OffsetDateTime, days: u16) -> Self {
        Self { from: now - SLACK, until: now + Duration::days(days.into()) }
    }
}

impl Authority {
    /// Returns a new authority.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new(validity: Validity) -> anyhow::Result<Self> {
        let mut params = params("Superhero Cluster test authority", Vec::new(), validity)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().context("making the authority's key")?;
        Ok(Self {
            issuer: CertifiedIssuer::self_signed(params, key)
                .context("signing the authority's certificate")?,
        })
    }

    /// Returns its certificate, in PEM, which nodes and clients trust.
    #[must_use]
    pub fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// Returns a certificate for this node, which browsers may also reach by these names and
    /// addresses.
    ///
    /// # Errors
    /// When one of them cannot stand in a certificate, or no key can be made.
    pub fn sign(&self, node: &str, hosts: &[String], validity: Validity) -> anyhow::Result<Signed> {
        let names = [node].into_iter().map(str::to_owned).chain(hosts.iter().cloned()).collect();
        let mut params = params(node, names, validity)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // Nodes answer, and they dial.
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().with_context(|| format!("making the key of {node}"))?;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .with_context(|| format!("signing the certificate of {node}"))?;
        Ok(Signed { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

fn params(
    common_name: &str,
    names: Vec<String>,
    validity: Validity,
) -> anyhow::Result<CertificateParams> {
    let mut params =
        CertificateParams::new(names).with_context(|| format!("a name for {common_name}"))?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    (params.not_before, params.not_after) = (validity.from, validity.until);
    Ok(params)
}
