//! Credentials for a dispatch on another machine: a token, and the CA certificates to trust.
//!
//! Invariant: without CA certificates there is no encrypted connection. The system's own roots are
//! never used.

use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use crate::error::Error;

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
            let token =
                std::fs::read_to_string(path).map_err(|error| unusable(path, error.to_string()))?;
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
            let read = CertificateDer::pem_file_iter(path)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>);
            match read {
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
