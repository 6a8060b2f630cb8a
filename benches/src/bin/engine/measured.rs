//! The measurements of one contestant.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::contestant::Contestant;
use crate::cost::Cost;
use crate::workload::{Costs, Workload};

/// The costs of a contestant by number of heroes and workload.
pub(crate) struct Measured {
    pub(crate) contestant: Contestant,
    pub(crate) costs: BTreeMap<u32, Costs>,
}

impl Measured {
    /// Measures a contestant with each number of heroes up to its limit.
    pub(crate) fn new(contestant: Contestant, heroes: &[u32], duration: Duration) -> Self {
        let measure = |heroes: &u32| {
            eprintln!("{}, {heroes} heroes", contestant.name);
            (*heroes, (contestant.measure)(*heroes, duration))
        };
        let costs =
            heroes.iter().filter(|heroes| **heroes <= contestant.heroes_max).map(measure).collect();
        Self { contestant, costs }
    }

    /// Returns the cost of a workload with this number of heroes, if it was measured.
    pub(crate) fn cost(&self, workload: Workload, heroes: u32) -> Option<Cost> {
        self.costs.get(&heroes)?.get(&workload).copied()
    }
}
