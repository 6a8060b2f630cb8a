//! A contestant: one implementation of the map, and the measurements that it takes part in.

use std::time::Duration;

use crate::peer::Peer;
use crate::scaling::{self, Points, Round};
use crate::workload::{self, Costs};

/// A replica that is measured, by its name and its measurements.
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) heroes_max: u32,
    pub(crate) left_out: &'static str,
    pub(crate) measure: fn(u32, Duration) -> Costs,
    pub(crate) changes: fn(Duration) -> Points,
    pub(crate) members: fn(u8, Duration) -> Round,
}

impl Contestant {
    /// Returns the entry of a peer.
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
