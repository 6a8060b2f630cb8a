//! Monotonic reads: within one life of a replica, what it holds under a key never goes back, and
//! what it covers never shrinks.

use std::collections::BTreeMap;

use gossip::VersionVector;
use shared::hero::HeroId;

use crate::checker::rank::Rank;

/// The latest reads of one life of one replica.
#[derive(Clone, Debug, Default)]
pub struct Reads {
    ranks: BTreeMap<HeroId, Rank>,
    vector: VersionVector,
}

impl Reads {
    /// Notes the present read of a key.
    ///
    /// # Errors
    /// Names a newer entry that was read before.
    pub fn note(&mut self, key: HeroId, rank: Rank) -> Result<(), String> {
        match self.ranks.insert(key, rank) {
            Some(before) if before > rank => {
                Err(format!("hero {key} went back from {before:?} to {rank:?}"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Notes the present version vector.
    ///
    /// # Errors
    /// Names a vector that covered more before.
    pub fn note_vector(&mut self, vector: &VersionVector) -> Result<(), String> {
        if *vector == self.vector {
            return Ok(());
        }
        let before = std::mem::replace(&mut self.vector, vector.clone());
        if vector.covers_all(&before) {
            Ok(())
        } else {
            Err(format!("covered {before:?} and now only {vector:?}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::fixtures::{KEY, stamp};

    #[test]
    fn an_older_read_and_a_smaller_vector_are_caught() {
        let mut reads = Reads::default();
        assert!(reads.note(KEY, (false, stamp("a", 10))).is_ok());
        assert!(reads.note(KEY, (false, stamp("a", 9))).is_err());
        assert!(reads.note_vector(&VersionVector::from_iter([stamp("a", 10)])).is_ok());
        assert!(reads.note_vector(&VersionVector::from_iter([stamp("b", 10)])).is_err());
    }
}
