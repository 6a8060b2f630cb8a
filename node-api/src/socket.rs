//! The parts that all sockets of clients share: settings, a message allowance, and sending with
//! a timeout.

use std::time::Duration;

use futures_util::SinkExt as _;
use serde::Serialize;
use tokio::time::{Instant, Interval, interval, timeout};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use gossip::link::{Socket, close_code};

/// The interval of keep-alive messages.
pub const KEEP_ALIVE: Duration = Duration::from_secs(1);
/// The timeout for sending one message.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// The size of the read buffer. Messages are small, and the default of 128 KiB would be allocated
/// and cleared for every page.
const READ_BYTES: usize = 1_024;
/// The message allowance: a burst, and a rate a second.
const MESSAGES_BURST: u32 = 60;
const MESSAGES_PER_S: u32 = 20;

/// The close code and its reason.
pub type Close = (u16, &'static str);

/// Returns the settings of a socket, with the largest message as given.
#[must_use]
pub fn limits(message_bytes_max: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(message_bytes_max))
        .max_frame_size(Some(message_bytes_max))
        .read_buffer_size(READ_BYTES)
}

/// Checks an incoming message. Returns its text, `None` for a control frame, or the reason to close
/// the socket.
///
/// # Errors
/// The close code and its reason; `None` if the client has closed the socket.
pub fn incoming(
    message: Option<Result<Message, Error>>,
    allowance: &mut Allowance,
) -> Result<Option<Utf8Bytes>, Option<Close>> {
    let message = match message {
        None | Some(Ok(Message::Close(_))) => return Err(None),
        Some(Err(error)) => return Err(close_code(&error).map(|code| (code, describe_code(code)))),
        Some(Ok(message)) => message,
    };
    // Control frames count too: each costs work.
    if !allowance.take() {
        return Err(Some((1008, "too many messages")));
    }
    match message {
        Message::Text(text) => Ok(Some(text)),
        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) | Message::Close(_) => Ok(None),
        Message::Binary(_) => Err(Some((1003, "this socket accepts text only"))),
    }
}

/// The pings of a socket, and the time of the client's last message. A client that answers no ping
/// counts as gone.
#[derive(Debug)]
pub struct Heartbeat {
    ping: Interval,
    heard_at: Instant,
}

impl Heartbeat {
    /// The interval of pings, and of the keep-alive messages of streams.
    pub const INTERVAL: Duration = Duration::from_secs(10);
    /// The time after which a client that sends nothing counts as gone.
    const SILENCE_MAX: Duration = Duration::from_secs(30);

    /// Returns the heartbeat of a socket that was just opened.
    #[must_use]
    pub fn new() -> Self {
        Self { ping: interval(Self::INTERVAL), heard_at: Instant::now() }
    }

    /// Waits until the next ping is due.
    pub async fn due(&mut self) {
        self.ping.tick().await;
    }

    /// Notes a message of the client.
    pub fn heard(&mut self) {
        self.heard_at = Instant::now();
    }

    /// Sends a ping.
    ///
    /// # Errors
    /// The close code and its reason, if the client counts as gone; `None` if the ping cannot be sent.
    pub async fn ping(&self, socket: &mut Socket) -> Result<(), Option<Close>> {
        if self.heard_at.elapsed() > Self::SILENCE_MAX {
            return Err(Some((1001, "no answer to a ping")));
        }
        socket.send(Message::Ping(Vec::new().into())).await.map_err(|_| None)
    }
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self::new()
    }
}

impl Default for Allowance {
    fn default() -> Self {
        Self::new()
    }
}

/// Describes a close code.
fn describe_code(code: u16) -> &'static str {
    match code {
        1007 => "text is not UTF-8",
        1009 => "message too large",
        _ => "WebSocket protocol error",
    }
}

/// The messages that a client may still send.
#[derive(Debug)]
pub struct Allowance {
    left: u32,
    since: Instant,
}

impl Allowance {
    /// Returns a full allowance.
    #[must_use]
    pub fn new() -> Self {
        Self { left: MESSAGES_BURST, since: Instant::now() }
    }

    /// Takes one message from the allowance. Returns false if it is used up.
    fn take(&mut self) -> bool {
        let earned = self.since.elapsed().as_secs_f64() * f64::from(MESSAGES_PER_S);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most the burst, and not negative"
        )]
        let earned = earned.min(f64::from(MESSAGES_BURST)) as u32;
        // The time advances only with whole messages, so that fractions accumulate.
        if earned > 0 {
            self.left = (self.left + earned).min(MESSAGES_BURST);
            self.since = Instant::now();
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }
}

/// Sends a message as JSON. Returns `None` if the socket does not accept it in time.
///
/// # Panics
/// If the message cannot be represented as JSON.
pub async fn send(socket: &mut Socket, message: &impl Serialize) -> Option<()> {
    send_text(
        socket,
        serde_json::to_string(message).expect("a message has only strings and numbers").into(),
    )
    .await
}

/// Sends a text message. Returns `None` if the socket does not accept it in time.
pub async fn send_text(socket: &mut Socket, text: Utf8Bytes) -> Option<()> {
    timeout(SEND_TIMEOUT, socket.send(Message::Text(text))).await.ok()?.ok()
}
