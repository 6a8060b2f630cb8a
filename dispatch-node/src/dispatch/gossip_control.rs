//! The rounds that dispatch starts on its timers, the pace of all gossip, and requested exchanges.
//!
//! Invariant: a pace other than the default is announced again before the cities' lease on it
//! expires; at most one requested exchange is in progress.

use std::time::Duration;

use gossip::fault::{Pace, PaceSetting};
use gossip::{Now, Timer, earliest};
use shared::Envelope;

use super::pending_exchange::PendingExchange;

/// The gossip timers, the pace, and the requested exchange in progress.
#[derive(Debug)]
pub(super) struct GossipControl {
    carried: Timer,
    poll: Timer,
    pace: Pace,
    announce_at: Option<Duration>,
    /// The latest setting that is known.
    latest: Option<PaceSetting>,
    /// The end of the lease of a pace that another dispatch has set.
    adopted_until: Option<Duration>,
    exchange: Option<PendingExchange>,
}

impl GossipControl {
    /// Returns gossip at the default pace with these two timers.
    pub(super) fn new(carried: Timer, poll: Timer) -> Self {
        Self {
            carried,
            poll,
            pace: Pace::FREE,
            announce_at: None,
            latest: None,
            adopted_until: None,
            exchange: None,
        }
    }

    /// Returns whether a round between two cities is due; if so, restarts its timer.
    pub(super) fn carried_is_due(&mut self, now: Now) -> bool {
        self.carried.is_due(now)
    }

    /// Returns whether a pull from a random city is due; if so, restarts its timer.
    pub(super) fn poll_is_due(&mut self, now: Now) -> bool {
        self.poll.is_due(now)
    }

    /// Returns the interval of rounds between cities, at the default pace.
    pub(super) fn carried_interval(&self) -> Option<Duration> {
        self.carried.interval()
    }

    /// Returns the interval of pulls from a random city, at the default pace.
    pub(super) fn poll_interval(&self) -> Option<Duration> {
        self.poll.interval()
    }

    /// Returns the pace of gossip.
    pub(super) fn pace(&self) -> Pace {
        self.pace
    }

    /// Returns the latest setting of the pace that is known, whether it is in force or not.
    pub(super) fn latest(&self) -> Option<PaceSetting> {
        self.latest
    }

    /// Sets the pace of gossip. The caller must announce it to the other nodes.
    pub(super) fn set(&mut self, now: Now, set: PaceSetting) {
        self.latest = Some(set);
        self.adopted_until = None;
        self.apply(now, set.pace);
    }

    /// Takes over the pace that another dispatch has set, for the time of its lease. That one announces
    /// it.
    pub(super) fn adopt(&mut self, now: Now, set: PaceSetting) {
        self.latest = Some(set);
        self.announce_at = None;
        self.adopted_until = (set.pace != Pace::FREE).then_some(now.mono + Pace::LEASE);
        self.apply(now, set.pace);
    }

    /// Returns to the default pace if the lease of another dispatch is over. Returns whether it was.
    pub(super) fn end_overdue_pace(&mut self, now: Now) -> bool {
        let is_over = self.adopted_until.is_some_and(|until| until <= now.mono);
        if is_over {
            self.adopted_until = None;
            self.apply(now, Pace::FREE);
        }
        is_over
    }

    fn apply(&mut self, now: Now, pace: Pace) {
        if pace != self.pace {
            self.pace = pace;
            self.carried.set_pace(pace, now);
            self.poll.set_pace(pace, now);
        }
    }

    /// Notes that the pace was announced to the other nodes.
    pub(super) fn announced(&mut self, now: Now) {
        // Three announcements per lease: one lost frame does not end it.
        self.announce_at = (self.pace != Pace::FREE).then_some(now.mono + Pace::LEASE / 3);
    }

    /// Returns whether the pace must be announced again.
    pub(super) fn announcement_is_due(&self, now: Now) -> bool {
        self.announce_at.is_some_and(|at| at <= now.mono)
    }

    /// Returns whether a requested exchange is in progress.
    pub(super) fn is_exchanging(&self) -> bool {
        self.exchange.is_some()
    }

    /// Starts a requested exchange.
    pub(super) fn begin_exchange(&mut self, exchange: PendingExchange) {
        self.exchange = Some(exchange);
    }

    /// Counts a frame of a round. Returns the exchange if the frame completed it.
    pub(super) fn pass(&mut self, envelope: &Envelope) -> Option<PendingExchange> {
        self.exchange.take_if(|exchange| exchange.pass(envelope))
    }

    /// Removes and returns the exchange if its deadline has passed.
    pub(super) fn take_overdue_exchange(&mut self, now: Now) -> Option<PendingExchange> {
        self.exchange.take_if(|exchange| exchange.deadline <= now.mono)
    }

    /// Returns the earliest deadline of the timers, the announcement and the exchange.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let exchange = self.exchange.as_ref().map(|exchange| exchange.deadline);
        earliest([
            self.carried.deadline(),
            self.poll.deadline(),
            self.announce_at,
            self.adopted_until,
            exchange,
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gossip::UnixMillis;

    fn at(millis: u64) -> Now {
        Now::new(Duration::from_millis(millis), UnixMillis(millis))
    }

    fn control() -> GossipControl {
        let timer = || Timer::new(Some(Duration::from_secs(100)), 1.0, at(0));
        GossipControl::new(timer(), timer())
    }

    fn set(pace: Pace, by: &str, millis: u64) -> PaceSetting {
        PaceSetting { pace, at: UnixMillis(millis), by: by.parse().unwrap() }
    }

    #[test]
    fn changed_pace_is_announced_again_within_its_lease() {
        let mut gossip = control();
        gossip.set(at(0), set(Pace::PAUSED, "dispatch", 0));
        gossip.announced(at(0));
        assert_eq!(gossip.deadline(), Some(Pace::LEASE / 3));
        assert!(!gossip.announcement_is_due(at(999)) && gossip.announcement_is_due(at(1_000)));
        gossip.set(at(1_000), set(Pace::FREE, "dispatch", 1_000));
        gossip.announced(at(1_000));
        assert!(!gossip.announcement_is_due(at(9_000)));
        assert!(gossip.deadline().is_some(), "the timers keep running");
    }

    #[test]
    fn pace_of_another_dispatch_is_not_announced_and_ends_with_its_lease() {
        let mut gossip = control();
        gossip.set(at(0), set(Pace::PAUSED, "dispatch", 0));
        gossip.announced(at(0));
        // The one that set it last announces it.
        let half = set(Pace { percent: 50 }, "dispatch-2", 100);
        gossip.adopt(at(100), half);
        assert!(!gossip.announcement_is_due(at(9_000)) && gossip.pace() == half.pace);
        assert!(!gossip.end_overdue_pace(at(3_099)));
        gossip.adopt(at(3_000), half);
        assert!(!gossip.end_overdue_pace(at(3_100)) && gossip.end_overdue_pace(at(6_000)));
        assert_eq!((gossip.pace(), gossip.latest()), (Pace::FREE, Some(half)));
    }
}
