//! Certificates for the nodes of a test, from an authority of its own.

use std::net::IpAddr;
use std::path::PathBuf;

use certs::{Authority, Validity};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tempfile::TempDir;
use time::OffsetDateTime;

use crate::nodes::NODES;

/// An authority's certificate, and one for each node with its key, in files.
#[derive(Debug)]
pub struct Certificates(TempDir);

impl Certificates {
    /// Creates certificates for nodes at this address, valid for a day.
    ///
    /// # Panics
    /// If they cannot be created.
    #[must_use]
    pub fn at(address: IpAddr) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be created");
        let validity = Validity::days(OffsetDateTime::now_utc(), 1);
        let authority = Authority::new(validity).expect("an authority");
        let write = |name: String, text: &str| {
            std::fs::write(directory.path().join(name), text)
                .expect("a file in a temporary directory")
        };
        write("ca.pem".into(), &authority.certificate());
        for node in NODES {
            let signed = authority
                .sign(node, &[address.to_string(), "localhost".into()], validity)
                .expect("a certificate");
            write(format!("{node}.pem"), &signed.certificate);
            write(format!("{node}-key.pem"), &signed.key);
        }
        Self(directory)
    }

    /// Returns the path of a file: `ca.pem`, `gotham.pem`, `gotham-key.pem`.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
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
}
