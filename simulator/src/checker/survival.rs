//! Nothing that a survivor held is lost: once all have received everything, each holds it, or a
//! later write.

use std::collections::BTreeMap;

use shared::Map;
use shared::hero::HeroId;

use crate::checker::rank::{Rank, rank};

/// The greatest write of each hero that a survivor held, or that was acknowledged by a survivor.
#[derive(Clone, Debug, Default)]
pub struct Survivors(BTreeMap<HeroId, Rank>);

impl Survivors {
    /// Notes a write.
    pub fn note(&mut self, key: HeroId, rank: Rank) {
        self.0.entry(key).and_modify(|best| *best = rank.max(*best)).or_insert(rank);
    }

    /// Notes all that a survivor holds.
    pub fn note_all(&mut self, map: &Map) {
        map.iter().for_each(|(key, entry)| self.note(key, rank(&entry)));
    }

    /// Looks for each of them. `held` returns what is held under a key; `buried` reports whether
    /// the hero is rightly gone.
    ///
    /// # Errors
    /// Names the first write that is missing.
    pub fn all_stand(
        &self,
        held: impl Fn(HeroId) -> Option<Rank>,
        buried: impl Fn(HeroId) -> bool,
    ) -> Result<(), String> {
        for (key, best) in &self.0 {
            let lesser = match held(*key) {
                Some(held) => held < *best,
                None => !buried(*key),
            };
            if lesser {
                return Err(format!(
                    "does not hold {} of hero {key}, which a survivor held, nor what beats it",
                    best.1
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::fixtures::{KEY, map_with, stamp};

    #[test]
    fn a_write_that_is_gone_is_caught_and_a_beaten_or_buried_one_is_not() {
        let mut survivors = Survivors::default();
        survivors.note_all(&map_with(stamp("a", 10)));
        survivors.note(KEY, (false, stamp("a", 9)));
        assert!(survivors.all_stand(|_| Some((false, stamp("a", 10))), |_| false).is_ok());
        assert!(survivors.all_stand(|_| Some((false, stamp("b", 11))), |_| false).is_ok());
        assert!(survivors.all_stand(|_| Some((false, stamp("a", 9))), |_| true).is_err());
        assert!(survivors.all_stand(|_| None, |_| true).is_ok());
        assert!(survivors.all_stand(|_| None, |_| false).is_err());
    }
}
