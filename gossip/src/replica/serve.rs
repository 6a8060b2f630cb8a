//! The serving side of a round: a packed snapshot, sent in chunks with flow control.
//!
//! Invariant: the chunks and the vector at the end describe the same moment.

use std::collections::VecDeque;
use std::time::Duration;

use crate::crdt::batch::Batch;
#[cfg(feature = "switches")]
use crate::crdt::version_vector::VersionVector;
use crate::id::{NodeName, Origin};
use crate::payload::Payload;
use crate::protocol::Step;
use crate::replica::pull::Ending;

/// A round being served.
#[derive(Clone, Debug, Hash)]
pub(super) struct Serve<V: Payload> {
    pub(super) puller: Origin,
    pub(super) via: NodeName,
    pub(super) round: u64,
    number: u64,
    pub(super) deadline: Duration,
    snapshot: VecDeque<Batch<V>>,
    end: Option<Ending>,
    sent: u32,
    acknowledged: u32,
}

impl<V: Payload> Serve<V> {
    /// Returns a serving. `number` is the source's number for it.
    pub(super) fn new(
        puller: Origin,
        via: NodeName,
        round: u64,
        number: u64,
        delta: Vec<Batch<V>>,
        end: Ending,
        deadline: Duration,
    ) -> Self {
        Self {
            puller,
            via,
            round,
            number,
            deadline,
            snapshot: delta.into(),
            end: Some(end),
            sent: 0,
            acknowledged: 0,
        }
    }

    /// Replaces the vector at the end; see [`Rule::EndBelongsToSnapshot`](super::Rule).
    #[cfg(feature = "switches")]
    pub(super) fn replace_vector(&mut self, vector: VersionVector) {
        if let Some(end) = &mut self.end {
            end.vector = vector;
        }
    }

    pub(super) fn acknowledged(&mut self, chunks: u32, deadline: Duration) {
        // Acks may be reordered, and a faulty peer may acknowledge more than was sent.
        self.acknowledged = self.acknowledged.max(chunks.min(self.sent));
        self.deadline = deadline;
    }

    /// Returns the next chunk, or the end after the last chunk. `None` while the window is full.
    pub(super) fn next(&mut self, window: u32) -> Option<Step<V>> {
        if self.snapshot.is_empty() {
            let Ending { vector, horizon, full, joined } = self.end.take()?;
            return Some(Step::End {
                serving: self.number,
                chunks: self.sent,
                vector,
                horizon,
                full,
                joined,
            });
        }
        if self.sent - self.acknowledged >= window {
            return None;
        }
        let entries = self.snapshot.pop_front()?;
        let number = self.sent;
        self.sent += 1;
        Some(Step::Chunk { serving: self.number, number, entries })
    }
}
