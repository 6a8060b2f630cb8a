//! A setting of the whole cluster that this dispatch announces, or takes over from another one.
//!
//! Invariant: a value other than the default is announced again before the lease on it expires, by the
//! dispatch that has set it and by no other.

use std::time::Duration;

use gossip::fault::{LEASE, Setting};
use gossip::{Now, UnixMillis};

/// The value of a setting, and who announces it.
#[derive(Debug, Default)]
pub(super) struct Announced<T> {
    value: T,
    /// The latest setting that is known, whether it is in force or not.
    latest: Option<Setting<T>>,
    announce_at: Option<Duration>,
    /// The end of the lease of a value that another dispatch has set.
    adopted_until: Option<Duration>,
}

impl<T: Copy + Default + PartialEq> Announced<T> {
    /// Returns the value in force.
    pub(super) fn value(&self) -> T {
        self.value
    }

    /// Returns the latest setting that is known, whether it is in force or not.
    pub(super) fn latest(&self) -> Option<Setting<T>> {
        self.latest
    }

    /// Returns the time of a setting made now: after each that is known.
    pub(super) fn next_time(&self, now: Now) -> UnixMillis {
        let after = |latest: Setting<T>| latest.at.plus(Duration::from_millis(1));
        self.latest.map_or(now.wall, |latest| now.wall.max(after(latest)))
    }

    /// Sets the value. The caller must announce it to the other nodes.
    pub(super) fn set(&mut self, set: Setting<T>) {
        self.latest = Some(set);
        self.adopted_until = None;
        self.value = set.value;
    }

    /// Takes over the value that another dispatch has set, for the time of its lease. That one announces
    /// it.
    pub(super) fn adopt(&mut self, now: Now, set: Setting<T>) {
        self.latest = Some(set);
        self.announce_at = None;
        self.adopted_until = set.lease_ends(now.mono);
        self.value = set.value;
    }

    /// Returns to the default if the lease of another dispatch is over. Returns whether it was.
    pub(super) fn end_overdue(&mut self, now: Now) -> bool {
        let is_over = self.adopted_until.take_if(|until| *until <= now.mono).is_some();
        if is_over {
            self.value = T::default();
        }
        is_over
    }

    /// Notes that the setting was announced to the other nodes.
    pub(super) fn announced(&mut self, now: Now) {
        // Three announcements per lease: one lost frame does not end it.
        self.announce_at = (self.value != T::default()).then_some(now.mono + LEASE / 3);
    }

    /// Returns whether the setting must be announced again.
    pub(super) fn announcement_is_due(&self, now: Now) -> bool {
        self.announce_at.is_some_and(|at| at <= now.mono)
    }

    /// Returns the time of the next announcement, or of the end of the lease.
    pub(super) fn deadline(&self) -> Option<Duration> {
        gossip::earliest([self.announce_at, self.adopted_until])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gossip::fault::Pace;

    fn at(millis: u64) -> Now {
        Now::new(Duration::from_millis(millis), UnixMillis(millis))
    }

    fn set(value: Pace, by: &str, millis: u64) -> Setting<Pace> {
        Setting { value, at: UnixMillis(millis), by: by.parse().unwrap() }
    }

    #[test]
    fn changed_value_is_announced_again_within_its_lease() {
        let mut pace = Announced::default();
        pace.set(set(Pace::PAUSED, "dispatch", 0));
        pace.announced(at(0));
        assert_eq!(pace.deadline(), Some(LEASE / 3));
        assert!(!pace.announcement_is_due(at(999)) && pace.announcement_is_due(at(1_000)));
        pace.set(set(Pace::FREE, "dispatch", 1_000));
        pace.announced(at(1_000));
        assert!(!pace.announcement_is_due(at(9_000)) && pace.deadline().is_none());
    }

    #[test]
    fn value_of_another_dispatch_is_not_announced_and_ends_with_its_lease() {
        let mut pace = Announced::default();
        pace.set(set(Pace::PAUSED, "dispatch", 0));
        pace.announced(at(0));
        // The one that set it last announces it.
        let half = set(Pace { percent: 50 }, "dispatch-2", 100);
        pace.adopt(at(100), half);
        assert!(!pace.announcement_is_due(at(9_000)) && pace.value() == half.value);
        assert!(!pace.end_overdue(at(3_099)));
        pace.adopt(at(3_000), half);
        assert!(!pace.end_overdue(at(3_100)) && pace.end_overdue(at(6_000)));
        assert_eq!((pace.value(), pace.latest()), (Pace::FREE, Some(half)));
    }

    #[test]
    fn setting_is_later_than_each_that_is_known() {
        let mut pace = Announced::default();
        assert_eq!(pace.next_time(at(5)), UnixMillis(5));
        // The clock of the other dispatch is ahead.
        pace.adopt(at(5), set(Pace::PAUSED, "dispatch-2", 9_000));
        assert_eq!(pace.next_time(at(6)), UnixMillis(9_001));
        assert_eq!(pace.next_time(at(9_500)), UnixMillis(9_500));
    }
}
