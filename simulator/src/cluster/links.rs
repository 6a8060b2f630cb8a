//! Links between processes, and the frames on them.
//!
//! Invariant: both ends of a link receive an input when it comes up and when it goes down. A frame
//! reaches only the incarnation to which it was sent. The exception, in a reordering network, is a
//! message of a round: dispatch may have relayed it.

use std::time::Duration;

use gossip::{Incarnation, LinkDown, LinkRefusal, NodeName, Origin, Roster, wire};
use shared::{Frame, Input};

use super::Cluster;
use super::queue::Event;

/// The delay before a link is dialed again.
const REDIAL_DELAY: Duration = Duration::from_millis(100);
/// The silence after which a link is closed, as in `link::connection`.
pub(super) const SILENCE_TIMEOUT: Duration = Duration::from_secs(3);

impl Cluster {
    pub(super) fn dial_all(&mut self, number: usize) {
        for other in 0..self.processes.len() {
            if other != number {
                self.schedule(REDIAL_DELAY, Event::Dial { a: number, b: other });
            }
        }
    }

    pub(super) fn dial(&mut self, a: usize, b: usize) {
        let (this, other) = (&self.processes[a], &self.processes[b]);
        let cannot = !this.is_awake() || !other.is_awake() || this.name == other.name;
        if cannot || self.network.linked(a, b) {
            return;
        }
        if let Some(until) = self.network.blocked_until(a, b, self.now) {
            return self.schedule(until - self.now, Event::Dial { a, b });
        }
        if !(self.admits(a, b) && self.admits(b, a)) {
            return self.schedule(REDIAL_DELAY * 5, Event::Dial { a, b });
        }
        self.network.link(a, b);
        for (this, other) in [(a, b), (b, a)] {
            let Origin { node: peer, incarnation } = self.processes[other].me;
            self.input(this, Input::LinkUp { peer, incarnation });
        }
    }

    /// Returns whether `this` admits `other`, by the roster of the production nodes. A process that
    /// replaces another one of its name takes over its link.
    fn admits(&mut self, this: usize, other: usize) -> bool {
        let peers = self.network.peers(this);
        let incarnations = peers.iter().map(|peer| self.processes[*peer].me);
        let incarnations =
            incarnations.map(|incarnation| (incarnation.node, incarnation.incarnation)).collect();
        let me = self.processes[other].me;
        let joined = self.processes[other].replica().joined();
        if !self.processes[this].replica().admits(me.node) {
            return false;
        }
        let names = self.processes.iter().map(|process| process.name);
        let roster = Roster::new(self.processes[this].name, names);
        match roster.admit(me, joined, &incarnations) {
            Ok(()) => {
                let same_name = |peer: &usize| self.processes[*peer].name == me.node;
                if let Some(earlier) = peers.into_iter().find(same_name) {
                    self.unlink(this, earlier, LinkDown::Lost);
                }
                true
            }
            Err(LinkRefusal::RunningElsewhere { running, .. }) => {
                let peer = self.processes[this].name;
                self.input(other, Input::Refused { peer, running });
                false
            }
            Err(LinkRefusal::OwnName(_) | LinkRefusal::NotMember(_)) => false,
        }
    }

    pub(super) fn unlink(&mut self, a: usize, b: usize, cause: LinkDown) {
        if self.network.unlink(a, b) {
            for (this, other) in [(a, b), (b, a)] {
                let peer = self.processes[other].name;
                self.input(this, Input::LinkDown { peer, cause });
            }
            self.schedule(REDIAL_DELAY, Event::Dial { a, b });
        }
    }

    pub(super) fn unlink_all(&mut self, number: usize) {
        for other in self.network.peers(number) {
            self.break_link(number, other);
        }
    }

    pub(super) fn break_link(&mut self, a: usize, b: usize) {
        self.unlink(a, b, LinkDown::Lost);
    }

    /// Closes a link whose silence timeout has passed if its ends cannot reach each other.
    pub(super) fn notice_silence(&mut self, a: usize, b: usize) {
        let frozen = [a, b].iter().any(|end| self.processes[*end].frozen_until.is_some());
        if frozen || self.network.blocked_until(a, b, self.now).is_some() {
            self.unlink(a, b, LinkDown::TimedOut);
        }
    }

    pub(super) fn transmit(&mut self, from: usize, to: NodeName, frame: Frame) {
        let mut peers = self.network.peers(from).into_iter();
        // Without a link the frame is dropped, as by the production driver.
        let Some(to) = peers.find(|peer| self.processes[*peer].name == to) else { return };
        let Some(frame) = self.falsified(from, to, frame) else { return };
        let bytes = wire::encode(&frame);
        self.trace.update(&self.now.as_micros().to_le_bytes());
        self.trace.update(&bytes);
        self.tally.frames += 1;
        self.tally.bytes += bytes.len() as u64;
        let (noise, rng) = (&self.noise, &mut self.rng);
        let fate = self.network.fate(from, to, bytes.len(), self.now, noise, rng);
        self.tally.lost += u64::from(fate.lost);
        self.tally.duplicated += u64::from(fate.duplicated);
        let (from, incarnation) = (self.processes[from].name, self.processes[to].incarnation());
        for delay in fate.delays {
            self.schedule(delay, Event::Deliver { from, to, incarnation, bytes: bytes.clone() });
        }
    }

    pub(super) fn deliver(
        &mut self,
        from: NodeName,
        to: usize,
        incarnation: Incarnation,
        bytes: &[u8],
    ) {
        let mut peers = self.network.peers(to).into_iter();
        let linked = peers.any(|peer| self.processes[peer].name == from);
        let same_incarnation = self.processes[to].incarnation() == incarnation;
        let frame = match wire::decode(bytes) {
            Ok(frame) => frame,
            // A node closes the link at such a frame.
            Err(error) => {
                assert!(self.liar.is_some(), "an encoded frame cannot be decoded: {error}");
                return;
            }
        };
        // A message of a round may have been relayed by dispatch, so it can outlast the connection
        // and the incarnation to which it was sent.
        let late = self.noise.reorder && (same_incarnation || matches!(frame, Frame::Round(_)));
        if self.processes[to].is_running() && (linked && same_incarnation || late) {
            self.log(|cluster| format!("{} <- {from}: {frame:?}", cluster.processes[to].name));
            self.input(to, Input::Frame { from, frame });
        }
    }
}
