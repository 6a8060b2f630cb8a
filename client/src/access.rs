//! What it takes to be let in: a token, and whose certificates are believed.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use crate::error::Error;

/// What it takes to be let in by a dispatch that is not on this machine alone.
#[derive(Clone, Debug, Default)]
pub struct Access {
    pub(crate) token: Option<String>,
    authorities: Option<Vec<CertificateDer<'static>>>,
}

/// A connection to dispatch, and the headers that let it in.
pub struct Opened {
    /// The connection.
    pub connection: Box<dyn Connection>,
    /// Names and values.
    pub headers: Vec<(&'static str, String)>,
}

/// A connection, encrypted or not.
pub trait Connection: Read + Write {}
impl<T: Read + Write> Connection for T {}

impl Access {
    /// With the token in this file, and believing the certificates that those in the other (PEM) have signed.
    ///
    /// # Errors
    /// [`Error::Access`]: a file cannot be read, or holds nothing of its kind.
    pub fn read(token_file: Option<&Path>, authorities: Option<&Path>) -> Result<Self, Error> {
        let unusable = |path: &Path, why: String| Error::Access { path: path.display().to_string(), why };
        let token = token_file.map(|path| {
            let token = std::fs::read_to_string(path).map_err(|error| unusable(path, error.to_string()))?;
            let token = token.trim().to_owned();
            let can_be_sent = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
            if can_be_sent { Ok(token) } else { Err(unusable(path, "a token has letters, digits and punctuation, and no spaces".into())) }
        });
        let authorities = authorities.map(|path| {
            let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            match read {
                Ok(certificates) if certificates.is_empty() => Err(unusable(path, "there is no certificate in it".into())),
                Ok(certificates) => Ok(certificates),
                Err(error) => Err(unusable(path, error.to_string())),
            }
        });
        Ok(Self { token: token.transpose()?, authorities: authorities.transpose()? })
    }

    /// The same, with this token.
    #[must_use]
    pub fn with_token(self, token: Option<String>) -> Self {
        Self { token, ..self }
    }

    /// Whether there is somebody whose signature is believed.
    pub(crate) fn believes_somebody(&self) -> bool {
        self.authorities.is_some()
    }

    /// How HTTP is encrypted.
    pub(crate) fn for_http(&self) -> TlsConfig {
        let certificates: Vec<_> = self.authorities.iter().flatten().map(|der| Certificate::from_der(der).to_owned()).collect();
        TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(RootCerts::new_with_certs(&certificates))
            .build()
    }

    /// Goes on with TLS with who should be `host`.
    pub(crate) fn encrypt(&self, host: &str, stream: TcpStream) -> Result<Box<dyn Connection>, String> {
        let mut roots = RootCertStore::empty();
        for authority in self.authorities.iter().flatten() {
            roots.add(authority.clone()).map_err(|error| error.to_string())?;
        }
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name =
            ServerName::try_from(host.trim_start_matches('[').trim_end_matches(']').to_owned()).map_err(|error| error.to_string())?;
        let connection = ClientConnection::new(Arc::new(config), name).map_err(|error| error.to_string())?;
        Ok(Box::new(StreamOwned::new(connection, stream)))
    }
}
