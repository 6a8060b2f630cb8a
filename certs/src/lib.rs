//! Certificates for the nodes of a cluster: an authority, and a certificate signed by it for each
//! node.
//!
//! Invariant: the first name in a node's certificate is the name of the node, by which other nodes
//! identify it. Names and addresses for browsers follow.

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};

/// The time by which a verifier's clock may be behind.
const SLACK: Duration = Duration::hours(1);

/// A certificate authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its private key, both in PEM.
#[derive(Debug)]
pub struct Signed {
    /// The certificate (public).
    pub certificate: String,
    /// The private key (secret).
    pub key: String,
}

/// A period of validity.
#[derive(Clone, Copy, Debug)]
pub struct Validity {
    /// The start of the period.
    pub from: OffsetDateTime,
    /// The end of the period.
    pub until: OffsetDateTime,
}

impl Validity {
    /// Returns the period of this many days from `now`. It starts one hour earlier, for verifiers
    /// whose clocks are behind.
    #[must_use]
    pub fn days(now: OffsetDateTime, days: u16) -> Self {
        Self { from: now - SLACK, until: now + Duration::days(days.into()) }
    }
}

impl Authority {
    /// Creates an authority.
    ///
    /// # Errors
    /// When the key cannot be generated or the certificate cannot be signed.
    pub fn new(validity: Validity) -> anyhow::Result<Self> {
        let mut params = params("Superhero Cluster test authority", Vec::new(), validity)?;
        // Path length 0: the authority signs nodes, not further authorities.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().context("generating the authority's key")?;
        Ok(Self {
            issuer: CertifiedIssuer::self_signed(params, key)
                .context("signing the authority's certificate")?,
        })
    }

    /// Returns the authority's certificate in PEM, which nodes and clients must trust.
    #[must_use]
    pub fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// Creates a certificate for this node. `hosts` are further names and addresses of the node,
    /// for browsers.
    ///
    /// # Errors
    /// When a name is not valid in a certificate, or the key cannot be generated.
    pub fn sign(&self, node: &str, hosts: &[String], validity: Validity) -> anyhow::Result<Signed> {
        let names = [node].into_iter().map(str::to_owned).chain(hosts.iter().cloned()).collect();
        let mut params = params(node, names, validity)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // Nodes are both servers and clients of each other.
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().with_context(|| format!("generating the key of {node}"))?;
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
    let mut params = CertificateParams::new(names)
        .with_context(|| format!("invalid name in the certificate of {common_name}"))?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    (params.not_before, params.not_after) = (validity.from, validity.until);
    Ok(params)
}
