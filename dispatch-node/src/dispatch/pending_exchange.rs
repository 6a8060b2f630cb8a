//! A requested gossip exchange: dispatch carries its round, and counts the entries and bytes.
//!
//! Invariant: only frames of the one round that the puller started are counted.

use std::time::Duration;

use gossip::{Origin, wire};
use shared::{Envelope, Frame, Step};

use crate::model::exchange::Exchange;
use crate::request::{RunExchange, Ticket};

/// The time after which an exchange is given up.
const EXCHANGE_TIMEOUT: Duration = Duration::from_millis(1_500);

/// An exchange in progress.
#[derive(Debug)]
pub(super) struct PendingExchange {
    pub(super) ticket: Ticket<RunExchange>,
    pub(super) deadline: Duration,
    ends: (Origin, Origin),
    /// The puller's number of the round, once it has sent its first pull.
    round: Option<u64>,
    pub(super) so_far: Exchange,
}

impl PendingExchange {
    pub(super) fn new(
        ticket: Ticket<RunExchange>,
        now: Duration,
        source: Origin,
        puller: Origin,
    ) -> Self {
        let so_far = Exchange {
            source: source.node,
            puller: puller.node,
            completed: false,
            entries: 0,
            records: 0,
            bytes: 0,
        };
        Self {
            ticket,
            deadline: now + EXCHANGE_TIMEOUT,
            ends: (source, puller),
            round: None,
            so_far,
        }
    }

    /// Counts a frame if it belongs to this exchange. Returns whether it was the last one.
    pub(super) fn pass(&mut self, envelope: &Envelope) -> bool {
        let (source, puller) = self.ends;
        let onward = (envelope.from, envelope.to) == (source, puller);
        if !onward && (envelope.from, envelope.to) != (puller, source) {
            return false;
        }
        if !onward && self.round.is_none() && matches!(envelope.step, Step::Pull(_)) {
            self.round = Some(envelope.round);
        }
        // Frames of an earlier round may still be in flight.
        if self.round != Some(envelope.round) {
            return false;
        }
        // Encoded once more to count the bytes; acceptable for a single requested exchange.
        self.so_far.bytes += wire::encode(&Frame::Round(envelope.clone())).len();
        match &envelope.step {
            Step::Chunk { entries, .. } if onward => {
                let records = entries.keys().filter(|key| key.table().is_some()).count();
                self.so_far.records += records;
                self.so_far.entries += entries.len() - records;
            }
            Step::Same { .. } | Step::End { .. } if onward => self.so_far.completed = true,
            Step::Chunk { .. }
            | Step::Same { .. }
            | Step::End { .. }
            | Step::Invite { .. }
            | Step::Pull(_)
            | Step::Which
            | Step::Ack { .. } => {}
        }
        self.so_far.completed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gossip::{
        Fingerprint, Horizon, Incarnation, PullOptions, PullRequest, Summary, VersionVector,
    };

    fn origin(name: &str) -> Origin {
        Origin { node: name.parse().unwrap(), incarnation: Incarnation::at(1) }
    }

    fn envelope(from: &str, to: &str, round: u64, step: Step) -> Envelope {
        Envelope { from: origin(from), to: origin(to), round, step }
    }

    fn pull() -> Step {
        let summary = Summary { vector: 1, fingerprint: Fingerprint::default() };
        Step::Pull(PullRequest {
            summary,
            vector: None,
            options: PullOptions { mutual: false, full: false },
        })
    }

    fn end() -> Step {
        Step::End {
            serving: 1,
            chunks: 0,
            vector: VersionVector::new(),
            horizon: Horizon::new(),
            full: false,
            joined: true,
        }
    }

    #[test]
    fn exchange_counts_its_own_round_from_pull_to_end() {
        let mut exchange = PendingExchange::new(
            Ticket::new(1),
            Duration::ZERO,
            origin("gotham"),
            origin("capitol"),
        );
        for foreign in [
            envelope("gotham", "capitol", 4, end()),
            envelope("gotham", "metropolis", 5, end()),
            envelope("gotham", "capitol", 9, pull()),
        ] {
            assert!(!exchange.pass(&foreign));
        }
        assert_eq!(exchange.so_far.bytes, 0, "none of these frames belongs to the exchange");
        assert!(!exchange.pass(&envelope("capitol", "gotham", 5, pull())));
        let asked = exchange.so_far.bytes;
        assert!(
            asked > 0 && !exchange.pass(&envelope("gotham", "capitol", 4, end())),
            "the end of an earlier round"
        );
        assert!(exchange.pass(&envelope("gotham", "capitol", 5, end())));
        assert!(exchange.so_far.completed && exchange.so_far.bytes > asked);
    }
}
