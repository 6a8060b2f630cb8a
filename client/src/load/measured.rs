//! The latencies and outcomes of writes.
//!
//! Invariant: the latency of a write counts from its due time, not from when it was sent. A load
//! that waits for a slow response before it sends the next write would send less the slower the
//! cluster is, and its figures would omit the writes that should have waited: *coordinated
//! omission* (Gil Tene, "How NOT to Measure Latency"; HdrHistogram). The latency from sending is
//! recorded separately.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;
use superhero::{Error, OUTCOME_UNKNOWN};

use super::mix::Kind;
use super::schedule::Schedule;

/// The longest latency that is recorded, in microseconds: one hour. A longer one counts as this.
const MICROS_MAX: u64 = 3_600_000_000;
/// The number of significant digits that are kept of each latency.
const DIGITS: u8 = 3;

/// Latencies, to three significant digits.
#[derive(Clone, Debug)]
pub(super) struct Times(Histogram<u64>);

impl Times {
    fn new() -> Self {
        Self(
            Histogram::new_with_bounds(1, MICROS_MAX, DIGITS)
                .expect("an hour in microseconds fits a histogram of three digits"),
        )
    }

    fn record(&mut self, time: Duration) {
        // The histogram rejects 0, and values above its bound are clamped.
        self.0.saturating_record(u64::try_from(time.as_micros()).unwrap_or(MICROS_MAX).max(1));
    }

    /// Returns the quantiles; `None` if nothing was recorded.
    pub(super) fn quantiles(&self) -> Option<Quantiles> {
        let at = |quantile| self.0.value_at_quantile(quantile) as f64 / 1_000.0;
        (!self.0.is_empty()).then(|| Quantiles {
            p50: at(0.5),
            p99: at(0.99),
            p99_9: at(0.999),
            max: self.0.max() as f64 / 1_000.0,
        })
    }
}

/// Quantiles of latencies, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Quantiles {
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) p99_9: f64,
    pub(super) max: f64,
}

/// The times at which a write was due, sent and answered, since the start of the load.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moments {
    pub(super) due: Duration,
    pub(super) sent: Duration,
    pub(super) answered: Duration,
}

/// The reason a write failed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Reason {
    /// The HTTP status; `None` without a valid response.
    pub(super) status: Option<u16>,
    /// The problem type, or `silent` (no response), `outcome_unknown` (no response, but the
    /// write may have taken effect) or `not_dispatch` (invalid response).
    #[serde(rename = "type")]
    pub(super) kind: String,
}

impl Reason {
    fn of(error: &Error) -> Self {
        match error {
            Error::Refused { status, kind, .. } => {
                Self { status: Some(*status), kind: kind.clone() }
            }
            Error::NoAnswer { .. } => Self { status: None, kind: "silent".into() },
            Error::OutcomeUnknown { .. } => Self { status: None, kind: OUTCOME_UNKNOWN.into() },
            Error::Untrusted { .. }
            | Error::NotDispatch { .. }
            | Error::Address { .. }
            | Error::Access { .. } => Self { status: None, kind: "not_dispatch".into() },
        }
    }
}

/// The latencies of successful writes.
#[derive(Clone, Debug)]
pub(super) struct Done {
    pub(super) count: u64,
    pub(super) from_due: Times,
    pub(super) from_sent: Times,
}

impl Done {
    fn new() -> Self {
        Self { count: 0, from_due: Times::new(), from_sent: Times::new() }
    }

    fn record(&mut self, moments: Moments) {
        self.count += 1;
        self.from_due.record(moments.answered.saturating_sub(moments.due));
        self.from_sent.record(moments.answered.saturating_sub(moments.sent));
    }
}

/// The outcomes of all writes so far.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) all: Done,
    pub(super) kinds: BTreeMap<Kind, Done>,
    pub(super) refused: BTreeMap<Reason, u64>,
    /// The writes that were due but not sent, because no connection was free until the end.
    pub(super) not_sent: u64,
    /// The first error, for the error message.
    pub(super) first_error: Option<Error>,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            all: Done::new(),
            kinds: BTreeMap::new(),
            refused: BTreeMap::new(),
            not_sent: 0,
            first_error: None,
        }
    }

    /// Records a successful write.
    pub(super) fn done(&mut self, kind: Kind, moments: Moments) {
        self.all.record(moments);
        self.kinds.entry(kind).or_insert_with(Done::new).record(moments);
    }

    /// Records a write that was refused, or whose outcome is unknown. Its latency is not recorded,
    /// so that fast refusals do not improve the figures.
    pub(super) fn refused(&mut self, error: Error) {
        *self.refused.entry(Reason::of(&error)).or_default() += 1;
        self.first_error.get_or_insert(error);
    }

    /// Records the end of the load, after `begun` writes of the schedule were sent. Every other due
    /// write has waited at least until now, which is recorded as its latency. Leaving it out would
    /// be coordinated omission.
    pub(super) fn ended(&mut self, schedule: Schedule, begun: u64, elapsed: Duration) {
        let left = (begun..schedule.due_before(elapsed)).filter_map(|number| schedule.due(number));
        for due in left {
            self.not_sent += 1;
            self.all.from_due.record(elapsed.saturating_sub(due));
        }
    }

    /// Returns the number of writes that were sent and failed.
    pub(super) fn refusals(&self) -> u64 {
        self.refused.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(due: u64, sent: u64, answered: u64) -> Moments {
        let ms = Duration::from_millis;
        Moments { due: ms(due), sent: ms(sent), answered: ms(answered) }
    }

    fn quantiles(times: &Times) -> Quantiles {
        times.quantiles().expect("something was recorded")
    }

    /// One connection sends a 1 ms write every 10 ms, and the cluster stalls once for a second.
    #[test]
    fn stall_delays_every_write_due_during_it() {
        let mut tally = Tally::new();
        let mut free = 0;
        for number in 0..200 {
            let due = number * 10;
            let sent = free.max(due);
            free = sent + if number == 50 { 1_000 } else { 1 };
            tally.done(Kind::Assign, moments(due, sent, free));
        }
        let (from_due, from_sent) =
            (quantiles(&tally.all.from_due), quantiles(&tally.all.from_sent));
        assert!(
            from_sent.p50 < 2.0 && from_sent.p99 < 2.0,
            "one of two hundred was slow: {from_sent:?}"
        );
        assert!(from_due.p50 > 50.0 && from_due.p99 > 900.0, "half of them waited: {from_due:?}");
        assert_eq!((tally.all.count, tally.kinds[&Kind::Assign].count), (200, 200));
    }

    #[test]
    fn unsent_writes_count_as_waiting_until_the_end() {
        let schedule = Schedule { per_s: 10, lasts: Duration::from_secs(2) };
        let mut tally = Tally::new();
        tally.ended(schedule, 5, Duration::from_millis(1_000));
        assert_eq!((tally.not_sent, tally.all.count), (5, 0));
        let from_due = quantiles(&tally.all.from_due);
        assert!(
            (499.0..=501.0).contains(&from_due.max),
            "the sixth was due after half a second: {from_due:?}"
        );
        assert_eq!(tally.all.from_sent.quantiles(), None);
        let mut all_begun = Tally::new();
        all_begun.ended(schedule, 25, Duration::from_secs(3));
        assert_eq!(all_begun.not_sent, 0);
    }

    #[test]
    fn refusals_count_by_status_and_type() {
        let mut tally = Tally::new();
        let refused =
            |kind: &str| Error::Refused { status: 503, kind: kind.into(), detail: "d".into() };
        tally.refused(refused("no_answer"));
        tally.refused(refused("outcome_unknown"));
        tally.refused(refused("no_answer"));
        tally.refused(Error::NoAnswer { url: "u".into(), why: "w".into() });
        let counted: Vec<(Option<u16>, &str, u64)> = tally
            .refused
            .iter()
            .map(|(why, count)| (why.status, why.kind.as_str(), *count))
            .collect();
        assert_eq!(
            counted,
            [(None, "silent", 1), (Some(503), "no_answer", 2), (Some(503), "outcome_unknown", 1)]
        );
        assert_eq!(
            (tally.refusals(), tally.first_error.as_ref().and_then(Error::refusal)),
            (4, Some("no_answer"))
        );
        assert_eq!(tally.all.from_due.quantiles(), None, "a refusal has no latency");
    }

    #[test]
    fn times_keep_three_digits_and_saturate() {
        let mut times = Times::new();
        times.record(Duration::from_micros(1_234));
        times.record(Duration::from_secs(86_400));
        let found = quantiles(&times);
        assert!((found.p50 - 1.234).abs() < 0.002, "{found:?}");
        assert!((found.max - 3_600_000.0).abs() < 3_600.0 * 2.0, "{found:?}");
    }
}
