//! The end of a WebSocket, from which the other side learns the reason.
//!
//! Invariant: a connection is closed with nothing unread. Otherwise the system would send a reset,
//! which can discard the reason before the peer reads it.

use std::time::Duration;

use futures_util::SinkExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// The time that the other side may take to read the reason and to go.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// The longest reason that fits into a close frame, in bytes.
const REASON_BYTES_MAX: usize = 123;
/// The size of the buffer for discarded input, in bytes.
const DRAINED_AT_ONCE: usize = 4_096;

/// Returns the close code (RFC 6455, section 7.4.1) for an error that the peer caused; `None` for
/// any other.
#[must_use]
pub fn close_code(error: &Error) -> Option<u16> {
    match error {
        Error::Capacity(_) => Some(1009),
        Error::Utf8(_) => Some(1007),
        Error::Protocol(
            ProtocolError::ResetWithoutClosingHandshake | ProtocolError::SendAfterClosing,
        ) => None,
        Error::Protocol(_) => Some(1002),
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Io(_)
        | Error::Tls(_)
        | Error::WriteBufferFull(_)
        | Error::AttackAttempt
        | Error::Url(_)
        | Error::Http(_)
        | Error::HttpFormat(_) => None,
    }
}

/// Closes a socket: sends the reason (a close code and a text), or answers the close that the other
/// side sent. Discards input until the other side has gone, for a second at most.
pub async fn close<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    reason: Option<(u16, &str)>,
) {
    let closed = async {
        // The peer may still be sending even where the reason cannot be sent.
        if let Some((code, reason)) = reason {
            let reason = &reason[..reason.floor_char_boundary(REASON_BYTES_MAX)];
            let _ = socket
                .close(Some(CloseFrame { code: CloseCode::from(code), reason: reason.into() }))
                .await;
        }
        let _ = socket.flush().await;
        let connection = socket.get_mut();
        let _ = connection.shutdown().await;
        let mut dropped = [0; DRAINED_AT_ONCE];
        while connection.read(&mut dropped).await.is_ok_and(|bytes| bytes > 0) {}
    };
    // A peer that goes on sending is not waited for.
    let _ = timeout(CLOSE_TIMEOUT, closed).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    use tokio_tungstenite::tungstenite::error::CapacityError;

    #[test]
    fn what_was_wrong_has_the_code_that_the_standard_gives_it() {
        let too_long = Error::Capacity(CapacityError::MessageTooLong { size: 2, max_size: 1 });
        for (error, code) in [
            (too_long, Some(1009)),
            (Error::Utf8("\u{fffd}".into()), Some(1007)),
            (Error::Protocol(ProtocolError::UnmaskedFrameFromClient), Some(1002)),
            (Error::Protocol(ProtocolError::NonZeroReservedBits), Some(1002)),
            (Error::Protocol(ProtocolError::ResetWithoutClosingHandshake), None),
            (Error::ConnectionClosed, None),
        ] {
            assert_eq!(close_code(&error), code, "{error}");
        }
    }
}
