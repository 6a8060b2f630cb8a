//! A limit on log lines about causes that repeat, for example a peer that dials every second and is
//! refused every time.
//!
//! Invariant: neither the log nor the memory grows with the number of occurrences or of causes.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The time for which a cause is not logged again.
const REPEAT_AFTER: Duration = Duration::from_secs(60);
/// The maximum number of causes that are logged within that time. Further ones share one line.
const CAUSES_MAX: usize = 20;

/// The causes that were logged recently.
///
/// A cause must not contain details that change from one occurrence to the next, such as a time or
/// a port.
#[derive(Debug)]
pub struct LogLimit<C> {
    logged: Mutex<Causes<C>>,
}

#[derive(Debug)]
struct Causes<C> {
    causes: BTreeMap<C, Logged>,
    /// The causes beyond the maximum.
    others: Option<Logged>,
}

/// The occurrence of a cause that is to be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The number of occurrences since the last logged one, if there are any.
    pub unlogged: Option<u64>,
}

/// A logged cause.
#[derive(Clone, Copy, Debug)]
struct Logged {
    at: Instant,
    /// The number of occurrences since then.
    unlogged: u64,
}

impl<C> Default for LogLimit<C> {
    fn default() -> Self {
        Self { logged: Mutex::new(Causes { causes: BTreeMap::new(), others: None }) }
    }
}

impl<C: Ord> LogLimit<C> {
    /// Notes an occurrence of `cause`. Returns whether to log it: once, and then at most once a
    /// minute.
    pub fn due(&self, cause: C, now: Instant) -> Option<Due> {
        self.logged.lock().unwrap_or_else(PoisonError::into_inner).due(cause, now)
    }
}

impl<C: Ord> Causes<C> {
    fn due(&mut self, cause: C, now: Instant) -> Option<Due> {
        if !self.causes.contains_key(&cause) && self.causes.len() >= CAUSES_MAX {
            self.causes.retain(|_, logged| !logged.is_over(now));
        }
        if let Some(logged) = self.causes.get_mut(&cause) {
            return logged.due(now);
        }
        if self.causes.len() < CAUSES_MAX {
            self.causes.insert(cause, Logged { at: now, unlogged: 0 });
            return Some(Due { unlogged: None });
        }
        match &mut self.others {
            Some(others) => others.due(now),
            None => {
                self.others = Some(Logged { at: now, unlogged: 0 });
                Some(Due { unlogged: None })
            }
        }
    }
}

impl Logged {
    fn is_over(self, now: Instant) -> bool {
        now.duration_since(self.at) >= REPEAT_AFTER
    }

    fn due(&mut self, now: Instant) -> Option<Due> {
        if !self.is_over(now) {
            self.unlogged += 1;
            return None;
        }
        let unlogged = (self.unlogged > 0).then_some(self.unlogged);
        *self = Self { at: now, unlogged: 0 };
        Some(Due { unlogged })
    }
}

/// Returns a text without its digits: the cause in a message with times, ports or sizes.
pub(super) fn without_digits(text: &str) -> String {
    text.chars().filter(|character| !character.is_ascii_digit()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Option<Due> = Some(Due { unlogged: None });

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn cause_is_logged_once_a_minute_with_the_number_of_unlogged_occurrences() {
        let (limit, start) = (LogLimit::default(), Instant::now());
        assert_eq!(limit.due("a", start), FIRST);
        for second in 0..60 {
            assert_eq!(limit.due("a", after(start, second)), None);
        }
        assert_eq!(limit.due("b", after(start, 59)), FIRST);
        assert_eq!(limit.due("a", after(start, 60)), Some(Due { unlogged: Some(60) }));
        assert_eq!(limit.due("a", after(start, 61)), None);
        assert_eq!(limit.due("a", after(start, 200)), Some(Due { unlogged: Some(1) }));
    }

    #[test]
    fn causes_beyond_the_maximum_share_one_line_and_take_no_memory() {
        let (limit, start) = (LogLimit::default(), Instant::now());
        let logged = (0..1_000).filter(|cause| limit.due(*cause, start).is_some());
        assert_eq!(logged.count(), CAUSES_MAX + 1);
        assert_eq!(limit.logged.lock().unwrap().causes.len(), CAUSES_MAX);
        // The line of the others is shared, too, after a minute.
        let minute = after(start, 60);
        assert_eq!(limit.due(0, minute), FIRST);
        assert_eq!(limit.due(5_000, minute), FIRST, "the first causes are over");
    }

    #[test]
    fn digits_are_no_part_of_a_cause() {
        let [one, other] = ["expired 9 seconds ago", "expired 10 seconds ago"].map(without_digits);
        assert_eq!(one, other);
    }
}
