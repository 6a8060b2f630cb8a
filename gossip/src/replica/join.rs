//! How an incarnation comes to write: it catches up with a member that has joined, or is the first.
//!
//! Invariant: an incarnation writes only after it has merged the round of a member that has joined,
//! or after every linked member has reported that it has not joined either.

use std::time::Duration;

use crate::id::{Incarnation, Origin};
use crate::payload::Payload;
use crate::replica::{Event, Replica, Rule};
use crate::time::Now;

/// The time for which an incarnation that was refused, since its name is alive, does not take
/// itself for the first. Longer than any pause between two attempts to link.
const REFUSED_TIMEOUT: Duration = Duration::from_secs(10);

impl<V: Payload> Replica<V> {
    /// Notes that a member refuses a link, since the incarnation `alive` of this name is linked to
    /// it. The older of two incarnations halts, and one that is not alone is not the first.
    pub fn refused(&mut self, now: Now, alive: Incarnation) {
        if !self.joined {
            self.join_at = now.mono + self.config.join_timeout.max(REFUSED_TIMEOUT);
        } else if alive > self.me.incarnation && self.keeps(Rule::TheOlderIncarnationHalts) {
            self.event(Event::Superseded { by: alive, halts: true });
        }
    }

    /// Returns whether it looks for a member that has joined, and has no pull open.
    pub(super) fn is_looking(&self) -> bool {
        !self.joined && !self.paused && self.pulls.is_empty()
    }

    /// Joins as the first member, or asks those again that have not answered.
    pub(super) fn ask_again_or_join(&mut self, now: Now) {
        if self.undecided.is_empty() || !self.keeps(Rule::TheFirstHasAskedAll) {
            return self.join(now, None);
        }
        self.join_at = now.mono + self.config.join_timeout;
        for peer in self.undecided.values().copied().collect::<Vec<_>>() {
            self.pull(now, peer, peer.node, true);
        }
    }

    /// Notes whether `source` has joined, as it reports.
    pub(super) fn note_joined(&mut self, source: Origin, joined: bool) {
        if !joined && self.undecided.get(&source.node) == Some(&source) {
            self.undecided.remove(&source.node);
        }
    }

    /// Lets this incarnation write from now on. Its own slot in the vector announces it: a replica
    /// that sees the slot fences earlier incarnations.
    pub(super) fn join(&mut self, now: Now, through: Option<Origin>) {
        if !self.joined {
            self.joined = true;
            self.undecided.clear();
            self.stamp(now);
            self.event(Event::Joined { through });
        }
    }
}
