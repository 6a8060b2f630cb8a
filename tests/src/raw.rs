//! HTTP as bytes: what no HTTP client would send.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// How long the server may be silent before it counts as hanging: longer than it waits for headers.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// Everything that was sent before the connection ended.
    pub text: String,
    /// Whether the other side ended the connection, however it did.
    pub closed: bool,
}

impl Answer {
    /// The status code, if this begins like an HTTP answer.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.text.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
    }

    /// What follows the headers.
    #[must_use]
    pub fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }
}

/// Sends these bytes, and reads until the server ends the connection. With `then_stop` it is told that no more will come.
///
/// A server may answer and go before it has read everything; that is no error here.
///
/// # Panics
/// When the server cannot be connected to.
#[track_caller]
#[must_use]
pub fn exchange(address: SocketAddr, bytes: &[u8], then_stop: bool) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("connecting to {address}: {error}"));
    stream.set_read_timeout(Some(SILENCE_MAX)).expect("a timeout above zero");
    stream.set_write_timeout(Some(SILENCE_MAX)).expect("a timeout above zero");
    let _ = stream.write_all(bytes);
    if then_stop {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut received = Vec::new();
    let closed = match stream.read_to_end(&mut received) {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
    };
    Answer { text: String::from_utf8_lossy(&received).into_owned(), closed }
}

/// A request to this address with these bytes as its target, which need not be a valid one.
#[must_use]
pub fn request(address: SocketAddr, method: &str, target: &[u8], headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} ").into_bytes();
    bytes.extend(target);
    bytes.extend(format!(" HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n").into_bytes());
    for (name, value) in headers {
        bytes.extend(format!("{name}: {value}\r\n").into_bytes());
    }
    bytes.extend(format!("content-length: {}\r\n\r\n", body.len()).into_bytes());
    bytes.extend(body);
    bytes
}
