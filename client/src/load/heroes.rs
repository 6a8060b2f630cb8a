//! The heroes of a load.
//!
//! Invariants: no hero has two writes in flight, so no write of the load can cause the refusal of
//! another. The load deletes only heroes that it created.

use rand::{Rng, RngExt};

use api_types::CITIES;

use super::mix::Kind;

/// A write to send. Its hero is not available until it is [given back](Heroes::give_back).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Write {
    Assign { hero: Hero, city: &'static str },
    Create,
    Delete { hero: Hero },
}

/// The ID of a hero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hero {
    pub(super) id: String,
    /// The load created the hero.
    is_own: bool,
}

/// The heroes without a write in flight.
#[derive(Debug, Default)]
pub(super) struct Heroes {
    own: Vec<String>,
    others: Vec<String>,
}

impl Heroes {
    /// Adds heroes that existed before the load.
    pub(super) fn found(&mut self, ids: impl IntoIterator<Item = String>) {
        self.others.extend(ids);
    }

    /// Adds heroes that the load created.
    pub(super) fn created(&mut self, ids: impl IntoIterator<Item = String>) {
        self.own.extend(ids);
    }

    pub(super) fn count(&self) -> usize {
        self.own.len() + self.others.len()
    }

    /// Returns the heroes that the load created.
    pub(super) fn into_own(self) -> Vec<String> {
        self.own
    }

    /// Returns a write of this kind to a random hero, or a creation if no hero is available.
    pub(super) fn write(&mut self, kind: Kind, rng: &mut impl Rng) -> Write {
        match kind {
            Kind::Assign if self.count() > 0 => {
                let place = rng.random_range(0..self.count());
                let hero = match place.checked_sub(self.own.len()) {
                    None => Hero { id: self.own.swap_remove(place), is_own: true },
                    Some(place) => Hero { id: self.others.swap_remove(place), is_own: false },
                };
                Write::Assign { hero, city: CITIES[rng.random_range(0..CITIES.len())] }
            }
            Kind::Delete if !self.own.is_empty() => {
                let place = rng.random_range(0..self.own.len());
                Write::Delete { hero: Hero { id: self.own.swap_remove(place), is_own: true } }
            }
            Kind::Assign | Kind::Create | Kind::Delete => Write::Create,
        }
    }

    /// Makes a hero available again.
    pub(super) fn give_back(&mut self, hero: Hero) {
        if hero.is_own { &mut self.own } else { &mut self.others }.push(hero.id);
    }
}

impl Write {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Assign { .. } => Kind::Assign,
            Self::Create => Kind::Create,
            Self::Delete { .. } => Kind::Delete,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn no_hero_has_two_writes_in_flight() {
        let (mut heroes, mut rng) = (Heroes::default(), ChaCha8Rng::seed_from_u64(7));
        heroes.found(["a", "b"].map(str::to_owned));
        heroes.created(["c".to_owned()]);
        let mut in_flight = BTreeSet::new();
        for _ in 0..3 {
            let Write::Assign { hero, .. } = heroes.write(Kind::Assign, &mut rng) else {
                panic!("a hero is available")
            };
            assert!(in_flight.insert(hero.id), "the hero has a write in flight already");
        }
        assert_eq!(heroes.write(Kind::Assign, &mut rng), Write::Create, "no hero is available");
    }

    #[test]
    fn deletes_take_own_heroes_only() {
        let (mut heroes, mut rng) = (Heroes::default(), ChaCha8Rng::seed_from_u64(7));
        heroes.found(["a", "b"].map(str::to_owned));
        assert_eq!(heroes.write(Kind::Delete, &mut rng), Write::Create);
        heroes.created(["c".to_owned()]);
        let Write::Delete { hero } = heroes.write(Kind::Delete, &mut rng) else {
            panic!("one hero was created by the load")
        };
        assert_eq!((hero.id.as_str(), heroes.count()), ("c", 2));
        heroes.give_back(hero);
        assert_eq!(heroes.into_own(), ["c"]);
    }
}
