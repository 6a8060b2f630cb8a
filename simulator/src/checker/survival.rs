//! Durability: after every node has received every write, each node holds all writes that a
//! survivor held, or later ones.

use std::collections::BTreeMap;

use shared::Map;
use shared::hero::HeroId;

use crate::checker::rank::{Rank, rank};

/// The highest write of each hero that a survivor held or acknowledged.
#[derive(Clone, Debug, Default)]
pub struct Survivors(BTreeMap<HeroId, Rank>);

impl Survivors {
    /// Records a write.
    pub fn note(&mut self, key: HeroId, rank: Rank) {
        self.0.entry(key).and_modify(|highest| *highest = rank.max(*highest)).or_insert(rank);
    }

    /// Records every entry of a survivor.
    pub fn note_all(&mut self, map: &Map) {
        self.note_if(map, |_| true);
    }

    /// Records the entries of a survivor for which `is_checked` holds, given whether the entry is a
    /// tombstone. Where replicas lose entries, a deletion may be undone: a replica that lost the
    /// tombstone covers it, and passes on nothing.
    pub fn note_if(&mut self, map: &Map, is_checked: impl Fn(bool) -> bool) {
        let ranks = map.iter().map(|(key, entry)| (key, rank(&entry)));
        ranks.filter(|(_, rank)| is_checked(rank.0)).for_each(|(key, rank)| self.note(key, rank));
    }

    /// Checks each recorded write. `held` returns the rank of the entry held under a key; `deleted`
    /// returns whether a missing hero was legitimately deleted.
    ///
    /// # Errors
    /// Returns the first lost write.
    pub fn all_held(
        &self,
        held: impl Fn(HeroId) -> Option<Rank>,
        deleted: impl Fn(HeroId) -> bool,
    ) -> Result<(), String> {
        for (key, highest) in &self.0 {
            let lost = match held(*key) {
                Some(held) => held < *highest,
                None => !deleted(*key),
            };
            if lost {
                return Err(format!(
                    "lost write: a survivor held {} of hero {key}; neither it nor a later write is held",
                    highest.1
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
    fn lost_write_is_rejected_but_replaced_or_deleted_is_not() {
        let mut survivors = Survivors::default();
        survivors.note_all(&map_with(stamp("a", 10)));
        survivors.note(KEY, (false, stamp("a", 9)));
        assert!(survivors.all_held(|_| Some((false, stamp("a", 10))), |_| false).is_ok());
        assert!(survivors.all_held(|_| Some((false, stamp("b", 11))), |_| false).is_ok());
        assert!(survivors.all_held(|_| Some((false, stamp("a", 9))), |_| true).is_err());
        assert!(survivors.all_held(|_| None, |_| true).is_ok());
        assert!(survivors.all_held(|_| None, |_| false).is_err());
    }
}
