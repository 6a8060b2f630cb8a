//! A probe of an address: a node, another program, or no listener.
//!
//! Invariant: each request of a probe ends within [`TIMEOUT`] and reads a few kilobytes at most,
//! whatever the peer sends.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use superhero::Stopwatch;

/// The timeout of each request.
const TIMEOUT: Duration = Duration::from_secs(3);
/// The largest response that is read.
const BYTES_MAX: usize = 4_096;
/// The problem type by which a node is recognized: its response to a plain HTTP request at the
/// WebSocket path for peers.
const NOT_A_WEBSOCKET: &str = "\"not_a_websocket\"";
/// The problem type of a node that requires TLS.
const TLS_REQUIRED: &str = "\"tls_required\"";
/// A truncated ClientHello. A TLS server rejects it with a TLS alert.
const EMPTY_CLIENT_HELLO: [u8; 9] = [0x16, 3, 1, 0, 4, 1, 0, 0, 0];
/// The first byte of a TLS record: alert, or handshake.
const TLS_RECORDS: [u8; 2] = [0x15, 0x16];

/// The result of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A node.
    Node {
        /// The node has joined the cluster.
        ready: bool,
    },
    /// A TLS server. Its kind cannot be determined without a certificate.
    Tls,
    /// A program that is not a node, with the first line of its response.
    Other(String),
    /// No listener: the connection was refused.
    Refused,
    /// The machine or the listener does not respond.
    NoResponse,
    /// The address cannot be reached, with the reason.
    Unreachable(String),
}

/// Probes `HOST:PORT`.
pub(super) fn probe(address: &str) -> Found {
    let get = |path: &str| {
        request(
            address,
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")
                .as_bytes(),
        )
    };
    let response = match get("/cluster") {
        Ok(response) => response,
        Err(found) => return found,
    };
    let text = String::from_utf8_lossy(&response);
    if text.contains(NOT_A_WEBSOCKET) {
        let ready = get("/readyz").is_ok_and(|response| response.starts_with(b"HTTP/1.1 200"));
        return Found::Node { ready };
    }
    let is_tls = |bytes: &[u8]| bytes.first().is_some_and(|first| TLS_RECORDS.contains(first));
    // Not every TLS server responds to plain HTTP with a TLS alert, so a ClientHello is sent too.
    if text.contains(TLS_REQUIRED)
        || is_tls(&response)
        || request(address, &EMPTY_CLIENT_HELLO).is_ok_and(|response| is_tls(&response))
    {
        return Found::Tls;
    }
    let first = text.lines().next().unwrap_or_default().chars().take(60).collect::<String>();
    Found::Other(first)
}

/// Sends these bytes, and returns the response. It is empty if the peer closes without one.
fn request(address: &str, bytes: &[u8]) -> Result<Vec<u8>, Found> {
    let watch = Stopwatch::start();
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a non-exhaustive enum of the standard library"
    )]
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::ConnectionRefused => Found::Refused,
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Found::NoResponse,
        _ => Found::Unreachable(error.to_string()),
    };
    let mut found = Found::Unreachable("host has no address".into());
    let sockets =
        address.to_socket_addrs().map_err(|error| Found::Unreachable(error.to_string()))?;
    for socket in sockets {
        match TcpStream::connect_timeout(&socket, remaining(&watch)) {
            Ok(stream) => return exchange(stream, bytes, &watch),
            Err(error) => found = failed(error),
        }
    }
    Err(found)
}

fn exchange(mut stream: TcpStream, bytes: &[u8], watch: &Stopwatch) -> Result<Vec<u8>, Found> {
    let mut response = Vec::new();
    // A failed write is no result: a peer that closes early may already have sent a response.
    let _ = stream.set_write_timeout(Some(remaining(watch))).and_then(|()| stream.write_all(bytes));
    let mut part = [0; 1_024];
    while response.len() < BYTES_MAX && watch.elapsed() < TIMEOUT {
        match stream.set_read_timeout(Some(remaining(watch))).and_then(|()| stream.read(&mut part))
        {
            Ok(0) => break,
            Ok(read) => response.extend_from_slice(&part[..read]),
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
                    && response.is_empty() =>
            {
                return Err(Found::NoResponse);
            }
            Err(_) => break,
        }
    }
    Ok(response)
}

/// Returns the remaining time, but never zero, which sockets reject as a timeout.
fn remaining(watch: &Stopwatch) -> Duration {
    TIMEOUT.saturating_sub(watch.elapsed()).max(Duration::from_millis(1))
}
