//! The list of the contestants of each workload.

use std::time::Duration;

use crate::chat;
use crate::cost::{self, Cost};
use crate::counter::{self, Counter};
use crate::ours::Ours;
use crate::peer::Peer;
#[cfg(feature = "peers")]
use crate::peers;
use crate::set::{self, Set};
use crate::sizes::Sizes;

/// A workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    Counter,
    Set,
    Chat,
}

impl Workload {
    pub(crate) const ALL: [Self; 3] = [Self::Counter, Self::Set, Self::Chat];

    /// Returns its contestants, this project first.
    pub(crate) fn contestants(self) -> Vec<Contestant> {
        let ours = match self {
            Self::Counter => Contestant::counter::<Ours>(),
            Self::Set => Contestant::set::<Ours>(),
            Self::Chat => {
                Contestant::new::<Ours>(", newest 100 of each replica", chat::run::<Ours>)
            }
        };
        #[cfg(feature = "peers")]
        return [ours].into_iter().chain(peers::all(self)).collect();
        #[cfg(not(feature = "peers"))]
        vec![ours]
    }
}

/// A measured implementation of one type.
pub(crate) struct Contestant {
    pub(crate) name: String,
    /// The maximum number of increments to measure.
    increments_max: usize,
    /// Runs the workload once.
    run: fn(&Sizes) -> Cost,
}

impl Contestant {
    /// Returns a contestant with this addition to its name.
    pub(crate) fn new<P: Peer>(addition: &str, run: fn(&Sizes) -> Cost) -> Self {
        Self { name: format!("{}{addition}", P::NAME), increments_max: usize::MAX, run }
    }

    /// Returns the contestant of a type of counter.
    pub(crate) fn counter<P: Counter>() -> Self {
        Self::new::<P>("", counter::run::<P>)
    }

    /// Returns the contestant of a type of set.
    pub(crate) fn set<P: Set>() -> Self {
        Self::new::<P>("", set::run::<P>)
    }

    /// Returns whether the workload has a size that is measured.
    pub(crate) fn is_within_limits(&self, sizes: &Sizes) -> bool {
        sizes.increments <= self.increments_max
    }

    /// Measures the workload with these sizes.
    pub(crate) fn measure(self, sizes: &Sizes, duration: Duration) -> Measured {
        eprintln!("{}", self.name);
        Measured { cost: cost::median(duration, || (self.run)(sizes)), name: self.name }
    }
}

#[cfg(feature = "peers")]
impl Contestant {
    /// Returns the contestant with this limit of increments.
    pub(crate) fn up_to(self, increments_max: usize) -> Self {
        Self { increments_max, ..self }
    }

    /// Returns the contestant of a type of list that keeps all messages.
    pub(crate) fn whole_chat<P: chat::Chat>() -> Self {
        Self::new::<P>(", all messages", chat::run_whole::<P>)
    }

    /// Returns the contestant of a type of list from which each replica removes all but the last
    /// 100 messages before each round.
    pub(crate) fn trimmed_chat<P: chat::Trim>() -> Self {
        Self::new::<P>(", newest 100", chat::run_trimmed::<P>)
    }
}

/// The measurement of a contestant.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) cost: Cost,
}
