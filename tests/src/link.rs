//! One end of a WebSocket: an unauthenticated peer of a node, a simulated node, or a page at the
//! live socket.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use superhero::Connection;
use tungstenite::client::IntoClientRequest as _;
use tungstenite::error::Error;
use tungstenite::http::{HeaderName, HeaderValue};
use tungstenite::{HandshakeError, Message, WebSocket};

use gossip::link::{Purpose, Secret};
use gossip::wire::{Hello, Welcome};
use gossip::{Incarnation, Origin, wire};
use shared::Frame;
use shared::well_known::CLUSTER;

use crate::certificates::Certificates;
use crate::nodes::DEVELOPMENT_COOKIE;
use crate::wait::HANG_TIMEOUT;

/// The way in which the other end closed a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disconnect {
    /// With a close frame of this code and reason.
    Closed(u16, String),
    /// Without a close frame.
    Dropped,
}

/// The reason why no WebSocket was opened.
enum NotOpened {
    /// The server refused it with this HTTP status.
    Refused(u16),
    /// The connection was closed, or the server does not speak HTTP.
    Broken(String),
}

/// One end of a WebSocket.
pub struct Link {
    socket: WebSocket<Box<dyn Connection>>,
}

impl Link {
    /// Opens a WebSocket at `path`.
    ///
    /// # Errors
    /// The HTTP status of the refusal.
    ///
    /// # Panics
    /// If the server does not speak HTTP.
    #[track_caller]
    pub fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<Self, u16> {
        Self::over(Box::new(connect(address)), address, path, headers).map_err(
            |reason| match reason {
                NotOpened::Refused(status) => status,
                NotOpened::Broken(reason) => panic!("no WebSocket at {address}{path}: {reason}"),
            },
        )
    }

    /// Opens a WebSocket at `path` of the node `name` over TLS, as the node `me` or without a
    /// client certificate.
    ///
    /// # Errors
    /// The HTTP status of the refusal, or the TLS error.
    ///
    /// # Panics
    /// If the connection is refused.
    pub fn open_encrypted(
        address: SocketAddr,
        name: &str,
        path: &str,
        certificates: &Certificates,
        me: Option<&str>,
    ) -> Result<Self, String> {
        Self::open_as(address, name, path, certificates.client(me))
    }

    /// Opens a WebSocket at `path` of the node `name` over TLS with this configuration.
    ///
    /// # Errors
    /// The HTTP status of the refusal, or the TLS error.
    ///
    /// # Panics
    /// If the connection is refused.
    pub fn open_as(
        address: SocketAddr,
        name: &str,
        path: &str,
        config: Arc<ClientConfig>,
    ) -> Result<Self, String> {
        Self::upgrade(encrypted(address, name, config)?, address, path)
    }

    /// Opens a WebSocket at `path` on this connection to `address`.
    ///
    /// # Errors
    /// The HTTP status of the refusal, or the error of the connection.
    pub fn upgrade(
        stream: EncryptedStream,
        address: SocketAddr,
        path: &str,
    ) -> Result<Self, String> {
        Self::over(Box::new(stream), address, path, &[]).map_err(|reason| match reason {
            NotOpened::Refused(status) => status.to_string(),
            NotOpened::Broken(reason) => reason,
        })
    }

    fn over(
        stream: Box<dyn Connection>,
        address: SocketAddr,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Self, NotOpened> {
        let mut request =
            format!("ws://{address}{path}").into_client_request().expect("a valid address");
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a valid header name");
            request
                .headers_mut()
                .insert(name, HeaderValue::from_str(value).expect("a valid header value"));
        }
        match tungstenite::client(request, stream) {
            Ok((socket, _)) => Ok(Self { socket }),
            Err(HandshakeError::Failure(Error::Http(response))) => {
                Err(NotOpened::Refused(response.status().as_u16()))
            }
            Err(error) => Err(NotOpened::Broken(error.to_string())),
        }
    }

    /// Opens an unauthenticated connection to a node.
    ///
    /// # Panics
    /// If the node refuses it.
    #[track_caller]
    #[must_use]
    pub fn to_node(address: SocketAddr) -> Self {
        Self::open(address, "/cluster", &[])
            .unwrap_or_else(|status| panic!("{address} refuses a WebSocket: {status}"))
    }

    /// Links to a node as the member `name`, which must not be linked to it already.
    ///
    /// # Errors
    /// The node's close code and reason.
    #[track_caller]
    pub fn as_member(
        address: SocketAddr,
        name: &str,
        incarnation: u64,
    ) -> Result<Self, Disconnect> {
        let mut link = Self::to_node(address);
        let welcome = link.handshake(&hello(name, incarnation), DEVELOPMENT_COOKIE)?;
        if welcome.running_elsewhere.is_some() {
            return Err(link.read_to_close());
        }
        Ok(link)
    }

    /// Performs the handshake with this hello and cookie, and verifies the node's proof.
    ///
    /// # Errors
    /// The node's close code and reason.
    ///
    /// # Panics
    /// If the node's proof is wrong.
    #[track_caller]
    pub fn handshake(&mut self, hello: &[u8], cookie: &str) -> Result<Welcome, Disconnect> {
        self.send(hello.to_vec());
        let theirs = self.receive()?;
        let (secret, occasion) =
            (Secret::new(shared::well_known::SECRET_DOMAIN, cookie), [hello, &theirs[..]]);
        self.send(secret.prove(Purpose::DIALLING, &occasion).to_vec());
        let welcome = Welcome::decode(&self.receive()?).expect("a node sends a welcome, or closes");
        assert!(
            secret.is_proved(Purpose::LISTENING, &occasion, &welcome.proof),
            "the node's proof of the cookie is wrong"
        );
        Ok(welcome)
    }

    /// Sends a message. An error is ignored: the next receive reports it.
    pub fn send(&mut self, message: impl Into<Message>) {
        let _ = self.socket.send(message.into());
    }

    /// Sends a frame to a node.
    pub fn send_frame(&mut self, frame: &Frame) {
        self.send(wire::encode(frame));
    }

    /// Receives the next message with content.
    ///
    /// # Errors
    /// The way in which the other end closed the connection.
    ///
    /// # Panics
    /// If none arrives in time.
    #[track_caller]
    pub fn receive(&mut self) -> Result<Vec<u8>, Disconnect> {
        loop {
            match self.socket.read() {
                Ok(Message::Binary(bytes)) => return Ok(bytes.into()),
                Ok(Message::Text(text)) => return Ok(text.as_bytes().to_vec()),
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Ok(Message::Close(Some(close))) => {
                    // Replies to the close, so that the other end need not wait for it.
                    let _ = self.socket.flush();
                    return Err(Disconnect::Closed(close.code.into(), close.reason.to_string()));
                }
                Err(Error::Io(error))
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) =>
                {
                    panic!("no message from the other end of the WebSocket for {HANG_TIMEOUT:?}")
                }
                Ok(Message::Close(None)) | Err(_) => return Err(Disconnect::Dropped),
            }
        }
    }

    /// Receives the next frame that `wanted` accepts, skipping others.
    ///
    /// # Errors
    /// The way in which the other end closed the connection.
    ///
    /// # Panics
    /// If none arrives in time, or a message is not a frame.
    #[track_caller]
    pub fn receive_frame<T>(
        &mut self,
        wanted: impl Fn(Frame) -> Option<T>,
    ) -> Result<T, Disconnect> {
        loop {
            let frame = wire::decode(&self.receive()?).expect("a node sends frames");
            if let Some(found) = wanted(frame) {
                return Ok(found);
            }
        }
    }

    /// Reads until the other end closes the connection.
    ///
    /// # Panics
    /// If it stays silent and open for too long.
    #[track_caller]
    #[must_use]
    pub fn read_to_close(mut self) -> Disconnect {
        // A live page or link sends continuously, so the read timeout does not end this loop; the
        // other end or nextest's timeout does.
        loop {
            if let Err(disconnect) = self.receive() {
                return disconnect;
            }
        }
    }

    /// Closes the connection and waits for the reply, so that the other end has noticed it on
    /// return.
    pub fn close(mut self) {
        let _ = self.socket.close(None);
        let _ = self.read_to_close();
    }
}

/// A TLS connection.
pub type EncryptedStream = StreamOwned<ClientConnection, TcpStream>;

/// Connects to the node `name` at `address` over TLS.
///
/// # Errors
/// The TLS error.
///
/// # Panics
/// If the connection is refused.
#[track_caller]
pub fn encrypted(
    address: SocketAddr,
    name: &str,
    config: Arc<ClientConfig>,
) -> Result<EncryptedStream, String> {
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let mut connection = ClientConnection::new(config, name).expect("a valid configuration");
    let mut stream = connect(address);
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).map_err(|error| error.to_string())?;
    }
    Ok(StreamOwned::new(connection, stream))
}

#[track_caller]
fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address)
        .unwrap_or_else(|error| panic!("connecting to {address}: {error}"));
    stream.set_read_timeout(Some(HANG_TIMEOUT)).expect("a timeout above zero");
    stream.set_write_timeout(Some(HANG_TIMEOUT)).expect("a timeout above zero");
    stream
}

/// Encodes the hello of a node.
#[must_use]
pub fn hello(name: &str, incarnation: u64) -> Vec<u8> {
    let node = Origin {
        node: name.parse().expect("a valid node name"),
        incarnation: Incarnation::at(incarnation),
    };
    Hello {
        cluster: CLUSTER.parse().expect("a valid name"),
        node,
        joined: false,
        advertised: None,
        nonce: rand::random(),
    }
    .encode()
}

/// Returns a number for an incarnation that starts at this moment.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a node's incarnation is numbered by the real clock")]
pub fn incarnation_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
