//! One end of a WebSocket: a stranger at a node's door, a node that is not, or a page at the live socket.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tungstenite::client::IntoClientRequest as _;
use tungstenite::error::Error;
use tungstenite::http::{HeaderName, HeaderValue};
use tungstenite::{HandshakeError, Message, WebSocket};

use shared::id::{Incarnation, Origin};
use shared::message::Frame;
use shared::wire::{self, Hello};

use crate::DEVELOPMENT_COOKIE;

/// How long the other end may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// How the other end ended a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It said why.
    Closed(u16, String),
    /// It just went.
    Gone,
}

/// One end of a WebSocket.
#[derive(Debug)]
pub struct Link {
    socket: WebSocket<TcpStream>,
}

impl Link {
    /// Opens a WebSocket at `path`.
    ///
    /// # Errors
    /// The HTTP status of the refusal.
    ///
    /// # Panics
    /// When the server does not speak HTTP at all.
    #[track_caller]
    pub fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<Self, u16> {
        let stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("connecting to {address}: {error}"));
        stream.set_read_timeout(Some(SILENCE_MAX)).expect("a timeout above zero");
        stream.set_write_timeout(Some(SILENCE_MAX)).expect("a timeout above zero");
        let mut request = format!("ws://{address}{path}").into_client_request().expect("a valid address");
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a valid header name");
            request.headers_mut().insert(name, HeaderValue::from_str(value).expect("a valid header value"));
        }
        match tungstenite::client(request, stream) {
            Ok((socket, _)) => Ok(Self { socket }),
            Err(HandshakeError::Failure(Error::Http(response))) => Err(response.status().as_u16()),
            Err(error) => panic!("no WebSocket at {address}{path}: {error}"),
        }
    }

    /// A stranger at a node's door.
    ///
    /// # Panics
    /// When the door does not open.
    #[track_caller]
    #[must_use]
    pub fn to_node(address: SocketAddr) -> Self {
        Self::open(address, "/cluster", &[]).unwrap_or_else(|status| panic!("{address} refuses a WebSocket: {status}"))
    }

    /// Links to a node as the member `name`, which must not be linked to it otherwise.
    ///
    /// # Errors
    /// How the node refused.
    #[track_caller]
    pub fn as_member(address: SocketAddr, name: &str, incarnation: u64) -> Result<Self, Ending> {
        let mut link = Self::to_node(address);
        link.send(hello(name, incarnation, DEVELOPMENT_COOKIE));
        link.receive()?;
        Ok(link)
    }

    /// Sends a message. An error shows when something is received.
    pub fn send(&mut self, message: impl Into<Message>) {
        let _ = self.socket.send(message.into());
    }

    /// Sends a frame to a node.
    pub fn send_frame(&mut self, frame: &Frame) {
        self.send(wire::encode(frame));
    }

    /// The next message with something in it.
    ///
    /// # Errors
    /// How the other end ended the connection.
    ///
    /// # Panics
    /// When nothing comes.
    #[track_caller]
    pub fn receive(&mut self) -> Result<Vec<u8>, Ending> {
        loop {
            match self.socket.read() {
                Ok(Message::Binary(bytes)) => return Ok(bytes.into()),
                Ok(Message::Text(text)) => return Ok(text.as_bytes().to_vec()),
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Ok(Message::Close(Some(close))) => {
                    // Answers the close, so that the other end need not wait for it.
                    let _ = self.socket.flush();
                    return Err(Ending::Closed(close.code.into(), close.reason.to_string()));
                }
                Err(Error::Io(error)) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    panic!("the other end of the WebSocket said nothing for {SILENCE_MAX:?}")
                }
                Ok(Message::Close(None)) | Err(_) => return Err(Ending::Gone),
            }
        }
    }

    /// The next frame that `wanted` takes; others are passed over.
    ///
    /// # Errors
    /// How the other end ended the connection.
    ///
    /// # Panics
    /// When nothing comes, or something that is no frame.
    #[track_caller]
    pub fn receive_frame<T>(&mut self, wanted: impl Fn(Frame) -> Option<T>) -> Result<T, Ending> {
        loop {
            let frame = wire::decode(&self.receive()?).expect("a node sends frames");
            if let Some(found) = wanted(frame) {
                return Ok(found);
            }
        }
    }

    /// Reads to the end, and says how it ended.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    #[must_use]
    pub fn ending(mut self) -> Ending {
        // A live page or link talks all the time: what ends this loop is the other end, or nextest's patience.
        loop {
            if let Err(ending) = self.receive() {
                return ending;
            }
        }
    }

    /// Says goodbye and waits for the answer, so that the other end knows that this link is gone.
    pub fn close(mut self) {
        let _ = self.socket.close(None);
        let _ = self.ending();
    }
}

/// The hello of a node.
#[must_use]
pub fn hello(name: &str, incarnation: u64, cookie: &str) -> Vec<u8> {
    let node = Origin { node: name.parse().expect("a valid node name"), incarnation: Incarnation(incarnation) };
    Hello { node, cookie: cookie.to_owned(), joined: false, alive_elsewhere: None }.encode()
}

/// The incarnation of a life that begins now.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a node's life is numbered by the real clock")]
pub fn incarnation_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
