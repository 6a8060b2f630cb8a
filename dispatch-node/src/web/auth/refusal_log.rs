//! Warnings about refused requests that point to a wrong configuration. Each distinct cause is
//! logged at most once a minute.
//!
//! Invariant: hostile clients can neither fill the log nor the memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use crate::web::error::Problem;

/// The time for which a cause is not logged again.
const REPEAT_AFTER: Duration = Duration::from_secs(60);
/// The maximum number of causes that are logged within that time. Further ones are dropped.
const CAUSES_MAX: usize = 20;

/// The causes that were logged recently. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct RefusalLog {
    logged: Arc<Mutex<BTreeMap<String, Instant>>>,
}

impl RefusalLog {
    /// Logs the detail of a problem, which must be bounded and escaped.
    pub(crate) fn warn(&self, problem: &Problem) {
        if self.is_due(&problem.detail, Instant::now()) {
            warn!(problem = problem.code, "request refused: {}", problem.detail);
        }
    }

    /// Returns whether a cause is to be logged at this time, and notes that it was.
    fn is_due(&self, cause: &str, now: Instant) -> bool {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        logged.retain(|_, at| now.duration_since(*at) < REPEAT_AFTER);
        let is_due = logged.len() < CAUSES_MAX && !logged.contains_key(cause);
        if is_due {
            logged.insert(cause.to_owned(), now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cause_is_logged_once_a_minute_and_causes_are_bounded() {
        let (log, start) = (RefusalLog::default(), Instant::now());
        assert!(log.is_due("a", start));
        assert!(!log.is_due("a", start + Duration::from_secs(59)));
        assert!(log.is_due("b", start + Duration::from_secs(59)));
        assert!(log.is_due("a", start + Duration::from_secs(60)));
        let due = (0..1_000)
            .filter(|cause| log.is_due(&cause.to_string(), start + Duration::from_secs(61)));
        assert_eq!(due.count(), CAUSES_MAX - 2);
        assert_eq!(log.logged.lock().unwrap().len(), CAUSES_MAX);
        assert!(log.is_due("c", start + Duration::from_secs(200)));
    }
}
