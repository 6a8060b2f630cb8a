//! What kinds of writes there are, and how many of each.

use std::str::FromStr;

use rand::{Rng, RngExt};
use serde::Serialize;

/// What a write does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// Sends a hero to a city.
    Assign,
    /// Creates a hero.
    Create,
    /// Ends a hero that this load has created.
    Delete,
}

impl Kind {
    /// All of them.
    pub(super) const EVERY: [Self; 3] = [Self::Assign, Self::Create, Self::Delete];

    /// As it is written.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Assign => "assign",
            Self::Create => "create",
            Self::Delete => "delete",
        }
    }
}

/// How many of each kind, in parts of the sum: `assign=90,create=5,delete=5`. There is at least one
/// part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mix(Vec<(Kind, u32)>);

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts: Vec<(Kind, u32)> = Vec::new();
        for part in text.split(',') {
            let expected = || {
                format!("{part:?} is not a kind and its part: write assign=90,create=5,delete=5")
            };
            let (name, weight) = part.trim().split_once('=').ok_or_else(expected)?;
            let kind =
                Kind::EVERY.into_iter().find(|kind| kind.as_str() == name).ok_or_else(expected)?;
            // As many as nobody needs, so that their sum has room.
            let weight =
                weight.parse().ok().filter(|weight| *weight <= 1_000_000).ok_or_else(expected)?;
            if parts.iter().any(|(other, _)| *other == kind) {
                return Err(format!("{name} is there twice"));
            }
            parts.push((kind, weight));
        }
        if parts.iter().all(|(_, weight)| *weight == 0) {
            return Err("all parts are 0; --writes 0/s is for no writes".into());
        }
        Ok(Self(parts))
    }
}

impl Mix {
    /// A kind by chance.
    pub(super) fn choose(&self, rng: &mut impl Rng) -> Kind {
        self.at(rng.random_range(0..self.0.iter().map(|(_, weight)| weight).sum::<u32>()))
    }

    /// The kind at this place, where each stands as often as it has parts.
    fn at(&self, mut place: u32) -> Kind {
        for (kind, weight) in &self.0 {
            if place < *weight {
                return *kind;
            }
            place -= weight;
        }
        unreachable!("a place is below the sum of all parts")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_stands_as_often_as_it_has_parts() {
        let mix: Mix = "assign=3, create=0,delete=2".parse().expect("a mix");
        let places: Vec<Kind> = (0..5).map(|place| mix.at(place)).collect();
        assert_eq!(places, [Kind::Assign, Kind::Assign, Kind::Assign, Kind::Delete, Kind::Delete]);
        assert_eq!("delete=1".parse::<Mix>().map(|mix| mix.at(0)), Ok(Kind::Delete));
    }

    #[test]
    fn what_is_no_mix_is_told_with_an_example() {
        for wrong in [
            "",
            "assign",
            "assign=",
            "assign=-1",
            "assign=1.5",
            "bomb=1",
            "assign=1,",
            "assign=4000000000",
        ] {
            assert!(wrong.parse::<Mix>().unwrap_err().contains("assign=90"), "{wrong}");
        }
        assert!("assign=1,assign=2".parse::<Mix>().unwrap_err().contains("twice"));
        assert!("assign=0,delete=0".parse::<Mix>().unwrap_err().contains("0/s"));
    }
}
