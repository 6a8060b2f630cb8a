//! A history, arranged for the rules.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::api::Hero;
use crate::history::checker::Counts;
use crate::history::record::{Copy, Effect, History, Observation, Operation, Outcome, Request};
use crate::nodes::NODES;

/// An incarnation of a node.
pub(super) type Incarnation<'a> = (&'a str, u64);

/// A history, arranged for the rules.
#[derive(Debug)]
pub(super) struct Index<'a> {
    pub(super) history: &'a History,
    /// The operations with the same idempotency key, by key, in the order of invocation.
    pub(super) keys: BTreeMap<&'a str, Vec<&'a Operation>>,
    /// The operations on a hero, by its id, in the order of invocation.
    pub(super) on: BTreeMap<&'a str, Vec<&'a Operation>>,
    /// The creations, by name, in the order of invocation.
    pub(super) creations: BTreeMap<&'a str, Vec<&'a Operation>>,
    /// The incarnations that run at the end.
    pub(super) last: BTreeSet<Incarnation<'a>>,
    /// The times between which each process of dispatch may have executed requests.
    runs: Vec<(u64, u64)>,
    observations: Vec<&'a Observation>,
    /// Every copy that was seen.
    pub(super) sightings: Vec<Sighting<'a>>,
    /// The incarnation that created each hero, if that was acknowledged.
    creators: BTreeMap<&'a str, &'a str>,
}

/// A copy of a hero, as a client or the observer saw it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sighting<'a> {
    pub(super) id: &'a str,
    /// The copy; `None` for a tombstone.
    pub(super) hero: Option<&'a Hero>,
    /// The incarnation that held it, if known.
    pub(super) at: Option<Incarnation<'a>>,
    pub(super) invoked: u64,
    pub(super) completed: u64,
    /// The operation that showed it; `None` if it was an observation.
    pub(super) by: Option<&'a Operation>,
}

impl<'a> Index<'a> {
    pub(super) fn of(history: &'a History) -> Self {
        let mut operations: Vec<&Operation> = history.operations().collect();
        operations.sort_by_key(|operation| operation.number);
        let mut index = Self {
            history,
            keys: BTreeMap::new(),
            on: BTreeMap::new(),
            creations: BTreeMap::new(),
            last: BTreeSet::new(),
            runs: runs(history),
            observations: history.observations().collect(),
            sightings: Vec::new(),
            creators: BTreeMap::new(),
        };
        for operation in operations {
            if let Some(key) = &operation.key {
                index.keys.entry(key).or_default().push(operation);
            }
            match &operation.request {
                Request::Create { name } => {
                    index.creations.entry(name).or_default().push(operation);
                    if let Outcome::Written { hero } = &operation.outcome {
                        index.creators.insert(&hero.id, &hero.stamp.origin);
                    }
                }
                Request::Assign { hero, .. }
                | Request::Delete { hero }
                | Request::Read { hero } => index.on.entry(hero).or_default().push(operation),
            }
        }
        let nodes = &history.end.last.nodes;
        index.last = NODES
            .into_iter()
            .filter_map(|node| nodes.incarnation(node).map(|incarnation| (node, incarnation)))
            .collect();
        index.sightings = index.all_sightings();
        index
    }

    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts {
            repeated: self.keys.values().map(|attempts| attempts.len() - 1).sum(),
            observations: self.observations.len(),
            dispatches: self.runs.len(),
            ..Counts::default()
        };
        for operation in self.history.operations() {
            match operation.outcome {
                Outcome::Written { .. } | Outcome::Deleted | Outcome::Shown { .. } => {
                    counts.executed += 1;
                }
                Outcome::Refused { .. } => counts.refused += 1,
                Outcome::Unknown { .. } => counts.unknown += 1,
            }
        }
        counts
    }

    /// Returns the processes of dispatch that may have executed the operation.
    pub(super) fn runs(&self, operation: &Operation) -> Range<usize> {
        let first = self.runs.partition_point(|(_, to)| *to < operation.invoked);
        let end = self.runs.partition_point(|(from, _)| *from <= operation.completed);
        first..end.max(first)
    }

    /// Returns the only process of dispatch that may have executed the operation.
    pub(super) fn run(&self, operation: &Operation) -> Option<usize> {
        let runs = self.runs(operation);
        (runs.len() == 1).then_some(runs.start)
    }

    /// Returns whether only the dispatch that runs at the end can have executed the operation.
    pub(super) fn is_of_last_run(&self, operation: &Operation) -> bool {
        self.run(operation) == Some(self.runs.len() - 1)
    }

    /// Returns the number of times that the operations of one key may have taken effect.
    pub(super) fn effects_max(&self, attempts: &[&Operation]) -> usize {
        let executed = attempts
            .iter()
            .filter(|attempt| !matches!(attempt.outcome, Outcome::Refused { .. }))
            .flat_map(|attempt| self.runs(attempt));
        executed.collect::<BTreeSet<usize>>().len()
    }

    /// Returns the deletions of a hero that were executed, or may have been.
    pub(super) fn deletions(&self, hero: &str) -> impl Iterator<Item = &'a Operation> {
        self.on.get(hero).into_iter().flatten().copied().filter(|operation| {
            matches!(operation.request, Request::Delete { .. })
                && !matches!(operation.outcome, Outcome::Refused { .. })
        })
    }

    /// Returns whether the incarnation in the origin of a stamp runs at the end.
    pub(super) fn runs_at_the_end(&self, origin: &str) -> bool {
        origin
            .split_once('/')
            .and_then(|(node, incarnation)| Some((node, incarnation.parse().ok()?)))
            .is_some_and(|incarnation: (&str, u64)| self.last.contains(&incarnation))
    }

    /// Returns whether an incarnation, given as the origin of a stamp, has ended before the end.
    pub(super) fn has_ended(&self, origin: &str) -> bool {
        !self.runs_at_the_end(origin)
    }

    /// Returns the incarnation that created a hero, if the creation was acknowledged.
    pub(super) fn created(&self, hero: &str) -> Option<&'a str> {
        self.creators.get(hero).copied()
    }

    /// Returns the hero as all nodes hold it at the end; dispatch's copy, if they differ.
    pub(super) fn at_the_end(&self, hero: &str) -> Option<&'a Hero> {
        let list = self.history.end.last.nodes.lists.get("dispatch")?;
        list.heroes.iter().find(|held| held.id == hero)
    }

    /// Returns the incarnation of a node during an operation, if observations before and after it
    /// show the same one.
    fn incarnation_during(&self, node: &str, operation: &Operation) -> Option<u64> {
        let before = self
            .observations
            .partition_point(|observation| observation.completed <= operation.invoked)
            .checked_sub(1)?;
        let after = self
            .observations
            .partition_point(|observation| observation.invoked < operation.completed);
        let mut seen = self
            .observations
            .get(before..=after)?
            .iter()
            .map(|observation| observation.nodes.incarnation(node));
        let first = seen.next().flatten()?;
        seen.all(|other| other == Some(first)).then_some(first)
    }

    fn all_sightings(&self) -> Vec<Sighting<'a>> {
        let mut sightings = Vec::new();
        for operation in self.history.operations() {
            let seen = |id, hero, at| Sighting {
                id,
                hero,
                at,
                invoked: operation.invoked,
                completed: operation.completed,
                by: Some(operation),
            };
            match &operation.outcome {
                Outcome::Written { hero } => sightings.push(seen(&hero.id, Some(hero), None)),
                Outcome::Shown { hero, cities } => {
                    sightings.push(seen(&hero.id, Some(hero), None));
                    for (city, copy) in cities {
                        let incarnation = self.incarnation_during(city, operation);
                        let at = incarnation.map(|incarnation| (city.as_str(), incarnation));
                        match copy {
                            Some(Copy::Live(held)) => {
                                sightings.push(seen(&hero.id, Some(held), at))
                            }
                            Some(Copy::Word(_)) => sightings.push(seen(&hero.id, None, at)),
                            None => {}
                        }
                    }
                }
                Outcome::Deleted | Outcome::Refused { .. } | Outcome::Unknown { .. } => {}
            }
        }
        for observation in &self.observations {
            for (node, list) in &observation.nodes.lists {
                let incarnation = observation.nodes.incarnation(node);
                sightings.extend(list.heroes.iter().map(|hero| Sighting {
                    id: &hero.id,
                    hero: Some(hero),
                    at: incarnation.map(|incarnation| (node.as_str(), incarnation)),
                    invoked: observation.invoked,
                    completed: observation.completed,
                    by: None,
                }));
            }
        }
        sightings
    }

    /// Returns whether a city may have lost its memory between these times.
    pub(super) fn may_lose_memory(&self, from: u64, to: u64) -> bool {
        self.history.actions().any(|action| {
            matches!(action.effect, Effect::MemoryLost(_))
                && action.began <= to
                && action.ended >= from
        })
    }
}

/// Returns the times between which each process of dispatch may have executed requests.
fn runs(history: &History) -> Vec<(u64, u64)> {
    let mut runs = vec![(0, u64::MAX)];
    for action in history.actions() {
        match action.effect {
            Effect::DispatchEnded => {
                if let Some((_, to)) = runs.last_mut() {
                    *to = action.ended;
                }
            }
            Effect::DispatchStarted => runs.push((action.began, u64::MAX)),
            Effect::None | Effect::MemoryLost(_) => {}
        }
    }
    runs
}
