//! The due times of writes.
//!
//! Invariant: due times depend on the schedule only. A late response delays no due time (the load
//! is open-loop).

use std::time::Duration;

/// The highest rate. Beyond it the client, not the cluster, would be the bottleneck.
const PER_S_MAX: u32 = 1_000_000;

/// Parses a rate of writes per second: `500/s`, or `500`.
///
/// # Errors
/// A message with the expected format.
pub(super) fn rate(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    let per_s: u32 = number.parse().map_err(|_| "expected a rate such as 500/s".to_owned())?;
    if per_s > PER_S_MAX { Err(format!("at most {PER_S_MAX}/s")) } else { Ok(per_s) }
}

/// A fixed rate of evenly spaced writes. The first is due at the start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    /// Writes per second; 0 for none.
    pub(super) per_s: u32,
    pub(super) lasts: Duration,
}

impl Schedule {
    /// Returns the total number of writes.
    pub(super) fn total(&self) -> u64 {
        self.until(self.lasts)
    }

    /// Returns the due time of the write with this number (from 0), since the start; `None` beyond
    /// the last write.
    pub(super) fn due(&self, number: u64) -> Option<Duration> {
        let per_s = u64::from(self.per_s);
        // Whole seconds and the rest are separate, since `number * 1e9` overflows in a long load.
        (number < self.total()).then(|| {
            Duration::from_secs(number / per_s)
                + Duration::from_nanos(number % per_s * 1_000_000_000 / per_s)
        })
    }

    /// Returns the number of writes that are due before this time.
    pub(super) fn due_before(&self, elapsed: Duration) -> u64 {
        self.until(elapsed.min(self.lasts))
    }

    fn until(&self, elapsed: Duration) -> u64 {
        u64::try_from((elapsed.as_nanos() * u128::from(self.per_s)).div_ceil(1_000_000_000))
            .unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOUR: Schedule = Schedule { per_s: 4, lasts: Duration::from_secs(2) };

    #[test]
    fn rate_is_a_number_per_second() {
        assert_eq!((rate("500/s"), rate("500"), rate("0/s")), (Ok(500), Ok(500), Ok(0)));
        for wrong in ["", "/s", "-1/s", "5/m", "1.5/s", "5 /s", "1000001/s", "99999999999/s"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn writes_are_due_evenly_and_the_first_at_once() {
        let due: Vec<u128> =
            (0..).map_while(|number| FOUR.due(number)).map(|due| due.as_millis()).collect();
        assert_eq!(due, [0, 250, 500, 750, 1_000, 1_250, 1_500, 1_750]);
        assert_eq!(FOUR.total(), 8);
    }

    #[test]
    fn due_before_counts_the_earlier_due_times() {
        for ms in 0..3_000 {
            let elapsed = Duration::from_millis(ms);
            let counted =
                (0..).map_while(|number| FOUR.due(number)).filter(|due| *due < elapsed).count();
            assert_eq!(FOUR.due_before(elapsed), counted as u64, "{ms} ms");
        }
    }

    #[test]
    fn rate_zero_has_no_writes() {
        let none = Schedule { per_s: 0, lasts: Duration::from_secs(86_400) };
        assert_eq!(
            (none.total(), none.due(0), none.due_before(Duration::from_secs(9))),
            (0, None, 0)
        );
    }

    #[test]
    fn largest_schedule_does_not_overflow() {
        let most = Schedule { per_s: PER_S_MAX, lasts: Duration::from_secs(86_400) };
        assert_eq!(most.total(), 86_400_000_000);
        assert!(most.due(most.total() - 1).is_some_and(|due| due < most.lasts));
    }
}
