//! A life writes only after it has joined, and stamps above all that it or its earlier self held.

use gossip::{Hlc, Stamp};

/// The stamps above which one life must write.
#[derive(Clone, Debug, Default)]
pub struct Writers {
    dead_self: Hlc,
    own: Hlc,
}

impl Writers {
    /// Returns the writers of a life that follows one which held stamps up to `held`.
    #[must_use]
    pub fn after(held: Hlc) -> Self {
        Self { dead_self: held, own: Hlc::default() }
    }

    /// Returns the stamp above which the next life must write.
    #[must_use]
    pub fn above(&self) -> Hlc {
        self.dead_self.max(self.own)
    }

    /// Forgives a clock that was set back: no life can then stamp above its earlier self.
    pub fn forgive(&mut self) {
        self.dead_self = Hlc::default();
    }

    /// Notes a stamp that the life has received.
    pub fn heard(&mut self, stamp: Stamp) {
        self.own = stamp.hlc.max(self.own);
    }

    /// Notes a write of this life.
    ///
    /// # Errors
    /// Names what is wrong with it.
    pub fn wrote(&mut self, stamp: Stamp, joined: bool) -> Result<(), String> {
        if !joined {
            return Err(format!("wrote {stamp} without having joined"));
        }
        if stamp.hlc <= self.above() {
            return Err(format!(
                "wrote {stamp}, not above {}, which it or its dead self held",
                self.above()
            ));
        }
        self.heard(stamp);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::fixtures::stamp;

    #[test]
    fn a_write_before_joining_and_one_below_what_was_held_are_caught() {
        let mut writers = Writers::after(stamp("a", 10).hlc);
        assert!(writers.wrote(stamp("a", 11), false).is_err());
        assert!(writers.wrote(stamp("a", 10), true).is_err());
        assert!(writers.wrote(stamp("a", 11), true).is_ok());
        assert!(writers.wrote(stamp("a", 11), true).is_err());
        writers.heard(stamp("b", 20));
        assert!(writers.wrote(stamp("a", 15), true).is_err());
        writers.forgive();
        assert!(
            writers.wrote(stamp("a", 15), true).is_err(),
            "what it held itself is not forgiven"
        );
    }
}
