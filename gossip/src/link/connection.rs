//! One WebSocket to one peer, from hello to close.
//!
//! Invariants: only handshake messages are read before both ends have proved that they belong to
//! the cluster. Both ends send a ping every second; after three seconds without input the link is
//! closed.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::link::close::close;
use crate::link::handshake::{self, Identity};
use crate::link::outcome::{Admitted, ConnectionEvent, End, Ended};
use crate::link::progress::Progress;
use crate::link::telemetry::{Direction, FrameStats, Telemetry};
use crate::message::{Application, Frame};
use crate::wire;

/// The interval of the pings of each end.
const PING_INTERVAL: Duration = Duration::from_secs(1);
/// The timeout for receiving anything, and for sending one message. Three missed pings.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// The maximum number of frames that wait to be sent. On overflow the link is dropped.
pub(super) const OUTGOING_MAX: usize = 1_024;

/// Returns the WebSocket limits of every link.
pub(super) fn limits(frame_bytes_max: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(frame_bytes_max))
        .max_frame_size(Some(frame_bytes_max))
}

/// The channels from connections to their driver and to telemetry.
pub(super) struct Reports<A: Application> {
    pub(super) events: mpsc::Sender<ConnectionEvent<A>>,
    pub(super) telemetry: Arc<dyn Telemetry>,
    pub(super) progress: Progress,
}

impl<A: Application> Clone for Reports<A> {
    fn clone(&self) -> Self {
        let Self { events, telemetry, progress } = self;
        let (events, telemetry) = (events.clone(), Arc::clone(telemetry));
        Self { events, telemetry, progress: progress.clone() }
    }
}

/// The end of a connection.
pub(super) struct Ran {
    /// The reason for its end.
    pub(super) ended: Ended,
    /// True if the driver had admitted it, so that there was a link.
    pub(super) was_link: bool,
}

/// Runs a connection from hello to close, and returns the reason for its end. `unauthenticated` is
/// a permit for a peer that is not authenticated yet. It is released after the handshake.
pub(super) async fn run<A, S>(
    mut socket: WebSocketStream<S>,
    end: End,
    identity: &Identity,
    address: &str,
    reports: &Reports<A>,
    mut unauthenticated: Option<OwnedSemaphorePermit>,
) -> Ran
where
    A: Application,
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let introduced =
        handshake::introduce(&mut socket, end, identity, address, &reports.events).await;
    let was_link = introduced.is_ok();
    let ended = match introduced {
        Ok(Admitted { connection, outgoing }) => {
            drop(unauthenticated.take());
            let ended =
                pump(&mut socket, connection, outgoing, reports, identity.frame_bytes_max).await;
            // An error means that the driver has ended, and needs no report.
            let ended_event = ConnectionEvent::Ended { connection, cause: ended.cause() };
            let _ = reports.events.send(ended_event).await;
            ended
        }
        Err(ended) => ended,
    };
    match (&ended, ended.close_code()) {
        (reason, Some(code)) => close(&mut socket, Some((code, &reason.to_string()))).await,
        (Ended::Closed | Ended::RefusedByPeer { .. }, None) => close(&mut socket, None).await,
        // The connection failed or timed out, so the peer cannot receive a reason.
        (_, None) => {}
    }
    Ran { ended, was_link }
}

fn count<A: Application>(
    telemetry: &dyn Telemetry,
    direction: Direction,
    frame: &Frame<A>,
    bytes: usize,
) {
    telemetry.frame(FrameStats { direction, kind: frame.kind(), bytes, entries: frame.entries() });
}

/// Sends and receives concurrently, so that two peers with full buffers do not wait for each other.
async fn pump<A, S>(
    socket: &mut WebSocketStream<S>,
    connection: u64,
    outgoing: mpsc::Receiver<Frame<A>>,
    reports: &Reports<A>,
    frame_bytes_max: usize,
) -> Ended
where
    A: Application,
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let (sink, stream) = socket.split();
    // Biased: frames that the peer sent before it disconnected are received before a send error
    // ends the connection.
    tokio::select! {
        biased;
        ended = receive(stream, connection, reports) => ended,
        ended = send(sink, outgoing, reports, frame_bytes_max) => ended,
    }
}

async fn send<A, S>(
    mut sink: SplitSink<&mut WebSocketStream<S>, Message>,
    mut outgoing: mpsc::Receiver<Frame<A>>,
    reports: &Reports<A>,
    frame_bytes_max: usize,
) -> Ended
where
    A: Application,
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut ping = interval(PING_INTERVAL);
    loop {
        let message = tokio::select! {
            frame = outgoing.recv() => match frame.map(|frame| (wire::encode(&frame), frame)) {
                Some((bytes, _)) if bytes.len() > frame_bytes_max => {
                    reports.telemetry.frame_too_large();
                    reports.progress.note_too_large(bytes.len());
                    return Ended::TooLarge { bytes: bytes.len(), max: frame_bytes_max };
                }
                Some((bytes, frame)) => {
                    count(&*reports.telemetry, Direction::Out, &frame, bytes.len());
                    Message::binary(bytes)
                }
                None => return Ended::OwnEnd,
            },
            _ = ping.tick() => Message::Ping(Vec::new().into()),
        };
        match timeout(SILENCE_MAX, sink.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error.into(),
            Err(_) => return Ended::TimedOut,
        }
    }
}

async fn receive<A, S>(
    mut stream: SplitStream<&mut WebSocketStream<S>>,
    connection: u64,
    reports: &Reports<A>,
) -> Ended
where
    A: Application,
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    loop {
        let frame = match timeout(SILENCE_MAX, stream.next()).await {
            Err(_) => return Ended::TimedOut,
            Ok(None | Some(Ok(Message::Close(None)))) => return Ended::Closed,
            // The codes of this protocol's refusals; see `Ended::close_code`.
            Ok(Some(Ok(Message::Close(Some(close))))) if u16::from(close.code) >= 4000 => {
                let (code, reason) = (close.code.into(), close.reason.to_string());
                return Ended::RefusedByPeer { code, reason };
            }
            Ok(Some(Ok(Message::Close(Some(_))))) => return Ended::Closed,
            // Pings are answered by the WebSocket library. Both restart the timeout.
            Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => continue,
            Ok(Some(Ok(Message::Text(_) | Message::Frame(_)))) => return Ended::NotBinary,
            Ok(Some(Ok(Message::Binary(bytes)))) => match wire::decode(&bytes) {
                Ok(frame) => {
                    count(&*reports.telemetry, Direction::In, &frame, bytes.len());
                    frame
                }
                Err(error) => return error.into(),
            },
            Ok(Some(Err(error))) => return error.into(),
        };
        // Waits while the queue is full, so that TCP slows the peer down.
        if reports.events.send(ConnectionEvent::Frame { connection, frame }).await.is_err() {
            // This incarnation has ended. Receiving stops, and `send` closes the connection after
            // it has sent the last frames.
            return std::future::pending().await;
        }
    }
}
