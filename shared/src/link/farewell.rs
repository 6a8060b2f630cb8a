//! How a WebSocket is ended so that the other side learns why.
//!
//! Invariant: nothing that arrived is left unread when a connection is closed, or the system would answer it with a reset, which can
//! take the reason away from who was about to read it.

use std::time::Duration;

use futures_util::SinkExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// How long the other side may take to read the reason and to go.
const PATIENCE: Duration = Duration::from_secs(1);
/// The longest reason that fits into a close frame, in bytes.
const REASON_BYTES_MAX: usize = 123;
/// How much of what nobody will look at is read at once, in bytes.
const DRAINED_AT_ONCE: usize = 4_096;

/// The close code (RFC 6455, section 7.4.1) that tells a peer what was wrong with what it sent, where it was that.
#[must_use]
pub fn close_code(error: &Error) -> Option<u16> {
    match error {
        Error::Capacity(_) => Some(1009),
        Error::Utf8(_) => Some(1007),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake | ProtocolError::SendAfterClosing) => None,
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

/// Ends a socket: tells the other side why (a close code and words), or answers the close that it sent. Waits until it has gone, and
/// drops what it still says. One that is gone, or does not read, is not waited for beyond a second.
pub async fn farewell<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>, close: Option<(u16, &str)>) {
    let told = async {
        // Whoever cannot be told may still be sending: it is heard out all the same.
        if let Some((code, reason)) = close {
            let reason = &reason[..reason.floor_char_boundary(REASON_BYTES_MAX)];
            let _ = socket.close(Some(CloseFrame { code: CloseCode::from(code), reason: reason.into() })).await;
        }
        let _ = socket.flush().await;
        let connection = socket.get_mut();
        let _ = connection.shutdown().await;
        let mut dropped = [0; DRAINED_AT_ONCE];
        while connection.read(&mut dropped).await.is_ok_and(|bytes| bytes > 0) {}
    };
    // One that goes on talking, or never goes, has had its time.
    let _ = timeout(PATIENCE, told).await;
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
