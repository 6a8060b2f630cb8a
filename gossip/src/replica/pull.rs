//! The pulling side of a round: parts are staged, in any order, until the round is complete.
//!
//! Invariant: no part of a round reaches the map before all parts have arrived.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Stamp;
use crate::crdt::batch::Batch;
use crate::crdt::horizon::Horizon;
use crate::crdt::version_vector::VersionVector;
use crate::id::{Key, NodeName, Origin};
use crate::payload::Payload;
use crate::protocol::PullOptions;

/// The maximum by which a chunk's number may exceed the number of staged chunks. Above any window.
const AHEAD_MAX: u32 = 1_024;

/// A pull under way.
#[derive(Clone, Debug, Hash)]
pub(super) struct Pull<V: Payload> {
    pub(super) source: Origin,
    pub(super) via: NodeName,
    pub(super) round: u64,
    pub(super) options: PullOptions,
    pub(super) deadline: Duration,
    /// True once the source has answered.
    pub(super) answered: bool,
    chunks: Chunks<V>,
    staged: usize,
    serving: Option<u64>,
    end: Option<(u32, Ending)>,
}

/// The chunks of a round by number.
#[derive(Clone, Debug, Hash)]
pub(super) struct Chunks<V: Payload>(BTreeMap<u32, Batch<V>>);

impl<V: Payload> Default for Chunks<V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<V: Payload> Chunks<V> {
    /// Returns the number of entries.
    pub(super) fn len(&self) -> usize {
        self.0.values().map(Batch::len).sum()
    }

    /// Returns the encoded size in bytes.
    pub(super) fn size(&self) -> usize {
        self.0.values().map(Batch::size).sum()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = Key> {
        self.0.values().flat_map(Batch::keys)
    }

    /// Iterates over the newest stamp of each origin in each chunk.
    pub(super) fn highest(&self) -> impl Iterator<Item = Stamp> {
        self.0.values().flat_map(Batch::highest).copied()
    }

    /// Iterates over the origins that the entries of each chunk refer to.
    pub(super) fn origins(&self) -> impl Iterator<Item = Origin> {
        self.0.values().flat_map(Batch::origins).copied()
    }

    /// Iterates over the chunks.
    pub(super) fn batches(&self) -> impl Iterator<Item = &Batch<V>> {
        self.0.values()
    }

    /// Iterates over the chunks by value, so that each is freed once it is merged: a large round is
    /// not in memory twice.
    pub(super) fn into_batches(self) -> impl Iterator<Item = Batch<V>> {
        self.0.into_values()
    }
}

/// A complete round: its entries, and the source's state at its end.
pub(super) struct Round<V: Payload> {
    pub(super) entries: Chunks<V>,
    pub(super) vector: VersionVector,
    pub(super) horizon: Horizon,
    pub(super) full: bool,
    pub(super) joined: bool,
}

/// The source's state at the end of a round.
#[derive(Clone, Debug, Hash)]
pub(super) struct Ending {
    pub(super) vector: VersionVector,
    pub(super) horizon: Horizon,
    pub(super) full: bool,
    pub(super) joined: bool,
}

/// The state of a pull after a part was staged.
pub(super) enum Progress {
    /// Parts are missing.
    Waiting,
    /// A chunk was staged; this many are staged so far.
    Staged(u32),
    /// All parts have arrived.
    Whole,
    /// The round exceeds a limit.
    TooLarge,
}

impl<V: Payload> Pull<V> {
    pub(super) fn new(
        source: Origin,
        via: NodeName,
        round: u64,
        options: PullOptions,
        deadline: Duration,
    ) -> Self {
        Self {
            source,
            via,
            round,
            options,
            deadline,
            answered: false,
            chunks: Chunks::default(),
            staged: 0,
            serving: None,
            end: None,
        }
    }

    /// Returns whether a part of this serving belongs to the round. The first serving to answer is
    /// used.
    pub(super) fn is_of(&mut self, serving: u64) -> bool {
        *self.serving.get_or_insert(serving) == serving
    }

    pub(super) fn stage(&mut self, number: u32, entries: Batch<V>, staged_max: usize) -> Progress {
        // Counted before the check, so that an oversized chunk is never stored.
        self.staged += entries.len();
        // Sources send no empty chunks, and these would not count against `staged_max`.
        if entries.is_empty()
            || self.staged > staged_max
            || number > self.held().saturating_add(AHEAD_MAX)
        {
            return Progress::TooLarge;
        }
        if let Some(duplicate) = self.chunks.0.insert(number, entries) {
            self.staged -= duplicate.len();
        }
        if self.is_whole() { Progress::Whole } else { Progress::Staged(self.held()) }
    }

    pub(super) fn end(&mut self, chunks: u32, ending: Ending) -> Progress {
        self.end = Some((chunks, ending));
        if self.is_whole() { Progress::Whole } else { Progress::Waiting }
    }

    fn held(&self) -> u32 {
        u32::try_from(self.chunks.0.len()).expect("chunk numbers are u32 and distinct")
    }

    fn is_whole(&self) -> bool {
        // Numbers are distinct, so `chunks` of them, all below `chunks`, are all.
        let highest = self.chunks.0.last_key_value().map_or(0, |(number, _)| number + 1);
        self.end.as_ref().is_some_and(|(chunks, _)| self.held() == *chunks && highest == *chunks)
    }

    /// Returns the parts of a complete round.
    pub(super) fn into_round(self) -> Round<V> {
        let (_, Ending { vector, horizon, full, joined }) =
            self.end.expect("the round is complete");
        Round { entries: self.chunks, vector, horizon, full, joined }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Hlc;
    use crate::crdt::entry::{Entry, Value};
    use crate::id::Incarnation;

    type Pull = super::Pull<crate::testing::Text>;
    type Batch = super::Batch<crate::testing::Text>;

    fn pull() -> Pull {
        let source = Origin { node: "a".parse().unwrap(), incarnation: Incarnation::at(1) };
        Pull::new(
            source,
            source.node,
            1,
            PullOptions { mutual: false, full: false },
            Duration::ZERO,
        )
    }

    /// A batch of `count` equal entries.
    fn entries(count: usize) -> Batch {
        let stamp = Stamp { hlc: Hlc::default(), origin: pull().source };
        (0..count).map(|_| (Key::MIN, Entry::written(Value::Tombstone, stamp, None))).collect()
    }

    fn end(pull: &mut Pull, chunks: u32) -> Progress {
        pull.end(
            chunks,
            Ending {
                vector: VersionVector::new(),
                horizon: Horizon::new(),
                full: false,
                joined: true,
            },
        )
    }

    #[test]
    fn round_is_whole_with_end_and_all_chunks_in_any_order() {
        assert!(matches!(end(&mut pull(), 0), Progress::Whole), "an empty round");
        let mut end_last = pull();
        assert!(matches!(end_last.stage(1, entries(2), 9), Progress::Staged(1)));
        assert!(matches!(end_last.stage(0, entries(3), 9), Progress::Staged(2)));
        assert!(matches!(end(&mut end_last, 2), Progress::Whole));
        assert_eq!(end_last.into_round().entries.len(), 5);
        let mut end_first = pull();
        assert!(matches!(end(&mut end_first, 2), Progress::Waiting));
        assert!(matches!(end_first.stage(1, entries(2), 9), Progress::Staged(1)));
        assert!(matches!(end_first.stage(0, entries(3), 9), Progress::Whole));
    }

    #[test]
    fn round_with_mismatched_chunks_is_never_whole() {
        for (numbers, chunks) in [
            (vec![0, 2], 2),
            (vec![1, 2], 2),
            (vec![0, 1, 2], 2),
            (vec![0, 1], 3),
            (vec![2], 3),
            (vec![0], 0),
        ] {
            let mut pull = pull();
            for number in &numbers {
                assert!(matches!(pull.stage(*number, entries(1), 9), Progress::Staged(_)));
            }
            assert!(matches!(end(&mut pull, chunks), Progress::Waiting), "{numbers:?} of {chunks}");
        }
    }

    #[test]
    fn oversized_round_is_refused_and_duplicates_count_once() {
        let mut pull = pull();
        for _ in 0..3 {
            assert!(matches!(pull.stage(0, entries(4), 10), Progress::Staged(1)));
        }
        assert!(matches!(pull.stage(1, entries(6), 10), Progress::Staged(2)));
        assert!(matches!(pull.stage(2, entries(1), 10), Progress::TooLarge));
    }

    #[test]
    fn chunk_beyond_any_window_is_refused() {
        let mut pull = pull();
        assert!(matches!(pull.stage(AHEAD_MAX + 1, entries(1), 10), Progress::TooLarge));
        assert!(matches!(pull.stage(AHEAD_MAX, entries(1), 10), Progress::Staged(1)));
        assert!(matches!(pull.stage(AHEAD_MAX + 1, entries(1), 10), Progress::Staged(2)));
        assert!(matches!(pull.stage(u32::MAX, entries(1), 10), Progress::TooLarge));
    }
}
