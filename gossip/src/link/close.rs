//! Closing of WebSockets, with a reason for the other side.
//!
//! Invariant: all input is read before a connection is closed. Otherwise the system would send a
//! reset, which can discard the reason before the peer reads it.

use std::time::Duration;

use futures_util::SinkExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// The time for the other side to read the reason and to disconnect.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// The maximum length of the reason in a close frame, in bytes: RFC 6455 limits its payload to 125,
/// of which two are the code.
const REASON_BYTES_MAX: usize = 123;
/// The size of the buffer for discarded input, in bytes.
const DRAINED_AT_ONCE: usize = 4_096;

/// Returns the close code (RFC 6455, section 7.4.1) for an error caused by the peer; `None` for
/// others.
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

/// Closes a socket: sends the reason (a close code and a text), or answers the other side's close
/// frame. Then discards input until the other side disconnects, for at most one second.
pub async fn close<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    reason: Option<(u16, &str)>,
) {
    let closed = async {
        // Errors are ignored: even if the reason cannot be sent, the peer may still be sending, and
        // its input must be drained.
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
    // On a timeout the connection is dropped: a peer that keeps sending is not waited for.
    let _ = timeout(CLOSE_TIMEOUT, closed).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    use tokio_tungstenite::tungstenite::error::CapacityError;

    #[test]
    fn errors_map_to_rfc_6455_close_codes() {
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
