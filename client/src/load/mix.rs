//! The kinds of writes, and their shares of a load.

use std::str::FromStr;

use rand::{Rng, RngExt};
use serde::Serialize;

/// The kind of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// Assign a hero to a city.
    Assign,
    /// Create a hero.
    Create,
    /// Delete a hero that the load created.
    Delete,
}

impl Kind {
    /// All kinds.
    pub(super) const ALL: [Self; 3] = [Self::Assign, Self::Create, Self::Delete];

    /// Returns the name on the command line.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Assign => "assign",
            Self::Create => "create",
            Self::Delete => "delete",
        }
    }
}

/// The weight of each kind: `assign=90,create=5,delete=5`. The sum of the weights is not zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mix(Vec<(Kind, u32)>);

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts: Vec<(Kind, u32)> = Vec::new();
        for part in text.split(',') {
            let expected = || {
                format!("invalid part {part:?}, expected for example assign=90,create=5,delete=5")
            };
            let (name, weight) = part.trim().split_once('=').ok_or_else(expected)?;
            let kind =
                Kind::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or_else(expected)?;
            // The bound keeps the sum of the weights within u32.
            let weight =
                weight.parse().ok().filter(|weight| *weight <= 1_000_000).ok_or_else(expected)?;
            if parts.iter().any(|(other, _)| *other == kind) {
                return Err(format!("{name} is given twice"));
            }
            parts.push((kind, weight));
        }
        if parts.iter().all(|(_, weight)| *weight == 0) {
            return Err("all weights are 0; use --writes 0/s for no writes".into());
        }
        Ok(Self(parts))
    }
}

impl Mix {
    /// Returns a random kind, by weight.
    pub(super) fn choose(&self, rng: &mut impl Rng) -> Kind {
        self.at(rng.random_range(0..self.0.iter().map(|(_, weight)| weight).sum::<u32>()))
    }

    /// Returns the kind at this index of a sequence that contains each kind `weight` times.
    fn at(&self, mut index: u32) -> Kind {
        for (kind, weight) in &self.0 {
            if index < *weight {
                return *kind;
            }
            index -= weight;
        }
        unreachable!("an index is below the sum of the weights")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_occurs_as_often_as_its_weight() {
        let mix: Mix = "assign=3, create=0,delete=2".parse().expect("a mix");
        let kinds: Vec<Kind> = (0..5).map(|index| mix.at(index)).collect();
        assert_eq!(kinds, [Kind::Assign, Kind::Assign, Kind::Assign, Kind::Delete, Kind::Delete]);
        assert_eq!("delete=1".parse::<Mix>().map(|mix| mix.at(0)), Ok(Kind::Delete));
    }

    #[test]
    fn invalid_mix_is_rejected_with_an_example() {
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
