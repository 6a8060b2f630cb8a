//! The state of the player: the records that later steps and the cleanup need, and its waits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use api_types::Stamp;

use crate::executor::{Executor, Failure};

/// The interval between two attempts, and between two observations.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The reason a step did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StepError {
    /// The expectation was not met. The text is the observed state.
    Unmet(String),
    /// The step could not be run or observed. An inverted step fails, too.
    Broken(String),
    /// The same, for a reason that may pass.
    Unavailable(String),
}

impl From<Failure> for StepError {
    fn from(failure: Failure) -> Self {
        let is_temporary = failure.is_temporary();
        let why = failure.to_string();
        if is_temporary { Self::Unavailable(why) } else { Self::Broken(why) }
    }
}

/// An acknowledged write.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) hero: String,
    pub(super) stamp: Stamp,
}

/// The state of a running scenario.
pub(super) struct Player<'a> {
    pub(super) executor: &'a dyn Executor,
    stop: &'a AtomicBool,
    /// The IDs of the scenario's heroes, by label.
    pub(super) heroes: BTreeMap<String, String>,
    /// The labels of the heroes, in order of creation.
    pub(super) order: Vec<String>,
    /// The IDs of the scenario's faults, by label.
    pub(super) faults: BTreeMap<String, String>,
    /// The player has made the cities quiet.
    pub(super) has_quieted: bool,
    /// The cities whose processes the scenario stopped.
    pub(super) ended: BTreeSet<String>,
    /// The acknowledged assignments, in order of their responses.
    pub(super) writes: Vec<Write>,
    /// The number of lost writes before the first step.
    pub(super) lost_before: u64,
    /// The number of the last event before the first step.
    pub(super) event_before: u64,
}

impl<'a> Player<'a> {
    pub(super) fn new(executor: &'a dyn Executor, stop: &'a AtomicBool) -> Self {
        Self {
            executor,
            stop,
            heroes: BTreeMap::new(),
            order: Vec::new(),
            faults: BTreeMap::new(),
            has_quieted: false,
            ended: BTreeSet::new(),
            writes: Vec::new(),
            lost_before: 0,
            event_before: 0,
        }
    }

    /// Waits for this long.
    ///
    /// # Errors
    /// The player was stopped.
    pub(super) fn wait(&self, span: Duration) -> Result<(), StepError> {
        let start = self.executor.now();
        loop {
            self.check_stop()?;
            let left = span.saturating_sub(self.executor.now().saturating_sub(start));
            if left.is_zero() {
                return Ok(());
            }
            // Short sleeps, so that a stop takes effect soon.
            self.executor.sleep(left.min(POLL_INTERVAL));
        }
    }

    pub(super) fn check_stop(&self) -> Result<(), StepError> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(StepError::Broken("the player was stopped".into()));
        }
        Ok(())
    }

    /// Adds a hero of the scenario.
    pub(super) fn add_hero(&mut self, label: String, id: String) {
        self.order.push(label.clone());
        self.heroes.insert(label, id);
    }

    /// Returns the ID of the hero with this label.
    pub(super) fn id(&self, label: &str) -> Result<&str, StepError> {
        let missing = || format!("{label} was not created by an earlier step");
        let id = self.heroes.get(label).map(String::as_str);
        id.ok_or_else(|| StepError::Broken(missing()))
    }
}
