//! The whole HTTP of dispatch, from the first byte of a request, and what a page says on its live socket.
//!
//! Claims: nothing panics, nothing hangs; no answer is a 500, and whatever is refused is refused as HTTP.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;

use axum::extract::ConnectInfo;
use dispatch_node::dispatch::Event;
use dispatch_node::web::{self, AccessPolicy, DispatchHandle, LauncherClient, Limits, Settings, Tokens};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use shared::options::well_known_cities;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower_service::Service as _;

use crate::machine::Staged;
use crate::told::Told;

/// How long an exchange may take: it waits for nothing but itself.
const PATIENCE: Duration = Duration::from_secs(20);
/// Room for what is said in either direction at once.
const PIPE_BYTES: usize = 64 * 1024;
/// How many messages are sent to a live socket; a page that says more is cut off.
const MESSAGES_MAX: usize = 50;

/// Bytes at dispatch's port.
///
/// # Panics
/// When a claim does not hold.
pub fn http(bytes: &[u8]) {
    let said = exchange(bytes);
    if !said.is_empty() {
        assert!(said.starts_with(b"HTTP/1."), "this is no HTTP: {:?}", String::from_utf8_lossy(&said[..said.len().min(200)]));
    }
    assert!(!said.windows(12).any(|window| window == b"HTTP/1.1 500"), "{:?}", String::from_utf8_lossy(&said));
}

/// A page: the query of its address in the first line, and in each further one a message on its live socket.
///
/// # Panics
/// When a claim does not hold.
pub fn page(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    // What cannot stand in an address is no page's doing: requests that are none are the other target's.
    let stands = |byte: &u8| byte.is_ascii_alphanumeric() || b"&=%+-_.".contains(byte);
    let query: Vec<u8> = lines.next().unwrap_or_default().iter().copied().filter(stands).take(2_000).collect();
    let mut said = b"GET /live?".to_vec();
    said.extend(query);
    said.extend(b" HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n");
    said.extend(b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    for message in lines.take(MESSAGES_MAX) {
        said.extend(text_frame(message));
    }
    let heard = exchange(&said);
    assert!(heard.starts_with(b"HTTP/1.1 101 "), "a page is always shown: {:?}", String::from_utf8_lossy(&heard[..heard.len().min(300)]));
}

/// A message of a page as its browser frames it (RFC 6455, section 5.2), with a mask that changes nothing.
fn text_frame(message: &[u8]) -> Vec<u8> {
    let length = message.len().min(usize::from(u16::MAX));
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend(u16::try_from(length).expect("no more than that").to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(&message[..length]);
    frame
}

/// Says these bytes to a dispatch of their own, and that there will be no more. What it says until it closes.
fn exchange(bytes: &[u8]) -> Vec<u8> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime =
        RUNTIME.get_or_init(|| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime"));
    runtime.block_on(async {
        let stop = CancellationToken::new();
        let _ends = stop.clone().drop_guard();
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        let said = async {
            tokio::select! {
                said = talk(ours, bytes) => said,
                never = serve(theirs, stop) => match never {},
            }
        };
        timeout(PATIENCE, said).await.unwrap_or_else(|_| panic!("no end after {PATIENCE:?}"))
    })
}

async fn talk(stream: DuplexStream, bytes: &[u8]) -> Vec<u8> {
    let (mut from, mut to) = tokio::io::split(stream);
    let say = async {
        // A server may answer and go before it has heard everything.
        let _ = to.write_all(bytes).await;
        let _ = to.shutdown().await;
    };
    let mut said = Vec::new();
    let (_, heard) = tokio::join!(say, from.read_to_end(&mut said));
    heard.expect("a pipe in memory does not break");
    said
}

/// Dispatch: the router, the machine behind it, and a connection. Goes on when the connection has ended.
async fn serve(stream: DuplexStream, stop: CancellationToken) -> Infallible {
    let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let (handle, responder, mut asks) = DispatchHandle::new(1_024);
    let tokens = Tokens::new(None, None).expect("none is not the same as none");
    let access = AccessPolicy { on_loopback: false, hosts: Vec::new(), origins: Vec::new(), tokens, encrypted: false };
    let settings = Settings {
        cities: well_known_cities(),
        access,
        launcher: LauncherClient::of(None),
        unsafe_for: None,
        limits: Limits { name_chars: 100, browsers: 100, browsers_per_address: 100 },
    };
    let router = web::router(handle, settings, stop);
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(nobody));
        let mut router = router.clone();
        async move { Ok::<_, Infallible>(router.call(request).await.unwrap_or_else(|never| match never {})) }
    });
    let mut dispatch = Staged::dispatch();
    let mut tell = |told: Told, ask| {
        let (_, events) = dispatch.tell(told, |_, _, _| ask);
        for event in events {
            match event {
                Event::Reply { ticket, reply } => responder.answer(ticket, reply),
                Event::View(view) => responder.show(view),
                Event::Logged(_) | Event::Arrived(_) | Event::Thaw(..) | Event::Replica(_) => {}
            }
        }
    };
    // It finds nobody, and so is the first; then there is something to show.
    tell(Told::Later(2_000), None);
    let machine = async {
        while let Some(ask) = asks.recv().await {
            tell(Told::Asked(0, 0), Some(ask));
            // Whatever it waits for does not come, and its own patience is over.
            tell(Told::Later(2_000), None);
        }
        std::future::pending().await
    };
    let connection = async {
        // Who has said all and listens is answered: otherwise it would depend on who is faster whether anything happens here.
        let connection =
            http1::Builder::new().half_close(true).max_headers(100).serve_connection(TokioIo::new(stream), service).with_upgrades();
        // How a connection ends is told to the client, or shows in what it was told.
        let _ = connection.await;
        std::future::pending().await
    };
    tokio::select! {
        never = machine => never,
        never = connection => never,
    }
}

fn request(method: &str, path: &str, kind: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}

/// Requests of every kind, and two behind each other.
#[must_use]
pub fn requests() -> Vec<Vec<u8>> {
    const ID: &str = "12345678-9abc-4ef0-9122-334455667788";
    let json = |method, path: &str, body| request(method, path, "application/json", body);
    let form = |path: &str, body| request("POST", path, "application/x-www-form-urlencoded", body);
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: localhost\r\naccept-encoding: gzip\r\n\r\n").into_bytes();
    let hero = format!("/api/v1/heroes/{ID}");
    let cut = r#"{"kind":"cut","from":"gotham","to":"metropolis","both":true,"heal_after_s":3}"#;
    let delay = r#"{"kind":"delay","from":"gotham","to":"*","delay_ms":180,"jitter_ms":40}"#;
    let chunked = "POST /api/v1/heroes HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n\
                   9\r\n{\"count\":\r\n2\r\n2}\r\n0\r\n\r\n";
    vec![
        get("/"),
        get(&format!("/?q=kestrel&show=differing&sort=differing&page=2&rows=25&hero={ID}&history=1&destroyed=gotham")),
        get("/api/v1/events?since=3"),
        get("/static/main.js"),
        get("/api/v1/lost.csv"),
        get(&hero),
        [get("/healthz"), get("/api/v1/verdict")].concat(),
        json("POST", "/api/v1/heroes", r#"{"name":"Batman"}"#),
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

/// Pages that say all that pages can say.
#[must_use]
pub fn pages() -> Vec<Vec<u8>> {
    const ID: &str = "12345678-9abc-4ef0-9122-334455667788";
    let watch = format!("{{\"t\":\"watch\",\"view\":\"q=a&rows=25&hero={ID}\",\"pin\":[\"{ID}\"]}}");
    vec![
        b"q=kestrel&show=lost&epoch=1&since=2&bare=1\n{\"t\":\"ack\",\"s\":1}\n{\"t\":\"resync\",\"since\":0}".to_vec(),
        format!("\n{watch}\n{{\"t\":\"ack\",\"s\":1}}\n{{\"t\":\"watch\",\"view\":\"show=differing&page=9\"}}").into_bytes(),
        b"as=data\n{\"t\":\"ack\",\"s\":1}".to_vec(),
    ]
}
