//! A node's one port: HTTP/1.1 with its own accept loop, and at `/cluster` the door for other nodes.
//!
//! The loop is our own because `axum::serve` gives hyper no timer, so a client that never finishes its headers would be
//! waited for without end. Invariant: whatever comes in, those who are connected already are served as before; who finds no place
//! is told so.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{ConnectInfo, Extension, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;
use tracing::{debug, warn};

use crate::link::connection;
use crate::link::places::{Place, Places};
use crate::link::problem::Problem;
use crate::link::tls::{Certificate, Stream, Tls};
use crate::link::upgrade::{Socket, not_upgraded, upgrade};
use crate::meter::{counter, node};

/// How long accepting pauses when the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How many who find no place are told so at the same time; further ones are just dropped.
const REFUSALS_MAX: usize = 64;
/// How long somebody who is refused may take to read why.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(1);
/// How much of a connection is held that has not been looked at, in bytes. The headers of a request must fit.
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// How every conversation in TLS begins.
const TLS_HANDSHAKE: u8 = 0x16;

/// What connections may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many are served at once, live sockets and links among them; further ones are refused with 503.
    pub connections: usize,
    /// How many of them from one address.
    pub connections_per_address: usize,
    /// How long a client may take to begin, and to send the headers of each request; so long may it also be silent between two.
    pub header_timeout: Duration,
    /// How long a client may take nothing of what it is sent.
    pub idle_timeout: Duration,
}

/// A node's port, and how it is kept.
#[derive(Debug)]
pub struct Port {
    /// Where connections come in.
    pub listener: TcpListener,
    /// Everything on this port is encrypted by this, if there is one.
    pub tls: Option<Tls>,
    /// What connections may cost.
    pub limits: Limits,
}

/// A peer at the door, not yet introduced.
pub struct Incoming {
    pub(super) socket: Socket,
    pub(super) address: String,
    pub(super) certificate: Option<Certificate>,
    /// Its place among the connections.
    pub(super) place: Arc<Place>,
}

/// Who is at the other end of a connection, as far as TLS knows.
#[derive(Clone, Debug)]
pub(super) enum Caller {
    /// It came without TLS, since there is none here.
    Plain,
    /// It showed no certificate: a browser, or a stranger.
    Unknown,
    /// It showed one of this cluster's.
    Certified(Certificate),
}

/// The way into a node for other nodes.
pub fn cluster_door(door: mpsc::Sender<Incoming>, frame_bytes_max: usize) -> Router {
    Router::new().route("/cluster", get(open)).with_state((door, frame_bytes_max))
}

async fn open(
    State((door, frame_bytes_max)): State<(mpsc::Sender<Incoming>, usize)>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    Extension(caller): Extension<Caller>,
    Extension(place): Extension<Arc<Place>>,
    request: Request,
) -> Response {
    let refused = |code, detail| not_upgraded(Problem::new(StatusCode::FORBIDDEN, code, detail));
    if request.headers().contains_key(header::ORIGIN) {
        return refused("foreign_origin", "this is the door for nodes, not for browsers");
    }
    let certificate = match caller {
        Caller::Plain => None,
        Caller::Certified(certificate) => Some(certificate),
        Caller::Unknown => return refused("not_a_member", "this is the door for nodes, which show a certificate of this cluster"),
    };
    upgrade(request, connection::limits(frame_bytes_max), async move |socket| {
        // A full door means more strangers than can be looked at: this one is dropped and may come again.
        if door.try_send(Incoming { socket, address: address.to_string(), certificate, place }).is_err() {
            counter!(node::STRANGERS.name, "reason" => "too_many").increment(1);
            warn!(%address, "too many peers at the door");
        }
    })
}

/// Serves `router` on `port` until `stop`, each connection as a task of `tasks`.
pub async fn serve(port: Port, router: Router, stop: CancellationToken, tasks: TaskTracker) {
    let Port { listener, tls, limits } = port;
    let places = Places::new(limits.connections, limits.connections_per_address);
    let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
    loop {
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
        let Ok(place) = places.take(address.ip()) else {
            debug!(%address, "no place for one more connection");
            // Who speaks TLS could not read it; who finds no place even here is dropped.
            if let (None, Ok(turn)) = (&tls, Arc::clone(&refusals).try_acquire_owned()) {
                tasks.spawn(async move {
                    refuse(stream, Problem::unavailable("no_place", "too many connections are open; nothing was changed")).await;
                    drop(turn);
                });
            }
            continue;
        };
        let (router, stop, tls) = (router.clone(), stop.clone(), tls.clone());
        tasks.spawn(async move {
            let opened = tokio::select! {
                opened = timeout(limits.header_timeout, begin(stream, tls.as_ref())) => opened,
                () = stop.cancelled() => return,
            };
            match opened {
                Ok(Ok((stream, caller))) => converse(stream, Whom { address, caller, place: Arc::new(place) }, router, limits, stop).await,
                Ok(Err(error)) => debug!(%address, "no TLS: {error}"),
                Err(_) => debug!(%address, "said nothing"),
            }
        });
    }
}

/// Begins the conversation: with TLS, where there is some.
async fn begin(stream: TcpStream, tls: Option<&Tls>) -> io::Result<(Stream, Caller)> {
    let Some(tls) = tls else { return Ok((Either::Left(stream), Caller::Plain)) };
    let mut first = [0];
    if stream.peek(&mut first).await? == 1 && first != [TLS_HANDSHAKE] {
        let why = "this port speaks TLS: the address begins with https; nothing was changed";
        refuse(stream, Problem::malformed("tls_required", why)).await;
        return Err(io::Error::new(io::ErrorKind::InvalidData, "speaks no TLS, and was told to"));
    }
    let (stream, certificate) = tls.accept(stream).await?;
    Ok((stream, certificate.map_or(Caller::Unknown, Caller::Certified)))
}

/// Who is at the other end.
#[derive(Clone)]
struct Whom {
    address: SocketAddr,
    caller: Caller,
    /// A socket that the connection becomes keeps it.
    place: Arc<Place>,
}

/// Answers the requests of one connection until it ends.
async fn converse(stream: Stream, whom: Whom, router: Router, limits: Limits, stop: CancellationToken) {
    let address = whom.address;
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(whom.address));
        request.extensions_mut().insert(whom.caller.clone());
        request.extensions_mut().insert(Arc::clone(&whom.place));
        let mut router = router.clone();
        async move { Ok::<_, Infallible>(router.call(request).await.unwrap_or_else(|never| match never {})) }
    });
    // Reading has its own patience: that of headers, bodies and live sockets.
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.idle_timeout));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(100)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(Box::pin(stream)), service)
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
}

/// Says why there will be no conversation. What was said meanwhile is dropped: left unread, it would break the connection before the reason
/// is read.
async fn refuse(mut stream: TcpStream, why: Problem) {
    let _ = timeout(REFUSAL_PATIENCE, async {
        let (head, body) = why.into_response().into_parts();
        let mut answer = format!("HTTP/1.1 {}\r\nconnection: close\r\n", head.status).into_bytes();
        for (name, value) in &head.headers {
            answer.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        answer.extend(b"\r\n");
        answer.extend(to_bytes(body, BUFFER_BYTES_MAX).await.map_err(io::Error::other)?);
        stream.write_all(&answer).await?;
        stream.shutdown().await?;
        let mut dropped = [0; 1_024];
        while stream.read(&mut dropped).await? > 0 {}
        io::Result::Ok(())
    })
    .await;
}
