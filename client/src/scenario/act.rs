//! Doing what a step does: one thing, or several begun at the same moment.
//!
//! Invariant: what dispatch says was not done is asked for again for a while; what may have been done is not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::{Action, Deed, Whom};
use crate::api::{Api, Stamp};
use crate::clock::Stopwatch;
use crate::error::Error;

/// How long something that was not done is asked for again: a city is back from a bomb, a clock has been read anew.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two attempts.
pub(super) const PAUSE: Duration = Duration::from_millis(50);

/// Why a step did not go as it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unwell {
    /// What was expected did not come about; what was seen instead.
    Unmet(String),
    /// It could not be found out, or not be done.
    Broken(String),
}

/// An error that says nothing of what was expected.
pub(super) fn broken(error: &Error) -> Unwell {
    Unwell::Broken(error.to_string())
}

/// A write that was answered as saved.
#[derive(Clone, Debug)]
pub(super) struct Write {
    /// Which hero.
    pub(super) id: String,
    /// The stamp that was answered.
    pub(super) stamp: Stamp,
}

/// What the player knows of the cluster and of its own doings.
pub(super) struct Stage<'a> {
    pub(super) api: &'a Api,
    pub(super) stop: &'a AtomicBool,
    /// Ids by label, and the labels in the order in which they were made.
    pub(super) heroes: BTreeMap<String, String>,
    pub(super) order: Vec<String>,
    /// Ids of faults by label.
    faults: BTreeMap<String, String>,
    /// Cities whose processes this scenario ended.
    pub(super) ended: BTreeSet<String>,
    /// Assignments, in the order of their answers.
    pub(super) writes: Vec<Write>,
    /// Lost before this scenario.
    pub(super) lost_before: u64,
    /// The last event before this scenario.
    pub(super) event_before: u64,
}

/// What is to be remembered of something that was done.
enum Done {
    Nothing,
    Created(String, String),
    Wrote(Write),
    Injected(Option<String>, String),
    Healed(Option<String>),
    Ended(String),
    Rebuilt(String),
}

impl<'a> Stage<'a> {
    pub(super) fn new(api: &'a Api, stop: &'a AtomicBool) -> Self {
        Self {
            api,
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

    /// Whether the player is to end.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Lets time pass, unless the player is to end.
    pub(super) fn wait(&self, span: Duration) -> Result<(), Unwell> {
        let watch = Stopwatch::start();
        loop {
            if self.is_stopped() {
                return Err(Unwell::Broken("the player was stopped".into()));
            }
            let left = span.saturating_sub(watch.elapsed());
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(PAUSE));
        }
    }

    /// A hero was made.
    pub(super) fn made(&mut self, label: String, id: String) {
        self.order.push(label.clone());
        self.heroes.insert(label, id);
    }

    /// The id of the hero of this label.
    pub(super) fn id(&self, label: &str) -> Result<&str, Unwell> {
        let id = self.heroes.get(label).map(String::as_str);
        id.ok_or_else(|| Unwell::Broken(format!("{label} was not made, since a step before this failed")))
    }

    /// Does this; what there is to say of it.
    pub(super) fn act(&mut self, deed: &Deed) -> Result<String, Unwell> {
        self.act_together(std::slice::from_ref(deed))
    }

    /// Begins all of these at the same moment, hero by hero.
    pub(super) fn act_together(&mut self, deeds: &[Deed]) -> Result<String, Unwell> {
        let mut said = Vec::new();
        for hero in self.turns(deeds) {
            if self.is_stopped() {
                return Err(Unwell::Broken("the player was stopped".into()));
            }
            let (stage, start) = (&*self, Barrier::new(deeds.len()));
            let begin = |deed: &Deed| {
                start.wait();
                stage.attempt(deed, hero.as_deref())
            };
            let outcomes: Vec<Result<(Done, String), Unwell>> = match deeds {
                [deed] => vec![begin(deed)],
                deeds => thread::scope(|scope| {
                    let begun: Vec<_> = deeds.iter().map(|deed| scope.spawn(|| begin(deed))).collect();
                    begun.into_iter().map(|thread| thread.join().expect("what is done does not panic")).collect()
                }),
            };
            // All are remembered, also beside one that failed: what was done is to be undone.
            let mut failed = None;
            for outcome in outcomes {
                match outcome {
                    Ok((done, text)) => {
                        self.remember(done);
                        said.push(text);
                    }
                    Err(unwell) => failed = failed.or(Some(unwell)),
                }
            }
            if let Some(failed) = failed {
                return Err(failed);
            }
        }
        said.retain(|text| !text.is_empty());
        let more = said.len().saturating_sub(4);
        said.truncate(4);
        if more > 0 {
            said.push(format!("and {more} more"));
        }
        Ok(said.join("; "))
    }

    /// The heroes to whom these are done, one after the other; `None` once, where they are not done to each.
    fn turns(&self, deeds: &[Deed]) -> Vec<Option<String>> {
        let is_each = |deed: &Deed| match &deed.action {
            Action::Assign { hero, .. } | Action::Terminate { hero } => *hero == Whom::Each,
            Action::Create { .. }
            | Action::Bomb { .. }
            | Action::Stop { .. }
            | Action::Kill { .. }
            | Action::Rebuild { .. }
            | Action::Inject { .. }
            | Action::Heal { .. }
            | Action::Pause
            | Action::Resume
            | Action::Speed { .. }
            | Action::Exchange { .. } => false,
        };
        if deeds.iter().any(is_each) { self.order.iter().cloned().map(Some).collect() } else { vec![None] }
    }

    fn remember(&mut self, done: Done) {
        match done {
            Done::Nothing => {}
            Done::Created(label, id) => self.made(label, id),
            Done::Wrote(write) => self.writes.push(write),
            Done::Injected(Some(name), id) => drop(self.faults.insert(name, id)),
            Done::Injected(None, _) => {}
            Done::Healed(Some(name)) => drop(self.faults.remove(&name)),
            Done::Healed(None) => self.faults.clear(),
            Done::Ended(city) => drop(self.ended.insert(city)),
            Done::Rebuilt(city) => drop(self.ended.remove(&city)),
        }
    }

    /// Does this to `hero` where it is done to each, until it is done, refused as it should be, or refused for good.
    fn attempt(&self, Deed { action, refused }: &Deed, hero: Option<&str>) -> Result<(Done, String), Unwell> {
        let watch = Stopwatch::start();
        loop {
            let error = match (self.once(action, hero)?, refused) {
                (Ok(done), None) => return Ok(done),
                (Ok((_, text)), Some(refused)) => return Err(Unwell::Unmet(format!("it was not refused ({refused}) but done {text}"))),
                (Err(error), _) => error,
            };
            let kind = error.refusal();
            if kind.is_some() && kind == refused.as_deref() {
                return Ok((Done::Nothing, error.to_string()));
            }
            let was_not_done = matches!(kind, Some("no_answer" | "joining"));
            if !was_not_done || watch.elapsed() >= PATIENCE {
                return Err(match (kind, refused) {
                    (Some(_), Some(_)) => Unwell::Unmet(error.to_string()),
                    (Some(_), None) | (None, _) => broken(&error),
                });
            }
            self.wait(PAUSE)?;
        }
    }

    fn once(&self, action: &Action, hero: Option<&str>) -> Result<Result<(Done, String), Error>, Unwell> {
        let id = |whom: &Whom| match (whom, hero) {
            (Whom::Each, Some(label)) => self.id(label),
            (Whom::Each, None) => Err(Unwell::Broken("there is no hero".into())),
            (Whom::One(label), _) => self.id(label),
        };
        let nothing = |()| (Done::Nothing, String::new());
        Ok(match action {
            Action::Create { name } => self
                .api
                .create(Some(name))
                .map(|hero| (Done::Created(name.clone(), hero.value.id.clone()), format!("id {}", hero.value.id))),
            Action::Assign { hero: whom, to } => {
                let id = id(whom)?;
                self.api.assign(id, to).map(|hero| {
                    let stamp = hero.value.stamp;
                    let text = format!("stamped {}+{} by {}", stamp.wall_ms, stamp.logical, stamp.order().2);
                    (Done::Wrote(Write { id: id.to_owned(), stamp }), text)
                })
            }
            Action::Terminate { hero: whom } => self.api.terminate(id(whom)?).map(nothing),
            Action::Bomb { city } => self.api.bomb(Some(city)).map(|_| nothing(())),
            Action::Stop { city } => self.api.to_city(city, "stop").map(|_| (Done::Ended(city.clone()), String::new())),
            Action::Kill { city } => self.api.to_city(city, "kill").map(|_| (Done::Ended(city.clone()), String::new())),
            Action::Rebuild { city } => self.api.to_city(city, "rebuild").map(|_| (Done::Rebuilt(city.clone()), String::new())),
            Action::Inject { fault, name } => self
                .api
                .inject(fault)
                .map(|fault| (Done::Injected(name.clone(), fault.value.id.clone()), format!("fault {}", fault.value.id))),
            Action::Heal { name: None } => self.api.heal_all().map(|()| (Done::Healed(None), String::new())),
            Action::Heal { name: Some(name) } => {
                let fault = self.faults.get(name);
                let fault = fault.ok_or_else(|| Unwell::Broken(format!("{name} is not in force")))?;
                self.api.heal(fault).map(|()| (Done::Healed(Some(name.clone())), String::new()))
            }
            Action::Pause => self.api.pause().map(|_| nothing(())),
            Action::Resume => self.api.resume().map(|_| nothing(())),
            Action::Speed { percent } => self.api.speed(*percent).map(|_| nothing(())),
            Action::Exchange { from, to, completed } => match self.api.step(Some((from, to))) {
                Err(error) => Err(error),
                Ok(answer) => {
                    let exchange = answer.value;
                    let text = if exchange.completed {
                        format!("it arrived, with {} entries in {} bytes", exchange.entries, exchange.bytes)
                    } else {
                        "it was lost on its way".to_owned()
                    };
                    if completed.is_some_and(|completed| completed != exchange.completed) {
                        return Err(Unwell::Unmet(text));
                    }
                    Ok((Done::Nothing, text))
                }
            },
        })
    }
}
