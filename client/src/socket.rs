//! WebSockets of nodes. A connection that is lost is made again.

use std::time::Duration;
use std::{io, thread};

use serde::de::DeserializeOwned;
use tungstenite::client::IntoClientRequest as _;
use tungstenite::error::{Error as SocketError, ProtocolError};
use tungstenite::handshake::client::Response as Refusal;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{HandshakeError, Message, WebSocket};

use superhero::{Api, Connection, Error, Opened, Problem, REQUEST_TIMEOUT};

use crate::output::{Failure, note};

/// The largest frame that is read.
const FRAME_BYTES_MAX: usize = 16 << 20;

/// The pause before the first attempt to reconnect. Each further pause is twice as long, up to
/// [`PAUSE_MAX`], until a frame arrives.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

type Socket = WebSocket<Box<dyn Connection>>;

/// A WebSocket of a node.
pub(crate) struct Endpoint<'a> {
    pub(crate) api: &'a Api,
    /// The path, with the query.
    pub(crate) path: String,
    /// The time without any message after which the connection counts as lost.
    pub(crate) silence: Duration,
}

/// The end of a connection.
struct Lost {
    error: Error,
    /// A frame was received before.
    is_used: bool,
}

impl Endpoint<'_> {
    /// Passes each text frame to `receive`, and whether it is the first after a reconnection.
    ///
    /// # Errors
    /// The first connection failed before a frame arrived, the node refused a connection, or
    /// `receive` failed.
    pub(crate) fn follow(
        &self,
        mut receive: impl FnMut(&str, bool) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut lost = self.frames(self.open()?, false, &mut receive)?;
        if !lost.is_used {
            return Err(lost.error.into());
        }
        let mut pause = FIRST_PAUSE;
        loop {
            if lost.is_used {
                pause = FIRST_PAUSE;
            }
            note(&format!("{}; reconnecting", lost.error));
            let socket = self.reconnect(&mut pause)?;
            note("reconnected");
            lost = self.frames(socket, true, &mut receive)?;
        }
    }

    /// Parses the JSON of a frame.
    ///
    /// # Errors
    /// [`Error::NotDispatch`]
    pub(crate) fn parsed<T: DeserializeOwned>(&self, text: &str) -> Result<T, Error> {
        serde_json::from_str(text).map_err(|error| self.unexpected(error.to_string()))
    }

    /// Passes on the frames of one connection until it is lost.
    fn frames(
        &self,
        mut socket: Socket,
        mut is_resumed: bool,
        receive: &mut impl FnMut(&str, bool) -> Result<(), Failure>,
    ) -> Result<Lost, Failure> {
        let mut is_used = false;
        loop {
            match socket.read() {
                Ok(Message::Text(text)) => {
                    is_used = true;
                    receive(&text, std::mem::take(&mut is_resumed))?;
                }
                Ok(
                    Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_),
                ) => {}
                Ok(Message::Close(why)) => {
                    let why = why
                        .map_or_else(|| "connection closed".into(), |why| why.reason.to_string());
                    return Ok(Lost { error: self.no_answer(why), is_used });
                }
                Err(error) => {
                    let error = self.failed(error, self.silence);
                    let is_temporary = error.is_temporary();
                    return if is_temporary {
                        Ok(Lost { error, is_used })
                    } else {
                        Err(error.into())
                    };
                }
            }
        }
    }

    /// Connects again, until the node accepts or refuses for a reason that does not pass.
    fn reconnect(&self, pause: &mut Duration) -> Result<Socket, Error> {
        loop {
            thread::sleep(*pause);
            *pause = PAUSE_MAX.min(*pause * 2);
            match self.open() {
                Err(error) if error.is_temporary() => {}
                result => return result,
            }
        }
    }

    fn open(&self) -> Result<Socket, Error> {
        let Opened { connection, stream, headers } = self.api.connect()?;
        let url = format!("ws://{}{}", self.api.authority(), self.path);
        let mut request =
            url.into_client_request().map_err(|error| self.unexpected(error.to_string()))?;
        for (name, value) in headers {
            let value = value.parse().map_err(|_| self.unexpected("invalid token".into()))?;
            request.headers_mut().insert(name, value);
        }
        let config = WebSocketConfig::default()
            .max_message_size(Some(FRAME_BYTES_MAX))
            .max_frame_size(Some(FRAME_BYTES_MAX));
        match tungstenite::client::client_with_config(request, connection, Some(config)) {
            Ok((socket, _)) => {
                stream
                    .set_read_timeout(Some(self.silence))
                    .map_err(|error| self.api.connection_error(&error))?;
                Ok(socket)
            }
            Err(HandshakeError::Failure(error)) => Err(self.failed(error, REQUEST_TIMEOUT)),
            // The connection has a timeout, which ends a handshake in the middle.
            Err(HandshakeError::Interrupted(_)) => Err(self.silent(REQUEST_TIMEOUT)),
        }
    }

    fn no_answer(&self, why: String) -> Error {
        Error::NoAnswer { url: self.api.url().to_owned(), why }
    }

    fn unexpected(&self, why: String) -> Error {
        Error::NotDispatch { url: self.api.url().to_owned(), why }
    }

    fn silent(&self, silence: Duration) -> Error {
        self.no_answer(format!("no frame for {} s", silence.as_secs()))
    }

    /// Returns the reason why a socket failed, with this read timeout.
    fn failed(&self, error: SocketError, silence: Duration) -> Error {
        #[expect(clippy::wildcard_enum_match_arm, reason = "the other errors are of the protocol")]
        match error {
            SocketError::Http(refusal) => self.refused(&refusal),
            SocketError::Io(error) => {
                let is_silent =
                    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
                if is_silent {
                    return self.silent(silence);
                }
                self.api.connection_error(&error)
            }
            error @ (SocketError::ConnectionClosed
            | SocketError::AlreadyClosed
            | SocketError::Protocol(
                ProtocolError::ResetWithoutClosingHandshake | ProtocolError::HandshakeIncomplete,
            )) => self.no_answer(error.to_string()),
            error => self.unexpected(error.to_string()),
        }
    }

    /// Returns the reason why the handshake was refused.
    fn refused(&self, refusal: &Refusal) -> Error {
        let status = refusal.status();
        let body = refusal.body().as_deref().unwrap_or_default();
        match serde_json::from_slice::<Problem>(body) {
            Ok(Problem { kind, detail }) => {
                Error::Refused { status: status.as_u16(), kind, detail }
            }
            Err(_) if status.is_server_error() => {
                self.no_answer(format!("status {status} without a problem document"))
            }
            Err(_) => self.unexpected(format!("the WebSocket was refused: {status}")),
        }
    }
}
