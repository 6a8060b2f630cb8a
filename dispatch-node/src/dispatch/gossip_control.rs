//! The rounds that dispatch starts on its timers, the pace of all gossip, and requested exchanges.
//!
//! Invariant: at most one requested exchange is in progress.

use std::time::Duration;

use gossip::fault::Pace;
use gossip::{Now, Timer, earliest};
use shared::Envelope;

use super::announced::Announced;
use super::pending_exchange::PendingExchange;

/// The gossip timers, the pace, and the requested exchange in progress.
#[derive(Debug)]
pub(super) struct GossipControl {
    carried: Timer,
    poll: Timer,
    pub(super) pace: Announced<Pace>,
    /// The pace of the timers.
    applied: Pace,
    exchange: Option<PendingExchange>,
}

impl GossipControl {
    /// Returns gossip at the default pace with these two timers.
    pub(super) fn new(carried: Timer, poll: Timer) -> Self {
        Self { carried, poll, pace: Announced::default(), applied: Pace::FREE, exchange: None }
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

    /// Applies the pace to the timers, if it has changed.
    pub(super) fn apply_pace(&mut self, now: Now) {
        if self.pace.value() != self.applied {
            self.applied = self.pace.value();
            self.carried.set_pace(self.applied, now);
            self.poll.set_pace(self.applied, now);
        }
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
        earliest([self.carried.deadline(), self.poll.deadline(), self.pace.deadline(), exchange])
    }
}
