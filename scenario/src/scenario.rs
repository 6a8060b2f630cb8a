//! A scenario and its steps.

use std::fmt;
use std::time::Duration;

use api_types::{Question, ScenarioSummary, StepText};

use crate::expectation::{Condition, Expectation};
use crate::operation::Operation;
use crate::span::written;

/// A sequence of actions on a cluster and expectations of its state.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// The name on the command line.
    pub name: String,
    /// The title on the page.
    pub title: String,
    /// A description of what the scenario demonstrates.
    pub about: String,
    /// The approximate duration, if the file contains one.
    pub takes: Option<Duration>,
    /// The names of heroes that all cities hold before the first step. A name is also the label of
    /// its hero in steps; requests use the ID, so other heroes may have the same name.
    pub names: Vec<String>,
    /// The number of additional heroes with generated names. Their labels are `#1`, `#2` and so on.
    pub invented: u32,
    /// The scenario's heroes remain at its end. Otherwise the player terminates them.
    pub keep_heroes: bool,
    /// A question about the outcome, to answer before the first step.
    pub predict: Option<Question>,
    /// What the scenario has shown if it passes. May be empty.
    pub conclude: String,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// A step of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The earliest start, since the first step; `None` for directly after the previous step.
    pub at: Option<Duration>,
    /// What the step does, and what to look at. May be empty.
    pub say: String,
    /// The content of the step.
    pub kind: StepKind,
    /// The step passes if its expectation is not met, and fails if it is.
    pub(crate) is_inverted: bool,
}

/// The content of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum StepKind {
    /// One operation.
    Run(Operation),
    /// Operations that start at the same moment. If one of them is for each hero, all of them are
    /// repeated hero by hero, and start together for each hero.
    RunTogether {
        /// The operations.
        operations: Vec<Operation>,
        /// The condition until which the operations are repeated; `None` to run them once.
        until: Option<Condition>,
    },
    /// A condition that must become true.
    Expect(Expectation),
}

impl Scenario {
    /// Returns the scenario in words, as the API lists it.
    #[must_use]
    pub fn summary(self) -> ScenarioSummary {
        let steps = self.steps.iter();
        ScenarioSummary {
            steps: steps
                .map(|step| StepText { text: step.to_string(), say: step.say.clone() })
                .collect(),
            predict: self.predict,
            name: self.name,
            title: self.title,
            about: self.about,
            takes_s: self.takes.map(|takes| takes.as_secs()),
        }
    }

    /// Returns the indices of the steps with an expectation.
    #[must_use]
    pub fn expectations(&self) -> Vec<usize> {
        (0..self.steps.len()).filter(|index| self.steps[*index].expects()).collect()
    }

    /// Returns the scenario with the expectation of one step inverted: the step fails if the
    /// expectation is met, and passes if it is not. `None` if the step has no expectation.
    ///
    /// Tests use it to show that an expectation can fail.
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
            StepKind::RunTogether { operations, until } => {
                until.is_some() || operations.iter().any(Operation::expects)
            }
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
            StepKind::RunTogether { operations, until } => {
                let operations: Vec<String> = operations.iter().map(Operation::to_string).collect();
                write!(f, "at the same moment: {}", operations.join("; "))?;
                until.iter().try_for_each(|until| write!(f, ", until {until}"))
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
