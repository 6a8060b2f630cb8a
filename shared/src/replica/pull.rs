//! The receiving side of a round: parts are staged, in whatever order they arrive, until the round is whole.
//!
//! Invariant: nothing of a round reaches the map before all of it is here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::crdt::{Entry, VersionVector};
use crate::id::{HeroId, NodeName, Origin};

/// A pull under way.
#[derive(Debug)]
pub(super) struct Pull {
    pub(super) source: Origin,
    pub(super) via: NodeName,
    pub(super) round: u64,
    pub(super) mutual: bool,
    pub(super) deadline: Duration,
    chunks: BTreeMap<u32, Vec<(HeroId, Arc<Entry>)>>,
    staged: usize,
    end: Option<(u32, Ending)>,
}

/// What the end of a round says of its source.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) vector: VersionVector,
    pub(super) horizon: VersionVector,
    pub(super) full: bool,
    pub(super) joined: bool,
}

/// What staging a part led to.
pub(super) enum Progress {
    /// More must come.
    Waiting,
    /// A chunk is in, and this many are held.
    Staged(u32),
    /// All is in.
    Whole,
    /// It is more than this replica takes at once.
    TooLarge,
}

impl Pull {
    pub(super) fn new(source: Origin, via: NodeName, round: u64, mutual: bool, deadline: Duration) -> Self {
        Self { source, via, round, mutual, deadline, chunks: BTreeMap::new(), staged: 0, end: None }
    }

    pub(super) fn stage(&mut self, number: u32, entries: Vec<(HeroId, Arc<Entry>)>, staged_max: usize) -> Progress {
        self.staged += entries.len();
        if self.staged > staged_max {
            return Progress::TooLarge;
        }
        if let Some(twice) = self.chunks.insert(number, entries) {
            self.staged -= twice.len();
        }
        if self.is_whole() { Progress::Whole } else { Progress::Staged(self.held()) }
    }

    pub(super) fn end(&mut self, chunks: u32, ending: Ending) -> Progress {
        self.end = Some((chunks, ending));
        if self.is_whole() { Progress::Whole } else { Progress::Waiting }
    }

    fn held(&self) -> u32 {
        u32::try_from(self.chunks.len()).expect("chunk numbers are u32 and distinct")
    }

    fn is_whole(&self) -> bool {
        // Numbers are distinct, so holding `chunks` numbers below `chunks` is holding all of them.
        self.end.as_ref().is_some_and(|(chunks, _)| self.chunks.range(..chunks).count() == *chunks as usize)
    }

    /// What a whole round brought: its entries, and what its end said.
    pub(super) fn into_round(self) -> (Vec<(HeroId, Arc<Entry>)>, Ending) {
        let (_, ending) = self.end.expect("only a whole round is taken apart");
        (self.chunks.into_values().flatten().collect(), ending)
    }
}
