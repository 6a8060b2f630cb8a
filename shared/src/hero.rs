//! Superheroes, and the rules of the simulation. The replication treats them as opaque values.

use std::fmt;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use gossip::{Key, NodeName};

mod payload;

pub use payload::StoredHero;

/// Full health, in points.
pub const HEALTH_MAX: u8 = 100;
/// The health that an assignment restores, in points.
pub const HEALTH_PER_ASSIGNMENT: u8 = 20;
/// The longest name, in characters.
pub const HERO_NAME_CHARS_MAX: usize = 100;

/// The key of a hero: a UUID, never used again after the hero is deleted.
pub type HeroId = Key;

/// A hero's name. Up to 23 bytes are stored inline; a longer name is shared.
pub type HeroName = SmolStr;

/// The location of a hero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Location {
    /// Resting; every hero starts here.
    Home,
    /// In a city.
    City(NodeName),
}

impl Location {
    /// Returns the name in APIs: `home`, or the city's.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Home => "home",
            Self::City(name) => name.as_str(),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A living hero.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Hero {
    /// The hero's name; it never changes.
    pub name: HeroName,
    /// The hero's location.
    pub location: Location,
    /// Whether the hero patrols, and so may have to fight.
    pub is_patrolling: bool,
    /// The health, 1 to [`HEALTH_MAX`] points; without health a hero is a tombstone.
    pub health: u8,
}

impl Hero {
    /// Returns a new hero: at home, idle, unharmed.
    #[must_use]
    pub fn new(name: HeroName) -> Self {
        Self { name, location: Location::Home, is_patrolling: false, health: HEALTH_MAX }
    }

    /// Returns whether the rules allow such a hero. Input from outside is checked before it is
    /// stored.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.as_hero_ref().is_valid()
    }

    /// Borrows the hero.
    #[must_use]
    pub fn as_hero_ref(&self) -> HeroRef<'_> {
        HeroRef {
            name: &self.name,
            location: self.location,
            is_patrolling: self.is_patrolling,
            health: self.health,
        }
    }

    /// Returns the hero moved to `to`: rested by [`HEALTH_PER_ASSIGNMENT`], no longer patrolling.
    #[must_use]
    pub fn assigned(&self, to: Location) -> Self {
        let health = self.health.saturating_add(HEALTH_PER_ASSIGNMENT).min(HEALTH_MAX);
        Self { name: self.name.clone(), location: to, is_patrolling: false, health }
    }

    /// Returns the hero on patrol.
    #[must_use]
    pub fn patrolling(&self) -> Self {
        Self { is_patrolling: true, ..self.clone() }
    }

    /// Returns the hero after a fight that cost `damage` points; `None` if the hero falls.
    #[must_use]
    pub fn wounded(&self, damage: u8) -> Option<Self> {
        let health = self.health.checked_sub(damage).filter(|left| *left > 0)?;
        Some(Self { health, ..self.clone() })
    }
}

/// A borrowed view of a hero in a map or a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeroRef<'a> {
    /// The hero's name.
    pub name: &'a str,
    /// The hero's location.
    pub location: Location,
    /// Whether the hero patrols.
    pub is_patrolling: bool,
    /// The health, 1 to [`HEALTH_MAX`] points.
    pub health: u8,
}

impl HeroRef<'_> {
    /// Returns whether the rules allow such a hero.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        // A text has no more characters than bytes, and counting bytes is free.
        let fits = self.name.len() <= HERO_NAME_CHARS_MAX
            || self.name.chars().count() <= HERO_NAME_CHARS_MAX;
        fits && !self.name.is_empty() && (1..=HEALTH_MAX).contains(&self.health)
    }

    /// Returns an owned hero.
    #[must_use]
    pub fn to_hero(&self) -> Hero {
        Hero {
            name: self.name.into(),
            location: self.location,
            is_patrolling: self.is_patrolling,
            health: self.health,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hero(health: u8) -> Hero {
        Hero { health, ..Hero::new("Silver Kestrel".into()) }
    }

    #[test]
    fn an_assignment_rests_the_hero_but_never_beyond_full_health() {
        let gotham = Location::City("gotham".parse().unwrap());
        assert_eq!(hero(30).patrolling().assigned(gotham), Hero { location: gotham, ..hero(50) });
        assert_eq!(hero(95).assigned(gotham).health, HEALTH_MAX);
    }

    #[test]
    fn a_hero_without_health_is_no_hero() {
        assert_eq!(hero(15).wounded(5).map(|h| h.health), Some(10));
        assert_eq!(hero(15).wounded(15), None);
        assert_eq!(hero(7).wounded(15), None);
    }
}
