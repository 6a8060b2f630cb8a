//! A contestant: one implementation of the replicated map, with its measurements.

use std::time::Duration;

use crate::peer::Peer;
use crate::scaling::{self, Points, Round};
use crate::workload::{self, Costs};

/// A measured implementation: its name, its limits, and its measurements.
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) heroes_max: u32,
    pub(crate) left_out: &'static str,
    pub(crate) measure: fn(u32, Duration) -> Costs,
    pub(crate) changes: fn(Duration) -> Points,
    pub(crate) members: fn(u8, Duration) -> Round,
}

impl Contestant {
    /// Returns the contestant of a peer type.
    pub(crate) fn of<P: Peer>() -> Self {
        Self {
            name: P::NAME,
            heroes_max: P::HEROES_MAX,
            left_out: P::LEFT_OUT,
            measure: workload::measure::<P>,
            changes: scaling::measure_changes::<P>,
            members: scaling::measure_members::<P>,
        }
    }
}
