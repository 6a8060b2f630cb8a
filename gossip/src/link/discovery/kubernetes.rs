//! Discovery by the API server of Kubernetes: the endpoints of a service.
//!
//! Pods that are not ready are found, too: a node is ready once it has joined, and joins once it has
//! found others. A headless service with `publishNotReadyAddresses` can be found by DNS instead.

use std::fmt;
use std::io::Read as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::body::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::Request;
use hyper::header::{ACCEPT, AUTHORIZATION, HOST};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::link::discovery::{Discovery, Found, Own};

/// The directory in which a pod finds its credentials.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The size limit of a file of the account, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// The size limit of a response, in bytes.
const RESPONSE_BYTES_MAX: usize = 4 << 20;
/// The time after which the server is asked again.
const VALID_FOR: Duration = Duration::from_secs(2);
/// The maximum number of characters of a name.
const NAME_CHARS_MAX: usize = 63;

/// Discovery by the API server of Kubernetes. The pod's service account must be allowed to list
/// endpoint slices of its namespace.
#[derive(Clone, Debug)]
pub struct Kubernetes {
    service: String,
    namespace: Option<String>,
    port: Option<u16>,
    account: PathBuf,
    server: Option<(String, u16)>,
}

/// A list of endpoint slices, of the API `discovery.k8s.io/v1`.
#[derive(Debug, Deserialize)]
struct EndpointSliceList {
    #[serde(default)]
    items: Vec<EndpointSlice>,
}

#[derive(Debug, Deserialize)]
struct EndpointSlice {
    endpoints: Option<Vec<Endpoint>>,
    ports: Option<Vec<EndpointPort>>,
}

#[derive(Debug, Deserialize)]
struct Endpoint {
    #[serde(default)]
    addresses: Vec<String>,
    conditions: Option<Conditions>,
}

#[derive(Debug, Deserialize)]
struct Conditions {
    terminating: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct EndpointPort {
    port: Option<u16>,
}

/// The server's description of an error.
#[derive(Debug, Deserialize)]
struct Status {
    message: Option<String>,
}

impl Kubernetes {
    /// Returns the discovery of the pods of a service, at the service's first port.
    #[must_use]
    pub fn new(service: &str) -> Self {
        Self {
            service: service.to_owned(),
            namespace: None,
            port: None,
            account: ACCOUNT.into(),
            server: None,
        }
    }

    /// Sets the namespace of the service. Default: that of the pod.
    #[must_use]
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// Sets the port of the nodes.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Sets the directory with the files `token`, `ca.crt` and `namespace`, instead of that of the pod.
    #[must_use]
    pub fn account(mut self, directory: impl Into<PathBuf>) -> Self {
        self.account = directory.into();
        self
    }

    /// Sets the host and the port of the API server, instead of those in the variables
    /// `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`.
    #[must_use]
    pub fn server(mut self, host: &str, port: u16) -> Self {
        self.server = Some((host.to_owned(), port));
        self
    }

    async fn find(&self) -> anyhow::Result<Found> {
        // Read each time, since tokens expire and are replaced.
        let token = self.read("token")?;
        let authorities = self.read("ca.crt")?;
        let namespace = match &self.namespace {
            Some(namespace) => namespace.clone(),
            None => self.read("namespace")?.trim().to_owned(),
        };
        for name in [&namespace, &self.service] {
            anyhow::ensure!(is_name(name), "{name:?} is not a name of Kubernetes");
        }
        let (host, port) = self.host_and_port()?;
        let path = format!(
            "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices\
             ?labelSelector=kubernetes.io%2Fservice-name%3D{}",
            self.service
        );
        let stream = connect(&host, port, authorities.as_bytes())
            .await
            .with_context(|| format!("connecting to the API server {host}:{port}"))?;
        let body = get(stream, &host, &path, token.trim()).await?;
        let list = serde_json::from_slice(&body).context("reading the list of endpoint slices")?;
        Ok(Found { addresses: self.addresses(list), valid_for: VALID_FOR })
    }

    fn addresses(&self, list: EndpointSliceList) -> Vec<String> {
        let mut addresses = Vec::new();
        for slice in list.items {
            let first = slice.ports.iter().flatten().find_map(|port| port.port);
            let Some(port) = self.port.or(first) else { continue };
            let is_terminating =
                |endpoint: &Endpoint| endpoint.conditions.as_ref().and_then(|all| all.terminating);
            let endpoints = slice.endpoints.into_iter().flatten();
            for endpoint in endpoints.filter(|endpoint| is_terminating(endpoint) != Some(true)) {
                // Slices of type FQDN contain names, which nothing in this cluster uses.
                let ips = endpoint.addresses.iter().filter_map(|ip| ip.parse::<IpAddr>().ok());
                addresses.extend(ips.map(|ip| SocketAddr::new(ip, port).to_string()));
            }
        }
        addresses
    }

    fn read(&self, file: &str) -> anyhow::Result<String> {
        let path: &Path = &self.account.join(file);
        let mut text = String::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text))
            .with_context(|| format!("reading {}", path.display()))?;
        Ok(text)
    }

    fn host_and_port(&self) -> anyhow::Result<(String, u16)> {
        if let Some(server) = &self.server {
            return Ok(server.clone());
        }
        let variable = |name: &str| {
            std::env::var(name).with_context(|| format!("{name} is not set: this is not a pod"))
        };
        let port = variable("KUBERNETES_SERVICE_PORT")?;
        let port = port.parse().context("KUBERNETES_SERVICE_PORT is not a port")?;
        Ok((variable("KUBERNETES_SERVICE_HOST")?, port))
    }
}

fn is_name(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=NAME_CHARS_MAX).contains(&text.len()) && text.bytes().all(is_allowed)
}

async fn connect(
    host: &str,
    port: u16,
    authorities: &[u8],
) -> anyhow::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authorities) {
        roots.add(certificate.context("reading ca.crt")?).context("reading ca.crt")?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned())?;
    let stream = TcpStream::connect((host, port)).await?;
    Ok(TlsConnector::from(Arc::new(config)).connect(name, stream).await?)
}

async fn get(
    stream: TlsStream<TcpStream>,
    host: &str,
    path: &str,
    token: &str,
) -> anyhow::Result<Bytes> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path)
        .header(HOST, host)
        .header(ACCEPT, "application/json")
        .header(AUTHORIZATION, format!("Bearer {token}"))
        .body(Empty::<Bytes>::new())
        .context("the token is not printable")?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), RESPONSE_BYTES_MAX).collect().await;
        let body = body.map_err(anyhow::Error::from_boxed)?.to_bytes();
        if status.is_success() {
            return Ok(body);
        }
        let message =
            serde_json::from_slice::<Status>(&body).ok().and_then(|status| status.message);
        anyhow::bail!("the API server answered {status}: {}", message.unwrap_or_default())
    };
    tokio::pin!(exchange);
    // The connection drives the exchange. It is not a task, so that it ends with this look.
    tokio::select! {
        answer = &mut exchange => answer,
        ended = connection => {
            ended?;
            // The last bytes may have arrived with the end.
            exchange.await
        }
    }
}

impl fmt::Display for Kubernetes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("kubernetes:")?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.service)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl Discovery for Kubernetes {
    fn look<'a>(&'a mut self, _: &'a Own) -> BoxFuture<'a, anyhow::Result<Found>> {
        Box::pin(self.find())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(json: &str) -> Vec<String> {
        Kubernetes::new("heroes").addresses(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn endpoints_are_found_before_they_are_ready_and_not_while_they_terminate() {
        let json = r#"{"kind": "EndpointSliceList", "items": [
            {"addressType": "IPv4", "ports": [{"name": "http", "port": 4900}], "endpoints": [
                {"addresses": ["10.0.0.1"], "conditions": {"ready": false, "serving": false}},
                {"addresses": ["10.0.0.2"], "conditions": {"ready": false, "terminating": true}},
                {"addresses": ["10.0.0.3"]}]},
            {"addressType": "IPv6", "ports": [{"port": 4900}],
                "endpoints": [{"addresses": ["fd00::1"]}]},
            {"addressType": "FQDN", "ports": [{"port": 1}], "endpoints": [{"addresses": ["x.y"]}]},
            {"addressType": "IPv4", "ports": null, "endpoints": null}]}"#;
        assert_eq!(addresses(json), ["10.0.0.1:4900", "10.0.0.3:4900", "[fd00::1]:4900"]);
        assert!(addresses("{}").is_empty());
    }

    #[test]
    fn names_that_would_change_the_path_are_refused() {
        for name in ["", "a/b", "a?b", "a.b", "A", "é", &"a".repeat(64)] {
            assert!(!is_name(name), "{name:?}");
        }
        assert!(is_name("super-heroes-2"));
    }
}
