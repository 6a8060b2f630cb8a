//! What a replica of this project holds in memory, after more than its own writes.

use crate::cost::{allocated, most_allocated};
use crate::hero::writes;
use crate::ours::Ours;
use crate::peer::Peer;
use crate::workload::filled;

/// One hero in so many dies.
const DIES: u32 = 20;

/// Bytes a hero, the dead among them: those asked of the allocator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// After it has made all heroes.
    pub(crate) made: f64,
    /// After another node has then written each of them once more.
    pub(crate) rewritten: f64,
    /// After it has then ended one in twenty.
    pub(crate) buried: f64,
    /// After an empty replica has caught up with all heroes; and at most meanwhile, both ends of
    /// the round together: nothing may stand there twice.
    pub(crate) caught_up: f64,
    pub(crate) catching_up: f64,
}

impl Memory {
    pub(crate) fn measure(heroes: u32) -> Self {
        let before = allocated();
        let a_hero = || allocated().saturating_sub(before) as f64 / f64::from(heroes);
        let mut replica: Ours = filled(&writes(0..heroes, 0, 0));
        let made = a_hero();

        let empty = allocated();
        let mut other = Ours::empty(1);
        let most = most_allocated(|| _ = other.catch_up(&mut replica));
        let [caught_up, catching_up] =
            [allocated(), most].map(|bytes| bytes.saturating_sub(empty) as f64 / f64::from(heroes));
        other.write(&writes(0..heroes, 1, 1));
        replica.catch_up(&mut other);
        assert_eq!(replica.held(), other.held(), "it holds what the other wrote");
        drop(other);
        let rewritten = a_hero();

        replica.bury((0..heroes).step_by(DIES as usize));
        let dead = heroes.div_ceil(DIES);
        assert_eq!(
            (replica.entries(), replica.held().heroes),
            (heroes as usize, (heroes - dead) as usize),
            "some have died"
        );
        Self { made, rewritten, buried: a_hero(), caught_up, catching_up }
    }
}
