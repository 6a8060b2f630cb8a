//! Recurring deadlines of machines. A timer is a field, not a task: it fires when its machine is
//! ticked.

use std::time::Duration;

use crate::fault::Pace;
use crate::time::Now;

/// A recurring deadline of a machine.
#[derive(Clone, Debug)]
pub struct Timer {
    interval: Option<Duration>,
    at: Option<Duration>,
    pace: Pace,
}

impl Timer {
    /// Returns a timer that is first due after `first_fraction` (0 to 1) of its interval. With
    /// `None` it is never due. Machines that start together should pass random fractions, so that
    /// they do not act in step.
    #[must_use]
    pub fn new(interval: Option<Duration>, first_fraction: f64, now: Now) -> Self {
        Self {
            interval,
            at: interval.map(|interval| now.mono + interval.mul_f64(first_fraction)),
            pace: Pace::FREE,
        }
    }

    /// Changes the pace. A faster pace shortens the current interval, a slower one applies from the
    /// next interval on, and at pace 0 the timer is not due.
    pub fn set_pace(&mut self, pace: Pace, now: Now) {
        if pace == self.pace {
            return;
        }
        self.pace = pace;
        // `min`: no pace makes the current deadline later. After a pause there is none, so a whole
        // interval passes.
        self.at =
            self.paced().map(|interval| self.at.unwrap_or(Duration::MAX).min(now.mono + interval));
    }

    fn paced(&self) -> Option<Duration> {
        let percent = u32::from(self.pace.percent);
        self.interval.filter(|_| percent > 0).map(|interval| interval * 100 / percent)
    }

    /// Returns the interval at the configured pace; `None` if the timer is never due.
    #[must_use]
    pub fn interval(&self) -> Option<Duration> {
        self.interval
    }

    /// Returns the next due time; `None` if there is none.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.at
    }

    /// Returns whether the timer is due, and starts the next interval if so.
    pub fn is_due(&mut self, now: Now) -> bool {
        let due = self.at.is_some_and(|at| at <= now.mono);
        if due {
            // From now, not from the deadline: a late tick is not followed by a burst of catch-up
            // ticks.
            self.at = self.paced().map(|interval| now.mono + interval);
        }
        due
    }
}

/// Returns the earliest of several deadlines.
#[must_use]
pub fn earliest<const N: usize>(deadlines: [Option<Duration>; N]) -> Option<Duration> {
    deadlines.into_iter().flatten().min()
}
