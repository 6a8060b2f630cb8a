//! The progress and the result of a played scenario.

use std::time::Duration;

use api_types::Verdict;

/// A progress report of the player.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// The cluster was prepared or cleaned up in some way.
    Note(&'a str),
    /// A step waits until the executor allows it. This is reported once per wait.
    Waiting {
        /// The index in [`Scenario::steps`](crate::Scenario::steps).
        step: usize,
    },
    /// A step has started.
    Began {
        /// The index in [`Scenario::steps`](crate::Scenario::steps).
        step: usize,
        /// The description of the step.
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
    /// The operation succeeded, or the expectation was met.
    Passed,
    /// The operation failed, or the expectation was not met.
    Failed,
    /// The step was not run, because an earlier step failed.
    Skipped,
}

/// A step that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepReport {
    /// The description of the step.
    pub text: String,
    /// The outcome.
    pub outcome: Outcome,
    /// The observed result, or the reason of the failure. May be empty.
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
    /// The failure of the preparation or cleanup, if any.
    pub failure: Option<String>,
    /// The verdict at the end; `None` if dispatch no longer responds.
    pub verdict: Option<Verdict>,
    /// The total duration.
    pub took: Duration,
}

impl Report {
    /// Returns whether every step passed, and preparation and cleanup succeeded.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failure.is_none() && self.steps.iter().all(|step| step.outcome == Outcome::Passed)
    }
}
