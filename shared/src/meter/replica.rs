//! Counts what a replica does. It is shown the replica after each step, and compares with what it
//! saw before.
//!
//! Invariant: a round is counted once; what a crash takes with it uncounted is less than one step.

use metrics::Gauge;

use super::{counter, gauge, histogram, node};
use gossip::PullOutcome;
use gossip::replica::Event;

use crate::app::Replica;

/// What was seen of one life's replica.
pub(crate) struct Watcher {
    asked: u64,
    ended: u64,
    heroes: Gauge,
    tombstones: Gauge,
    joined: Gauge,
}

impl Watcher {
    /// For the replica of a life that begins.
    pub(crate) fn new() -> Self {
        let (heroes, tombstones, joined) =
            (gauge!(node::HEROES.name), gauge!(node::TOMBSTONES.name), gauge!(node::JOINED.name));
        Self { asked: 0, ended: 0, heroes, tombstones, joined }
    }

    /// Counts what has happened since it looked last.
    #[expect(clippy::cast_precision_loss, reason = "no map holds 2^53 heroes")]
    pub(crate) fn look(&mut self, replica: &Replica) {
        self.heroes.set(replica.map().live() as f64);
        self.tombstones.set(replica.map().tombstones() as f64);
        self.joined.set(f64::from(u8::from(replica.joined())));
        let log = replica.pull_log();
        let asked = std::mem::replace(&mut self.asked, log.asked_so_far());
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
            if matches!(record.outcome, PullOutcome::Same | PullOutcome::Merged { .. }) {
                histogram!(node::ROUND_DURATION.name)
                    .record(record.ended.saturating_sub(record.asked));
            }
        }
    }
}

/// Counts the events of a replica that its journal does not hold.
pub(crate) fn count(event: &Event) {
    if let Some(reason) = event.refusal() {
        counter!(node::REFUSED.name, "reason" => reason).increment(1);
    } else if matches!(event, Event::GivenUp { .. }) {
        counter!(node::GIVEN_UP.name).increment(1);
    } else if matches!(event, Event::Diverged { .. }) {
        counter!(node::DIVERGED.name).increment(1);
    }
}
