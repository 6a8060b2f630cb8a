//! The live socket of a page: the page acknowledges frames, and receives newer ones at most four
//! times a second.
//!
//! Invariants: no page waits for another. A page is sent the next frame only while few are
//! unacknowledged, so a slow page skips to the newest state. The next frame contains everything
//! that the page missed.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Instant, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use gossip::link::{Permit, Socket, close};
use node_api::socket::{Allowance, Close, KEEP_ALIVE, incoming, send, send_text};
use shared::hero::HeroId;
use shared::meter::counter;

use crate::metrics::{self, Watched};
use crate::web::error::Problem;
use crate::web::fragments::Number;
use crate::web::live::broadcaster::Broadcaster;
use crate::web::live::snapshot::{Position, Snapshot};
use crate::web::live::visitor::Visitor;
use crate::web::page_query::PageQuery;
use crate::web::spans::writes::WriteSpans;

/// The version of this protocol, sent in the first message.
const PROTOCOL: u32 = 1;
/// The most frames a second.
const FRAMES_PER_S: u32 = 4;
/// The least time between two frames. It is a little less than the interval of views, so that no
/// view is skipped by jitter.
const FRAME_INTERVAL_MIN: Duration = Duration::from_millis(200);
/// The time without an acknowledgement after which the page is notified that it skips frames.
const SLOW: Duration = Duration::from_secs(1);
/// The most unacknowledged frames, and the greatest age of the oldest.
const UNACKNOWLEDGED_MAX: usize = 8;
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(60);

/// A message from a page.
#[derive(Debug, Deserialize)]
#[serde(tag = "t", rename_all = "lowercase", deny_unknown_fields)]
enum PageMessage {
    /// The page has frame `s`.
    Ack { s: Number },
    /// The page missed a frame, and has nothing later than frame `since`.
    Resync { since: Number },
    /// The page shows another query.
    Watch {
        /// The query of its address, without the question mark.
        view: String,
        /// The heroes whose rows keep their positions.
        #[serde(default)]
        pin: Vec<HeroId>,
    },
}

/// The first message.
#[derive(Serialize)]
struct Hello<'a> {
    t: &'static str,
    proto: u32,
    epoch: &'a str,
    head: Number,
    hz: u32,
    /// The following frames continue from the frame that the page reported.
    resume: bool,
}

/// The following frame skips some, since the page was too slow.
#[derive(Serialize)]
struct Skips {
    t: &'static str,
}

/// The keep-alive message, sent after a second without a frame.
#[derive(Serialize)]
struct KeepAlive {
    t: &'static str,
    s: Number,
}

/// The sources of frames.
pub(crate) struct Sources {
    pub(crate) broadcaster: Broadcaster,
    /// The user of the page, who is tracked while it is open.
    pub(crate) visitor: Visitor,
    /// The spans of writes, which end when a page is sent the write.
    pub(crate) write_spans: WriteSpans,
}

/// Sends frames to a page until it closes the socket or exceeds a limit.
pub(crate) async fn run(
    mut socket: Socket,
    sources: Sources,
    query: String,
    stop: CancellationToken,
    _permit: Permit,
) {
    let _watched = Watched::by("page");
    let visit = sources.visitor.clone().begin();
    let reason = tokio::select! {
        reason = send_frames(&mut socket, &sources, &query) => reason,
        () = stop.cancelled() => Some((1001, "dispatch is stopping")),
    };
    visit.end();
    close(&mut socket, reason).await;
}

/// Returns the messages that a socket with this query would be sent at once, as a JSON array.
pub(crate) async fn messages(broadcaster: &Broadcaster, query: &str) -> Result<String, Problem> {
    let window = broadcaster.subscribe(PageQuery::parse(query), None).await?;
    let snapshot = Arc::clone(&window.borrow());
    let resumed = resumed(query, broadcaster.epoch()).filter(|at| at.shared <= snapshot.number);
    let hello = hello(broadcaster.epoch(), snapshot.number, resumed.is_some());
    let hello = serde_json::to_string(&hello).expect("a greeting has only strings and numbers");
    Ok(match snapshot.since(resumed.unwrap_or_default()) {
        Some(frame) => format!("[{hello},{frame}]"),
        None => format!("[{hello}]"),
    })
}

fn hello(epoch: &str, head: Number, resume: bool) -> Hello<'_> {
    Hello { t: "hello", proto: PROTOCOL, epoch, head, hz: FRAMES_PER_S, resume }
}

/// The state of one page.
struct Page {
    window: watch::Receiver<Arc<Snapshot>>,
    /// The position up to which it was sent frames.
    sent: Position,
    /// The unacknowledged frames, with the time at which each was sent.
    unacknowledged: Vec<(Number, Instant)>,
    /// The time since which no further frame may be sent.
    full_since: Option<Instant>,
    /// The earliest time of the next frame.
    not_before: Instant,
    allowance: Allowance,
}

/// Sends frames until the socket must be closed. Returns the reason, if there is one.
async fn send_frames(socket: &mut Socket, sources: &Sources, query: &str) -> Option<Close> {
    let resumed = resumed(query, sources.broadcaster.epoch());
    let Ok(window) = sources.broadcaster.subscribe(PageQuery::parse(query), None).await else {
        return Some((1013, "too many pages at once"));
    };
    let allowance = Allowance::new();
    let head = window.borrow().number;
    // The position comes from the client. Beyond the head, the page would be sent nothing for long.
    let resumed = resumed.filter(|position| position.shared <= head);
    let sent = resumed.unwrap_or_default();
    let mut page = Page {
        window,
        sent,
        unacknowledged: Vec::new(),
        full_since: None,
        not_before: Instant::now(),
        allowance,
    };
    let hello = hello(sources.broadcaster.epoch(), head, resumed.is_some());
    send(socket, &hello).await?;
    let mut keep_alive = interval(KEEP_ALIVE);
    // The current snapshot is sent at once, not only the next one.
    page.window.mark_changed();
    loop {
        let may_send = page.unacknowledged.len() < UNACKNOWLEDGED_MAX;
        tokio::select! {
            changed = page.next(), if may_send => {
                if changed.is_err() {
                    return Some((1001, "dispatch is stopping"));
                }
                if page.send_newest(socket, &sources.write_spans).await? {
                    keep_alive.reset();
                }
            }
            _ = keep_alive.tick() => {
                let oldest = page.unacknowledged.first();
                if oldest.is_some_and(|(_, sent)| sent.elapsed() > ACKNOWLEDGE_TIMEOUT) {
                    return Some((1008, "frames are not acknowledged"));
                }
                send(socket, &KeepAlive { t: "k", s: page.sent.shared }).await?;
            }
            message = socket.next() => match incoming(message, &mut page.allowance) {
                Err(close) => return close,
                Ok(None) => {}
                Ok(Some(text)) => {
                    let Ok(message) = serde_json::from_str(&text) else {
                        return Some((1008, "unknown message; send commands through forms"));
                    };
                    if let Some(close) = page.apply(message, &sources.broadcaster).await {
                        return Some(close);
                    }
                }
            },
        }
    }
}

/// Returns the position that the page reports, if it belongs to this run of dispatch. The position
/// in the history is 0 if the page has no history.
fn resumed(query: &str, epoch: &str) -> Option<Position> {
    let fields: std::collections::BTreeMap<String, String> =
        serde_urlencoded::from_str(query).unwrap_or_default();
    let since = fields
        .get("epoch")
        .filter(|theirs| *theirs == epoch)
        .and_then(|_| fields.get("since")?.parse().ok())?;
    let history = if fields.contains_key("bare") { 0 } else { since };
    Some(Position { history, ..Position::all(since) })
}

impl Page {
    /// Waits for a newer snapshot, and for the time of the next frame.
    async fn next(&mut self) -> Result<(), watch::error::RecvError> {
        sleep_until(self.not_before).await;
        self.window.changed().await
    }

    /// Sends everything that the page is missing. Returns false if it is missing nothing.
    async fn send_newest(&mut self, socket: &mut Socket, write_spans: &WriteSpans) -> Option<bool> {
        let snapshot = Arc::clone(&self.window.borrow_and_update());
        let Some(frame) = snapshot.since(self.sent) else { return Some(false) };
        if self.full_since.take().is_some_and(|since| since.elapsed() > SLOW) {
            counter!(metrics::FRAMES_SKIPPED.name)
                .increment(snapshot.number.saturating_sub(self.sent.shared + 1));
            send(socket, &Skips { t: "skips" }).await?;
        }
        let pushes = write_spans.push(snapshot.number);
        send_text(socket, frame).await?;
        counter!(metrics::FRAMES_SENT.name, "to" => "page").increment(1);
        // The spans end after the frame was written, so that they include a slow socket.
        drop(pushes);
        self.sent = Position::all(snapshot.number);
        let now = Instant::now();
        self.unacknowledged.push((snapshot.number, now));
        self.full_since = (self.unacknowledged.len() >= UNACKNOWLEDGED_MAX).then_some(now);
        self.not_before = now + FRAME_INTERVAL_MIN;
        Some(true)
    }

    /// Applies a message from the page. Returns the reason to close the socket, if there is one.
    async fn apply(&mut self, message: PageMessage, broadcaster: &Broadcaster) -> Option<Close> {
        match message {
            PageMessage::Ack { s } => {
                // An acknowledgement includes all earlier frames.
                self.unacknowledged.retain(|(number, _)| *number > s);
                // An acknowledgement in time: no skipped frame is reported.
                self.full_since = self.full_since.filter(|since| since.elapsed() > SLOW);
            }
            PageMessage::Resync { since } => {
                self.unacknowledged.clear();
                self.full_since = None;
                self.sent = self.sent.at_most(since);
                // The reply must not wait for the next snapshot.
                self.window.mark_changed();
            }
            PageMessage::Watch { view, pin } => {
                let Ok(window) =
                    broadcaster.subscribe(PageQuery::parse(&view).with_pinned(pin), None).await
                else {
                    return Some((1013, "too many pages at once"));
                };
                self.window = window;
                // The fragments of the previous query are no base for those of this one.
                self.sent.window = 0;
                // The user waits for this view, so the frame interval does not apply.
                self.not_before = Instant::now();
                self.window.mark_changed();
            }
        }
        None
    }
}
