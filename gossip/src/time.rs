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
    /// The time by which the stamps of others are judged: see [`Reference`].
    pub reference: UnixMillis,
}

impl Now {
    /// Returns a reading of a wall clock that was never set back.
    #[must_use]
    pub const fn new(mono: Duration, wall: UnixMillis) -> Self {
        Self { mono, wall, reference: wall }
    }
}

/// The least difference between the wall clock and the monotonic clock that counts as a step.
const STEP_MIN_MS: u64 = 500;

/// The time by which a process judges whether a stamp is too far ahead.
///
/// It is the wall clock, unless that was set back. Then it continues as if the clock had not been
/// set, until the clock reads again what it read before. Otherwise nodes whose clocks were all
/// ahead would refuse each other's writes as soon as their clocks are right. An operator can set
/// it ahead.
///
/// Invariant: it is never before the wall clock, and never goes back.
#[derive(Clone, Debug, Default)]
pub struct Reference {
    time: UnixMillis,
    /// The latest reading of the wall clock, and the monotonic time at that reading.
    peak: Option<(Duration, UnixMillis)>,
    /// The last reading.
    last: Option<(Duration, UnixMillis)>,
    step_ms: Option<i64>,
}

impl Reference {
    /// Returns both clocks and the reference, for these readings.
    pub fn read(&mut self, mono: Duration, wall: UnixMillis) -> Now {
        if let Some((at, last)) = self.last.replace((mono, wall)) {
            let expected = last.plus(mono.saturating_sub(at));
            if wall.0.abs_diff(expected.0) >= STEP_MIN_MS {
                let step_ms = wall.0.wrapping_sub(expected.0).cast_signed();
                self.step_ms = Some(self.step_ms.unwrap_or(0).saturating_add(step_ms));
            }
        }
        let reading = match self.peak {
            Some((at, peak)) if wall < peak => peak.plus(mono.saturating_sub(at)),
            Some(_) | None => {
                self.peak = Some((mono, wall));
                wall
            }
        };
        self.time = self.time.max(reading);
        Now { mono, wall, reference: self.time }
    }

    /// Sets the reference ahead to `time`, unless it is later.
    pub fn accept(&mut self, time: UnixMillis) {
        self.time = self.time.max(time);
    }

    /// Returns by how many milliseconds the wall clock was set since the last call, if it was set.
    /// A machine that was suspended appears to have set its clock ahead.
    pub fn take_step_ms(&mut self) -> Option<i64> {
        self.step_ms.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn wall(seconds: u64) -> UnixMillis {
        UnixMillis(seconds * 1_000)
    }

    #[test]
    fn reference_is_the_wall_clock_until_it_is_set_back() {
        let mut reference = Reference::default();
        for seconds in [0, 1, 5] {
            let now = reference.read(at(seconds), wall(10_000 + seconds));
            assert_eq!(now, Now::new(at(seconds), wall(10_000 + seconds)));
        }
        assert_eq!(reference.take_step_ms(), None);
    }

    #[test]
    fn reference_continues_over_a_step_back_and_never_goes_back() {
        let mut reference = Reference::default();
        reference.read(at(0), wall(10_000));
        let mut previous = UnixMillis(0);
        for seconds in 1..1_000 {
            let now = reference.read(at(seconds), wall(9_900 + seconds));
            assert!(now.reference >= previous && now.reference >= now.wall, "{now:?}");
            // It runs on for as long as the step, waits for as long, and follows the clock again.
            let expected = match seconds {
                ..100 => 10_000 + seconds,
                100..200 => 10_099,
                _ => 9_900 + seconds,
            };
            assert_eq!(now.reference, wall(expected), "{seconds}");
            previous = now.reference;
        }
    }

    #[test]
    fn clock_that_is_set_back_twice_keeps_its_first_reference() {
        let mut reference = Reference::default();
        reference.read(at(0), wall(10_000));
        reference.read(at(1), wall(9_000));
        assert_eq!(reference.read(at(2), wall(5_000)).reference, wall(10_002));
    }

    #[test]
    fn accepted_time_holds_until_the_clock_passes_it() {
        let mut reference = Reference::default();
        reference.accept(wall(10_100));
        assert_eq!(reference.read(at(0), wall(10_000)).reference, wall(10_100));
        reference.accept(wall(9_000));
        assert_eq!(reference.read(at(99), wall(10_099)).reference, wall(10_100));
        assert_eq!(reference.read(at(200), wall(10_200)).reference, wall(10_200));
    }

    #[test]
    fn steps_in_both_directions_are_reported_once() {
        let mut reference = Reference::default();
        reference.read(at(0), wall(10_000));
        reference.read(at(1), wall(10_031));
        assert_eq!((reference.take_step_ms(), reference.take_step_ms()), (Some(30_000), None));
        reference.read(at(2), wall(6_432));
        assert_eq!(reference.take_step_ms(), Some(-3_600_000));
        // A clock that is slewed is not set.
        reference.read(at(3), UnixMillis(6_433_400));
        assert_eq!(reference.take_step_ms(), None);
    }
}
