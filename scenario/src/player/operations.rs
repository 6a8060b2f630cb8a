//! The operations of a step: one, or several started at the same moment.
//!
//! Invariant: an operation is retried only if dispatch reports that it was not carried out. An
//! operation with an unknown outcome is not retried.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use crate::executor::{CityOperation, Failure};
use crate::fault::Fault;
use crate::operation::{Action, HeroSelector, Operation};

use super::state::{POLL_INTERVAL, Player, StepError, Write};

/// The time for which an operation is retried. It is enough for a city to return from a bomb, and
/// for dispatch to read the clock of a city that was skewed before.
const RETRY_TIMEOUT: Duration = Duration::from_secs(5);
/// The duration of a fault for which the file has none: longer than a scenario, so that the fault
/// does not expire during it, but not much longer, in case the player is killed before its cleanup.
const LASTS: Duration = Duration::from_secs(120);
/// The same for a scenario that waits before its steps: the longest that the API allows.
const LASTS_THROUGH_WAITS: Duration = Duration::from_secs(3_600);
/// The largest number of texts in the detail of a step.
const TEXTS_MAX: usize = 4;

/// The effect of an operation, as far as later steps and the cleanup depend on it.
enum Effect {
    None,
    Created { label: String, id: String },
    Wrote(Write),
    Injected { label: Option<String>, id: String },
    Healed { label: Option<String> },
    Ended { city: String },
    Rebuilt { city: String },
}

/// The effect of an operation, and a text for the step's detail.
struct Done {
    effect: Effect,
    text: String,
}

impl Done {
    fn silent(effect: Effect) -> Self {
        Self { effect, text: String::new() }
    }
}

/// The result of one attempt.
enum Attempt {
    Done(Done),
    /// The request failed. It may have been carried out, unless the failure excludes that.
    Failed(Failure),
}

impl From<Result<Done, Failure>> for Attempt {
    fn from(result: Result<Done, Failure>) -> Self {
        result.map_or_else(Self::Failed, Self::Done)
    }
}

impl Player<'_> {
    /// Starts all of these operations at the same moment, for one hero after the other, and returns
    /// the step's detail.
    pub(super) fn run_together(&mut self, operations: &[Operation]) -> Result<String, StepError> {
        let mut texts = Vec::new();
        for hero in self.turns(operations) {
            self.check_stop()?;
            // Effects are recorded even if another operation failed, so that the cleanup undoes
            // them.
            let mut failed = None;
            for outcome in self.begin_together(operations, hero.as_deref()) {
                match outcome {
                    Ok(Done { effect, text }) => {
                        self.record(effect);
                        texts.push(text);
                    }
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
            if let Some(failed) = failed {
                return Err(failed);
            }
        }
        texts.retain(|text| !text.is_empty());
        let more = texts.len().saturating_sub(TEXTS_MAX);
        texts.truncate(TEXTS_MAX);
        if more > 0 {
            texts.push(format!("and {more} more"));
        }
        Ok(texts.join("; "))
    }

    /// Runs each operation on its own thread, and returns when all have ended.
    fn begin_together(
        &self,
        operations: &[Operation],
        hero: Option<&str>,
    ) -> Vec<Result<Done, StepError>> {
        if let [operation] = operations {
            return vec![self.run(operation, hero)];
        }
        // Without the barrier, early threads could finish before the last one is spawned.
        let start = Barrier::new(operations.len());
        let begin = |operation: &Operation| {
            start.wait();
            self.run(operation, hero)
        };
        thread::scope(|scope| {
            let begin = &begin;
            let threads: Vec<_> =
                operations.iter().map(|operation| scope.spawn(move || begin(operation))).collect();
            let ended = threads.into_iter().map(thread::ScopedJoinHandle::join);
            ended.map(|outcome| outcome.expect("an operation does not panic")).collect()
        })
    }

    /// Returns the label of the hero for each repetition; one `None` if there is no repetition.
    fn turns(&self, operations: &[Operation]) -> Vec<Option<String>> {
        if operations.iter().any(|operation| operation.action.is_for_each_hero()) {
            self.order.iter().cloned().map(Some).collect()
        } else {
            vec![None]
        }
    }

    fn record(&mut self, effect: Effect) {
        match effect {
            Effect::None | Effect::Injected { label: None, .. } => {}
            Effect::Created { label, id } => self.add_hero(label, id),
            Effect::Wrote(write) => self.writes.push(write),
            Effect::Injected { label: Some(label), id } => _ = self.faults.insert(label, id),
            Effect::Healed { label: Some(label) } => _ = self.faults.remove(&label),
            Effect::Healed { label: None } => self.faults.clear(),
            Effect::Ended { city } => _ = self.ended.insert(city),
            Effect::Rebuilt { city } => _ = self.ended.remove(&city),
        }
    }

    /// Attempts an operation until it is carried out, refused as expected, or not retried any more.
    /// `hero` is the label of this repetition's hero.
    fn run(&self, operation: &Operation, hero: Option<&str>) -> Result<Done, StepError> {
        let Operation { action, refused } = operation;
        let start = self.executor.now();
        loop {
            let failure = match (self.attempt(action, hero)?, refused) {
                (Attempt::Done(done), None) => return Ok(done),
                (Attempt::Done(Done { text, .. }), Some(refused)) => {
                    let text = if text.is_empty() { "it succeeded" } else { &text };
                    return Err(StepError::Unmet(format!("not refused ({refused}): {text}")));
                }
                (Attempt::Failed(failure), _) => failure,
            };
            let kind = failure.refusal();
            if kind.is_some() && kind == refused.as_deref() {
                return Ok(Done { effect: Effect::None, text: failure.to_string() });
            }
            let was_not_done = matches!(kind, Some("no_answer" | "joining"));
            let is_late = self.executor.now().saturating_sub(start) >= RETRY_TIMEOUT;
            if !was_not_done || is_late {
                return Err(match (kind, refused) {
                    (Some(_), Some(_)) => StepError::Unmet(failure.to_string()),
                    (Some(_), None) | (None, _) => failure.into(),
                });
            }
            self.wait(POLL_INTERVAL)?;
        }
    }

    /// Attempts an action once.
    ///
    /// # Errors
    /// The action cannot be attempted, or an exchange did not have the expected outcome.
    fn attempt(&self, action: &Action, hero: Option<&str>) -> Result<Attempt, StepError> {
        let executor = self.executor;
        let id = |selector: &HeroSelector| match (selector, hero) {
            (HeroSelector::Each, Some(label)) => self.id(label),
            (HeroSelector::Each, None) => Err(StepError::Broken("the scenario has no hero".into())),
            (HeroSelector::One(label), _) => self.id(label),
        };
        let quietly = |result: Result<(), Failure>, effect: Effect| {
            Attempt::from(result.map(|()| Done::silent(effect)))
        };
        Ok(match action {
            Action::Create { name } => self.create(name).into(),
            Action::Assign { hero, to } => self.assign(id(hero)?, to).into(),
            Action::Terminate { hero } => quietly(executor.terminate(id(hero)?), Effect::None),
            Action::Bomb { city } => {
                quietly(executor.operate_city(city, CityOperation::Bomb), Effect::None)
            }
            Action::Stop { city } => {
                let effect = Effect::Ended { city: city.clone() };
                quietly(executor.operate_city(city, CityOperation::Stop), effect)
            }
            Action::Kill { city } => {
                let effect = Effect::Ended { city: city.clone() };
                quietly(executor.operate_city(city, CityOperation::Kill), effect)
            }
            Action::Rebuild { city } => {
                let effect = Effect::Rebuilt { city: city.clone() };
                quietly(executor.operate_city(city, CityOperation::Rebuild), effect)
            }
            Action::Inject { fault, name } => self.inject(fault, name.clone()).into(),
            Action::Heal { name } => {
                let fault = name.as_ref().map(|name| self.fault(name)).transpose()?;
                quietly(executor.heal(fault), Effect::Healed { label: name.clone() })
            }
            Action::Pause => quietly(executor.pause(), Effect::None),
            Action::Resume => quietly(executor.resume(), Effect::None),
            Action::Speed { percent } => quietly(executor.set_speed(*percent), Effect::None),
            Action::Exchange { from, to, completed } => self.exchange(from, to, *completed)?,
        })
    }

    fn create(&self, name: &str) -> Result<Done, Failure> {
        let id = self.executor.create(name)?.id;
        let text = format!("id {id}");
        Ok(Done { effect: Effect::Created { label: name.to_owned(), id }, text })
    }

    fn assign(&self, id: &str, to: &str) -> Result<Done, Failure> {
        let stamp = self.executor.assign(id, to)?.stamp;
        let text = format!("stamped {}+{} by {}", stamp.wall_ms, stamp.logical, stamp.order().2);
        Ok(Done { effect: Effect::Wrote(Write { hero: id.to_owned(), stamp }), text })
    }

    fn inject(&self, fault: &Fault, label: Option<String>) -> Result<Done, Failure> {
        // The same refusal as from dispatch. A fault from a file was validated by the parser.
        let refused = |detail| Failure::Refused { kind: "out_of_range".into(), detail };
        let waits = self.executor.steps_allowed().is_some();
        let lasts = fault.lasts.unwrap_or(if waits { LASTS_THROUGH_WAITS } else { LASTS });
        let fault = Fault { lasts: Some(lasts), ..fault.clone() };
        let id = self.executor.inject(&fault.request().map_err(refused)?)?;
        let text = format!("fault {id}");
        Ok(Done { effect: Effect::Injected { label, id }, text })
    }

    /// Returns the ID of the fault with this label.
    fn fault(&self, label: &str) -> Result<&str, StepError> {
        let id = self.faults.get(label).map(String::as_str);
        id.ok_or_else(|| StepError::Broken(format!("the fault {label:?} is not in force")))
    }

    fn exchange(
        &self,
        from: &str,
        to: &str,
        completed: Option<bool>,
    ) -> Result<Attempt, StepError> {
        let exchange = match self.executor.exchange(from, to) {
            Ok(exchange) => exchange,
            Err(failure) => return Ok(Attempt::Failed(failure)),
        };
        let text = if exchange.completed {
            let (entries, bytes) = (exchange.entries, exchange.bytes);
            format!("completed, {entries} entries in {bytes} bytes")
        } else {
            "not completed".to_owned()
        };
        if completed.is_some_and(|completed| completed != exchange.completed) {
            return Err(StepError::Unmet(text));
        }
        Ok(Attempt::Done(Done { effect: Effect::None, text }))
    }
}
