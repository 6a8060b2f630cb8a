//! The times at which views are published to browsers.
//!
//! Invariant: a change is shown within [`VIEW_INTERVAL`] once it is processed, and at most
//! [`VIEW_LATE_MAX`] after that was due; if nothing changes or ages, no view is published.

use std::time::Duration;

use gossip::{Now, earliest};

/// The minimum time between two views.
const VIEW_INTERVAL: Duration = Duration::from_millis(250);
/// The time for which a view waits after its first change, so that related changes appear together:
/// a city answers a command, and reports the result after a pause of up to 20 ms.
const VIEW_GATHERS: Duration = Duration::from_millis(25);
/// The time for which a due view waits until all changes are processed.
const VIEW_LATE_MAX: Duration = Duration::from_secs(1);
/// The interval of views while only displayed ages change.
const AGEING_INTERVAL: Duration = Duration::from_secs(1);

/// The times of the last view, and of the first change that it does not show.
#[derive(Debug)]
pub(super) struct Publisher {
    shown_at: Duration,
    touched_at: Option<Duration>,
    /// True if the history has grown since the last view, which can wait for [`AGEING_INTERVAL`].
    history_grew: bool,
    /// True if the cities agreed at the last check.
    agreed: bool,
}

impl Publisher {
    /// Returns a publisher that has not published any view.
    pub(super) fn new(now: Now) -> Self {
        Self { shown_at: now.mono, touched_at: Some(now.mono), history_grew: false, agreed: false }
    }

    /// Notes a change to show.
    pub(super) fn touch(&mut self, now: Now) {
        self.touched_at.get_or_insert(now.mono);
    }

    /// Notes that the history has grown, which can wait for [`AGEING_INTERVAL`].
    pub(super) fn history_grew(&mut self) {
        self.history_grew = true;
    }

    /// Notes whether the cities agree. Returns whether they agree again after a difference.
    pub(super) fn note_agreement(&mut self, agree: bool) -> bool {
        let before = std::mem::replace(&mut self.agreed, agree);
        agree && !before
    }

    /// Returns whether a view is due. It may still have to wait for changes to be processed.
    pub(super) fn is_due(&self, now: Now, is_ageing: bool) -> bool {
        self.deadline(is_ageing).is_some_and(|due| due <= now.mono)
    }

    /// Returns whether a due view must no longer wait for changes to be processed.
    pub(super) fn is_late(&self, now: Now, is_ageing: bool) -> bool {
        self.deadline(is_ageing).is_some_and(|due| due + VIEW_LATE_MAX <= now.mono)
    }

    /// Notes that a view was published.
    pub(super) fn pushed(&mut self, now: Now) {
        (self.shown_at, self.touched_at, self.history_grew) = (now.mono, None, false);
    }

    /// Returns the time of the next view. `is_ageing`: the page shows ages or remaining times that
    /// change every second.
    pub(super) fn deadline(&self, is_ageing: bool) -> Option<Duration> {
        let due = self
            .touched_at
            .map(|touched| (self.shown_at + VIEW_INTERVAL).max(touched + VIEW_GATHERS));
        let aged = (is_ageing || self.history_grew).then_some(self.shown_at + AGEING_INTERVAL);
        earliest([due, aged])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gossip::UnixMillis;

    fn now(millis: u64) -> Now {
        Now::new(Duration::from_millis(millis), UnixMillis(millis))
    }

    #[test]
    fn view_waits_for_related_changes_and_for_the_interval() {
        let mut publisher = Publisher::new(now(0));
        publisher.pushed(now(1_000));
        assert_eq!(publisher.deadline(false), None);
        publisher.touch(now(1_010));
        publisher.touch(now(1_200));
        assert_eq!(publisher.deadline(false), Some(Duration::from_millis(1_250)));
        publisher.pushed(now(1_250));
        publisher.touch(now(3_000));
        assert_eq!(publisher.deadline(false), Some(Duration::from_millis(3_025)));
        assert!(
            publisher.is_due(now(3_025), false)
                && !publisher.is_late(now(4_024), false)
                && publisher.is_late(now(4_025), false)
        );
        publisher.pushed(now(3_025));
        assert_eq!(publisher.deadline(true), Some(Duration::from_millis(4_025)));
    }
}
