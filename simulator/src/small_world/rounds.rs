//! Rounds between the replicas of a small world, either complete or with messages in flight.
//!
//! Invariant: the requests of a round take no time and are never lost. Only messages that carry
//! entries can be in flight.

use std::sync::Arc;

use gossip::replica::{Event, Output, Rules};
use shared::{Envelope, Replica, Step};

use super::world::World;

impl World {
    /// Starts a pull and returns the answers that carry entries. The exchange before them takes no
    /// time here.
    pub(super) fn open(&mut self, puller: usize, source: usize, rules: &Rules) -> Vec<Envelope> {
        let (now, from) = (self.now(), self.node(source).me());
        // A stalled round between these two is given up first.
        self.change(puller, |replica| replica.link_down(from.node));
        let to = self.node(puller).me().node;
        self.change(source, |replica| replica.link_down(to));
        self.change(puller, |replica| replica.pull(now, from, from.node, false));
        let mut parts = Vec::new();
        loop {
            let requests = self.drain(puller, rules);
            if requests.is_empty() || self.nodes[puller].is_none() || self.nodes[source].is_none() {
                return parts;
            }
            for request in requests {
                if matches!(request.step, Step::Invite { .. }) {
                    // The source has not seen that its incarnation is superseded: it pulls instead,
                    // at once.
                    let answers = self.open(source, puller, rules);
                    answers.into_iter().for_each(|part| self.handle(source, part, rules));
                    return Vec::new();
                }
                self.change(source, |replica| replica.handle(now, to, request));
            }
            for answer in self.drain(source, rules) {
                if matches!(answer.step, Step::Chunk { .. } | Step::End { .. }) {
                    parts.push(answer);
                } else if self.nodes[puller].is_some() {
                    self.change(puller, |replica| replica.handle(now, from.node, answer));
                }
            }
        }
    }

    pub(super) fn round(&mut self, puller: usize, source: usize, rules: &Rules) {
        for part in self.open(puller, source, rules) {
            self.handle(puller, part, rules);
        }
    }

    pub(super) fn handle(&mut self, node: usize, part: Envelope, rules: &Rules) {
        if self.nodes[node].is_some() {
            let (now, via) = (self.now(), part.from.node);
            self.change(node, |replica| replica.handle(now, via, part));
            // Acknowledgements are dropped: the window is wider than any round.
            drop(self.drain(node, rules));
        }
    }

    /// Removes the outputs of a replica, records violations among them, and returns the messages to
    /// send.
    pub(super) fn drain(&mut self, node: usize, rules: &Rules) -> Vec<Envelope> {
        let mut sent = Vec::new();
        let mut superseded = None;
        loop {
            match self.change(node, Replica::poll) {
                None => break,
                Some(Output::Send { envelope, .. }) => sent.push(envelope),
                Some(Output::Event(
                    event @ (Event::Diverged { .. } | Event::OriginStolen { .. }),
                )) => {
                    self.violation.get_or_insert(format!("{}: {event:?}", self.node(node).me()));
                }
                Some(Output::Event(Event::Superseded { halts, by })) => {
                    superseded = superseded.or(Some((halts, by)))
                }
                Some(Output::Event(Event::Collected { tombstones })) => {
                    Arc::make_mut(&mut self.writes).note_collected(&tombstones)
                }
                Some(Output::Event(_)) => {}
            }
        }
        if let Some((halts, by)) = superseded {
            let name = self.node(node).me().node;
            self.number_above(by);
            self.nodes[node] = if halts { None } else { Some(self.next_incarnation(name, rules)) };
        }
        sent.retain(|envelope| !matches!(envelope.step, Step::Ack { .. }));
        sent
    }

    pub(super) fn all_pull(&mut self, rules: &Rules) {
        for puller in 0..self.nodes.len() {
            for source in 0..self.nodes.len() {
                let both = self.nodes[puller].as_ref().zip(self.nodes[source].as_ref());
                if both.is_some_and(|(puller, source)| puller.me().node != source.me().node) {
                    self.round(puller, source, rules);
                }
            }
        }
    }
}
