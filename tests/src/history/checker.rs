//! The checker: compares a recorded history with the guarantees of the system.
//!
//! Invariants:
//! - It is a pure function of the history.
//! - It reports only what the history proves. An operation with an unknown outcome widens the
//!   bounds; two operations are ordered only if one completed before the other was invoked.

use std::collections::BTreeSet;
use std::fmt;

use crate::history::record::{History, Operation};

mod answers;
mod claims;
mod deletions;
mod end;
mod index;
mod ledger;
mod reads;
mod values;

use index::Index;

/// A guarantee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A hero that was deleted is not live again at the same node, nor anywhere at rest.
    DeletedStaysDeleted,
    /// At rest all nodes hold the same heroes.
    Agreement,
    /// An acknowledged hero exists at rest unless it was deleted, or lost with its holders.
    CreatedHeroExists,
    /// The ledger counts every write that the history proves to be lost.
    LedgerTooLow,
    /// The ledger counts no other write.
    LedgerTooHigh,
    /// Every hero was created by a client.
    HeroFromNowhere,
    /// Every value was written by an operation.
    ValueWithoutWriter,
    /// At rest the write with the greatest stamp among those that survived is held.
    GreatestSurvives,
    /// A refused operation has no effect.
    RefusedWithoutEffect,
    /// An operation takes effect at most once.
    AtMostOnce,
    /// A repeated key returns the first outcome.
    KeyYieldsFirstOutcome,
    /// The stamps of one incarnation increase.
    StampsIncrease,
    /// The copy of a hero at one incarnation is not replaced by an older one.
    MonotonicReads,
    /// The verdict is not converged while the nodes differ.
    VerdictIsTrue,
    /// An answer fits its request.
    AnswerFits,
    /// The event log has every acknowledged write.
    LogIsComplete,
    /// A read at rest shows what the nodes hold.
    ReadShowsHeldCopies,
    /// The observations satisfy the claims of the simulator's checkers.
    Claims,
}

/// A contradiction between the history and a guarantee.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The guarantee.
    pub rule: Rule,
    /// The contradiction.
    pub text: String,
    /// The operations involved, in the order of invocation.
    pub operations: Vec<Operation>,
}

/// The result of a check.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The violations.
    pub violations: Vec<Violation>,
    /// What was checked.
    pub counts: Counts,
}

/// The numbers of what was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Operations that were executed.
    pub executed: usize,
    /// Operations that were refused.
    pub refused: usize,
    /// Operations with unknown outcome.
    pub unknown: usize,
    /// Repetitions of a key.
    pub repeated: usize,
    /// Reads of all nodes.
    pub observations: usize,
    /// Processes of dispatch.
    pub dispatches: usize,
    /// Incarnations whose reads were compared.
    pub incarnations: usize,
    /// Lost writes that the history proves.
    pub lost_min: usize,
    /// Lost writes that the history allows.
    pub lost_max: usize,
    /// Lost writes that dispatch counts.
    pub lost: u64,
}

/// Checks a history against every rule.
#[must_use]
pub fn check(history: &History) -> Report {
    let index = Index::of(history);
    let mut report = Report { counts: index.counts(), ..Report::default() };
    answers::check(&index, &mut report);
    values::check(&index, &mut report);
    deletions::check(&index, &mut report);
    reads::check(&index, &mut report);
    end::check(&index, &mut report);
    ledger::check(&index, &mut report);
    claims::check(&index, &mut report);
    report
}

impl Report {
    /// Returns whether a violation of this rule was found.
    #[must_use]
    pub fn names(&self, rule: Rule) -> bool {
        self.violations.iter().any(|violation| violation.rule == rule)
    }

    /// Returns the violated rules.
    #[must_use]
    pub fn rules(&self) -> BTreeSet<Rule> {
        self.violations.iter().map(|violation| violation.rule).collect()
    }

    fn add<'a>(
        &mut self,
        rule: Rule,
        text: String,
        operations: impl IntoIterator<Item = &'a Operation>,
    ) {
        let mut operations: Vec<Operation> = operations.into_iter().cloned().collect();
        operations.sort_by_key(|operation| operation.number);
        operations.dedup();
        self.violations.push(Violation { rule, text, operations });
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.text)?;
        self.operations.iter().try_for_each(|operation| write!(f, "\n    {operation}"))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for violation in &self.violations {
            writeln!(f, "{violation}")?;
        }
        write!(f, "{:?}", self.counts)
    }
}
