//! The live socket of a page. It is told the number of each frame, says which ones it has, and is sent what is newer, at most four times a second.
//!
//! Invariants: no page waits for another. A page is sent the next frame only while few are unacknowledged, so a slow one skips to the newest
//! instead of holding anything up; whatever it missed comes with the next frame that it takes.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Instant, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use shared::id::HeroId;
use shared::link::farewell::farewell;
use shared::link::places::Place;
use shared::link::upgrade::Socket;
use shared::meter::counter;

use crate::metrics::{self, Watched};
use crate::web::fragments::Number;
use crate::web::live::broadcaster::Broadcaster;
use crate::web::live::snapshot::{Has, Snapshot};
use crate::web::live::socket::{Allowance, Close, KEEP_ALIVE, heard, send, send_text};
use crate::web::page_query::PageQuery;
use crate::web::spans::writes::WriteSpans;

/// The version of what is said here. It is told in the first message.
const PROTOCOL: u32 = 1;
/// How many frames a second a page gets at most.
const FRAMES_PER_S: u32 = 4;
/// The least time between two frames to a page, a little less than that of the views.
const FRAME_INTERVAL_MIN: Duration = Duration::from_millis(200);
/// A page that has acknowledged nothing for so long is told that it skips frames.
const SLOW: Duration = Duration::from_secs(1);
/// How many frames may be under way unacknowledged, and how long the oldest of them.
const UNACKNOWLEDGED_MAX: usize = 8;
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(60);
/// What a page says.
#[derive(Debug, Deserialize)]
#[serde(tag = "t", rename_all = "lowercase", deny_unknown_fields)]
enum Said {
    /// It has frame `s`.
    Ack { s: Number },
    /// It has missed something: it has nothing later than frame `since`.
    Resync { since: Number },
    /// It is to show something else.
    Watch {
        /// The query of its address, without the question mark.
        view: String,
        /// The heroes whose rows are to stand still.
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
    /// Whether what follows goes on from the frame that the page said it had.
    resume: bool,
}

/// What follows skips to the newest: the page was too slow for what was in between.
#[derive(Serialize)]
struct Skips {
    t: &'static str,
}

#[derive(Serialize)]
struct KeepAlive {
    t: &'static str,
    s: Number,
}

/// Where the frames of pages come from.
pub(crate) struct Sources {
    pub(crate) broadcaster: Broadcaster,
    /// The writes whose traces end with the first page that is sent them.
    pub(crate) write_spans: WriteSpans,
}

/// Sends a page its frames, until it goes or must go.
pub(crate) async fn show(mut socket: Socket, sources: Sources, query: String, stop: CancellationToken, _place: Place) {
    let _watched = Watched::by("page");
    let close = tokio::select! {
        close = keep_showing(&mut socket, &sources, &query) => close,
        () = stop.cancelled() => Some((1001, "dispatch is stopping")),
    };
    farewell(&mut socket, close).await;
}

/// One page, as far as it is known here.
struct Page {
    window: watch::Receiver<Arc<Snapshot>>,
    /// What it was sent.
    sent: Has,
    /// The frames under way, with when they were sent.
    under_way: Vec<(Number, Instant)>,
    /// Since when as many are as may be.
    full_since: Option<Instant>,
    /// When it may be sent the next one.
    not_before: Instant,
    allowance: Allowance,
}

/// Shows until the page goes or must go.
async fn keep_showing(socket: &mut Socket, sources: &Sources, query: &str) -> Option<Close> {
    let resumed = resumed(query, sources.broadcaster.epoch());
    let Ok(window) = sources.broadcaster.subscribe(PageQuery::parse(query), None).await else {
        return Some((1013, "too many pages at once"));
    };
    let allowance = Allowance::new();
    let head = window.borrow().number;
    let resumed = resumed.filter(|has| has.shared <= head);
    let sent = resumed.unwrap_or_default();
    let mut page = Page { window, sent, under_way: Vec::new(), full_since: None, not_before: Instant::now(), allowance };
    let hello =
        Hello { t: "hello", proto: PROTOCOL, epoch: sources.broadcaster.epoch(), head, hz: FRAMES_PER_S, resume: resumed.is_some() };
    send(socket, &hello).await?;
    let mut keep_alive = interval(KEEP_ALIVE);
    page.window.mark_changed();
    loop {
        let may_send = page.under_way.len() < UNACKNOWLEDGED_MAX;
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
                if page.under_way.first().is_some_and(|(_, sent)| sent.elapsed() > ACKNOWLEDGE_TIMEOUT) {
                    return Some((1008, "frames are not acknowledged"));
                }
                send(socket, &KeepAlive { t: "k", s: page.sent.shared }).await?;
            }
            message = socket.next() => match heard(message, &mut page.allowance) {
                Err(close) => return close,
                Ok(None) => {}
                Ok(Some(text)) => {
                    let Ok(said) = serde_json::from_str(&text) else { return Some((1008, "unknown message; send commands as forms")) };
                    if let Some(close) = page.hear(said, &sources.broadcaster).await {
                        return Some(close);
                    }
                }
            },
        }
    }
}

/// What the page says that it has, if that is of this run of dispatch. Without the history, where it says so.
fn resumed(query: &str, epoch: &str) -> Option<Has> {
    let fields: std::collections::BTreeMap<String, String> = serde_urlencoded::from_str(query).unwrap_or_default();
    let since = fields.get("epoch").filter(|theirs| *theirs == epoch).and_then(|_| fields.get("since")?.parse().ok())?;
    let history = if fields.contains_key("bare") { 0 } else { since };
    Some(Has { history, ..Has::all(since) })
}

impl Page {
    /// Waits until there is something newer, and until it is time for it.
    async fn next(&mut self) -> Result<(), watch::error::RecvError> {
        sleep_until(self.not_before).await;
        self.window.changed().await
    }

    /// Sends what the page lacks, if anything. Whether it was.
    async fn send_newest(&mut self, socket: &mut Socket, write_spans: &WriteSpans) -> Option<bool> {
        let snapshot = Arc::clone(&self.window.borrow_and_update());
        let Some(frame) = snapshot.since(self.sent) else { return Some(false) };
        if self.full_since.take().is_some_and(|since| since.elapsed() > SLOW) {
            counter!(metrics::FRAMES_SKIPPED.name).increment(snapshot.number.saturating_sub(self.sent.shared + 1));
            send(socket, &Skips { t: "skips" }).await?;
        }
        let pushes = write_spans.push(snapshot.number);
        send_text(socket, frame).await?;
        counter!(metrics::FRAMES_SENT.name, "to" => "page").increment(1);
        drop(pushes);
        self.sent = Has::all(snapshot.number);
        let now = Instant::now();
        self.under_way.push((snapshot.number, now));
        self.full_since = (self.under_way.len() >= UNACKNOWLEDGED_MAX).then_some(now);
        self.not_before = now + FRAME_INTERVAL_MIN;
        Some(true)
    }

    /// Does what the page says; why it must go, if it must.
    async fn hear(&mut self, said: Said, broadcaster: &Broadcaster) -> Option<Close> {
        match said {
            Said::Ack { s } => {
                self.under_way.retain(|(number, _)| *number > s);
                // Acknowledged in time: nothing was left out.
                self.full_since = self.full_since.filter(|since| since.elapsed() > SLOW);
            }
            Said::Resync { since } => {
                self.under_way.clear();
                self.full_since = None;
                self.sent = self.sent.at_most(since);
                self.window.mark_changed();
            }
            Said::Watch { view, pin } => {
                let Ok(window) = broadcaster.subscribe(PageQuery::parse(&view).with_pinned(pin), None).await else {
                    return Some((1013, "too many pages at once"));
                };
                self.window = window;
                self.sent.window = 0;
                self.not_before = Instant::now();
                self.window.mark_changed();
            }
        }
        None
    }
}
