//! The rounds that dispatch starts on its timers, the pace of all gossip, and requested exchanges.
//!
//! Invariant: a pace other than the default is announced again before the cities' lease on it
//! expires; at most one requested exchange is in progress.

use std::time::Duration;

use gossip::fault::Pace;
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

    /// Takes over the pace that another dispatch has set, for the time of its lease.
    pub(super) fn adopt_pace(&mut self, now: Now, pace: Pace) {
        if pace != self.pace {
            self.set_pace(now, pace);
        }
        self.announce_at = None;
        self.adopted_until = (pace != Pace::FREE).then_some(now.mono + Pace::LEASE);
    }

    /// Returns whether the lease of a pace of another dispatch is over.
    pub(super) fn adopted_pace_is_over(&self, now: Now) -> bool {
        self.adopted_until.is_some_and(|until| until <= now.mono)
    }

    /// Sets the pace of gossip. The caller must announce it to the other nodes.
    pub(super) fn set_pace(&mut self, now: Now, pace: Pace) {
        self.pace = pace;
        self.adopted_until = None;
        self.carried.set_pace(pace, now);
        self.poll.set_pace(pace, now);
    }

    /// Returns whether it announces a pace: another one than the default, which it has set itself.
    pub(super) fn announces_pace(&self) -> bool {
        self.announce_at.is_some()
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

    #[test]
    fn changed_pace_is_announced_again_within_its_lease() {
        let now = |millis| Now::new(Duration::from_millis(millis), UnixMillis(millis));
        let timer = || Timer::new(Some(Duration::from_secs(100)), 1.0, now(0));
        let mut gossip = GossipControl::new(timer(), timer());
        gossip.set_pace(now(0), Pace::PAUSED);
        gossip.announced(now(0));
        assert_eq!(gossip.deadline(), Some(Pace::LEASE / 3));
        assert!(!gossip.announcement_is_due(now(999)) && gossip.announcement_is_due(now(1_000)));
        gossip.set_pace(now(1_000), Pace::FREE);
        gossip.announced(now(1_000));
        assert!(!gossip.announcement_is_due(now(9_000)));
        assert!(gossip.deadline().is_some(), "the timers keep running");
    }

    #[test]
    fn pace_of_another_dispatch_is_not_announced_and_ends_with_its_lease() {
        let now = |millis| Now::new(Duration::from_millis(millis), UnixMillis(millis));
        let timer = || Timer::new(Some(Duration::from_secs(100)), 1.0, now(0));
        let mut gossip = GossipControl::new(timer(), timer());
        gossip.set_pace(now(0), Pace::PAUSED);
        gossip.announced(now(0));
        // The one that set it last announces it.
        gossip.adopt_pace(now(100), Pace { percent: 50 });
        assert!(!gossip.announcement_is_due(now(9_000)));
        assert!(
            !gossip.adopted_pace_is_over(now(3_099)) && gossip.adopted_pace_is_over(now(3_100))
        );
        gossip.adopt_pace(now(3_000), Pace { percent: 50 });
        assert!(!gossip.adopted_pace_is_over(now(3_100)));
        gossip.adopt_pace(now(3_200), Pace::FREE);
        assert!(gossip.pace() == Pace::FREE && !gossip.adopted_pace_is_over(now(9_000)));
    }
}
