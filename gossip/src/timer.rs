//! Deadlines of machines. A timer is a field and not a task: it is due when its machine is told the
//! time.

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
    /// Returns a timer that is first due after `first_fraction` (0 to 1) of its interval, and never
    /// where that is `None`. Machines that start together take a random fraction each, so as not to
    /// run in step.
    #[must_use]
    pub fn new(interval: Option<Duration>, first_fraction: f64, now: Now) -> Self {
        Self {
            interval,
            at: interval.map(|interval| now.mono + interval.mul_f64(first_fraction)),
            pace: Pace::FREE,
        }
    }

    /// Changes the pace: the rest of the current interval is stretched or shrunk, or stops while
    /// paused.
    pub fn set_pace(&mut self, pace: Pace, now: Now) {
        if pace == self.pace {
            return;
        }
        self.pace = pace;
        self.at =
            self.paced().map(|interval| self.at.unwrap_or(Duration::MAX).min(now.mono + interval));
    }

    fn paced(&self) -> Option<Duration> {
        let percent = u32::from(self.pace.percent);
        self.interval.filter(|_| percent > 0).map(|interval| interval * 100 / percent)
    }

    /// Returns the interval at the usual pace; `None` if the timer is never due.
    #[must_use]
    pub fn interval(&self) -> Option<Duration> {
        self.interval
    }

    /// Returns when it is due next.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.at
    }

    /// Returns whether it is due. If so, the next interval begins.
    pub fn is_due(&mut self, now: Now) -> bool {
        let due = self.at.is_some_and(|at| at <= now.mono);
        if due {
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
