//! The HTTP of dispatch from the first byte of a request, and the live socket of a page.
//!
//! Claims: nothing panics or hangs; no response has status 500; refusals are valid HTTP. Each input
//! is processed by a new dispatch, so a failing input fails again when run alone.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use dispatch_node::dispatch::Event;
use dispatch_node::web::{self, DispatchHandle, LauncherClient, Limits, Responder, Settings};
use gossip::link::{Cluster, ClusterServer};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use node_api::access::guard::Guard;
use node_api::access::policy::AccessPolicy;
use node_api::access::tokens::Tokens;
use node_api::types::Services;
use shared::options::well_known_cities;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower_service::Service as _;

use crate::harness::Harness;
use crate::step::Step;

/// The time limit of one input. Nothing waits for external events, so only a hang reaches it.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The buffer of the connection in each direction.
const PIPE_BYTES: usize = 64 * 1024;
/// The most messages sent to a live socket; a page that sends more is disconnected.
const MESSAGES_MAX: usize = 50;
/// An address without a listener.
const UNUSED: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// Sends these bytes to the HTTP port of dispatch.
///
/// # Panics
/// When a claim does not hold.
pub fn port(bytes: &[u8]) {
    let response = exchange(bytes);
    if !response.is_empty() {
        let start = String::from_utf8_lossy(&response[..response.len().min(200)]);
        assert!(response.starts_with(b"HTTP/1."), "not an HTTP response: {start:?}");
    }
    let failed = response.windows(12).any(|window| window == b"HTTP/1.1 500");
    assert!(!failed, "{:?}", String::from_utf8_lossy(&response));
}

/// Opens a live socket of a page: the first line is the query of its URL, each further line is a
/// message.
///
/// # Panics
/// When a claim does not hold.
pub fn page(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    // A browser sends only these characters in a query; others are covered by the `http` target.
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"&=%+-_.".contains(byte);
    let query = lines.next().unwrap_or_default();
    let mut request = b"GET /live?".to_vec();
    request.extend(query.iter().copied().filter(allowed).take(2_000));
    request
        .extend(b" HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n");
    request.extend(
        b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    for message in lines.take(MESSAGES_MAX) {
        request.extend(text_frame(message));
    }
    let response = exchange(&request);
    let start = String::from_utf8_lossy(&response[..response.len().min(300)]);
    assert!(response.starts_with(b"HTTP/1.1 101 "), "live socket refused: {start:?}");
}

/// Returns the WebSocket frame of a message from a browser (RFC 6455, section 5.2), masked with
/// zeros.
fn text_frame(message: &[u8]) -> Vec<u8> {
    let length = message.len().min(usize::from(u16::MAX));
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend(u16::try_from(length).expect("at most 65535").to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(&message[..length]);
    frame
}

/// Sends these bytes and the end of the stream. Returns the bytes that dispatch sends until it
/// closes the connection.
fn exchange(bytes: &[u8]) -> Vec<u8> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        // One runtime for all inputs, so that an input does not pay for its creation.
        builder.worker_threads(1).enable_all().build().expect("a runtime")
    });
    runtime.block_on(async {
        let stop = CancellationToken::new();
        let _ends = stop.clone().drop_guard();
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        let response = async {
            tokio::select! {
                response = send_and_receive(ours, bytes) => response,
                never = serve(theirs, stop) => match never {},
            }
        };
        timeout(TIMEOUT, response).await.unwrap_or_else(|_| panic!("not closed after {TIMEOUT:?}"))
    })
}

async fn send_and_receive(stream: DuplexStream, bytes: &[u8]) -> Vec<u8> {
    let (mut from, mut to) = tokio::io::split(stream);
    let send = async {
        // Errors are ignored: a server may respond and close before it has read everything.
        let _ = to.write_all(bytes).await;
        let _ = to.shutdown().await;
    };
    let mut response = Vec::new();
    let (_, received) = tokio::join!(send, from.read_to_end(&mut response));
    received.expect("a pipe in memory does not break");
    response
}

/// Serves a connection with a new dispatch: the router and the machine behind it. Never returns, so
/// that requests are answered until the client has read its response.
async fn serve(stream: DuplexStream, stop: CancellationToken) -> Infallible {
    let (handle, responder, mut requests) = DispatchHandle::new(1_024);
    let (cluster, types) =
        Cluster::new("dispatch".parse().expect("a valid name"), handle.commands());
    let router = web::router(handle, settings(cluster), stop);
    let mut dispatch = Harness::dispatch();
    let mut step = |step, request| {
        let (_, events) = dispatch.step(step, |_, _, _| request);
        events.into_iter().for_each(|event| publish(&responder, &types, event));
        types.publish(dispatch.machine.desk().snapshot(dispatch.machine.replica()));
    };
    // Without other nodes, dispatch joins alone after a timeout and publishes its first view.
    step(Step::Wait(2_000), None);
    let machine = async {
        while let Some(request) = requests.recv().await {
            step(Step::Command(0, 0), Some(request));
            // No city answers, so the command times out.
            step(Step::Wait(2_000), None);
        }
        std::future::pending().await
    };
    tokio::select! {
        never = machine => never,
        never = connection(stream, router) => never,
    }
}

fn settings(cluster: Cluster) -> Settings {
    let tokens = Tokens::new(None, None).expect("no token equals no other");
    let (hosts, origins) = (Vec::new(), Vec::new());
    Settings {
        others: Vec::new(),
        cities: well_known_cities(),
        guard: Guard::new(AccessPolicy {
            on_loopback: false,
            hosts,
            origins,
            tokens,
            encrypted: false,
            hsts: None,
        }),
        services: Services::new(&cluster),
        cluster,
        launcher: LauncherClient::of(None),
        unsafe_for: None,
        limits: Limits { name_chars: 100, browsers: 100, browsers_per_address: 100, commands: 0 },
    }
}

fn publish(responder: &Responder, types: &ClusterServer, event: Event) {
    match event {
        Event::Answered(answered) => types.answered(answered),
        Event::Reply { ticket, reply } => responder.reply(ticket, reply),
        Event::View(view) => responder.show(view),
        Event::Logged(_) | Event::Arrived(_) | Event::Thaw(..) | Event::Replica(_) => {}
    }
}

async fn connection(stream: DuplexStream, router: Router) -> Infallible {
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(UNUSED));
        let mut router = router.clone();
        async move {
            let response = router.call(request).await;
            Ok::<_, Infallible>(response.unwrap_or_else(|never| match never {}))
        }
    });
    // A client that has closed its sending half still receives its response. Otherwise the outcome
    // would depend on timing.
    let mut builder = http1::Builder::new();
    let builder = builder.half_close(true).max_headers(100);
    // The result is ignored, since errors of the connection show in the response.
    let _ = builder.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
    std::future::pending().await
}

fn request(method: &str, path: &str, kind: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}

/// Returns requests of every kind, and two on one connection.
#[must_use]
pub fn request_seeds() -> Vec<Vec<u8>> {
    const ID: &str = "12345678-9abc-4ef0-9122-334455667788";
    let json = |method, path: &str, body| request(method, path, "application/json", body);
    let form = |path: &str, body| request("POST", path, "application/x-www-form-urlencoded", body);
    let get = |path: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\naccept-encoding: gzip\r\n\r\n")
            .into_bytes()
    };
    let hero = format!("/api/v1/heroes/{ID}");
    let cut = r#"{"kind":"cut","from":"gotham","to":"metropolis","both":true,"heal_after_s":3}"#;
    let delay = r#"{"kind":"delay","from":"gotham","to":"*","delay_ms":180,"jitter_ms":40}"#;
    let chunked = "POST /api/v1/heroes HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n\
                   9\r\n{\"count\":\r\n2\r\n2}\r\n0\r\n\r\n";
    vec![
        get("/"),
        get(&format!(
            "/?q=kestrel&show=differing&sort=differing&page=2&rows=25&hero={ID}&history=1&destroyed=gotham"
        )),
        get("/api/v1/events?since=3"),
        get("/static/main.js"),
        get("/api/v1/lost.csv"),
        get(&hero),
        [get("/healthz"), get("/api/v1/verdict")].concat(),
        json("POST", "/api/v1/heroes", r#"{"name":"Batman"}"#),
        json("POST", "/api/v1/counters/visits", r#"{"add":5}"#),
        json("PUT", "/api/v1/sets/villains/Joker", ""),
        json("POST", "/api/v1/tables/orders", r#"{"put":{"a":{"n":1}},"delete":["b"]}"#),
        json("POST", "/api/v1/rooms/hq", r#"{"sender":"Ada","text":"Hello","reply_to":null}"#),
        json("PUT", "/api/v1/names/leader", r#"{"value":"10.0.0.1"}"#),
        get("/api/v1/rooms/hq?limit=3"),
        get("/api/v1/presence/hq/track?key=ada&meta=1"),
        json("POST", "/api/v1/heroes", r#"{"count":3}"#),
        json("PUT", &format!("{hero}/location"), r#"{"location":"gotham"}"#),
        json("DELETE", &hero, ""),
        json("POST", "/api/v1/faults", cut),
        json("POST", "/api/v1/faults", delay),
        json("DELETE", "/api/v1/faults/0badcafe", ""),
        json("POST", "/api/v1/gossip/speed", r#"{"percent":50}"#),
        json("POST", "/api/v1/gossip/step", r#"{"from":"gotham","to":"capitol"}"#),
        json("POST", "/api/v1/cities/gotham/bomb", "{}"),
        form("/heroes", "name=Robin&count=2"),
        form(&format!("/heroes/{ID}"), "location=gotham"),
        form("/faults", "kind=loss&from=gotham&to=capitol&percent=5&heal_after=30"),
        form("/gossip/speed", "percent=200"),
        form("/scenarios", "name=nothing"),
        chunked.as_bytes().to_vec(),
    ]
}

/// Returns live sockets that send every kind of message.
#[must_use]
pub fn page_seeds() -> Vec<Vec<u8>> {
    const ID: &str = "12345678-9abc-4ef0-9122-334455667788";
    let watch =
        format!("{{\"t\":\"watch\",\"view\":\"q=a&rows=25&hero={ID}\",\"pin\":[\"{ID}\"]}}");
    vec![
        b"q=kestrel&show=lost&epoch=1&since=2&bare=1\n{\"t\":\"ack\",\"s\":1}\n{\"t\":\"resync\",\"since\":0}".to_vec(),
        format!("\n{watch}\n{{\"t\":\"ack\",\"s\":1}}\n{{\"t\":\"watch\",\"view\":\"show=differing&page=9\"}}").into_bytes(),
        b"as=data\n{\"t\":\"ack\",\"s\":1}".to_vec(),
    ]
}
