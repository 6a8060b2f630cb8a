//! Superheroes, and the rules of what happens to them. The replication beneath treats them as opaque values.

use std::fmt;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::id::NodeName;

/// Full health, in points.
pub const HEALTH_MAX: u8 = 100;
/// What an assignment restores, in points.
pub const HEALTH_PER_ASSIGNMENT: u8 = 20;
/// The longest name, in characters.
pub const HERO_NAME_CHARS_MAX: usize = 100;

/// What people call a hero. One of up to 23 bytes lies where it is, and takes no memory beside that; a longer one is shared.
pub type HeroName = SmolStr;

/// Where a hero is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Location {
    /// Resting; every hero starts here.
    Home,
    /// In a city.
    City(NodeName),
}

impl Location {
    /// The name people and APIs use: `home`, or the city's.
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

/// A living hero, as one write left it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Hero {
    /// What people call the hero; never changes.
    pub name: HeroName,
    /// Where the hero is.
    pub location: Location,
    /// Whether the hero walks the streets, and so may be met by a villain.
    pub is_patrolling: bool,
    /// 1 to [`HEALTH_MAX`] points; a hero without any is a tombstone.
    pub health: u8,
}

impl Hero {
    /// A new hero: at home, idle, unharmed.
    #[must_use]
    pub fn new(name: HeroName) -> Self {
        Self { name, location: Location::Home, is_patrolling: false, health: HEALTH_MAX }
    }

    /// Whether this is a hero that the rules can have made. What comes from outside is asked before it is taken in.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        self.as_hero_ref().is_possible()
    }

    /// This hero as one that lies somewhere.
    #[must_use]
    pub fn as_hero_ref(&self) -> HeroRef<'_> {
        HeroRef { name: &self.name, location: self.location, is_patrolling: self.is_patrolling, health: self.health }
    }

    /// The hero moved to `to`: rested by [`HEALTH_PER_ASSIGNMENT`], no longer patrolling.
    #[must_use]
    pub fn assigned(&self, to: Location) -> Self {
        let health = self.health.saturating_add(HEALTH_PER_ASSIGNMENT).min(HEALTH_MAX);
        Self { name: self.name.clone(), location: to, is_patrolling: false, health }
    }

    /// The hero out on patrol.
    #[must_use]
    pub fn patrolling(&self) -> Self {
        Self { is_patrolling: true, ..self.clone() }
    }

    /// The hero after a fight that cost `damage` points, or `None` if it was the last.
    #[must_use]
    pub fn wounded(&self, damage: u8) -> Option<Self> {
        let health = self.health.checked_sub(damage).filter(|left| *left > 0)?;
        Some(Self { health, ..self.clone() })
    }
}

/// A [`Hero`] that lies somewhere in another form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeroRef<'a> {
    /// What people call the hero.
    pub name: &'a str,
    /// Where the hero is.
    pub location: Location,
    /// Whether the hero walks the streets.
    pub is_patrolling: bool,
    /// 1 to [`HEALTH_MAX`] points.
    pub health: u8,
}

impl HeroRef<'_> {
    /// Whether this is a hero that the rules can have made.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        // No text has more characters than bytes, and most have few of either.
        let fits = self.name.len() <= HERO_NAME_CHARS_MAX || self.name.chars().count() <= HERO_NAME_CHARS_MAX;
        fits && !self.name.is_empty() && (1..=HEALTH_MAX).contains(&self.health)
    }

    /// This hero, standing by itself.
    #[must_use]
    pub fn to_hero(&self) -> Hero {
        Hero { name: self.name.into(), location: self.location, is_patrolling: self.is_patrolling, health: self.health }
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
