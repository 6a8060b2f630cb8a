//! Joining: a new incarnation catches up with a joined member, or joins as the first, before it
//! writes. A further node must also be on the roster of every member; see [`roster`](super::roster).
//!
//! Invariant: an incarnation writes only after it has merged a round of a joined member, or after
//! all linked members have reported that they have not joined either.

use std::time::Duration;

use crate::id::{Incarnation, Origin};
use crate::payload::Payload;
use crate::replica::{Event, Replica, Rule};
use crate::time::Now;

/// The time for which an incarnation does not join as the first after a peer refused it because its
/// name is running. Longer than any pause between two link attempts, so repeated refusals extend
/// it.
const REFUSED_TIMEOUT: Duration = Duration::from_secs(10);

impl<V: Payload> Replica<V> {
    /// Records that a member refused a link, because the incarnation `running` of this name is
    /// linked to it. If this incarnation has joined and is the older one, it halts. If it has not
    /// joined, it is not the first, and waits.
    pub fn refused(&mut self, now: Now, running: Incarnation) {
        if !self.joined {
            self.join_at = now.mono + self.config.join_timeout.max(REFUSED_TIMEOUT);
        } else if running > self.me.incarnation && self.keeps(Rule::OlderIncarnationHalts) {
            self.event(Event::Superseded { by: running, halts: true });
        }
    }

    /// Returns whether it is looking for a joined member and has no pull under way.
    pub(super) fn is_looking(&self) -> bool {
        !self.joined && !self.paused && self.pulls.is_empty()
    }

    /// Joins as the first member, or pulls again from linked members that have not answered.
    pub(super) fn ask_again_or_join(&mut self, now: Now) {
        let has_asked_all = self.undecided.is_empty() || !self.keeps(Rule::FirstMemberHasAskedAll);
        if has_asked_all && self.caught_up.is_none() && self.is_listed() {
            return self.join(now, None);
        }
        self.join_at = now.mono + self.config.join_timeout;
        self.pull_from_linked(now);
    }

    /// Pulls from the linked members that may have joined.
    pub(super) fn pull_from_linked(&mut self, now: Now) {
        for peer in self.undecided.values().copied().collect::<Vec<_>>() {
            self.pull(now, peer, peer.node, true);
        }
    }

    /// Records that this incarnation has merged a round of `source`, which has joined. It joins, or
    /// announces itself if it is not on the roster of every member.
    pub(super) fn note_caught_up(&mut self, now: Now, source: Origin) {
        if self.joined {
            return;
        }
        self.caught_up.get_or_insert(source);
        if self.is_listed() {
            self.join(now, Some(source));
        } else {
            self.announce(now);
        }
    }

    /// Joins if this incarnation has caught up, and the last proof has shown that every member has
    /// it on its roster.
    pub(super) fn join_if_listed(&mut self, now: Now) {
        if let Some(source) = self.caught_up.filter(|_| !self.joined && self.is_listed()) {
            self.join(now, Some(source));
        }
    }

    /// Records whether `source` has joined, as it reports.
    pub(super) fn note_joined(&mut self, source: Origin, joined: bool) {
        if !joined && self.undecided.get(&source.node) == Some(&source) {
            self.undecided.remove(&source.node);
        }
    }

    /// Joins: this incarnation may write. The first stamp creates its own slot in the vector, and
    /// replicas that see this slot fence the earlier incarnations.
    pub(super) fn join(&mut self, now: Now, through: Option<Origin>) {
        if !self.joined {
            self.joined = true;
            self.caught_up = None;
            self.undecided.clear();
            self.stamp(now);
            self.event(Event::Joined { through });
        }
    }
}
