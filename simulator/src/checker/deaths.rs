//! No resurrection: who has died once in a replica's life does not live there again.

use std::collections::BTreeSet;

use shared::id::HeroId;

/// Who has died at one replica.
#[derive(Clone, Debug, Default)]
pub struct Deaths(BTreeSet<HeroId>);

impl Deaths {
    /// Takes note of what the replica now holds.
    ///
    /// # Errors
    /// Names the hero that came back.
    pub fn note(&mut self, key: HeroId, is_tombstone: bool) -> Result<(), String> {
        if is_tombstone {
            self.0.insert(key);
        } else if self.0.contains(&key) {
            return Err(format!("the dead hero {key} came back"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::tests::KEY;

    #[test]
    fn a_resurrection_is_caught() {
        let mut deaths = Deaths::default();
        assert!(deaths.note(KEY, false).is_ok());
        assert!(deaths.note(KEY, true).is_ok());
        assert!(deaths.note(KEY, false).is_err());
    }
}
