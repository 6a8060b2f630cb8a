//! One gossip exchange that somebody asked to see: dispatch carries it, and counts what passes.

use std::time::Duration;

use shared::id::{NodeName, Origin};
use shared::message::{Envelope, Frame, Step};
use shared::wire;

/// How long an exchange is waited for; what takes longer counts as lost.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// An exchange, as far as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// From whom.
    pub source: NodeName,
    /// To whom.
    pub puller: NodeName,
    /// Whether it came to its end. One that did not was lost on the way, and changed nothing.
    pub completed: bool,
    /// How many entries passed.
    pub entries: usize,
    /// How many bytes passed, both ways, as they stand on the link.
    pub bytes: usize,
}

/// An exchange under way.
#[derive(Debug)]
pub(crate) struct UnderWay {
    pub(crate) ticket: u64,
    pub(crate) key: Option<String>,
    pub(crate) deadline: Duration,
    ends: (Origin, Origin),
    pub(crate) so_far: Exchange,
}

impl UnderWay {
    pub(crate) fn new(ticket: u64, key: Option<String>, now: Duration, source: Origin, puller: Origin) -> Self {
        let so_far = Exchange { source: source.node, puller: puller.node, completed: false, entries: 0, bytes: 0 };
        Self { ticket, key, deadline: now + PATIENCE, ends: (source, puller), so_far }
    }

    /// Takes note of a frame that passes, if it belongs to this exchange. Whether it was the last.
    pub(crate) fn pass(&mut self, envelope: &Envelope) -> bool {
        let (source, puller) = self.ends;
        let onward = (envelope.from, envelope.to) == (source, puller);
        if !onward && (envelope.from, envelope.to) != (puller, source) {
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
