//! One gossip exchange that somebody asked to see: dispatch carries it, and counts what passes.

use std::time::Duration;

use shared::id::{NodeName, Origin};
use shared::message::{Envelope, Frame, Step};
use shared::wire;

/// How long an exchange is waited for.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// An exchange, as far as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// From whom.
    pub source: NodeName,
    /// To whom.
    pub puller: NodeName,
    /// Whether its end has passed here. One that did not come that far in time was lost on the way, or is very slow.
    pub completed: bool,
    /// How many entries passed.
    pub entries: usize,
    /// How many bytes passed, both ways, as they stand on the link.
    pub bytes: usize,
}

/// An exchange under way.
#[derive(Debug)]
pub(crate) struct PendingExchange {
    pub(crate) ticket: u64,
    pub(crate) key: Option<String>,
    pub(crate) deadline: Duration,
    ends: (Origin, Origin),
    /// The puller's number for it, once it has asked.
    round: Option<u64>,
    pub(crate) so_far: Exchange,
}

impl PendingExchange {
    pub(crate) fn new(ticket: u64, key: Option<String>, now: Duration, source: Origin, puller: Origin) -> Self {
        let so_far = Exchange { source: source.node, puller: puller.node, completed: false, entries: 0, bytes: 0 };
        Self { ticket, key, deadline: now + PATIENCE, ends: (source, puller), round: None, so_far }
    }

    /// Takes note of a frame that passes, if it belongs to this exchange. Whether it was the last.
    pub(crate) fn pass(&mut self, envelope: &Envelope) -> bool {
        let (source, puller) = self.ends;
        let onward = (envelope.from, envelope.to) == (source, puller);
        if !onward && (envelope.from, envelope.to) != (puller, source) {
            return false;
        }
        if !onward && self.round.is_none() && matches!(envelope.step, Step::Pull(_)) {
            self.round = Some(envelope.round);
        }
        // What is left of an earlier round is none of this.
        if self.round != Some(envelope.round) {
            return false;
        }
        self.so_far.bytes += wire::encode(&Frame::Round(envelope.clone())).len();
        match &envelope.step {
            Step::Chunk { entries, .. } if onward => self.so_far.entries += entries.len(),
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
    use shared::crdt::{Fingerprint, VersionVector};
    use shared::id::Incarnation;
    use shared::message::{Question, Summary, Wish};

    fn origin(name: &str) -> Origin {
        Origin { node: name.parse().unwrap(), incarnation: Incarnation(1) }
    }

    fn envelope(from: &str, to: &str, round: u64, step: Step) -> Envelope {
        Envelope { from: origin(from), to: origin(to), round, step }
    }

    fn pull() -> Step {
        let summary = Summary { vector: 1, fingerprint: Fingerprint::default() };
        Step::Pull(Question { summary, vector: None, wish: Wish { mutual: false, full: false } })
    }

    fn end() -> Step {
        let nothing = VersionVector::new();
        Step::End { serving: 1, chunks: 0, vector: nothing.clone(), horizon: nothing, full: false, joined: true }
    }

    #[test]
    fn it_counts_its_own_round_from_the_question_to_the_end() {
        let mut exchange = PendingExchange::new(1, None, Duration::ZERO, origin("gotham"), origin("capitol"));
        for stranger in
            [envelope("gotham", "capitol", 4, end()), envelope("gotham", "metropolis", 5, end()), envelope("gotham", "capitol", 9, pull())]
        {
            assert!(!exchange.pass(&stranger));
        }
        assert_eq!(exchange.so_far.bytes, 0, "none of that is part of it");
        assert!(!exchange.pass(&envelope("capitol", "gotham", 5, pull())));
        let asked = exchange.so_far.bytes;
        assert!(asked > 0 && !exchange.pass(&envelope("gotham", "capitol", 4, end())), "the end of an earlier round");
        assert!(exchange.pass(&envelope("gotham", "capitol", 5, end())));
        assert!(exchange.so_far.completed && exchange.so_far.bytes > asked);
    }
}
