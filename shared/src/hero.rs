//! Superheroes and the rules of the simulation. Replication treats them as opaque values.

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

/// The key of a hero: a UUID that is never reused after the hero is deleted.
pub type HeroId = Key;

/// A hero's name. Up to 23 bytes are stored inline; a longer name is shared.
pub type HeroName = SmolStr;

/// The location of a hero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Location {
    /// At home, resting; the initial location of every hero.
    Home,
    /// In a city.
    City(NodeName),
}

impl Location {
    /// Returns the name used in APIs: `home` or the name of the city.
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

/// A hero that is not deleted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Hero {
    /// The hero's name; it never changes.
    pub name: HeroName,
    /// The hero's location.
    pub location: Location,
    /// Set while the hero patrols. Only patrolling heroes fight.
    pub is_patrolling: bool,
    /// The health, 1 to [`HEALTH_MAX`] points. A hero whose health reaches 0 becomes a tombstone.
    pub health: u8,
}

impl Hero {
    /// Returns a new hero: at home, not patrolling, with full health.
    #[must_use]
    pub fn new(name: HeroName) -> Self {
        Self { name, location: Location::Home, is_patrolling: false, health: HEALTH_MAX }
    }

    /// Returns whether the hero satisfies the limits on name and health. Input from outside is
    /// checked before it is stored.
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

    /// Returns the hero at `to`, with up to [`HEALTH_PER_ASSIGNMENT`] points more, not patrolling.
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

    /// Returns the hero after a fight that cost `damage` points; `None` if no health is left.
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
    /// Set while the hero patrols.
    pub is_patrolling: bool,
    /// The health, 1 to [`HEALTH_MAX`] points.
    pub health: u8,
}

impl HeroRef<'_> {
    /// Returns whether the hero satisfies the limits on name and health.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        // A text has no more characters than bytes, so the byte length usually settles it without
        // decoding.
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
    fn assignment_restores_health_up_to_the_maximum() {
        let gotham = Location::City("gotham".parse().unwrap());
        assert_eq!(hero(30).patrolling().assigned(gotham), Hero { location: gotham, ..hero(50) });
        assert_eq!(hero(95).assigned(gotham).health, HEALTH_MAX);
    }

    #[test]
    fn hero_without_health_left_falls() {
        assert_eq!(hero(15).wounded(5).map(|h| h.health), Some(10));
        assert_eq!(hero(15).wounded(15), None);
        assert_eq!(hero(7).wounded(15), None);
    }
}
