//! The progress and the outcome of a played scenario.

use std::time::Duration;

use api_types::Verdict;

/// News of the player while it plays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// The cluster was prepared or cleaned up in some way.
    Note(&'a str),
    /// A step has begun.
    Began {
        /// The index in [`Scenario::steps`](crate::Scenario::steps).
        step: usize,
        /// The step in words.
        text: &'a str,
    },
    /// A step has ended or was skipped.
    Ended {
        /// The index in [`Scenario::steps`](crate::Scenario::steps).
        step: usize,
        /// The outcome of the step.
        report: &'a StepReport,
    },
}

/// The outcome of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The step went as it should.
    Passed,
    /// The step did not go as it should.
    Failed,
    /// An earlier step failed, so the step was not run.
    Skipped,
}

/// A step that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepReport {
    /// The step in words.
    pub text: String,
    /// The outcome.
    pub outcome: Outcome,
    /// What was observed.
    pub detail: String,
    /// The duration.
    pub took: Duration,
}

/// A scenario that has ended.
#[derive(Clone, Debug)]
pub struct Report {
    /// The name of the scenario.
    pub name: String,
    /// The title of the scenario.
    pub title: String,
    /// The steps.
    pub steps: Vec<StepReport>,
    /// What failed before the first step or after the last one.
    pub failure: Option<String>,
    /// The verdict at the end, if dispatch still answers.
    pub verdict: Option<Verdict>,
    /// The duration of everything.
    pub took: Duration,
}

impl Report {
    /// Returns whether every step passed, and so did preparation and cleanup.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failure.is_none() && self.steps.iter().all(|step| step.outcome == Outcome::Passed)
    }
}
