//! HTTP as bytes: what no HTTP client would send, and a connection that is held on to.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// The limit until which a node has answered or closed. It waits for no part of a request longer
/// than ten seconds.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

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

/// Sends these bytes, and reads until the server ends the connection. With `then_stop` it is told
/// that no more will come.
///
/// A server may answer and go before it has read everything; that is no error here.
///
/// # Panics
/// When the server cannot be connected to.
#[track_caller]
#[must_use]
pub fn exchange(address: SocketAddr, bytes: &[u8], then_stop: bool) -> Answer {
    let mut stream = TcpStream::connect(address)
        .unwrap_or_else(|error| panic!("connecting to {address}: {error}"));
    stream.set_read_timeout(Some(ANSWER_TIMEOUT)).expect("a timeout above zero");
    stream.set_write_timeout(Some(ANSWER_TIMEOUT)).expect("a timeout above zero");
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
pub fn request(
    address: SocketAddr,
    method: &str,
    target: &[u8],
    headers: &[(&str, &str)],
    body: &[u8],
) -> Vec<u8> {
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

/// A connection for one request after the other.
#[derive(Debug)]
pub struct Held {
    stream: TcpStream,
    address: SocketAddr,
}

impl Held {
    /// Opens it.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub fn open(address: SocketAddr, timeout: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, address })
    }

    /// Asks, and waits for the answer: status and body.
    ///
    /// # Errors
    /// Why there is none.
    pub fn request(&mut self, method: &str, path: &str, body: &str) -> io::Result<(u16, String)> {
        let (address, length) = (self.address, body.len());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        self.stream.write_all((head + body).as_bytes())?;
        self.answer()
    }

    /// Says this, and waits for nothing.
    ///
    /// # Errors
    /// When nobody takes it.
    pub fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Waits for an answer of a length that is said before: status and body.
    ///
    /// # Errors
    /// Why there is none.
    pub fn answer(&mut self) -> io::Result<(u16, String)> {
        let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte)?;
            head.extend(byte);
        }
        let head = String::from_utf8(head)
            .map_err(|_| wrong("headers that are no text"))?
            .to_ascii_lowercase();
        let status = head
            .get(9..12)
            .and_then(|status| status.parse().ok())
            .ok_or_else(|| wrong("no status"))?;
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.ok_or_else(|| wrong("no length"))?];
        self.stream.read_exact(&mut body)?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }
}
