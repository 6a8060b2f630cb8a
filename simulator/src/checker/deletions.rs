//! No resurrection: within one incarnation of a replica, a deleted hero is never live again.

use std::collections::BTreeSet;

use shared::hero::HeroId;

/// The heroes deleted at one replica.
#[derive(Clone, Debug, Default)]
pub struct Deletions(BTreeSet<HeroId>);

impl Deletions {
    /// Records the entry that the replica holds after a change.
    ///
    /// # Errors
    /// Returns the hero that is live again.
    pub fn note(&mut self, key: HeroId, is_tombstone: bool) -> Result<(), String> {
        if is_tombstone {
            self.0.insert(key);
        } else if self.0.contains(&key) {
            return Err(format!("deleted hero {key} is live again"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::fixtures::KEY;

    #[test]
    fn resurrection_is_rejected() {
        let mut deletions = Deletions::default();
        assert!(deletions.note(KEY, false).is_ok());
        assert!(deletions.note(KEY, true).is_ok());
        assert!(deletions.note(KEY, false).is_err());
    }
}
