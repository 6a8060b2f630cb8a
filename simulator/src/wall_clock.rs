//! A simulated wall clock with skew, drift and jumps.
//!
//! Invariant: the monotonic reading is virtual time; only the wall reading can be wrong.

use std::time::Duration;

use gossip::{Now, Reference, UnixMillis};

/// The wall time at the start of the simulation, late enough after 1970 for clocks to be off in
/// both directions.
pub(crate) const EPOCH_MS: u64 = 1_790_000_000_000;

/// The clock of one process.
#[derive(Clone, Debug, Default)]
pub(crate) struct WallClock {
    pub(crate) skew_ms: i64,
    drift_ppm: i64,
    pub(crate) jump_ms: i64,
    /// The latest reference of all processes.
    latest: UnixMillis,
    reference: Reference,
}

impl WallClock {
    /// Returns a clock with this skew and drift.
    pub(crate) fn new(skew_ms: i64, drift_ppm: i64) -> Self {
        Self { skew_ms, drift_ppm, ..Self::default() }
    }

    /// Returns the reading at `elapsed` after the start of the simulation.
    pub(crate) fn read(&mut self, elapsed: Duration) -> Now {
        let millis = i64::try_from(elapsed.as_millis()).expect("virtual time fits into an i64");
        let off = self.skew_ms + self.jump_ms + millis * self.drift_ppm / 1_000_000;
        let wall = UnixMillis(EPOCH_MS.saturating_add_signed(millis + off));
        let now = self.reference.read(elapsed, wall);
        // The wall clock is not clamped to it: a clock that goes back is one of the faults.
        self.latest = now.reference.max(self.latest);
        now
    }

    /// Removes skew, drift and jump.
    pub(crate) fn set_right(&mut self) {
        let Self { latest, ref mut reference, .. } = *self;
        *self = Self { latest, reference: std::mem::take(reference), ..Self::default() };
    }

    /// Accepts stamps up to `time`, at an operator's request.
    pub(crate) fn accept(&mut self, time: UnixMillis) {
        self.reference.accept(time);
    }

    /// Notes that a new process reads the clock: it does not know earlier readings.
    pub(crate) fn process_started(&mut self) {
        self.reference = Reference::default();
    }

    /// Returns whether the reading is earlier than a time by which a process with this clock has judged
    /// stamps. Then a process may have accepted stamps that a new incarnation does not exceed.
    pub(crate) fn was_set_back(&self, now: Now) -> bool {
        now.wall < self.latest
    }
}
