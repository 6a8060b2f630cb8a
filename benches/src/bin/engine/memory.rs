//! The memory of a replica of this project after several sequences of writes.

use benches::measure::{allocated, most_allocated};

use crate::hero::writes;
use crate::ours::Ours;
use crate::peer::Peer;
use crate::workload::filled;

/// One of this many heroes is deleted.
const DELETED_ONE_IN: u32 = 20;

/// Allocated bytes per hero, deleted heroes included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// After the replica has created all heroes.
    pub(crate) created: f64,
    /// After another node has then written each of them once.
    pub(crate) rewritten: f64,
    /// After the replica has then deleted one in twenty.
    pub(crate) deleted: f64,
    /// After an empty replica has caught up with all heroes, and the peak of both ends of the round
    /// meanwhile: no data may be in memory twice.
    pub(crate) caught_up: f64,
    pub(crate) catching_up: f64,
}

impl Memory {
    pub(crate) fn measure(heroes: u32) -> Self {
        let before = allocated();
        let per_hero = || allocated().saturating_sub(before) as f64 / f64::from(heroes);
        let mut replica: Ours = filled(&writes(0..heroes, 0, 0));
        let created = per_hero();

        let empty = allocated();
        let mut other = Ours::empty(1);
        let most = most_allocated(|| _ = other.catch_up(&mut replica));
        let [caught_up, catching_up] =
            [allocated(), most].map(|bytes| bytes.saturating_sub(empty) as f64 / f64::from(heroes));
        other.write(&writes(0..heroes, 1, 1));
        replica.catch_up(&mut other);
        assert_eq!(replica.held(), other.held(), "the replica holds the writes of the other");
        drop(other);
        let rewritten = per_hero();

        replica.delete((0..heroes).step_by(DELETED_ONE_IN as usize));
        let deleted_count = heroes.div_ceil(DELETED_ONE_IN);
        assert_eq!(
            (replica.entries(), replica.held().heroes),
            (heroes as usize, (heroes - deleted_count) as usize),
            "tombstones remain, and the deleted heroes are gone"
        );
        Self { created, rewritten, deleted: per_hero(), caught_up, catching_up }
    }
}
