//! Readings of clocks. The core reads no clock: its driver takes the readings and passes them in.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Wall-clock time: milliseconds since the Unix epoch, UTC.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// Returns the time `later` after this one, saturating at the last representable time.
    #[must_use]
    pub fn plus(self, later: Duration) -> Self {
        let millis = u64::try_from(later.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One reading of both clocks, taken once per input.
///
/// Timers use `mono`, which never goes back. Stamps use `wall`, which can be set to any time, so no
/// timeout depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Time since the driver started, from a monotonic clock.
    pub mono: Duration,
    /// The wall clock of this machine.
    pub wall: UnixMillis,
}
