//! The hybrid logical clock. Stamps follow wall time where clocks agree, and causality where they
//! differ.
//!
//! Kulkarni et al., "Logical Physical Clocks and Consistent Snapshots in Globally Distributed
//! Databases" (2014), section 3, with one addition: the replica refuses stamps that are further
//! ahead of its wall clock than the accepted drift, before they reach this clock. So one wrong
//! clock cannot advance the others.
//!
//! Invariant: each issued reading is above all readings that the clock issued or observed before.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::Origin;
use crate::time::UnixMillis;

/// A reading of a hybrid logical clock: wall time first, then a counter within the same
/// millisecond.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hlc {
    /// Milliseconds since the Unix epoch. Ahead of the local wall clock if a reading of a faster
    /// clock was observed.
    pub wall: UnixMillis,
    /// A counter that orders the readings with the same `wall`.
    pub logical: u32,
}

impl Hlc {
    /// The highest possible reading, above all that pass the drift check.
    pub const LAST: Self = Self { wall: UnixMillis(u64::MAX), logical: u32::MAX };
}

impl fmt::Display for Hlc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.wall, self.logical)
    }
}

impl fmt::Debug for Hlc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The stamp of a write. Stamps are totally ordered, and no two writes share one, since an origin
/// never repeats a reading.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// The reading of the writer's clock.
    pub hlc: Hlc,
    /// The writer. It breaks the tie between two equal readings.
    pub origin: Origin,
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.hlc, self.origin)
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The clock of one replica. A new clock is below every reading.
#[derive(Clone, Debug, Default, Hash)]
pub struct Clock {
    last: Hlc,
}

impl Clock {
    /// Returns a reading for a write, above all readings issued or observed so far.
    pub fn tick(&mut self, wall: UnixMillis) -> Hlc {
        self.last = if wall > self.last.wall {
            Hlc { wall, logical: 0 }
        } else {
            match self.last.logical.checked_add(1) {
                Some(logical) => Hlc { wall: self.last.wall, logical },
                // A full counter continues in the next millisecond, ahead of the wall clock.
                None => Hlc { wall: UnixMillis(self.last.wall.0.saturating_add(1)), logical: 0 },
            }
        };
        self.last
    }

    /// Observes a reading of another clock. The next reading issued here is above it.
    pub fn observe(&mut self, reading: Hlc) {
        self.last = self.last.max(reading);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_increase_while_wall_clock_stalls_or_goes_back() {
        let mut clock = Clock::default();
        let readings: Vec<Hlc> =
            [100, 100, 50, 101, 7].map(|wall| clock.tick(UnixMillis(wall))).to_vec();
        assert!(readings.windows(2).all(|pair| pair[0] < pair[1]), "{readings:?}");
    }

    #[test]
    fn reading_exceeds_observed_one_under_slow_wall_clock() {
        let mut clock = Clock::default();
        let seen = Hlc { wall: UnixMillis(5_000), logical: 3 };
        clock.observe(seen);
        assert!(clock.tick(UnixMillis(10)) > seen);
    }

    #[test]
    fn full_counter_carries_into_wall() {
        let mut clock = Clock::default();
        clock.observe(Hlc { wall: UnixMillis(9), logical: u32::MAX });
        assert_eq!(clock.tick(UnixMillis(1)), Hlc { wall: UnixMillis(10), logical: 0 });
    }
}
