//! Durability: after every node has received every write, each node holds all writes that a
//! survivor held, or later ones.

use std::collections::BTreeMap;

use gossip::{Kind, Stamp};
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
        // Ephemeral entries end without a write.
        let lasting = map.iter().filter(|(key, _)| key.kind() != Kind::Ephemeral);
        lasting
            .filter(|(_, entry)| is_checked(entry.is_tombstone()))
            .for_each(|(key, entry)| self.note(key, rank(&entry)));
    }

    /// Drops the owned entries that members have closed without having seen them: they are replaced
    /// by those of the closing members.
    pub fn without_owned_orphans(mut self, is_orphan: impl Fn(Stamp) -> bool) -> Self {
        self.0.retain(|key, (_, stamp)| !key.kind().is_owned() || !is_orphan(*stamp));
        self
    }

    /// Checks each recorded write. `held` returns the rank of the entry held under a key; `deleted`
    /// returns whether a missing key was legitimately deleted by a write that beats this one.
    ///
    /// # Errors
    /// Returns the first lost write.
    pub fn all_held(
        &self,
        held: impl Fn(HeroId) -> Option<Rank>,
        deleted: impl Fn(HeroId, Rank) -> bool,
    ) -> Result<(), String> {
        for (key, highest) in &self.0 {
            let lost = match held(*key) {
                Some(held) => held < *highest,
                None => !deleted(*key, *highest),
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
        assert!(survivors.all_held(|_| Some((false, stamp("a", 10))), |_, _| false).is_ok());
        assert!(survivors.all_held(|_| Some((false, stamp("b", 11))), |_, _| false).is_ok());
        assert!(survivors.all_held(|_| Some((false, stamp("a", 9))), |_, _| true).is_err());
        assert!(survivors.all_held(|_| None, |_, _| true).is_ok());
        assert!(survivors.all_held(|_| None, |_, _| false).is_err());
    }
}
