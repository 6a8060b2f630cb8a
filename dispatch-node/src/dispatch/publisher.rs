//! The times at which views are pushed to browsers.
//!
//! Invariant: a change is shown within [`VIEW_INTERVAL`] once it is followed, and no later than
//! [`VIEW_LATE_MAX`] in any case; where nothing changes and nothing ages, no view is pushed.

use std::time::Duration;

use gossip::{Now, earliest};

/// The least time between two views.
const VIEW_INTERVAL: Duration = Duration::from_millis(250);
/// The time for which a view waits for what belongs to its first change: a city answers a command,
/// and shows a moment later what it did, after a pause of up to 20 ms.
const VIEW_GATHERS: Duration = Duration::from_millis(25);
/// The time for which a view may wait until all changes have been followed.
const VIEW_LATE_MAX: Duration = Duration::from_secs(1);
/// The time between two views while nothing changes, but something on the page grows older.
const AGEING_INTERVAL: Duration = Duration::from_secs(1);

/// When the last view was pushed, and since when there is something that it does not show.
#[derive(Debug)]
pub(super) struct Publisher {
    shown_at: Duration,
    touched_at: Option<Duration>,
    /// Whether the history has grown since the last view by what can wait.
    history_grew: bool,
    /// Whether the cities agreed when it was looked at last.
    agreed: bool,
}

impl Publisher {
    /// Returns a publisher that has not pushed any view.
    pub(super) fn new(now: Now) -> Self {
        Self { shown_at: now.mono, touched_at: Some(now.mono), history_grew: false, agreed: false }
    }

    /// Notes that there is something new to show.
    pub(super) fn touch(&mut self, now: Now) {
        self.touched_at.get_or_insert(now.mono);
    }

    /// Notes that the history has grown, which can wait for a second.
    pub(super) fn history_grew(&mut self) {
        self.history_grew = true;
    }

    /// Notes whether the cities agree. Returns whether they have come to agree.
    pub(super) fn look_at_agreement(&mut self, agree: bool) -> bool {
        let before = std::mem::replace(&mut self.agreed, agree);
        agree && !before
    }

    /// Returns whether a view is due, even if not all changes have been followed: late by too much.
    pub(super) fn is_due(&self, now: Now, is_ageing: bool) -> bool {
        self.deadline(is_ageing).is_some_and(|due| due <= now.mono)
    }

    /// Returns whether a view cannot wait any longer for changes to be followed.
    pub(super) fn is_late(&self, now: Now, is_ageing: bool) -> bool {
        self.deadline(is_ageing).is_some_and(|due| due + VIEW_LATE_MAX <= now.mono)
    }

    /// Notes that a view was pushed.
    pub(super) fn pushed(&mut self, now: Now) {
        (self.shown_at, self.touched_at, self.history_grew) = (now.mono, None, false);
    }

    /// Returns the time of the next view. `is_ageing`: something on the page grows older by the
    /// second.
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
        Now { mono: Duration::from_millis(millis), wall: UnixMillis(millis) }
    }

    #[test]
    fn a_change_gathers_what_belongs_to_it_and_views_keep_their_distance() {
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
