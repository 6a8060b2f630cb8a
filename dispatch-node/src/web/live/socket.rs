//! The parts that the two kinds of live sockets share: their settings, what is read from them within an allowance, and sending
//! within a time.

use std::time::Duration;

use futures_util::SinkExt as _;
use serde::Serialize;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use shared::link::farewell::close_code;
use shared::link::upgrade::Socket;

/// How often a page hears something, changed or not.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(1);
/// How long a page may take to accept one frame.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// How much is read from a page at once. It says little, and the usual 128 KiB are set aside, and cleared at each look, for every page.
const READ_BYTES: usize = 1_024;
/// How many messages a page may send at once, and a second in the long run.
const MESSAGES_BURST: u32 = 60;
const MESSAGES_PER_S: u32 = 20;

/// Why a socket is closed: code and reason.
pub(super) type Close = (u16, &'static str);

/// The socket's settings, but for the size of what may be said.
pub(crate) fn limits(message_bytes_max: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(message_bytes_max))
        .max_frame_size(Some(message_bytes_max))
        .read_buffer_size(READ_BYTES)
}

/// What came from a page, or a program: the text of a message, nothing that it need know of, or why its socket is closed.
pub(super) fn heard(message: Option<Result<Message, Error>>, allowance: &mut Allowance) -> Result<Option<Utf8Bytes>, Option<Close>> {
    let message = match message {
        None | Some(Ok(Message::Close(_))) => return Err(None),
        Some(Err(error)) => return Err(close_code(&error).map(|code| (code, wrong_with(code)))),
        Some(Ok(message)) => message,
    };
    // Each costs a look and some an answer, whatever is in it.
    if !allowance.take() {
        return Err(Some((1008, "too many messages")));
    }
    match message {
        Message::Text(text) => Ok(Some(text)),
        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) | Message::Close(_) => Ok(None),
        Message::Binary(_) => Err(Some((1003, "this socket takes text only"))),
    }
}

/// In words, what a close code says of what was sent.
fn wrong_with(code: u16) -> &'static str {
    match code {
        1007 => "text that is not UTF-8",
        1009 => "a message that is too large",
        _ => "this is not how WebSockets speak",
    }
}

/// How many messages somebody may still send.
pub(super) struct Allowance {
    left: u32,
    since: Instant,
}

impl Allowance {
    pub(super) fn new() -> Self {
        Self { left: MESSAGES_BURST, since: Instant::now() }
    }

    fn take(&mut self) -> bool {
        let earned = self.since.elapsed().as_secs_f64() * f64::from(MESSAGES_PER_S);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "no more than the burst, and not negative")]
        let earned = earned.min(f64::from(MESSAGES_BURST)) as u32;
        if earned > 0 {
            self.left = (self.left + earned).min(MESSAGES_BURST);
            self.since = Instant::now();
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }
}

/// Sends a message; `None` when it is not taken.
pub(super) async fn send(socket: &mut Socket, message: &impl Serialize) -> Option<()> {
    send_text(socket, serde_json::to_string(message).expect("a message has only strings and numbers").into()).await
}

pub(super) async fn send_text(socket: &mut Socket, text: Utf8Bytes) -> Option<()> {
    timeout(SEND_TIMEOUT, socket.send(Message::Text(text))).await.ok()?.ok()
}
