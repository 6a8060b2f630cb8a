//! When writes are due.
//!
//! Invariant: that depends on the schedule alone. However late answers are, no write is due later
//! for it (the loop is open).

use std::time::Duration;

/// No more are asked for: nobody could tell what bounds them.
const PER_S_MAX: u32 = 1_000_000;

/// How many writes a second: `500/s`.
///
/// # Errors
/// Says what is expected.
pub(super) fn rate(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    let per_s: u32 = number.parse().map_err(|_| "write 500/s, or 0/s for none".to_owned())?;
    if per_s > PER_S_MAX { Err(format!("at most {PER_S_MAX}/s")) } else { Ok(per_s) }
}

/// So many writes a second, evenly spread, for so long. The first is due at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    /// Writes a second; 0 for none.
    pub(super) per_s: u32,
    pub(super) lasts: Duration,
}

impl Schedule {
    /// How many writes there are in all.
    pub(super) fn total(&self) -> u64 {
        self.until(self.lasts)
    }

    /// When the write of this number, from 0, is due, counted from the beginning; `None` where
    /// there is none.
    pub(super) fn due(&self, number: u64) -> Option<Duration> {
        let per_s = u64::from(self.per_s);
        (number < self.total()).then(|| {
            Duration::from_secs(number / per_s)
                + Duration::from_nanos(number % per_s * 1_000_000_000 / per_s)
        })
    }

    /// How many are due before this time has passed.
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
    fn a_rate_is_a_number_a_second() {
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
    fn what_is_due_before_a_moment_has_come_before_it() {
        for ms in 0..3_000 {
            let elapsed = Duration::from_millis(ms);
            let counted =
                (0..).map_while(|number| FOUR.due(number)).filter(|due| *due < elapsed).count();
            assert_eq!(FOUR.due_before(elapsed), counted as u64, "{ms} ms");
        }
    }

    #[test]
    fn none_a_second_is_none_at_all() {
        let none = Schedule { per_s: 0, lasts: Duration::from_secs(86_400) };
        assert_eq!(
            (none.total(), none.due(0), none.due_before(Duration::from_secs(9))),
            (0, None, 0)
        );
    }

    #[test]
    fn the_longest_and_fastest_has_no_overflow() {
        let most = Schedule { per_s: PER_S_MAX, lasts: Duration::from_secs(86_400) };
        assert_eq!(most.total(), 86_400_000_000);
        assert!(most.due(most.total() - 1).is_some_and(|due| due < most.lasts));
    }
}
