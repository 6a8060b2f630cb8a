//! A log of the outcomes of a replica's pulls, for observers. The protocol does not depend on it.
//! Pulls whose link was lost are not recorded.
//!
//! Invariant: records are numbered from 1 without gaps, in the order in which the pulls ended, and
//! the newest ones are kept.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::id::{NodeName, Origin};
use crate::protocol::PullOutcome;

/// The record of an ended pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRecord {
    /// The number of the record, from 1.
    pub number: u64,
    /// The source of the pull.
    pub source: Origin,
    /// The time of the request, on the monotonic clock.
    pub asked: Duration,
    /// The time of the end, on the monotonic clock.
    pub ended: Duration,
    /// The outcome.
    pub outcome: PullOutcome,
}

/// The newest records of ended pulls.
#[derive(Clone, Debug, Default)]
pub struct PullLog {
    /// The time of the latest request to each source with an open pull.
    open: BTreeMap<NodeName, Duration>,
    records: VecDeque<PullRecord>,
    written: u64,
    asked: u64,
    kept_max: usize,
}

impl PullLog {
    pub(super) fn new(kept_max: usize) -> Self {
        Self { kept_max, ..Self::default() }
    }

    pub(super) fn asked(&mut self, source: Origin, at: Duration) {
        if self.kept_max > 0 {
            self.open.insert(source.node, at);
            self.asked += 1;
        }
    }

    pub(super) fn ended(&mut self, source: Origin, at: Duration, outcome: PullOutcome) {
        let Some(asked) = self.open.remove(&source.node) else { return };
        self.written += 1;
        self.records.push_back(PullRecord {
            number: self.written,
            source,
            asked,
            ended: at,
            outcome,
        });
        while self.records.len() > self.kept_max {
            self.records.pop_front();
        }
    }

    /// Returns the number of records so far, including dropped ones.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Returns the number of pull requests so far, including repeated ones.
    #[must_use]
    pub fn requests_sent(&self) -> u64 {
        self.asked
    }

    /// Iterates over the kept records after number `since`, oldest first.
    pub fn since(&self, since: u64) -> impl Iterator<Item = &PullRecord> {
        self.records.iter().skip_while(move |record| record.number <= since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Incarnation;

    #[test]
    fn log_keeps_newest_records_and_counts_all() {
        let source = Origin { node: "a".parse().unwrap(), incarnation: Incarnation::at(2) };
        let mut log = PullLog::new(3);
        for second in 0..5 {
            log.asked(source, Duration::from_secs(second));
            log.ended(source, Duration::from_secs(second + 1), PullOutcome::Same);
        }
        log.asked(source, Duration::from_secs(9));
        assert_eq!(log.requests_sent(), 6, "one pull is open");
        let numbers = |since| log.since(since).map(|record| record.number).collect::<Vec<_>>();
        assert_eq!(
            (log.written(), numbers(0), numbers(4), numbers(5)),
            (5, vec![3, 4, 5], vec![5], vec![])
        );
    }
}
