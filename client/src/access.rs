//! Credentials for a node on another machine: a token, and the CA certificates to trust.
//!
//! Invariant: without CA certificates there is no encrypted connection. The system's own roots are
//! never used.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use crate::error::Error;

/// The largest file that is read, in bytes.
const BYTES_MAX: u64 = 1 << 20;
/// The byte order mark of UTF-8.
const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// Reads a file with a secret or certificates, without the byte order marks that some editors
/// write. In PEM they would hide the line after them.
///
/// # Errors
/// The file cannot be read, or is larger than 1 MiB.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(io::Error::other(format!("larger than the limit of {BYTES_MAX} bytes")));
    }
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

/// A token to send, and the CA certificates to trust.
#[derive(Clone, Debug, Default)]
pub struct Access {
    pub(crate) token: Option<String>,
    authorities: Option<Vec<CertificateDer<'static>>>,
}

impl Access {
    /// Reads a token from one file, and CA certificates (PEM) from another.
    ///
    /// # Errors
    /// [`Error::Access`]: a file cannot be read, or contains no valid token or certificate.
    pub fn read(token_file: Option<&Path>, authorities: Option<&Path>) -> Result<Self, Error> {
        let unusable =
            |path: &Path, why: String| Error::Access { path: path.display().to_string(), why };
        let token = token_file.map(|path| {
            let token = read(path).and_then(|bytes| {
                String::from_utf8(bytes).map_err(|_| io::Error::other("not valid UTF-8"))
            });
            let token = token.map_err(|error| unusable(path, error.to_string()))?;
            let token = token.trim().to_owned();
            let can_be_sent =
                !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
            if can_be_sent {
                Ok(token)
            } else {
                let why = "a token must be printable ASCII without spaces, and not empty";
                Err(unusable(path, why.into()))
            }
        });
        let authorities = authorities.map(|path| {
            let pem = read(path).map_err(|error| unusable(path, error.to_string()))?;
            match CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>() {
                Ok(certificates) if certificates.is_empty() => {
                    Err(unusable(path, "no certificate found".into()))
                }
                Ok(certificates) => Ok(certificates),
                Err(error) => Err(unusable(path, error.to_string())),
            }
        });
        Ok(Self { token: token.transpose()?, authorities: authorities.transpose()? })
    }

    /// Returns whether there are CA certificates to trust.
    pub(crate) fn has_authorities(&self) -> bool {
        self.authorities.is_some()
    }

    /// Returns the TLS configuration of HTTP requests.
    pub(crate) fn for_http(&self) -> TlsConfig {
        let trusted = self.authorities.iter().flatten();
        let certificates: Vec<_> =
            trusted.map(|der| Certificate::from_der(der).to_owned()).collect();
        // ureq is built without a default crypto provider, so one is passed explicitly.
        TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(RootCerts::new_with_certs(&certificates))
            .build()
    }

    /// Starts TLS on a connection to `host`.
    pub(crate) fn encrypt(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> Result<StreamOwned<ClientConnection, TcpStream>, String> {
        let mut roots = RootCertStore::empty();
        for authority in self.authorities.iter().flatten() {
            roots.add(authority.clone()).map_err(|error| error.to_string())?;
        }
        let config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|error| error.to_string())?
                .with_root_certificates(roots)
                .with_no_client_auth();
        // An IPv6 address is a server name only without its brackets.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host).map_err(|error| error.to_string())?;
        let connection =
            ClientConnection::new(Arc::new(config), name).map_err(|error| error.to_string())?;
        Ok(StreamOwned::new(connection, stream))
    }
}
