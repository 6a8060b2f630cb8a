//! A connection to a node for a WebSocket, encrypted or not.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};

use crate::access::Access;
use crate::address::Address;
use crate::error::Error;
use crate::http::REQUEST_TIMEOUT;

/// A byte stream, encrypted or not.
pub trait Connection: Read + Write {}
impl<T: Read + Write> Connection for T {}

/// A connection to a node, and the headers for the WebSocket handshake on it.
pub struct Opened {
    /// The connection.
    pub connection: Box<dyn Connection>,
    /// The TCP stream below it, to change its timeouts. At first, both are [`REQUEST_TIMEOUT`].
    pub stream: TcpStream,
    /// Header names and values.
    pub headers: Vec<(&'static str, String)>,
}

/// Opens a connection to a node.
pub(crate) fn open(address: &Address, access: &Access) -> Result<Opened, Error> {
    let no_answer = |why: String| Error::NoAnswer { url: address.url().to_owned(), why };
    let failed = |error: io::Error| no_answer(error.to_string());
    let tcp = connect(&address.host_and_port()).map_err(failed)?;
    let stream = tcp.try_clone().map_err(failed)?;
    let connection: Box<dyn Connection> = if address.is_encrypted() {
        Box::new(access.encrypt(address.host(), tcp).map_err(no_answer)?)
    } else {
        Box::new(tcp)
    };
    let token = access.token.iter();
    let headers = token.map(|token| ("authorization", format!("Bearer {token}"))).collect();
    Ok(Opened { connection, stream, headers })
}

/// Connects to the first of the host's addresses that accepts.
fn connect(host_and_port: &str) -> io::Result<TcpStream> {
    let mut failed = io::Error::other("host has no address");
    for address in host_and_port.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, REQUEST_TIMEOUT) {
            Ok(stream) => {
                // Dispatch sends a frame every second, so a longer pause means a lost connection.
                stream.set_read_timeout(Some(REQUEST_TIMEOUT))?;
                stream.set_write_timeout(Some(REQUEST_TIMEOUT))?;
                return Ok(stream);
            }
            Err(error) => failed = error,
        }
    }
    Err(failed)
}
