//! A scenario and its steps.

use std::fmt;
use std::time::Duration;

use api_types::ScenarioSummary;

use crate::expectation::Expectation;
use crate::operation::Operation;
use crate::span::written;

/// Actions on a cluster, and expectations of what is then observed.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// The name on a command line.
    pub name: String,
    /// The title for people.
    pub title: String,
    /// What the scenario demonstrates.
    pub about: String,
    /// The approximate duration, if the author gives one.
    pub takes: Option<Duration>,
    /// The names of heroes that exist, and are known to all cities, before the first step. A name
    /// is a label too: the player knows each of its heroes by id.
    pub names: Vec<String>,
    /// The number of further heroes, with invented names. Their labels are `#1`, `#2` and so on.
    pub invented: u32,
    /// The steps, in their order.
    pub steps: Vec<Step>,
}

/// A step of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The earliest beginning, since the first step; `None` for right after the step before.
    pub at: Option<Duration>,
    /// The content of the step.
    pub kind: StepKind,
    /// The step passes where its expectation fails, and the reverse.
    pub(crate) is_inverted: bool,
}

/// The content of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum StepKind {
    /// One operation.
    Run(Operation),
    /// Operations that begin at the same moment. If one of them is for each hero, all of them are
    /// repeated hero by hero, and begin at the same moment for each hero.
    RunTogether(Vec<Operation>),
    /// A condition that must come about.
    Expect(Expectation),
}

impl Scenario {
    /// Returns the scenario without its steps, as the API lists it.
    #[must_use]
    pub fn summary(self) -> ScenarioSummary {
        ScenarioSummary {
            name: self.name,
            title: self.title,
            about: self.about,
            takes_s: self.takes.map(|takes| takes.as_secs()),
        }
    }

    /// Returns the indices of the steps that can fail by an expectation.
    #[must_use]
    pub fn expectations(&self) -> Vec<usize> {
        (0..self.steps.len()).filter(|index| self.steps[*index].expects()).collect()
    }

    /// Returns the scenario with the expectation of one step inverted: the step fails where the
    /// expectation is met, and passes where it is not. `None` if the step expects nothing.
    ///
    /// A test shows with it that an expectation can fail.
    #[must_use]
    pub fn inverted(&self, step: usize) -> Option<Self> {
        let mut scenario = self.clone();
        let inverted = scenario.steps.get_mut(step).filter(|step| step.expects())?;
        inverted.is_inverted = !inverted.is_inverted;
        Some(scenario)
    }
}

impl Step {
    fn expects(&self) -> bool {
        match &self.kind {
            StepKind::Run(operation) => operation.expects(),
            StepKind::RunTogether(operations) => operations.iter().any(Operation::expects),
            StepKind::Expect(_) => true,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_inverted {
            f.write_str("(inverted) ")?;
        }
        match &self.kind {
            StepKind::Run(operation) => write!(f, "{operation}"),
            StepKind::RunTogether(operations) => {
                let operations: Vec<String> = operations.iter().map(Operation::to_string).collect();
                write!(f, "at the same moment: {}", operations.join("; "))
            }
            StepKind::Expect(Expectation { condition, holds_for, .. }) if holds_for.is_zero() => {
                write!(f, "expect: {condition}")
            }
            StepKind::Expect(Expectation { condition, holds_for, .. }) => {
                write!(f, "expect: {condition}, for {}", written(*holds_for))
            }
        }
    }
}
