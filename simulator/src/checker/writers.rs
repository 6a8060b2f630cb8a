//! Writers: an incarnation writes only after it has joined, and its stamps exceed every stamp that
//! it or its predecessor held.

use gossip::{Hlc, Stamp};

/// The stamps that a new write of one incarnation must exceed.
#[derive(Clone, Debug, Default)]
pub struct Writers {
    predecessor: Hlc,
    own: Hlc,
}

impl Writers {
    /// Returns the state for an incarnation whose predecessor held stamps up to `held`.
    #[must_use]
    pub fn after(held: Hlc) -> Self {
        Self { predecessor: held, own: Hlc::default() }
    }

    /// Returns the stamp that the next write must exceed.
    #[must_use]
    pub fn floor(&self) -> Hlc {
        self.predecessor.max(self.own)
    }

    /// Drops the predecessor's bound after its clock was set back: no incarnation can then stamp
    /// above it.
    pub fn ignore_predecessor(&mut self) {
        self.predecessor = Hlc::default();
    }

    /// Records a received stamp.
    pub fn received(&mut self, stamp: Stamp) {
        self.own = stamp.hlc.max(self.own);
    }

    /// Records a write of this incarnation.
    ///
    /// # Errors
    /// Returns the rule that the write breaks.
    pub fn wrote(&mut self, stamp: Stamp, joined: bool) -> Result<(), String> {
        if !joined {
            return Err(format!("wrote {stamp} before it had joined"));
        }
        if stamp.hlc <= self.floor() {
            return Err(format!(
                "wrote {stamp}, which does not exceed {}, held by it or its predecessor",
                self.floor()
            ));
        }
        self.received(stamp);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::fixtures::stamp;

    #[test]
    fn write_before_join_and_write_below_floor_are_rejected() {
        let mut writers = Writers::after(stamp("a", 10).hlc);
        assert!(writers.wrote(stamp("a", 11), false).is_err());
        assert!(writers.wrote(stamp("a", 10), true).is_err());
        assert!(writers.wrote(stamp("a", 11), true).is_ok());
        assert!(writers.wrote(stamp("a", 11), true).is_err());
        writers.received(stamp("b", 20));
        assert!(writers.wrote(stamp("a", 15), true).is_err());
        writers.ignore_predecessor();
        assert!(writers.wrote(stamp("a", 15), true).is_err(), "its own stamps still count");
    }
}
