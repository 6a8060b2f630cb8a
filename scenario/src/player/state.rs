//! What the player knows of the cluster and must undo, and how it waits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use api_types::Stamp;

use crate::executor::{Executor, Failure};

/// The time between two attempts, and between two observations.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The reason why a step did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StepError {
    /// The expectation was not met. The text is what was observed instead.
    Unmet(String),
    /// The step could not be run or judged. An inverted step fails by it too.
    Broken(String),
}

impl From<Failure> for StepError {
    fn from(failure: Failure) -> Self {
        Self::Broken(failure.to_string())
    }
}

/// A write that was answered as saved.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) hero: String,
    pub(super) stamp: Stamp,
}

/// A scenario in play: what the player knows of the cluster, and what it must undo.
pub(super) struct Player<'a> {
    pub(super) executor: &'a dyn Executor,
    stop: &'a AtomicBool,
    /// Ids of heroes by label.
    pub(super) heroes: BTreeMap<String, String>,
    /// Labels of heroes, in the order of their creation.
    pub(super) order: Vec<String>,
    /// Ids of faults by label.
    pub(super) faults: BTreeMap<String, String>,
    /// The cities whose processes the scenario ended.
    pub(super) ended: BTreeSet<String>,
    /// The assignments, in the order of their answers.
    pub(super) writes: Vec<Write>,
    /// The number of lost writes before the first step.
    pub(super) lost_before: u64,
    /// The last event before the first step.
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
            // In short parts, so that a stop is noticed.
            self.executor.sleep(left.min(POLL_INTERVAL));
        }
    }

    pub(super) fn check_stop(&self) -> Result<(), StepError> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(StepError::Broken("the player was stopped".into()));
        }
        Ok(())
    }

    /// Remembers a hero of the scenario.
    pub(super) fn add_hero(&mut self, label: String, id: String) {
        self.order.push(label.clone());
        self.heroes.insert(label, id);
    }

    /// Returns the id of the hero of this label.
    pub(super) fn id(&self, label: &str) -> Result<&str, StepError> {
        let missing = || format!("{label} was not made, since a step before this failed");
        let id = self.heroes.get(label).map(String::as_str);
        id.ok_or_else(|| StepError::Broken(missing()))
    }
}
