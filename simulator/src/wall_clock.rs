//! A simulated wall clock that is off, drifts, and can be set.
//!
//! Invariant: the monotonic reading is virtual time itself; only the wall reading is ever wrong.

use std::time::Duration;

use gossip::{Now, UnixMillis};

/// The wall time at which the simulated world begins, long enough after 1970 for clocks to be off
/// either way.
pub(crate) const EPOCH_MS: u64 = 1_790_000_000_000;

/// The clock of one process.
#[derive(Clone, Debug, Default)]
pub(crate) struct WallClock {
    pub(crate) skew_ms: i64,
    drift_ppm: i64,
    pub(crate) jump_ms: i64,
    latest: UnixMillis,
}

impl WallClock {
    /// Returns a clock with this offset and this drift.
    pub(crate) fn new(skew_ms: i64, drift_ppm: i64) -> Self {
        Self { skew_ms, drift_ppm, ..Self::default() }
    }

    /// Returns the reading when `elapsed` has passed since the world began.
    pub(crate) fn read(&mut self, elapsed: Duration) -> Now {
        let millis = i64::try_from(elapsed.as_millis()).expect("virtual time is short");
        let off = self.skew_ms + self.jump_ms + millis * self.drift_ppm / 1_000_000;
        let wall = UnixMillis(EPOCH_MS.saturating_add_signed(millis + off));
        self.latest = wall.max(self.latest);
        Now { mono: elapsed, wall }
    }

    /// Removes skew, drift and jump.
    pub(crate) fn set_right(&mut self) {
        *self = Self { latest: self.latest, ..Self::default() };
    }

    /// Reports whether the reading lies before the latest one that this clock has given.
    pub(crate) fn was_set_back(&self, now: Now) -> bool {
        now.wall < self.latest
    }
}
