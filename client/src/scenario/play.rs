//! The player. Before a scenario it puts the cluster in order; after it, whatever came of it, it heals what it did.
//!
//! Invariants: it touches no hero that it did not make; it never leaves a fault of its own in force, unless dispatch does not
//! answer.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::act::{Stage, Unwell, broken};
use super::{Scenario, Step, What};
use crate::CITIES;
use crate::api::{Api, Verdict};
use crate::clock::Stopwatch;

/// How long the heroes may take to be known everywhere before the first step.
const SETUP_PATIENCE: Duration = Duration::from_secs(30);
/// A node's first stamp is that far ahead of its birth, so that no life stamps below an earlier one.
const DRIFT_MS: u64 = 2_000;
/// The longest wait for stamps that are ahead of the wall.
const CALM_PATIENCE_MS: u64 = 15_000;

/// What the player tells while it plays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// It put something in order.
    Note(&'a str),
    /// A step has begun.
    Began {
        /// Which: its place in [`Scenario::steps`].
        step: usize,
        /// In words.
        text: &'a str,
    },
    /// A step has ended, or was passed over.
    Ended {
        /// Which.
        step: usize,
        /// What became of it.
        report: &'a StepReport,
    },
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It went as it should.
    Passed,
    /// It did not.
    Failed,
    /// One before it did not.
    Skipped,
}

/// A step that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepReport {
    /// In words.
    pub text: String,
    /// What became of it.
    pub outcome: Outcome,
    /// What was seen.
    pub detail: String,
    /// How long it took.
    pub took: Duration,
}

/// A scenario that has ended.
#[derive(Clone, Debug)]
pub struct Report {
    /// The scenario's name.
    pub name: String,
    /// The scenario's title.
    pub title: String,
    /// Its steps.
    pub steps: Vec<StepReport>,
    /// What went wrong before the first step or after the last.
    pub failure: Option<String>,
    /// How the cluster was at the end, if dispatch still answers.
    pub verdict: Option<Verdict>,
    /// How long all of it took.
    pub took: Duration,
}

impl Report {
    /// Whether everything went as it should.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failure.is_none() && self.steps.iter().all(|step| step.outcome == Outcome::Passed)
    }
}

/// Plays a scenario to its end, or until `stop` is set, and tells of it as it goes.
///
/// Before the first step it heals all faults and lets gossip run at its configured rate, makes the scenario's heroes, and waits until all
/// cities know them. After the last step, or the first that failed, it heals and resumes again.
pub fn play(api: &Api, scenario: &Scenario, stop: &AtomicBool, tell: &mut dyn FnMut(Progress<'_>)) -> Report {
    let watch = Stopwatch::start();
    let mut stage = Stage::new(api, stop);
    let mut failure = None;
    let mut steps = Vec::new();
    match stage.set_up(scenario, tell) {
        Ok(()) => steps = stage.play(scenario, tell),
        Err(Unwell::Unmet(why) | Unwell::Broken(why)) => failure = Some(format!("before the first step: {why}")),
    }
    if let Err(why) = stage.clean_up(tell) {
        failure = failure.or(Some(format!("after the last step: {why}")));
    }
    let verdict = api.verdict().ok().map(|verdict| verdict.value);
    Report { name: scenario.name.clone(), title: scenario.title.clone(), steps, failure, verdict, took: watch.elapsed() }
}

impl Stage<'_> {
    fn set_up(&mut self, scenario: &Scenario, tell: &mut dyn FnMut(Progress<'_>)) -> Result<(), Unwell> {
        self.calm(tell).map_err(Unwell::Broken)?;
        for name in &scenario.names {
            let hero = self.api.create(Some(name)).map_err(|error| broken(&error))?.value;
            self.made(name.clone(), hero.id);
        }
        if scenario.invented > 0 {
            let ids = self.api.create_many(scenario.invented).map_err(|error| broken(&error))?.value.ids;
            ids.into_iter().zip(1..).for_each(|(id, number): (String, u32)| self.made(format!("#{number}"), id));
        }
        if !self.order.is_empty() {
            tell(Progress::Note(&format!("made {}", super::counted(self.order.len() as u64, "hero", "heroes"))));
            self.wait_until_known()?;
            self.wait_for_the_wall()?;
        }
        self.lost_before = self.api.verdict().map_err(|error| broken(&error))?.value.lost_writes;
        self.event_before = self.last_event()?.map_or(0, |(number, _)| number);
        Ok(())
    }

    /// Heals everything, and lets gossip run at its configured rate.
    fn calm(&self, tell: &mut dyn FnMut(Progress<'_>)) -> Result<(), String> {
        let say = |error: crate::Error| error.to_string();
        let faults = self.api.faults().map_err(say)?.value.faults.len();
        if faults > 0 {
            self.api.heal_all().map_err(say)?;
            tell(Progress::Note(&format!("healed {}", super::counted(faults as u64, "fault", "faults"))));
        }
        let gossip = self.api.gossip().map_err(say)?.value;
        if gossip.paused {
            self.api.resume().map_err(say)?;
            tell(Progress::Note("resumed gossip"));
        } else if gossip.percent != 100 {
            self.api.speed(100).map_err(say)?;
            tell(Progress::Note(&format!("gossip is at its configured rate again, and not at {} % of it", gossip.percent)));
        }
        Ok(())
    }

    fn wait_until_known(&self) -> Result<(), Unwell> {
        let watch = Stopwatch::start();
        loop {
            let mut lacking = None;
            for city in CITIES {
                let held = self.city(city)?;
                let missing = self.heroes.values().filter(|id| !held.iter().any(|hero| hero.id == **id)).count();
                if missing > 0 {
                    lacking = Some(format!("{city} has not heard of {missing} of the scenario's heroes"));
                }
            }
            let Some(lacking) = lacking else { return Ok(()) };
            if watch.elapsed() >= SETUP_PATIENCE {
                return Err(Unwell::Broken(format!("{lacking} after {} s", SETUP_PATIENCE.as_secs())));
            }
            self.wait(super::act::PAUSE)?;
        }
    }

    /// Waits until no node has a reason to stamp ahead of its wall clock: neither a life that has just begun, nor a stamp it has heard.
    /// Else what was written before this scenario would decide who wins in it.
    fn wait_for_the_wall(&self) -> Result<(), Unwell> {
        let Some((_, wall)) = self.last_event()? else { return Ok(()) };
        let newborn = self.nodes()?.into_values().filter_map(|node| node.incarnation).max().map(|born| born.saturating_add(DRIFT_MS));
        // All cities know the heroes, so dispatch, which made them, has a clock that is no earlier than what they had heard.
        let ids: Vec<&String> = self.heroes.values().collect();
        let stamped = self.city(CITIES[0])?.into_iter().filter(|hero| ids.contains(&&hero.id)).map(|hero| hero.stamp.wall_ms).max();
        let ahead = newborn.into_iter().chain(stamped).max().unwrap_or(0).saturating_sub(wall);
        self.wait(Duration::from_millis(ahead.min(CALM_PATIENCE_MS)))
    }

    /// The newest event's number, and dispatch's wall clock then.
    fn last_event(&self) -> Result<Option<(u64, u64)>, Unwell> {
        let events = self.api.events(0).map_err(|error| broken(&error))?.value.events;
        Ok(events.last().map(|event| (event.number, event.at_ms)))
    }

    fn play(&mut self, scenario: &Scenario, tell: &mut dyn FnMut(Progress<'_>)) -> Vec<StepReport> {
        let since_first = Stopwatch::start();
        let mut failed = false;
        let mut reports = Vec::new();
        for (index, step) in scenario.steps.iter().enumerate() {
            let text = step.to_string();
            let report = if failed {
                StepReport { text, outcome: Outcome::Skipped, detail: String::new(), took: Duration::ZERO }
            } else {
                let outcome = self.wait(step.at.unwrap_or_default().saturating_sub(since_first.elapsed()));
                tell(Progress::Began { step: index, text: &text });
                let watch = Stopwatch::start();
                let outcome = outcome.and_then(|()| self.take(step));
                let (outcome, detail) = match judged(outcome, step.is_inverted) {
                    Ok(detail) => (Outcome::Passed, detail),
                    Err(detail) => (Outcome::Failed, detail),
                };
                StepReport { text, outcome, detail, took: watch.elapsed() }
            };
            failed |= report.outcome == Outcome::Failed;
            tell(Progress::Ended { step: index, report: &report });
            reports.push(report);
        }
        reports
    }

    fn take(&mut self, step: &Step) -> Result<String, Unwell> {
        match &step.what {
            What::Do(deed) => self.act(deed),
            What::Together(deeds) => self.act_together(deeds),
            What::Expect(expectation) => expectation.wait_for(self),
        }
    }

    fn clean_up(&self, tell: &mut dyn FnMut(Progress<'_>)) -> Result<(), String> {
        let mut outcome = self.calm(tell);
        for city in &self.ended {
            match self.api.to_city(city, "rebuild") {
                Ok(_) => tell(Progress::Note(&format!("started {city} again"))),
                Err(error) => outcome = outcome.and_then(|()| Err(format!("{city} stays ended: {error}"))),
            }
        }
        outcome
    }
}

fn judged(outcome: Result<String, Unwell>, is_inverted: bool) -> Result<String, String> {
    match (outcome, is_inverted) {
        (Ok(seen), false) | (Err(Unwell::Unmet(seen)), true) => Ok(seen),
        (Ok(seen), true) => Err(format!("it came about, and should not have: {seen}")),
        (Err(Unwell::Unmet(instead)), false) => Err(format!("seen instead: {instead}")),
        (Err(Unwell::Broken(why)), _) => Err(why),
    }
}
