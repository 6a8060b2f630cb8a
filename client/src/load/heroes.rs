//! The heroes that are written to.
//!
//! Invariants: no hero has two writes under way, so that no write is refused because of another of
//! this load; and only heroes that this load has created are ever deleted.

use rand::{Rng, RngExt};

use api_types::CITIES;

use super::mix::Kind;

/// A write that is to be done. It holds its hero until that is [given back](Heroes::give_back).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Write {
    Assign { hero: Hero, city: &'static str },
    Create,
    Delete { hero: Hero },
}

/// A hero's id, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hero {
    pub(super) id: String,
    is_own: bool,
}

/// The heroes that no write is under way to.
#[derive(Debug, Default)]
pub(super) struct Heroes {
    own: Vec<String>,
    others: Vec<String>,
}

impl Heroes {
    /// Those that were there before.
    pub(super) fn found(&mut self, ids: impl IntoIterator<Item = String>) {
        self.others.extend(ids);
    }

    /// Those that this load has created.
    pub(super) fn created(&mut self, ids: impl IntoIterator<Item = String>) {
        self.own.extend(ids);
    }

    pub(super) fn count(&self) -> usize {
        self.own.len() + self.others.len()
    }

    /// Those that this load has created, to end them.
    pub(super) fn into_own(self) -> Vec<String> {
        self.own
    }

    /// A write of this kind to a hero by chance. Where there is nobody to assign or to delete, a
    /// hero is created instead.
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

    /// This hero lives, and may be written to again.
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
    fn no_hero_has_two_writes_under_way() {
        let (mut heroes, mut rng) = (Heroes::default(), ChaCha8Rng::seed_from_u64(7));
        heroes.found(["a", "b"].map(str::to_owned));
        heroes.created(["c".to_owned()]);
        let mut under_way = BTreeSet::new();
        for _ in 0..3 {
            let Write::Assign { hero, .. } = heroes.write(Kind::Assign, &mut rng) else {
                panic!("somebody is left")
            };
            assert!(under_way.insert(hero.id), "twice");
        }
        assert_eq!(heroes.write(Kind::Assign, &mut rng), Write::Create, "nobody is left");
    }

    #[test]
    fn only_own_heroes_are_deleted() {
        let (mut heroes, mut rng) = (Heroes::default(), ChaCha8Rng::seed_from_u64(7));
        heroes.found(["a", "b"].map(str::to_owned));
        assert_eq!(heroes.write(Kind::Delete, &mut rng), Write::Create);
        heroes.created(["c".to_owned()]);
        let Write::Delete { hero } = heroes.write(Kind::Delete, &mut rng) else {
            panic!("one is its own")
        };
        assert_eq!((hero.id.as_str(), heroes.count()), ("c", 2));
        heroes.give_back(hero);
        assert_eq!(heroes.into_own(), ["c"]);
    }
}
