//! The player: it prepares the cluster, runs the steps, and cleans up.
//!
//! - `state`: the player's records of its own changes, and its waits. `setup`: preparation and
//!   cleanup. `operations`: the actions of a step. `observations`: the wait for a condition.
//!
//! Invariants: the player changes no hero that it did not create. It leaves no fault in force,
//! gossip at its configured rate, and none of its heroes unless they are kept, if dispatch responds.

mod observations;
mod operations;
mod setup;
mod state;

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::executor::Executor;
use crate::expectation::Condition;
use crate::operation::Operation;
use crate::report::{Outcome, Progress, Report, StepReport};
use crate::scenario::{Scenario, Step, StepKind};

use observations::Observation;
use state::{POLL_INTERVAL, Player, StepError};

/// The longest wait until the executor allows a step.
const CONTINUE_TIMEOUT: Duration = Duration::from_secs(600);
/// The largest number of repetitions of a step with `until`.
const REPETITIONS_MAX: u32 = 20;

/// Plays a scenario to its end, or until `stop` is set, and reports progress to `on_progress`.
///
/// Before the first step the player heals all faults, resets gossip to its configured rate, makes the
/// cities quiet, creates the scenario's heroes, and waits until all cities hold them. After the last
/// step, or the first failed one, it heals and resets again, ends the quiet that it began, restarts the
/// processes that the scenario stopped, and terminates the scenario's heroes unless they are kept.
pub fn play(
    executor: &dyn Executor,
    scenario: &Scenario,
    stop: &AtomicBool,
    on_progress: &mut dyn FnMut(Progress<'_>),
) -> Report {
    let start = executor.now();
    let mut player = Player::new(executor, stop);
    let mut failure = None;
    let mut steps = Vec::new();
    match player.prepare(scenario, on_progress) {
        Ok(()) => steps = player.run_steps(scenario, on_progress),
        Err(StepError::Unmet(why) | StepError::Broken(why) | StepError::Unavailable(why)) => {
            failure = Some(format!("before the first step: {why}"));
        }
    }
    if let Err(why) = player.clean_up(on_progress) {
        failure = failure.or(Some(format!("after the last step: {why}")));
    }
    // Before the terminations, which take a second or two to reach all cities.
    let verdict = executor.verdict().ok();
    if !scenario.keep_heroes
        && let Err(why) = player.terminate_heroes(on_progress)
    {
        failure = failure.or(Some(format!("after the last step: {why}")));
    }
    Report {
        name: scenario.name.clone(),
        title: scenario.title.clone(),
        steps,
        failure,
        verdict,
        took: executor.now().saturating_sub(start),
    }
}

impl Player<'_> {
    /// Runs the steps until one fails. The remaining steps are skipped.
    fn run_steps(
        &mut self,
        scenario: &Scenario,
        on_progress: &mut dyn FnMut(Progress<'_>),
    ) -> Vec<StepReport> {
        let mut start = None;
        let mut failed = false;
        let mut reports = Vec::new();
        for (index, step) in scenario.steps.iter().enumerate() {
            let report = if failed {
                StepReport {
                    text: step.to_string(),
                    outcome: Outcome::Skipped,
                    detail: String::new(),
                    took: Duration::ZERO,
                }
            } else {
                let waited = self.wait_until_allowed(index, on_progress).and_then(|()| {
                    let now = self.executor.now();
                    let due = *start.get_or_insert(now) + step.at.unwrap_or_default();
                    self.wait(due.saturating_sub(now))
                });
                on_progress(Progress::Began { step: index, text: &step.to_string() });
                self.run_step(step, waited)
            };
            failed |= report.outcome == Outcome::Failed;
            on_progress(Progress::Ended { step: index, report: &report });
            reports.push(report);
        }
        reports
    }

    /// Waits until the executor allows the step with this index.
    fn wait_until_allowed(
        &self,
        index: usize,
        on_progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), StepError> {
        let is_allowed = || self.executor.steps_allowed().is_none_or(|allowed| index < allowed);
        if is_allowed() {
            return Ok(());
        }
        on_progress(Progress::Waiting { step: index });
        let start = self.executor.now();
        while !is_allowed() {
            if self.executor.now().saturating_sub(start) >= CONTINUE_TIMEOUT {
                let minutes = CONTINUE_TIMEOUT.as_secs() / 60;
                return Err(StepError::Broken(format!("not continued within {minutes} minutes")));
            }
            self.wait(POLL_INTERVAL)?;
        }
        Ok(())
    }

    fn run_step(&mut self, step: &Step, waited: Result<(), StepError>) -> StepReport {
        let start = self.executor.now();
        let result = waited.and_then(|()| match &step.kind {
            StepKind::Run(operation) => self.run_together(std::slice::from_ref(operation)),
            StepKind::RunTogether { operations, until: None } => self.run_together(operations),
            StepKind::RunTogether { operations, until: Some(until) } => {
                self.run_until(operations, until)
            }
            StepKind::Expect(expectation) => self.wait_for(expectation),
        });
        let (outcome, detail) = match judged(result, step.is_inverted) {
            Ok(detail) => (Outcome::Passed, detail),
            Err(detail) => (Outcome::Failed, detail),
        };
        let took = self.executor.now().saturating_sub(start);
        StepReport { text: step.to_string(), outcome, detail, took }
    }
}

impl Player<'_> {
    /// Repeats operations until a condition holds, and returns the observed state.
    fn run_until(
        &mut self,
        operations: &[Operation],
        until: &Condition,
    ) -> Result<String, StepError> {
        let mut repetitions = 0;
        loop {
            self.run_together(operations)?;
            repetitions += 1;
            match self.observe(until)? {
                Observation::Met(seen) => return Ok(seen),
                Observation::Unmet(instead) if repetitions == REPETITIONS_MAX => {
                    return Err(StepError::Unmet(instead));
                }
                Observation::Unmet(_) => self.wait(POLL_INTERVAL)?,
            }
        }
    }
}

/// Turns the result of a step into its outcome (`Ok` if it passed), with a detail text.
fn judged(result: Result<String, StepError>, is_inverted: bool) -> Result<String, String> {
    match (result, is_inverted) {
        (Ok(seen), false) | (Err(StepError::Unmet(seen)), true) => Ok(seen),
        (Ok(seen), true) => Err(format!("the step passed, but should not have: {seen}")),
        (Err(StepError::Unmet(instead)), false) => Err(format!("observed: {instead}")),
        (Err(StepError::Broken(why) | StepError::Unavailable(why)), _) => Err(why),
    }
}

#[cfg(test)]
mod tests;
