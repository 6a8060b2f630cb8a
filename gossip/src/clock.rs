//! The hybrid logical clock: stamps that follow wall time where clocks agree and causality where
//! they do not.
//!
//! Kulkarni et al., "Logical Physical Clocks and Consistent Snapshots in Globally Distributed
//! Databases" (2014), section 3, with one addition: the replica refuses a stamp further ahead of
//! the wall than the accepted drift before it reaches the clock, so one wrong clock cannot drag the
//! others along.
//!
//! Invariant: a clock never issues a reading at or below one that it issued or observed before.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::Origin;
use crate::time::UnixMillis;

/// A reading of a hybrid logical clock: wall time first, then a counter within the same
/// millisecond.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hlc {
    /// Milliseconds since the Unix epoch; ahead of them where a faster clock was observed.
    pub wall: UnixMillis,
    /// A counter of the readings that share `wall`.
    pub logical: u32,
}

impl Hlc {
    /// The last reading: above every reading that the drift check accepts.
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

/// The stamp of a write. Stamps are totally ordered, and equal only for the same write, since an
/// origin never repeats a reading.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// The reading of the writer's clock.
    pub hlc: Hlc,
    /// The writer. It decides between two writes of the same reading.
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
    /// Returns a reading for a write: above every reading issued or observed so far.
    pub fn tick(&mut self, wall: UnixMillis) -> Hlc {
        self.last = if wall > self.last.wall {
            Hlc { wall, logical: 0 }
        } else {
            match self.last.logical.checked_add(1) {
                Some(logical) => Hlc { wall: self.last.wall, logical },
                None => Hlc { wall: UnixMillis(self.last.wall.0.saturating_add(1)), logical: 0 },
            }
        };
        self.last
    }

    /// Observes a reading made elsewhere: the next one issued here is above it.
    pub fn observe(&mut self, reading: Hlc) {
        self.last = self.last.max(reading);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_rise_while_the_wall_stands_still_or_runs_backwards() {
        let mut clock = Clock::default();
        let readings: Vec<Hlc> =
            [100, 100, 50, 101, 7].map(|wall| clock.tick(UnixMillis(wall))).to_vec();
        assert!(readings.windows(2).all(|pair| pair[0] < pair[1]), "{readings:?}");
    }

    #[test]
    fn a_write_after_an_observed_one_is_above_it_whatever_the_wall_says() {
        let mut clock = Clock::default();
        let seen = Hlc { wall: UnixMillis(5_000), logical: 3 };
        clock.observe(seen);
        assert!(clock.tick(UnixMillis(10)) > seen);
    }

    #[test]
    fn the_counter_carries_into_the_wall_instead_of_wrapping() {
        let mut clock = Clock::default();
        clock.observe(Hlc { wall: UnixMillis(9), logical: u32::MAX });
        assert_eq!(clock.tick(UnixMillis(1)), Hlc { wall: UnixMillis(10), logical: 0 });
    }
}
