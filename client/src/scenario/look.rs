//! Looking: whether a condition holds at this moment, and what is seen instead.

use std::collections::{BTreeMap, BTreeSet};

use super::Condition;
use super::act::{Stage, Unwell, broken};
use crate::CITIES;
use crate::api::{Held, Hero, Node, Stamp};
use crate::clock::Stopwatch;
use crate::error::Error;

/// What a city holds of a hero.
enum There {
    Alive(Box<Hero>),
    Dead,
    Unheard,
}

impl super::Expectation {
    /// Waits until it has come about; what there is to say of it.
    pub(super) fn wait_for(&self, stage: &Stage<'_>) -> Result<String, Unwell> {
        let watch = Stopwatch::start();
        let mut held_since = None;
        loop {
            match stage.look(&self.condition)? {
                Ok(seen) => {
                    let since = held_since.get_or_insert_with(Stopwatch::start);
                    if since.elapsed() >= self.holds_for {
                        return Ok(seen);
                    }
                }
                Err(instead) => {
                    let broke = held_since.take().is_some();
                    if watch.elapsed() >= self.within || self.condition.is_of_the_past() {
                        let stayed = if broke { "it did not stay so: " } else { "" };
                        return Err(Unwell::Unmet(format!("{stayed}{instead}")));
                    }
                }
            }
            stage.wait(super::act::PAUSE)?;
        }
    }
}

impl Condition {
    /// Whether waiting changes nothing: it is about what has been done.
    fn is_of_the_past(&self) -> bool {
        matches!(self, Self::SameMillisecond(_))
    }
}

impl Stage<'_> {
    /// Whether the condition holds now: what is seen, or what is seen instead.
    fn look(&self, condition: &Condition) -> Result<Result<String, String>, Unwell> {
        let verdict = || Ok(self.api.verdict().map_err(|error| broken(&error))?.value);
        Ok(match condition {
            Condition::Converged(expected) => {
                let verdict = verdict()?;
                either(verdict.converged == *expected, verdict.sentence)
            }
            Condition::LostWrites(expected) => {
                let lost = verdict()?.lost_writes.saturating_sub(self.lost_before);
                either(lost == *expected, format!("{lost} lost"))
            }
            Condition::OnlyCopies(expected) => {
                let copies = verdict()?.only_copies;
                either(copies == *expected, format!("{copies} held by one node alone"))
            }
            Condition::Holds { cities, hero, location } => self.everywhere(cities, hero, |there| match (there, location) {
                (There::Alive(_), None) => true,
                (There::Alive(hero), Some(location)) => hero.location == *location,
                (There::Dead | There::Unheard, _) => false,
            })?,
            Condition::Lacks { cities, hero } => self.everywhere(cities, hero, |there| !matches!(there, There::Alive(_)))?,
            Condition::Dead { cities, hero } => self.everywhere(cities, hero, |there| matches!(there, There::Dead))?,
            Condition::Is { cities, status } => {
                let nodes = self.nodes()?;
                let seen = cities.iter().map(|city| (city.as_str(), nodes.get(city).map_or("unknown", |node| node.status.as_str())));
                let seen: Vec<(&str, &str)> = seen.collect();
                either(seen.iter().all(|(_, is)| is == status), listed(&seen))
            }
            Condition::Agree(names) => {
                let prints = self.fingerprints(names)?;
                let distinct: BTreeSet<&String> = prints.iter().map(|(_, print)| print).collect();
                either(distinct.len() == 1, listed(&prints))
            }
            Condition::Apart(names) => {
                let prints = self.fingerprints(names)?;
                let distinct: BTreeSet<&String> = prints.iter().map(|(_, print)| print).collect();
                either(distinct.len() == prints.len(), listed(&prints))
            }
            Condition::Event { kind, text } => self.event(kind.as_deref(), text.as_deref())?,
            Condition::OneWinner => self.one_winner()?,
            Condition::SameMillisecond(expected) => {
                let shared = self.in_the_same_millisecond();
                let seen = format!("{shared} of {} heroes", self.written().len());
                either(shared >= *expected, seen)
            }
        })
    }

    /// Whether this is true of the hero in each of these cities.
    fn everywhere(&self, cities: &[String], hero: &str, holds: impl Fn(&There) -> bool) -> Result<Result<String, String>, Unwell> {
        let id = self.id(hero)?;
        let there: Vec<There> = cities.iter().map(|city| self.there(city, id)).collect::<Result<_, _>>()?;
        let seen: Vec<(&str, String)> = cities.iter().zip(&there).map(|(city, there)| (city.as_str(), there.to_string())).collect();
        Ok(either(there.iter().all(holds), listed(&seen)))
    }

    fn there(&self, city: &str, id: &str) -> Result<There, Unwell> {
        let elsewhere = match self.api.hero(id) {
            Ok(answer) => {
                return Ok(match answer.value.cities.get(city) {
                    Some(Some(Held::Alive(hero))) => There::Alive(Box::new(hero.clone())),
                    Some(Some(Held::Tombstone(_))) => There::Dead,
                    Some(None) | None => There::Unheard,
                });
            }
            Err(error) => error,
        };
        // Dispatch says no more than that it knows of a death, or of nobody. The city may hold the hero alive all the same.
        let otherwise = match elsewhere.refusal() {
            Some("terminated") => There::Dead,
            Some("unknown_hero") => There::Unheard,
            Some(_) | None => return Err(broken(&elsewhere)),
        };
        let alive = self.city(city)?.into_iter().find(|hero| hero.id == id);
        Ok(alive.map_or(otherwise, |hero| There::Alive(Box::new(hero))))
    }

    pub(super) fn city(&self, city: &str) -> Result<Vec<Hero>, Unwell> {
        Ok(self.api.city_heroes(city).map_err(|error| broken(&error))?.value.heroes)
    }

    pub(super) fn nodes(&self) -> Result<BTreeMap<String, Node>, Unwell> {
        let nodes = self.api.cluster().map_err(|error| broken(&error))?.value.nodes;
        Ok(nodes.into_iter().map(|node| (node.name.clone(), node)).collect())
    }

    fn fingerprints<'n>(&self, names: &'n [String]) -> Result<Vec<(&'n str, String)>, Unwell> {
        let nodes = self.nodes()?;
        let print = |name: &'n String| match nodes.get(name) {
            Some(node) => Ok((name.as_str(), node.fingerprint.clone())),
            None => Err(Unwell::Broken(format!("dispatch knows no node {name}"))),
        };
        names.iter().map(print).collect()
    }

    fn event(&self, kind: Option<&str>, text: Option<&str>) -> Result<Result<String, String>, Unwell> {
        let events = self.api.events(self.event_before).map_err(|error: Error| broken(&error))?.value.events;
        let fits =
            |event: &&crate::api::Event| kind.is_none_or(|kind| event.kind == kind) && text.is_none_or(|text| event.text.contains(text));
        Ok(match events.iter().find(fits) {
            Some(event) => Ok(event.text.clone()),
            None => {
                let last: Vec<String> = events.iter().rev().take(3).map(|event| format!("{} ({})", event.text, event.kind)).collect();
                Err(if last.is_empty() { "nothing new in the log".into() } else { format!("the newest lines are: {}", last.join("; ")) })
            }
        })
    }

    /// The stamps that were answered for each hero.
    fn written(&self) -> BTreeMap<&str, Vec<&Stamp>> {
        let mut written: BTreeMap<&str, Vec<&Stamp>> = BTreeMap::new();
        for write in &self.writes {
            written.entry(&write.id).or_default().push(&write.stamp);
        }
        written
    }

    fn one_winner(&self) -> Result<Result<String, String>, Unwell> {
        let cities: Vec<BTreeMap<String, Hero>> = CITIES
            .iter()
            .map(|city| Ok(self.city(city)?.into_iter().map(|hero| (hero.id.clone(), hero)).collect()))
            .collect::<Result<_, _>>()?;
        let written = self.written();
        for (id, stamps) in &written {
            let greatest = stamps.iter().map(|stamp| stamp.order()).max();
            let held: Vec<Option<&Hero>> = cities.iter().map(|city| city.get(*id)).collect();
            let is_same = held.windows(2).all(|pair| pair[0].map(|hero| &hero.stamp) == pair[1].map(|hero| &hero.stamp));
            let stands = held.first().copied().flatten();
            if !is_same || stands.is_none_or(|hero| Some(hero.stamp.order()) < greatest) {
                let stamp = |hero: &Hero| {
                    format!("in {} since {}+{} by {}", hero.location, hero.stamp.wall_ms, hero.stamp.logical, hero.stamp.origin)
                };
                let seen: Vec<(&str, String)> =
                    CITIES.iter().zip(&held).map(|(city, hero)| (*city, hero.map_or_else(|| "not alive".to_owned(), stamp))).collect();
                return Ok(Err(format!("{id}: {}", listed(&seen))));
            }
        }
        Ok(Ok(format!("for {} heroes", written.len())))
    }

    fn in_the_same_millisecond(&self) -> u32 {
        let twice = |stamps: &&Vec<&Stamp>| {
            stamps.iter().any(|one| stamps.iter().any(|other| one.wall_ms == other.wall_ms && one.origin != other.origin))
        };
        u32::try_from(self.written().values().filter(twice).count()).unwrap_or(u32::MAX)
    }
}

impl std::fmt::Display for There {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Alive(hero) => write!(f, "alive in {}", hero.location),
            Self::Dead => f.write_str("dead"),
            Self::Unheard => f.write_str("not heard of"),
        }
    }
}

fn either(holds: bool, seen: String) -> Result<String, String> {
    if holds { Ok(seen) } else { Err(seen) }
}

fn listed(seen: &[(&str, impl AsRef<str>)]) -> String {
    seen.iter().map(|(name, what)| format!("{name}: {}", what.as_ref())).collect::<Vec<_>>().join(", ")
}
