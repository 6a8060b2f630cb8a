//! No resurrection: a hero that has died in the life of a replica does not live there again.

use std::collections::BTreeSet;

use shared::hero::HeroId;

/// The heroes that have died at one replica.
#[derive(Clone, Debug, Default)]
pub struct Deaths(BTreeSet<HeroId>);

impl Deaths {
    /// Notes the entry that the replica now holds.
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
    use crate::checker::fixtures::KEY;

    #[test]
    fn a_resurrection_is_caught() {
        let mut deaths = Deaths::default();
        assert!(deaths.note(KEY, false).is_ok());
        assert!(deaths.note(KEY, true).is_ok());
        assert!(deaths.note(KEY, false).is_err());
    }
}
