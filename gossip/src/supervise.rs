//! Restart intensity, as in Erlang/OTP: the rule that decides between a restart and giving up.

use std::collections::VecDeque;
use std::time::Duration;

/// A limit on crashes: at most `max` within any `window`. One more ends the process.
#[derive(Clone, Debug)]
pub struct Intensity {
    max: usize,
    window: Duration,
    crashes: VecDeque<Duration>,
}

impl Intensity {
    /// Returns an intensity with no crashes counted.
    #[must_use]
    pub fn new(max: usize, window: Duration) -> Self {
        Self { max, window, crashes: VecDeque::new() }
    }

    /// Counts a crash at `at`, a time on a monotonic clock. Returns whether to restart.
    pub fn allows_restart_after_crash(&mut self, at: Duration) -> bool {
        self.crashes.push_back(at);
        // Only crashes within the window count, so the list stays short.
        while self.crashes.front().is_some_and(|crash| at - *crash > self.window) {
            self.crashes.pop_front();
        }
        self.crashes.len() <= self.max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(at: &[u64]) -> Vec<bool> {
        let mut intensity = Intensity::new(3, Duration::from_secs(5));
        at.iter()
            .map(|at| intensity.allows_restart_after_crash(Duration::from_millis(*at)))
            .collect()
    }

    #[test]
    fn fourth_crash_within_window_exceeds_limit() {
        for first in [0, 3_600_000] {
            assert_eq!(
                allowed(&[0, 1_000, 2_000, 5_000].map(|later| first + later)),
                [true, true, true, false]
            );
        }
    }

    #[test]
    fn crashes_outside_window_do_not_count() {
        assert_eq!(allowed(&[0, 2_000, 4_000, 6_000, 8_000, 10_000]), [true; 6]);
        assert_eq!(allowed(&[0, 1_000, 2_000, 5_001]), [true; 4]);
    }
}
