//! A node's one port: HTTP/1.1 with its own accept loop, and at `/cluster` the door for other nodes.
//!
//! The loop is our own because `axum::serve` gives hyper no timer, so a client that never finishes its headers would be
//! waited for without end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;
use tracing::{debug, warn};

use crate::link::connection;

/// How long a client may take to send its headers.
const HEADERS_PATIENCE: Duration = Duration::from_secs(10);
/// How many connections a node serves at once; further ones wait.
const CONNECTIONS_MAX: usize = 4_096;
/// How long accepting pauses when the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A peer at the door, not yet introduced.
pub struct Incoming {
    pub(super) socket: WebSocketStream<TokioIo<Upgraded>>,
    pub(super) address: String,
}

/// The way into a node for other nodes.
pub fn cluster_door(door: mpsc::Sender<Incoming>) -> Router {
    Router::new().route("/cluster", any(open)).with_state(door)
}

async fn open(State(door): State<mpsc::Sender<Incoming>>, ConnectInfo(address): ConnectInfo<SocketAddr>, mut request: Request) -> Response {
    let accept = match accept_key(request.headers()) {
        Ok(accept) => accept,
        Err(refusal) => return refusal.into_response(),
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        match upgrade.await {
            Ok(upgraded) => {
                let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(connection::limits())).await;
                // A full door means more strangers than can be looked at: this one is dropped and may come again.
                if door.try_send(Incoming { socket, address: address.to_string() }).is_err() {
                    warn!(%address, "too many peers at the door");
                }
            }
            Err(error) => debug!(%address, "upgrade failed: {error}"),
        }
    });
    let headers = [
        (header::CONNECTION, HeaderValue::from_static("Upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

/// The answer to the key of a WebSocket request (RFC 6455, section 4.2.1), or why this is none that a node would send.
fn accept_key(headers: &HeaderMap) -> Result<HeaderValue, impl IntoResponse + use<>> {
    let has = |name, token: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        value.split(',').any(|part| part.trim().eq_ignore_ascii_case(token))
    };
    let version = [(header::UPGRADE, "websocket"), (header::SEC_WEBSOCKET_VERSION, "13")];
    if headers.contains_key(header::ORIGIN) {
        return Err((StatusCode::FORBIDDEN, version, "this is the door for nodes, not for browsers\n"));
    }
    if !has(header::CONNECTION, "upgrade") || !has(header::UPGRADE, "websocket") || !has(header::SEC_WEBSOCKET_VERSION, "13") {
        return Err((StatusCode::UPGRADE_REQUIRED, version, "this is a WebSocket endpoint for the nodes of a superhero cluster\n"));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|key| key.len() == 24);
    let accept = key.and_then(|key| HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok());
    accept.ok_or((StatusCode::BAD_REQUEST, version, "Sec-WebSocket-Key is missing or malformed\n"))
}

/// Serves `router` on `listener` until `stop`, each connection as a task of `tasks`.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken, tasks: TaskTracker) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let place = Arc::clone(&places).acquire_owned().await.expect("the semaphore is never closed");
        let (stream, address) = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Mostly: no file descriptors left. Those in use will come back.
                    warn!("cannot accept a connection: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        let _ = stream.set_nodelay(true);
        let (router, stop) = (router.clone(), stop.clone());
        tasks.spawn(async move {
            let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
                request.extensions_mut().insert(ConnectInfo(address));
                let mut router = router.clone();
                async move { Ok::<_, Infallible>(router.call(request).await.unwrap_or_else(|never| match never {})) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADERS_PATIENCE)
                .max_headers(100)
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            let mut connection = std::pin::pin!(connection);
            let served = tokio::select! {
                served = connection.as_mut() => served,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = served {
                debug!(%address, "connection ended: {error}");
            }
            drop(place);
        });
    }
}
