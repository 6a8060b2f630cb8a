//! HTTP as raw bytes: requests that no HTTP client would send, and a reusable connection.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// The limit for a response or a close. A node waits at most ten seconds for a part of a request.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The response to raw bytes.
#[derive(Debug)]
pub struct Response {
    /// All data received before the connection was closed.
    pub text: String,
    /// True if the other side closed the connection in any way.
    pub closed: bool,
}

impl Response {
    /// Returns the status code, if this starts like an HTTP response.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.text.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
    }

    /// Returns the text after the headers.
    #[must_use]
    pub fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }
}

/// Sends these bytes, and reads until the server closes the connection. `then_stop` closes the
/// write side after sending.
///
/// A server may respond and close before it has read everything; that is no error here.
///
/// # Panics
/// If the connection fails.
#[track_caller]
#[must_use]
pub fn exchange(address: SocketAddr, bytes: &[u8], then_stop: bool) -> Response {
    let mut stream = TcpStream::connect(address)
        .unwrap_or_else(|error| panic!("connecting to {address}: {error}"));
    stream.set_read_timeout(Some(ANSWER_TIMEOUT)).expect("a timeout above zero");
    stream.set_write_timeout(Some(ANSWER_TIMEOUT)).expect("a timeout above zero");
    // Errors are ignored: the server may refuse and close early; its response still counts.
    let _ = stream.write_all(bytes);
    if then_stop {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut received = Vec::new();
    let closed = match stream.read_to_end(&mut received) {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
    };
    Response { text: String::from_utf8_lossy(&received).into_owned(), closed }
}

/// Builds a request with these bytes as its target, which need not be valid.
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

/// A connection for consecutive requests.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    address: SocketAddr,
}

impl Connection {
    /// Opens a connection.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open(address: SocketAddr, timeout: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, address })
    }

    /// Sends a request, and returns the status and body of the response.
    ///
    /// # Errors
    /// If there is no valid response.
    pub fn request(&mut self, method: &str, path: &str, body: &str) -> io::Result<(u16, String)> {
        let (address, length) = (self.address, body.len());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n"
        );
        self.stream.write_all((head + body).as_bytes())?;
        self.read_response()
    }

    /// Sends bytes without waiting for a response.
    ///
    /// # Errors
    /// If the connection does not accept them.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Reads a response with a content length, and returns its status and body.
    ///
    /// # Errors
    /// If there is no valid response.
    pub fn read_response(&mut self) -> io::Result<(u16, String)> {
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let mut head = Vec::new();
        // Byte by byte, so that nothing of the body or of the next response is consumed.
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte)?;
            head.extend(byte);
        }
        let head = String::from_utf8(head)
            .map_err(|_| invalid("headers are not UTF-8"))?
            .to_ascii_lowercase();
        let status = head
            .get(9..12)
            .and_then(|status| status.parse().ok())
            .ok_or_else(|| invalid("no status"))?;
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.ok_or_else(|| invalid("no length"))?];
        self.stream.read_exact(&mut body)?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }
}
