//! A proxy in front of dispatch, which treats some requests as broken or hostile proxies do.
//!
//! Each connection carries one request, or one WebSocket.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use nix::sys::socket::{setsockopt, sockopt};

/// The treatment of one request.
#[derive(Clone, Debug)]
pub enum Treatment {
    /// The request is passed on, and its response is passed back.
    Pass,
    /// The request is passed on; the connection is reset in place of the response.
    Reset,
    /// The proxy responds itself, with these bytes.
    Respond(String),
}

/// A running proxy. It runs until the test process ends.
#[derive(Clone, Copy, Debug)]
pub struct Proxy {
    address: SocketAddr,
}

impl Proxy {
    /// Starts a proxy in front of `upstream`. `treatment` decides from the head of a request.
    ///
    /// # Panics
    /// If it cannot listen on loopback.
    #[must_use]
    pub fn start(
        upstream: SocketAddr,
        treatment: impl Fn(&str) -> Treatment + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port can be bound");
        let address = listener.local_addr().expect("a bound listener has an address");
        let treatment = Arc::new(treatment);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let treatment = Arc::clone(&treatment);
                // Errors are those of clients that have closed the connection.
                thread::spawn(move || drop(serve(client, upstream, &*treatment)));
            }
        });
        Self { address }
    }

    /// Returns the address on which it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn serve(
    mut client: TcpStream,
    upstream: SocketAddr,
    treatment: &dyn Fn(&str) -> Treatment,
) -> io::Result<()> {
    let (head, body) = read_request(&mut client)?;
    let treatment = treatment(&head);
    if let Treatment::Respond(response) = &treatment {
        client.write_all(response.as_bytes())?;
        return client.shutdown(Shutdown::Both);
    }
    let mut server = TcpStream::connect(upstream)?;
    if head.to_ascii_lowercase().contains("\r\nupgrade:") {
        server.write_all(head.as_bytes())?;
        return join(client, server);
    }
    // The end of the connection then marks the end of the response.
    let head = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    let head = head.replace("\r\nConnection: keep-alive", "");
    server.write_all(&[head.as_bytes(), &body].concat())?;
    let mut response = Vec::new();
    server.read_to_end(&mut response)?;
    if let Treatment::Reset = treatment {
        // Without lingering, closing the socket resets the connection.
        let at_once = nix::libc::linger { l_onoff: 1, l_linger: 0 };
        setsockopt(&client, sockopt::Linger, &at_once)?;
        return Ok(());
    }
    client.write_all(&response)?;
    client.shutdown(Shutdown::Both)
}

/// Reads the head of a request, and its body if its length is given.
fn read_request(client: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4_096];
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        match client.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => bytes.extend_from_slice(&buffer[..read]),
        }
    };
    let mut body = bytes.split_off(end);
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    while body.len() < length.unwrap_or(0) {
        match client.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => body.extend_from_slice(&buffer[..read]),
        }
    }
    Ok((head, body))
}

/// Copies bytes in both directions until one end closes.
fn join(client: TcpStream, server: TcpStream) -> io::Result<()> {
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    let forth = thread::spawn(move || {
        drop(io::copy(&mut from, &mut to));
        drop(to.shutdown(Shutdown::Both));
    });
    let (mut from, mut to) = (server, client);
    drop(io::copy(&mut from, &mut to));
    drop(to.shutdown(Shutdown::Both));
    drop(forth.join());
    Ok(())
}
