//! The observation of conditions, and the wait until one holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use api_types::{CITIES, Event, Held, Hero, Node, Stamp};

use crate::expectation::{Condition, Expectation};

use super::state::{POLL_INTERVAL, Player, StepError};

/// The result of one observation, with a text that describes the observed state.
pub(super) enum Observation {
    /// The condition holds.
    Met(String),
    /// The condition does not hold.
    Unmet(String),
}

impl Observation {
    fn of(holds: bool, seen: String) -> Self {
        if holds { Self::Met(seen) } else { Self::Unmet(seen) }
    }
}

/// The state of a hero at a city.
enum Presence {
    Live(Box<Hero>),
    Terminated,
    Unknown,
}

impl fmt::Display for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live(hero) => write!(f, "at {}", hero.location),
            Self::Terminated => f.write_str("terminated"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

impl Player<'_> {
    /// Waits until the expectation is met, and returns the observed state.
    pub(super) fn wait_for(&self, expectation: &Expectation) -> Result<String, StepError> {
        let Expectation { condition, within, holds_for } = expectation;
        let start = self.executor.now();
        let mut held_since = None;
        loop {
            let elapsed = || self.executor.now().saturating_sub(start);
            match self.observe(condition) {
                Err(StepError::Unavailable(why)) => {
                    held_since = None;
                    if elapsed() >= *within {
                        return Err(StepError::Unavailable(why));
                    }
                }
                Err(error) => return Err(error),
                Ok(Observation::Met(seen)) => {
                    let now = self.executor.now();
                    // While the condition holds, only `holds_for` applies, even beyond `within`.
                    let since = *held_since.get_or_insert(now);
                    if now.saturating_sub(since) >= *holds_for {
                        return Ok(seen);
                    }
                }
                Ok(Observation::Unmet(instead)) => {
                    let held_before = held_since.take().is_some();
                    if elapsed() >= *within || condition.is_final() {
                        let prefix = if held_before { "held only briefly, then " } else { "" };
                        return Err(StepError::Unmet(format!("{prefix}{instead}")));
                    }
                }
            }
            self.wait(POLL_INTERVAL)?;
        }
    }

    /// Observes a condition once.
    pub(super) fn observe(&self, condition: &Condition) -> Result<Observation, StepError> {
        let executor = self.executor;
        Ok(match condition {
            Condition::Converged(expected) => {
                let verdict = executor.verdict()?;
                Observation::of(verdict.converged == *expected, verdict.sentence)
            }
            Condition::LostWrites(expected) => {
                let lost = executor.verdict()?.lost_writes.saturating_sub(self.lost_before);
                Observation::of(lost == *expected, format!("{lost} lost"))
            }
            Condition::OnlyCopies(expected) => {
                let copies = executor.verdict()?.only_copies;
                Observation::of(copies == *expected, format!("{copies} held by only one node"))
            }
            Condition::Holds { cities, hero, location } => {
                self.everywhere(cities, hero, |presence| match (presence, location) {
                    (Presence::Live(_), None) => true,
                    (Presence::Live(hero), Some(location)) => hero.location == *location,
                    (Presence::Terminated | Presence::Unknown, _) => false,
                })?
            }
            Condition::Lacks { cities, hero } => {
                self.everywhere(cities, hero, |presence| !matches!(presence, Presence::Live(_)))?
            }
            Condition::Dead { cities, hero } => {
                self.everywhere(cities, hero, |presence| matches!(presence, Presence::Terminated))?
            }
            Condition::Is { cities, status } => self.statuses(cities, status)?,
            Condition::Agree(names) => {
                let prints = self.fingerprints(names)?;
                let distinct: BTreeSet<&String> = prints.iter().map(|(_, print)| print).collect();
                Observation::of(distinct.len() == 1, by_node(&prints))
            }
            Condition::Apart(names) => {
                let prints = self.fingerprints(names)?;
                let distinct: BTreeSet<&String> = prints.iter().map(|(_, print)| print).collect();
                Observation::of(distinct.len() == prints.len(), by_node(&prints))
            }
            Condition::Event { kind, text } => self.event(kind.as_deref(), text.as_deref())?,
            Condition::OneWinner => self.one_winner()?,
            Condition::SameMillisecond(expected) => {
                let simultaneous = self.simultaneous_writes();
                let seen = format!("{simultaneous} of {} heroes", self.answered_stamps().len());
                Observation::of(simultaneous >= *expected, seen)
            }
        })
    }

    /// Observes the hero at each of these cities.
    fn everywhere(
        &self,
        cities: &[String],
        hero: &str,
        holds: impl Fn(&Presence) -> bool,
    ) -> Result<Observation, StepError> {
        let id = self.id(hero)?;
        let presences: Vec<Presence> =
            cities.iter().map(|city| self.presence(city, id)).collect::<Result<_, _>>()?;
        let pairs = cities.iter().zip(&presences);
        let seen: Vec<(&str, String)> =
            pairs.map(|(city, presence)| (city.as_str(), presence.to_string())).collect();
        Ok(Observation::of(presences.iter().all(holds), by_node(&seen)))
    }

    fn presence(&self, city: &str, id: &str) -> Result<Presence, StepError> {
        let failure = match self.executor.hero(id) {
            Ok(mut hero) => {
                return Ok(match hero.cities.remove(city) {
                    Some(Held::Live(hero)) => Presence::Live(Box::new(hero)),
                    Some(Held::Tombstone) => Presence::Terminated,
                    Some(Held::UnknownAtCity) | None => Presence::Unknown,
                });
            }
            Err(failure) => failure,
        };
        // The refusal is about dispatch's own replica: it holds a tombstone, or nothing. The city
        // may still hold the hero, so its own list decides.
        let otherwise = match failure.refusal() {
            Some("terminated") => Presence::Terminated,
            Some("unknown_hero") => Presence::Unknown,
            Some(_) | None => return Err(failure.into()),
        };
        let live = self.executor.city_heroes(city)?.into_iter().find(|hero| hero.id == id);
        Ok(live.map_or(otherwise, |hero| Presence::Live(Box::new(hero))))
    }

    fn nodes(&self) -> Result<BTreeMap<String, Node>, StepError> {
        let nodes = self.executor.nodes()?;
        Ok(nodes.into_iter().map(|node| (node.name.clone(), node)).collect())
    }

    fn statuses(&self, cities: &[String], expected: &str) -> Result<Observation, StepError> {
        let nodes = self.nodes()?;
        let status = |city: &String| nodes.get(city).map_or("unknown", |node| node.status.as_str());
        let seen: Vec<(&str, &str)> =
            cities.iter().map(|city| (city.as_str(), status(city))).collect();
        Ok(Observation::of(seen.iter().all(|(_, status)| *status == expected), by_node(&seen)))
    }

    fn fingerprints<'n>(&self, names: &'n [String]) -> Result<Vec<(&'n str, String)>, StepError> {
        let nodes = self.nodes()?;
        let fingerprint = |name: &'n String| match nodes.get(name) {
            Some(node) => Ok((name.as_str(), node.fingerprint.clone())),
            None => Err(StepError::Broken(format!("dispatch reports no node {name}"))),
        };
        names.iter().map(fingerprint).collect()
    }

    fn event(&self, kind: Option<&str>, text: Option<&str>) -> Result<Observation, StepError> {
        let events = self.executor.events(self.event_before)?;
        let fits = |event: &&Event| {
            kind.is_none_or(|kind| event.kind == kind)
                && text.is_none_or(|text| event.text.contains(text))
        };
        if let Some(event) = events.iter().find(fits) {
            return Ok(Observation::Met(event.text.clone()));
        }
        let newest = events.iter().rev().take(3);
        let last: Vec<String> =
            newest.map(|event| format!("{} ({})", event.text, event.kind)).collect();
        Ok(Observation::Unmet(if last.is_empty() {
            "no new event".into()
        } else {
            format!("newest events: {}", last.join("; "))
        }))
    }

    /// Returns the acknowledged stamps of each hero's writes.
    fn answered_stamps(&self) -> BTreeMap<&str, Vec<&Stamp>> {
        let mut stamps: BTreeMap<&str, Vec<&Stamp>> = BTreeMap::new();
        for write in &self.writes {
            stamps.entry(&write.hero).or_default().push(&write.stamp);
        }
        stamps
    }

    fn one_winner(&self) -> Result<Observation, StepError> {
        let mut cities: Vec<BTreeMap<String, Hero>> = Vec::new();
        for city in CITIES {
            let heroes = self.executor.city_heroes(city)?;
            cities.push(heroes.into_iter().map(|hero| (hero.id.clone(), hero)).collect());
        }
        let answered = self.answered_stamps();
        for (id, stamps) in &answered {
            let greatest = stamps.iter().map(|stamp| stamp.order()).max();
            let held: Vec<Option<&Hero>> = cities.iter().map(|city| city.get(*id)).collect();
            let stamp = |hero: &Option<&Hero>| hero.map(|hero| hero.stamp.clone());
            let is_same = held.windows(2).all(|pair| stamp(&pair[0]) == stamp(&pair[1]));
            let winner = held.first().copied().flatten();
            if !is_same || winner.is_none_or(|hero| Some(hero.stamp.order()) < greatest) {
                let state = |hero: &Option<&Hero>| hero.map_or("not held".to_owned(), written);
                let seen: Vec<(&str, String)> =
                    CITIES.into_iter().zip(held.iter().map(state)).collect();
                return Ok(Observation::Unmet(format!("{id}: {}", by_node(&seen))));
            }
        }
        Ok(Observation::Met(format!("for {} heroes", answered.len())))
    }

    /// Returns the number of heroes with two acknowledged writes of different origins in the same
    /// millisecond.
    fn simultaneous_writes(&self) -> u32 {
        let is_simultaneous =
            |one: &Stamp, other: &Stamp| one.wall_ms == other.wall_ms && one.origin != other.origin;
        let has_two = |stamps: &&Vec<&Stamp>| {
            stamps.iter().any(|one| stamps.iter().any(|other| is_simultaneous(one, other)))
        };
        let count = self.answered_stamps().values().filter(has_two).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

/// Formats the location of a hero, and the stamp of its last write.
fn written(hero: &Hero) -> String {
    let Stamp { wall_ms, logical, origin } = &hero.stamp;
    format!("at {}, stamp {wall_ms}+{logical} by {origin}", hero.location)
}

fn by_node(seen: &[(&str, impl AsRef<str>)]) -> String {
    let each = seen.iter().map(|(name, what)| format!("{name}: {}", what.as_ref()));
    each.collect::<Vec<_>>().join(", ")
}
