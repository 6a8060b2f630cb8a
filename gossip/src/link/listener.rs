//! The port of a node: HTTP/1.1 with its own accept loop, and `/cluster`, where other nodes
//! connect.
//!
//! `axum::serve` is not used because it gives hyper no timer, so a client that never finishes its
//! headers would be waited for without limit.
//!
//! Invariant: new connections do not affect open ones; a connection over the limit is refused with
//! a reason.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{ConnectInfo, Extension, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;
use tracing::{debug, warn};

use crate::link::connection;
use crate::link::connection_limit::{ConnectionLimit, Permit};
use crate::link::driver::log_too_many;
use crate::link::header_timer::observed;
use crate::link::host;
use crate::link::log_limit::{Due, LogLimit, without_digits};
use crate::link::problem::Problem;
use crate::link::telemetry::Telemetry;
use crate::link::tls::{self, Certificate, Stream, Tls};
use crate::link::upgrade::{Socket, not_upgraded, upgrade};

/// The pause after a failure to accept, usually for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The maximum number of refusals sent at the same time; further connections are dropped without
/// one. Each refusal holds a file descriptor for up to [`REFUSAL_TIMEOUT`].
const REFUSALS_MAX: usize = 64;
/// The time limit for a refused client to read the reason.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);
/// The size of the read buffer, in bytes. It limits the headers of a request, and every connection
/// may fill it.
const BUFFER_BYTES_MAX: usize = 16 * 1024;
/// The header with the time for which a connection is kept.
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
/// The minimum difference between the advertised and the actual time, for delays of the network.
const KEEP_ALIVE_MARGIN: Duration = Duration::from_millis(500);
/// The first byte of a TLS connection: the content type of a handshake record.
const TLS_HANDSHAKE: u8 = 0x16;

/// The limits of a port's connections.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The maximum number of open connections, including WebSockets and links. Further ones are
    /// refused with 503. Default: 4,096.
    pub connections: usize,
    /// The maximum number of open connections from one address. Default: 2,048.
    pub connections_per_address: usize,
    /// The time limit for the first byte of a request, from the start of the connection or the end
    /// of the previous request; and the time limit for its headers, from that byte.
    pub header_timeout: Duration,
    /// The time after which a connection is closed if the client accepts no data.
    pub idle_timeout: Duration,
}

/// The limits for a node of a small cluster.
impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            connections_per_address: 2_048,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
        }
    }
}

/// A listener with its TLS configuration and limits.
#[derive(Debug)]
pub struct Port {
    /// The listener.
    pub listener: TcpListener,
    /// The certificates for TLS; `None` for plain TCP.
    pub tls: Option<Tls>,
    /// The limits of connections.
    pub limits: Limits,
}

/// An incoming connection of a peer that is not authenticated yet.
pub(super) struct Incoming {
    pub(super) socket: Socket,
    pub(super) address: SocketAddr,
    pub(super) certificate: Option<Certificate>,
    /// The permit of the connection.
    pub(super) permit: Arc<Permit>,
}

/// The other end of a connection, as identified by TLS.
#[derive(Clone, Debug)]
pub(super) enum Caller {
    /// A client without TLS, since this node uses none.
    Plain,
    /// A client without a certificate, for example a browser.
    Unknown,
    /// A client with a certificate of this cluster.
    Certified(Certificate),
}

/// The state of the route `/cluster`.
#[derive(Clone)]
struct ClusterRoute {
    incoming: mpsc::Sender<Incoming>,
    frame_bytes_max: usize,
    telemetry: Arc<dyn Telemetry>,
    /// The refusals logged recently.
    logged: Arc<LogLimit<(String, IpAddr)>>,
}

/// Returns the route `/cluster`, which sends connecting peers to `incoming`.
pub(super) fn cluster_route(
    incoming: mpsc::Sender<Incoming>,
    frame_bytes_max: usize,
    telemetry: Arc<dyn Telemetry>,
) -> Router {
    let state = ClusterRoute { incoming, frame_bytes_max, telemetry, logged: Arc::default() };
    Router::new().route("/cluster", get(connect)).with_state(state)
}

async fn connect(
    State(ClusterRoute { incoming, frame_bytes_max, telemetry, logged }): State<ClusterRoute>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    Extension(caller): Extension<Caller>,
    Extension(permit): Extension<Arc<Permit>>,
    request: Request,
) -> Response {
    let refused = |code, detail| not_upgraded(Problem::new(StatusCode::FORBIDDEN, code, detail));
    // Browsers send this header with WebSocket requests, nodes do not. So a foreign page cannot
    // connect through its visitor's browser.
    if request.headers().contains_key(header::ORIGIN) {
        return refused("foreign_origin", "this endpoint is for nodes, not for browsers");
    }
    let certificate = match caller {
        Caller::Plain => None,
        Caller::Certified(certificate) => Some(certificate),
        Caller::Unknown => {
            let detail = "this endpoint requires a certificate of this cluster";
            return refused("not_a_member", detail);
        }
    };
    upgrade(request, connection::limits(frame_bytes_max), async move |socket| {
        // If the queue is full the peer is dropped, and dials again later.
        if incoming.try_send(Incoming { socket, address, certificate, permit }).is_err() {
            telemetry.peer_refused("too_many");
            log_too_many(&logged, address);
        }
    })
}

/// Serves `router` on `port` until `stop` is cancelled. Each connection runs as a task of `tasks`.
pub async fn serve(port: Port, router: Router, stop: CancellationToken, tasks: TaskTracker) {
    let Port { listener, tls, limits } = port;
    let permits = ConnectionLimit::new(limits.connections, limits.connections_per_address);
    let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
    let (not_accepted, not_encrypted) = (LogLimit::default(), Arc::new(LogLimit::default()));
    loop {
        let (stream, address) = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Usually the process is out of file descriptors, and others will be closed.
                    // Without a pause the loop would spin.
                    if let Some(Due { unlogged }) = not_accepted.due(error.kind(), Instant::now()) {
                        warn!(unlogged, "cannot accept a connection: {error}");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        // An error is ignored: without the option the connection is slower, but works.
        let _ = stream.set_nodelay(true);
        let Ok(permit) = permits.acquire(address.ip()) else {
            debug!(%address, "connection limit reached");
            // Only without TLS: a TLS client could not read a plain refusal.
            if let (None, Ok(turn)) = (&tls, Arc::clone(&refusals).try_acquire_owned()) {
                tasks.spawn(async move {
                    refuse(
                        stream,
                        Problem::unavailable(
                            "no_place",
                            "connection limit reached; nothing was changed",
                        ),
                    )
                    .await;
                    drop(turn);
                });
            }
            continue;
        };
        let (router, stop, tls) = (router.clone(), stop.clone(), tls.clone());
        let not_encrypted = Arc::clone(&not_encrypted);
        tasks.spawn(async move {
            // In the task, so that a slow TLS handshake does not block accepting.
            let opened = tokio::select! {
                opened = timeout(limits.header_timeout, begin(stream, tls.as_ref())) => opened,
                () = stop.cancelled() => return,
            };
            match opened {
                Ok(Ok((stream, caller))) => {
                    let client = Client { address, caller, permit: Arc::new(permit) };
                    serve_connection(stream, client, router, limits, stop).await;
                }
                Ok(Err(error)) => log_not_encrypted(&not_encrypted, address, &error),
                Err(_) => debug!(%address, "TLS handshake timed out"),
            }
        });
    }
}

/// Logs that there is no TLS connection. A certificate that is refused is probably that of a node,
/// so it is a warning, unless its cause was logged recently.
fn log_not_encrypted(logged: &LogLimit<(String, IpAddr)>, address: SocketAddr, error: &io::Error) {
    if !tls::is_refused_certificate(error) {
        debug!(%address, "TLS handshake failed: {error}");
        return;
    }
    let cause = (without_digits(&error.to_string()), address.ip());
    if let Some(Due { unlogged }) = logged.due(cause, Instant::now()) {
        warn!(%address, unlogged, "the certificate of a client is refused: {error}");
    }
}

/// Starts TLS, if the port uses it.
async fn begin(stream: TcpStream, tls: Option<&Tls>) -> io::Result<(Stream, Caller)> {
    let Some(tls) = tls else { return Ok((Either::Left(stream), Caller::Plain)) };
    // Peeked, so that a client without TLS gets a readable response instead of a TLS alert.
    let mut first = [0];
    if stream.peek(&mut first).await? == 1 && first != [TLS_HANDSHAKE] {
        let detail = "this port requires TLS: use an https URL; nothing was changed";
        refuse(stream, Problem::malformed("tls_required", detail)).await;
        return Err(io::Error::new(io::ErrorKind::InvalidData, "client without TLS"));
    }
    let (stream, certificate) = tls.accept(stream).await?;
    Ok((stream, certificate.map_or(Caller::Unknown, Caller::Certified)))
}

/// The other end of a connection.
#[derive(Clone)]
struct Client {
    address: SocketAddr,
    caller: Caller,
    /// Shared, because a WebSocket keeps the permit after the upgrade.
    permit: Arc<Permit>,
}

/// Serves the requests of one connection until it ends.
async fn serve_connection(
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    client: Client,
    router: Router,
    limits: Limits,
    stop: CancellationToken,
) {
    let address = client.address;
    let keep_alive = keep_alive(limits.header_timeout);
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(client.address));
        request.extensions_mut().insert(client.caller.clone());
        request.extensions_mut().insert(Arc::clone(&client.permit));
        let (mut router, keep_alive) = (router.clone(), keep_alive.clone());
        let is_last = request.version() != Version::HTTP_11 || is_closing(request.headers());
        async move {
            if let Some(problem) = host::problem(&request) {
                // The rest of the connection may be meant for another host, too.
                let close = [(header::CONNECTION, HeaderValue::from_static("close"))];
                return Ok((close, problem).into_response());
            }
            let mut response = router.call(request).await.unwrap_or_else(|never| match never {});
            if let Some(keep_alive) = keep_alive
                && !is_last
                && response.status() != StatusCode::SWITCHING_PROTOCOLS
                && !response.headers().contains_key(header::CONNECTION)
            {
                response.headers_mut().insert(KEEP_ALIVE, keep_alive);
                let connection = HeaderValue::from_static("keep-alive");
                response.headers_mut().insert(header::CONNECTION, connection);
            }
            Ok::<_, Infallible>(response)
        }
    });
    // Only for writing: reading has its own timeouts for headers, bodies and WebSockets.
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.idle_timeout));
    let (stream, timer) = observed(Box::pin(stream), limits.header_timeout);
    let connection = http1::Builder::new()
        .timer(timer)
        .header_read_timeout(limits.header_timeout)
        .max_headers(100)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let served = tokio::select! {
        // The connection first, so that a request that has arrived is answered.
        biased;
        served = connection.as_mut() => served,
        () = stop.cancelled() => {
            // The current request is still answered.
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        debug!(%address, "connection ended: {error}");
    }
}

/// Returns the value of `Keep-Alive` for this limit: the whole seconds for which a client may keep
/// an idle connection. It is below the limit, so that a request is not on its way when the
/// connection is closed; `None` if that leaves nothing.
fn keep_alive(limit: Duration) -> Option<HeaderValue> {
    let seconds = limit.saturating_sub((limit / 5).max(KEEP_ALIVE_MARGIN)).as_secs();
    (seconds > 0).then(|| {
        HeaderValue::try_from(format!("timeout={seconds}")).expect("the value is visible ASCII")
    })
}

/// Returns whether the client closes the connection after this request.
fn is_closing(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(header::CONNECTION).into_iter();
    let mut options = lists.filter_map(|list| list.to_str().ok()).flat_map(|list| list.split(','));
    options.any(|option| option.trim().eq_ignore_ascii_case("close"))
}

/// Responds with the reason for refusing a connection. Input is discarded: left unread, it would
/// reset the connection before the client reads the reason.
async fn refuse(mut stream: TcpStream, problem: Problem) {
    // Errors are ignored: the connection is dropped in any case.
    let _ = timeout(REFUSAL_TIMEOUT, async {
        let (head, body) = problem.into_response().into_parts();
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

#[cfg(test)]
mod tests {
    use super::*;

    use tokio::io::{DuplexStream, duplex};

    const HOUR: Duration = Duration::from_secs(3_600);

    /// Serves one connection, and returns the client's end of it.
    fn connect(header_timeout: Duration, stop: CancellationToken) -> DuplexStream {
        let (client, stream) = duplex(64 * 1024);
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let permit = ConnectionLimit::new(1, 1).acquire(address.ip()).expect("the first permit");
        let peer = Client { address, caller: Caller::Plain, permit: Arc::new(permit) };
        let router = Router::new().route("/", get(async || "answer"));
        let limits = Limits { header_timeout, ..Limits::default() };
        tokio::spawn(serve_connection(stream, peer, router, limits, stop));
        client
    }

    async fn received(client: &mut DuplexStream, end: &str) -> String {
        let mut text = Vec::new();
        while !text.ends_with(end.as_bytes()) {
            let byte = client.read_u8().await;
            text.push(
                byte.unwrap_or_else(|error| {
                    panic!("{error}: {:?}", String::from_utf8_lossy(&text))
                }),
            );
        }
        String::from_utf8(text).expect("an ASCII response")
    }

    #[tokio::test]
    async fn kept_connection_states_a_time_below_its_limit() {
        for (limit, seconds) in
            [(10_000, Some(8)), (30_000, Some(24)), (1_500, Some(1)), (1_000, None)]
        {
            let mut client = connect(Duration::from_millis(limit), CancellationToken::new());
            client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("a pipe");
            let response = received(&mut client, "answer").await;
            let stated = seconds.map(|seconds| format!("keep-alive: timeout={seconds}\r\n"));
            match stated {
                Some(stated) => assert!(
                    response.contains(&stated) && response.contains("connection: keep-alive\r\n"),
                    "{response}"
                ),
                None => assert!(!response.contains("keep-alive"), "{response}"),
            }
        }
    }

    #[tokio::test]
    async fn closed_connection_states_no_time() {
        for request in [
            "GET / HTTP/1.1\r\nhost: a\r\nconnection: Close\r\n\r\n",
            "GET / HTTP/1.0\r\nhost: a\r\n\r\n",
        ] {
            let mut client = connect(HOUR, CancellationToken::new());
            client.write_all(request.as_bytes()).await.expect("a pipe");
            let mut response = String::new();
            client.read_to_string(&mut response).await.expect("the server closes");
            assert!(!response.contains("timeout="), "{response}");
        }
    }

    #[tokio::test]
    async fn request_that_arrived_before_the_limit_or_the_stop_is_answered() {
        for _ in 0..1_000 {
            // The limit is over and the process stops before the connection is first polled.
            let stop = CancellationToken::new();
            stop.cancel();
            let mut client = connect(Duration::ZERO, stop);
            client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("a pipe");
            assert!(received(&mut client, "answer").await.starts_with("HTTP/1.1 200"));
        }
    }
}
