//! The metrics of a replica, computed after each step from the difference to the previous state.
//!
//! Invariant: each round is counted once; a crash loses at most the counts of one step.

use metrics::Gauge;

use super::{counter, gauge, histogram, node};
use gossip::PullOutcome;
use gossip::replica::Event;

use crate::app::Replica;

/// The last observed state of the replica of one incarnation.
pub(crate) struct Watcher {
    asked: u64,
    ended: u64,
    heroes: Gauge,
    tombstones: Gauge,
    joined: Gauge,
}

impl Watcher {
    /// Returns a watcher of the replica of a new incarnation.
    pub(crate) fn new() -> Self {
        let (heroes, tombstones, joined) =
            (gauge!(node::HEROES.name), gauge!(node::TOMBSTONES.name), gauge!(node::JOINED.name));
        Self { asked: 0, ended: 0, heroes, tombstones, joined }
    }

    /// Records the changes since the last call.
    #[expect(clippy::cast_precision_loss, reason = "no map holds 2^53 heroes")]
    pub(crate) fn update(&mut self, replica: &Replica) {
        self.heroes.set(replica.map().live() as f64);
        self.tombstones.set(replica.map().tombstones() as f64);
        self.joined.set(f64::from(u8::from(replica.joined())));
        let log = replica.pull_log();
        let asked = std::mem::replace(&mut self.asked, log.requests_sent());
        if self.asked > asked {
            counter!(node::STARTED.name).increment(self.asked - asked);
        }
        for record in log.since(std::mem::replace(&mut self.ended, log.written())) {
            let (outcome, entries) = match &record.outcome {
                PullOutcome::Same => ("same", 0),
                PullOutcome::Merged { entries, .. } => ("merged", *entries),
                PullOutcome::Unanswered => ("unanswered", 0),
                PullOutcome::Refused => ("refused", 0),
            };
            counter!(node::ENDED.name, "outcome" => outcome).increment(1);
            counter!(node::BROUGHT.name).increment(entries as u64);
            // Unanswered and refused pulls have no round whose duration could be recorded.
            if matches!(record.outcome, PullOutcome::Same | PullOutcome::Merged { .. }) {
                histogram!(node::ROUND_DURATION.name)
                    .record(record.ended.saturating_sub(record.asked));
            }
        }
    }
}

/// Counts the events of a replica that its pull log does not contain.
pub(crate) fn count(event: &Event) {
    if let Some(reason) = event.refusal() {
        counter!(node::REFUSED.name, "reason" => reason).increment(1);
    } else if matches!(event, Event::GivenUp { .. }) {
        counter!(node::GIVEN_UP.name).increment(1);
    } else if matches!(event, Event::Diverged { .. }) {
        counter!(node::DIVERGED.name).increment(1);
    } else if let Event::Repaired { entries, .. } = event {
        counter!(node::REPAIRED.name).increment(*entries as u64);
    } else if matches!(event, Event::OriginStolen { .. }) {
        counter!(node::STOLEN.name).increment(1);
    }
}
