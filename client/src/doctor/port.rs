//! Who is at an address: a node, something else, or nobody.
//!
//! Invariant: whoever is there, looking ends within [`TIMEOUT`], and reads no more than a few
//! kilobytes.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use superhero::Stopwatch;

/// How long each of the questions may take.
const TIMEOUT: Duration = Duration::from_secs(3);
/// How much of an answer is read.
const BYTES_MAX: usize = 4_096;
/// By this a node is known: what it says at the door for nodes to whoever asks for no WebSocket.
const DOOR: &str = "\"not_a_websocket\"";
/// By this, one that speaks TLS, to whoever does not.
const TLS_REQUIRED: &str = "\"tls_required\"";
/// The beginning of a TLS conversation, and no more: whoever speaks TLS objects in TLS.
const EMPTY_CLIENT_HELLO: [u8; 9] = [0x16, 3, 1, 0, 4, 1, 0, 0, 0];
/// What a TLS record begins with: an alert, or a handshake.
const TLS_RECORDS: [u8; 2] = [0x15, 0x16];

/// Who was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A node, and whether it has joined.
    Node {
        /// It may be used.
        ready: bool,
    },
    /// Something that speaks TLS: who it is cannot be seen from outside.
    Tls,
    /// Something that is no node. It said this.
    Stranger(String),
    /// Nobody: the machine refuses.
    Refused,
    /// The machine does not answer, or somebody listens and says nothing.
    Silent,
    /// There is no way there, for this reason.
    NoWay(String),
}

/// Looks who is at HOST:PORT.
pub(super) fn look(address: &str) -> Found {
    let get = |path: &str| {
        ask(
            address,
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")
                .as_bytes(),
        )
    };
    let said = match get("/cluster") {
        Ok(said) => said,
        Err(found) => return found,
    };
    let text = String::from_utf8_lossy(&said);
    if text.contains(DOOR) {
        let ready = get("/readyz").is_ok_and(|said| said.starts_with(b"HTTP/1.1 200"));
        return Found::Node { ready };
    }
    let is_tls = |said: &[u8]| said.first().is_some_and(|first| TLS_RECORDS.contains(first));
    if text.contains(TLS_REQUIRED)
        || is_tls(&said)
        || ask(address, &EMPTY_CLIENT_HELLO).is_ok_and(|said| is_tls(&said))
    {
        return Found::Tls;
    }
    let first = text.lines().next().unwrap_or_default().chars().take(60).collect::<String>();
    Found::Stranger(first)
}

/// What is answered to these bytes: something, or nothing before the connection is closed.
fn ask(address: &str, bytes: &[u8]) -> Result<Vec<u8>, Found> {
    let watch = Stopwatch::start();
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a non-exhaustive enum of the standard library"
    )]
    let no_way = |error: std::io::Error| match error.kind() {
        ErrorKind::ConnectionRefused => Found::Refused,
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Found::Silent,
        _ => Found::NoWay(error.to_string()),
    };
    let mut found = Found::NoWay("the name has no address".into());
    for socket in address.to_socket_addrs().map_err(|error| Found::NoWay(error.to_string()))? {
        match TcpStream::connect_timeout(&socket, left(&watch)) {
            Ok(stream) => return converse(stream, bytes, &watch),
            Err(error) => found = no_way(error),
        }
    }
    Err(found)
}

fn converse(mut stream: TcpStream, bytes: &[u8], watch: &Stopwatch) -> Result<Vec<u8>, Found> {
    let mut said = Vec::new();
    // One that closes before it has read everything may still have said something.
    let _ = stream.set_write_timeout(Some(left(watch))).and_then(|()| stream.write_all(bytes));
    let mut part = [0; 1_024];
    while said.len() < BYTES_MAX && watch.elapsed() < TIMEOUT {
        match stream.set_read_timeout(Some(left(watch))).and_then(|()| stream.read(&mut part)) {
            Ok(0) => break,
            Ok(read) => said.extend_from_slice(&part[..read]),
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
                    && said.is_empty() =>
            {
                return Err(Found::Silent);
            }
            Err(_) => break,
        }
    }
    Ok(said)
}

/// What is left of the patience; never zero, which would mean forever.
fn left(watch: &Stopwatch) -> Duration {
    TIMEOUT.saturating_sub(watch.elapsed()).max(Duration::from_millis(1))
}
