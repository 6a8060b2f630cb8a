//! Snapshots: the content of a page at one moment, and the frames rendered from it. A page reports
//! the frame that it has, and receives everything newer. Pages at the same position receive the
//! same bytes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::model::view::View;
use crate::web::fragments::{Fragments, Newer, Number};
use crate::web::render::timeline;

/// The most frames kept of one snapshot. Pages at the same position need one. Beyond the limit a
/// frame is rendered for each request, since positions are chosen by clients.
const FRAMES_MAX: usize = 64;
/// The largest frame that is kept when it is requested first, in bytes. A larger one is kept from
/// the second request on: with a search of its own, a page is the only one to request it.
const KEPT_AT_ONCE_MAX: usize = 8 * 1024;

/// The content of a page at one moment.
pub(crate) struct Snapshot {
    pub(crate) number: Number,
    pub(crate) view: Arc<View>,
    pub(crate) shared: Fragments,
    /// The seconds and the table of the timeline. They are large, and only a page with scripts uses
    /// them.
    pub(crate) history: Fragments,
    pub(crate) window: Fragments,
    announcements: Vec<Announcement>,
    /// The frames rendered so far, by the position of the page.
    frames: Mutex<BTreeMap<Position, Rendered>>,
}

/// A frame that was rendered.
enum Rendered {
    Kept(Option<Utf8Bytes>),
    /// It is large, and was requested once.
    Dropped,
}

/// The position of a page: its frame of the shared fragments, of the history, and of its window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) shared: Number,
    pub(crate) history: Number,
    pub(crate) window: Number,
}

impl Position {
    /// The position of a page that has all of frame `number`.
    pub(crate) fn all(number: Number) -> Self {
        Self { shared: number, history: number, window: number }
    }

    /// The position, limited to frame `number`.
    pub(crate) fn at_most(self, number: Number) -> Self {
        Self {
            shared: self.shared.min(number),
            history: self.history.min(number),
            window: self.window.min(number),
        }
    }
}

/// A short message to all pages.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Announcement {
    /// The number of the event.
    pub(super) n: u64,
    pub(super) text: String,
    #[serde(skip)]
    pub(super) since: Number,
}

/// A frame as it is sent.
#[derive(Serialize)]
struct Frame<'a> {
    t: &'static str,
    s: Number,
    from: Number,
    /// The transform of the timeline, which puts the present at its fixed position.
    moving: String,
    /// The number of changes to rows so far.
    changes: u64,
    /// The frame contains the whole window.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    whole: bool,
    #[serde(flatten)]
    newer: Newer<'a>,
    #[serde(rename = "news", skip_serializing_if = "Vec::is_empty")]
    announcements: Vec<&'a Announcement>,
}

impl Snapshot {
    /// Returns a snapshot without frames.
    pub(super) fn new(
        number: Number,
        view: Arc<View>,
        shared: Fragments,
        history: Fragments,
        window: Fragments,
        announcements: Vec<Announcement>,
    ) -> Self {
        Self { number, view, shared, history, window, announcements, frames: Mutex::default() }
    }

    /// Returns the frame for a page at this position; none if nothing is newer.
    pub(crate) fn since(&self, position: Position) -> Option<Utf8Bytes> {
        // A poisoned lock is harmless: the map is a cache, and each entry is complete.
        let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        let before = frames.get(&position);
        if let Some(Rendered::Kept(frame)) = before {
            return frame.clone();
        }
        let frame = self.frame(position);
        let is_small = frame.as_ref().is_none_or(|frame| frame.len() <= KEPT_AT_ONCE_MAX);
        let rendered = if is_small || before.is_some() {
            Rendered::Kept(frame.clone())
        } else {
            Rendered::Dropped
        };
        if before.is_some() || frames.len() < FRAMES_MAX {
            frames.insert(position, rendered);
        }
        frame
    }

    fn frame(&self, position: Position) -> Option<Utf8Bytes> {
        let mut newer = Newer::default();
        self.shared.since(position.shared, &mut newer);
        self.history.since(position.history, &mut newer);
        self.window.since(position.window, &mut newer);
        // A new page, at position 0, gets no past announcements.
        let announcements: Vec<&Announcement> = self
            .announcements
            .iter()
            .filter(|announcement| position.shared > 0 && announcement.since > position.shared)
            .collect();
        if newer.is_empty() && announcements.is_empty() {
            return None;
        }
        let frame = Frame {
            t: "d",
            s: self.number,
            from: position.shared,
            moving: timeline::moving_transform(&self.view),
            changes: self.view.rows.changes() + self.view.tables.changes(),
            whole: position.window == 0,
            newer,
            announcements,
        };
        Some(serde_json::to_string(&frame).expect("a frame has only strings and numbers").into())
    }

    /// Returns the same snapshot with another window.
    pub(crate) fn with_window(&self, window: Fragments) -> Self {
        let Self { number, view, shared, history, announcements, .. } = self;
        let (shared, history) = (shared.clone(), history.clone());
        Self::new(*number, Arc::clone(view), shared, history, window, announcements.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::view;

    #[test]
    fn large_frame_is_kept_from_its_second_request_on() {
        let mut shared = Fragments::default();
        shared.panel(1, "title", "x".repeat(KEPT_AT_ONCE_MAX));
        shared.panel(2, "verdict", "small");
        let view = Arc::new(view(&["gotham"], 200_000));
        let (history, window) = (Fragments::default(), Fragments::default());
        let snapshot = Snapshot::new(2, view, shared, history, window, Vec::new());
        let kept = || -> usize {
            let frames = snapshot.frames.lock().unwrap();
            frames.values().filter(|frame| matches!(frame, Rendered::Kept(_))).count()
        };
        let first = snapshot.since(Position::default());
        assert_eq!(kept(), 0);
        assert_eq!(snapshot.since(Position::default()), first);
        assert_eq!(kept(), 1);
        assert!(snapshot.since(Position::all(1)).is_some());
        assert_eq!(kept(), 2);
    }

    #[test]
    fn frames_kept_for_distinct_positions_are_bounded() {
        let mut shared = Fragments::default();
        for number in 1..=200 {
            shared.panel(number, "title", number.to_string());
        }
        let view = Arc::new(view(&["gotham"], 200_000));
        let snapshot = Snapshot::new(
            200,
            view,
            shared,
            Fragments::default(),
            Fragments::default(),
            Vec::new(),
        );
        for position in 0..200 {
            assert!(snapshot.since(Position::all(position)).is_some());
        }
        assert_eq!(snapshot.frames.lock().unwrap().len(), FRAMES_MAX);
    }
}
