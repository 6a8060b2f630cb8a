//! Monotonic reads: within one incarnation of a replica, the entry of a key is never replaced by an
//! older one, and the version vector never shrinks. A deleted key reads the same with any tombstone, and
//! an unset register with any deletion: after one was collected, an older one may arrive, of a second
//! process of its name or of a member that was cut off.

use std::collections::BTreeMap;

use gossip::VersionVector;
use shared::hero::HeroId;

use crate::checker::rank::Rank;

/// The latest reads of one incarnation.
#[derive(Clone, Debug, Default)]
pub struct Reads {
    /// The rank of the last read entry, and whether the key was deleted.
    ranks: BTreeMap<HeroId, (Rank, bool)>,
    vector: VersionVector,
}

impl Reads {
    /// Records a read of a key, which may be deleted.
    ///
    /// # Errors
    /// Returns the newer entry that was read before.
    pub fn note(&mut self, key: HeroId, rank: Rank, is_deleted: bool) -> Result<(), String> {
        let last = self.ranks.entry(key).or_insert((rank, is_deleted));
        let (before, was_deleted) = *last;
        // The greatest one stays: what a later deletion has replaced must not return.
        *last = (*last).max((rank, is_deleted));
        if before > rank && !(was_deleted && is_deleted) {
            return Err(format!("hero {key} changed back from {before:?} to {rank:?}"));
        }
        Ok(())
    }

    /// Records the version vector.
    ///
    /// # Errors
    /// Returns the previous vector if it covered more.
    pub fn note_vector(&mut self, vector: &VersionVector) -> Result<(), String> {
        if *vector == self.vector {
            return Ok(());
        }
        let before = std::mem::replace(&mut self.vector, vector.clone());
        if vector.covers_all(&before) {
            Ok(())
        } else {
            Err(format!("vector shrank from {before:?} to {vector:?}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::fixtures::{KEY, stamp};

    #[test]
    fn older_read_and_smaller_vector_are_rejected() {
        let mut reads = Reads::default();
        assert!(reads.note(KEY, (false, stamp("a", 10)), false).is_ok());
        assert!(reads.note(KEY, (false, stamp("a", 9)), false).is_err());
        assert!(reads.note(KEY, (true, stamp("a", 10)), true).is_ok());
        assert!(reads.note(KEY, (true, stamp("a", 8)), true).is_ok());
        assert!(reads.note(KEY, (false, stamp("a", 11)), false).is_err());
        // A register.
        let mut reads = Reads::default();
        assert!(reads.note(KEY, (false, stamp("a", 10)), true).is_ok());
        assert!(reads.note(KEY, (false, stamp("b", 9)), true).is_ok());
        assert!(reads.note(KEY, (false, stamp("c", 8)), false).is_err());
        // Older than a deletion that was read before the last one.
        let mut reads = Reads::default();
        assert!(reads.note(KEY, (false, stamp("a", 10)), true).is_ok());
        assert!(reads.note(KEY, (false, stamp("b", 8)), true).is_ok());
        assert!(reads.note(KEY, (false, stamp("c", 9)), false).is_err());
        assert!(reads.note_vector(&VersionVector::from_iter([stamp("a", 10)])).is_ok());
        assert!(reads.note_vector(&VersionVector::from_iter([stamp("b", 10)])).is_err());
    }
}
