//! A single run of one workload of the core with 10,000 heroes, whose instructions
//! `scripts/instructions` counts.

use clap::ValueEnum;

use crate::hero::writes;
use crate::ours::Ours;
use crate::peer::Peer;
use crate::workload::{Pair, filled};

const HEROES: u32 = 10_000;

/// The workload to run.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Once {
    /// Create all heroes
    Insert,
    /// An empty replica catches up
    Whole,
    /// An equal replica catches up
    Nothing,
    /// A replica catches up with one change
    One,
    /// A replica catches up with a thousand changes
    Thousand,
    /// Two replicas that changed the same thousand heroes catch up with each other
    Both,
}

impl Once {
    pub(crate) fn run(self) {
        match self {
            Self::Insert => {
                let created = writes(0..HEROES, 0, 0);
                let mut replica = Ours::empty(0);
                counted(&mut || replica.write(&created));
                assert_eq!(replica.held().heroes, created.len(), "the replica holds every write");
            }
            Self::Whole => {
                let mut source: Ours = filled(&writes(0..HEROES, 0, 0));
                let mut puller = Ours::empty(1);
                counted(&mut || _ = puller.catch_up(&mut source));
                assert_eq!(puller.held(), source.held(), "the replica has caught up");
            }
            Self::Nothing => catch_up_with(0),
            Self::One => catch_up_with(1),
            Self::Thousand => catch_up_with(1_000),
            Self::Both => {
                let mut pair = Pair::<Ours>::new(HEROES);
                pair.write_both(1_000);
                counted(&mut || _ = pair.puller.sync(&mut pair.source));
                pair.assert_equal();
            }
        }
    }
}

fn catch_up_with(changes: u32) {
    let mut pair = Pair::<Ours>::new(HEROES);
    pair.write(changes);
    counted(&mut || _ = pair.puller.catch_up(&mut pair.source));
    pair.assert_equal();
}

/// The counted part. `scripts/instructions` finds this function by name, so it must not be inlined.
#[inline(never)]
fn counted(work: &mut dyn FnMut()) {
    work();
}
