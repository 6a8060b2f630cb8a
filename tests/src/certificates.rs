//! Certificates for the nodes of a test, from an authority of its own.

use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use certs::{Authority, Validity};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use time::OffsetDateTime;

use crate::nodes::NODES;

/// The validity of the first certificates, and of every authority.
const DAYS: u16 = 100;

/// An authority's certificate, and one for each node with its key, in files.
pub struct Certificates {
    directory: TempDir,
    address: IpAddr,
    authority: Mutex<Authority>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificates").field(&self.directory.path()).finish()
    }
}

impl Certificates {
    /// Creates certificates for nodes at this address, valid for a hundred days.
    ///
    /// # Panics
    /// If they cannot be created.
    #[must_use]
    pub fn at(address: IpAddr) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be created");
        let authority = Mutex::new(new_authority());
        let certificates = Self { directory, address, authority };
        certificates.issue_all();
        certificates
    }

    /// Replaces the authority, and the certificates of all nodes.
    ///
    /// # Panics
    /// If they cannot be created.
    pub fn rotate(&self) {
        *self.authority.lock().unwrap_or_else(PoisonError::into_inner) = new_authority();
        self.issue_all();
    }

    fn issue_all(&self) {
        let ca = self.authority.lock().unwrap_or_else(PoisonError::into_inner).certificate();
        self.replace("ca.pem", &ca);
        for node in NODES {
            self.issue(node, Duration::from_secs(u64::from(DAYS) * 24 * 3600));
        }
    }

    /// Replaces the certificate of a node by one that expires after this time, and returns when.
    ///
    /// # Panics
    /// If it cannot be created.
    pub fn issue(&self, node: &str, lasts: Duration) -> OffsetDateTime {
        let now = OffsetDateTime::now_utc();
        self.issue_until(node, now + lasts)
    }

    /// Replaces the certificate of a node by one that expired an hour ago.
    ///
    /// # Panics
    /// If it cannot be created.
    pub fn issue_expired(&self, node: &str) {
        self.issue_until(node, OffsetDateTime::now_utc() - Duration::from_secs(3_600));
    }

    fn issue_until(&self, node: &str, until: OffsetDateTime) -> OffsetDateTime {
        let validity = Validity { from: until - Duration::from_secs(300 * 24 * 3600), until };
        let signed = self
            .authority
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .sign(node, &[self.address.to_string(), "localhost".into()], validity)
            .expect("a certificate");
        self.replace(&format!("{node}.pem"), &signed.certificate);
        self.replace(&format!("{node}-key.pem"), &signed.key);
        until
    }

    /// Replaces a file.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn replace(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).expect("a file in a temporary directory");
    }

    /// Returns the path of a file: `ca.pem`, `gotham.pem`, `gotham-key.pem`.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Returns the options with which a node uses its certificate.
    #[must_use]
    pub fn options(&self, node: &str) -> [String; 3] {
        [
            ("cert", format!("{node}.pem")),
            ("key", format!("{node}-key.pem")),
            ("ca", "ca.pem".into()),
        ]
        .map(|(option, file)| format!("--tls-{option}={}", self.file(&file).display()))
    }

    /// Returns the authority's certificate.
    ///
    /// # Panics
    /// If the file cannot be read.
    #[must_use]
    pub fn authority(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.file("ca.pem")).expect("a certificate was written there")
    }

    /// Returns the certificate and the key of a node.
    ///
    /// # Panics
    /// If a file cannot be read.
    #[must_use]
    pub fn identity(&self, node: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        (
            CertificateDer::from_pem_file(self.file(&format!("{node}.pem")))
                .expect("a certificate"),
            PrivateKeyDer::from_pem_file(self.file(&format!("{node}-key.pem"))).expect("a key"),
        )
    }

    /// Returns the configuration of a client that trusts the authority, as the node `me` or without
    /// a certificate. Connections that share it resume each other's sessions if the server allows.
    ///
    /// # Panics
    /// If a file cannot be read.
    #[must_use]
    pub fn client(&self, me: Option<&str>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority()).expect("an authority");
        let builder =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("this provider's protocol versions")
                .with_root_certificates(roots);
        Arc::new(match me {
            None => builder.with_no_client_auth(),
            Some(me) => {
                let (certificate, key) = self.identity(me);
                builder
                    .with_client_auth_cert(vec![certificate], key)
                    .expect("a certificate and its key")
            }
        })
    }
}

fn new_authority() -> Authority {
    let validity = Validity::days(OffsetDateTime::now_utc(), DAYS);
    Authority::new(validity).expect("an authority")
}
