//! The part of an API server of Kubernetes that discovery uses: TLS, bearer tokens, and lists of
//! endpoint slices.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::{Path as Segments, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

const TOKEN: &str = "the token of the pod";

/// The credentials of a pod, as files, and the authority behind them.
pub(crate) struct Account {
    directory: TempDir,
    namespace: String,
    authority: CertifiedIssuer<'static, KeyPair>,
}

/// A pod of the service.
pub(crate) struct Pod {
    pub(crate) address: SocketAddr,
    pub(crate) is_terminating: bool,
}

pub(crate) struct ApiServer {
    port: u16,
    refused: watch::Receiver<usize>,
    _tasks: JoinSet<()>,
}

struct Served {
    namespace: String,
    service: &'static str,
    pods: Vec<Pod>,
    refused: watch::Sender<usize>,
}

impl Account {
    pub(crate) fn new(namespace: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let directory = tempfile::tempdir().expect("a new directory");
        let account = Self { directory, namespace: namespace.to_owned(), authority };
        fs::write(account.directory.path().join("ca.crt"), account.authority.pem())
            .expect("it is written");
        fs::write(account.directory.path().join("namespace"), namespace).expect("it is written");
        account.replace_token(TOKEN);
        account
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn replace_token(&self, token: &str) {
        fs::write(self.directory.path().join("token"), format!("{token}\n"))
            .expect("it is written");
    }
}

impl ApiServer {
    /// Starts a server with the endpoints of one service, none of them ready yet.
    pub(crate) async fn start(account: &Account, service: &'static str, pods: Vec<Pod>) -> Self {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("an address");
        let certificate = params.signed_by(&key, &account.authority).expect("it is signed");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("known versions")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
            )
            .expect("they match");
        let (refused, seen) = watch::channel(0);
        let namespace = account.namespace.clone();
        let served = Arc::new(Served { namespace, service, pods, refused });
        let path = "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices";
        let router = Router::new().route(path, get(list)).with_state(served);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, router) = (acceptor.clone(), router.clone());
                connections.spawn(async move {
                    // A client may refuse the certificate.
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = TowerToHyperService::new(router);
                    let http = hyper::server::conn::http1::Builder::new();
                    let _ = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { port, refused: seen, _tasks: tasks }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the number of refused requests.
    pub(crate) fn refused(&self) -> usize {
        *self.refused.borrow()
    }

    /// Waits for this number of refused requests.
    pub(crate) async fn refuses(&self, number: usize) {
        let mut refused = self.refused.clone();
        let waited = timeout(Duration::from_secs(30), refused.wait_for(|all| *all >= number)).await;
        waited.expect("nodes ask again").expect("the server runs");
    }
}

fn status(code: StatusCode, message: &str) -> Response {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
        "message": message, "code": code.as_u16()});
    (code, Json(body)).into_response()
}

async fn list(
    State(served): State<Arc<Served>>,
    Segments(namespace): Segments<String>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Response {
    let token = headers.get(header::AUTHORIZATION).and_then(|token| token.to_str().ok());
    if token != Some(&format!("Bearer {TOKEN}")) {
        served.refused.send_modify(|refused| *refused += 1);
        return status(StatusCode::UNAUTHORIZED, "invalid bearer token");
    }
    if namespace != served.namespace {
        return status(StatusCode::FORBIDDEN, "endpointslices is forbidden");
    }
    let selector = format!("kubernetes.io/service-name={}", served.service);
    if query != [("labelSelector".to_owned(), selector)] {
        return status(StatusCode::BAD_REQUEST, "unable to parse requirement");
    }
    let slice = |pod: &Pod| {
        json!({
            "addressType": "IPv4",
            "metadata": {"labels": {"kubernetes.io/service-name": served.service}},
            "ports": [{"name": "http", "protocol": "TCP", "port": pod.address.port()}],
            "endpoints": [{
                "addresses": [pod.address.ip().to_string()],
                "conditions":
                    {"ready": false, "serving": false, "terminating": pod.is_terminating},
            }],
        })
    };
    let items: Vec<_> = served.pods.iter().map(slice).collect();
    Json(json!({"kind": "EndpointSliceList", "apiVersion": "discovery.k8s.io/v1", "items": items}))
        .into_response()
}
