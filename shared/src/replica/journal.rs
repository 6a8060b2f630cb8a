//! What became of the pulls of one replica, for whoever wants to see gossip happen. Nothing in the protocol depends on it.
//!
//! A pull whose link broke leaves no record: that is no news of gossip, but of the link.
//!
//! Invariant: records are numbered from 1 without gaps, in the order in which they ended; the newest are kept.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::id::{NodeName, Origin};
use crate::message::PullOutcome;

/// A question that was answered, or was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRecord {
    /// Its place in the journal, from 1.
    pub number: u64,
    /// Who was asked.
    pub source: Origin,
    /// When.
    pub asked: Duration,
    /// When that was over.
    pub ended: Duration,
    /// What came of it.
    pub outcome: PullOutcome,
}

/// The newest records.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// Who was asked last when, of those whose answers are awaited or whose links broke.
    open: BTreeMap<NodeName, Duration>,
    records: VecDeque<PullRecord>,
    written: u64,
    asked: u64,
    kept_max: usize,
}

impl Journal {
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
        self.records.push_back(PullRecord { number: self.written, source, asked, ended: at, outcome });
        while self.records.len() > self.kept_max {
            self.records.pop_front();
        }
    }

    /// How many records were written, kept or not.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    /// How many questions were asked, each time that one was asked again included.
    #[must_use]
    pub fn asked_so_far(&self) -> u64 {
        self.asked
    }

    /// The records that are kept of those after the one numbered `since`, oldest first.
    pub fn since(&self, since: u64) -> impl Iterator<Item = &PullRecord> {
        self.records.iter().skip_while(move |record| record.number <= since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Incarnation;

    #[test]
    fn it_keeps_the_newest_and_counts_all() {
        let source = Origin { node: "a".parse().unwrap(), incarnation: Incarnation(2) };
        let mut journal = Journal::new(3);
        for second in 0..5 {
            journal.asked(source, Duration::from_secs(second));
            journal.ended(source, Duration::from_secs(second + 1), PullOutcome::Same);
        }
        journal.asked(source, Duration::from_secs(9));
        assert_eq!(journal.asked_so_far(), 6, "one of them is open");
        let numbers = |since| journal.since(since).map(|record| record.number).collect::<Vec<_>>();
        assert_eq!((journal.written(), numbers(0), numbers(4), numbers(5)), (5, vec![3, 4, 5], vec![5], vec![]));
    }
}
