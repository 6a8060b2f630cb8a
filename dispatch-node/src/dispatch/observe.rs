//! The part of dispatch that hears: links that come and go, rounds that it carries, and what cities show of themselves.
//!
//! Invariant: what is observed never enters the replica; looking does not heal.

use std::time::Duration;

use shared::fault::{Control, Pace};
use shared::id::{Incarnation, NodeName, Origin};
use shared::machine::LinkDown;
use shared::message::{Done, Envelope, Frame, Observation};
use shared::replica;
use shared::time::Now;

use super::refresh::FEW;
use super::{ALARM_INTERVAL, Dispatch, Event, Pending, seconds};
use crate::event_log::EventKind;
use crate::model::faults::describe;
use crate::model::node_state::NodeStatus;
use crate::request::Action;

impl Dispatch {
    pub(super) fn on_link_up(&mut self, now: Now, peer: NodeName, incarnation: Incarnation) {
        self.links.insert(peer, incarnation);
        self.replica.link_up(now, Origin { node: peer, incarnation });
        if self.pace != Pace::FREE {
            self.send(peer, Frame::Control(Control::Pace(self.pace)));
        }
        let Some(city) = self.city(peer) else { return };
        let (before, said_lost) = (city.incarnation, city.said_lost);
        city.link_up(incarnation, now.mono);
        city.said_lost = false;
        let reborn = before.is_some_and(|before| before != incarnation);
        if reborn {
            // Its answer was lost with its old life, perhaps; that it has a new one tells as much.
            let hits = self.pending.iter().filter(|(_, pending)| pending.city == peer && matches!(pending.action, Action::Bomb { .. }));
            for request in hits.map(|(request, _)| *request).collect::<Vec<_>>() {
                self.on_answer(now, peer, request, Ok(Done::Bombed));
            }
            self.happened(now, peer, EventKind::Answers, format!("{peer} is back, empty, in a new life"));
        } else if said_lost {
            self.happened(now, peer, EventKind::Answers, format!("{peer} answers again"));
        }
        self.observe(now, peer);
        self.holdings_changed = true;
        self.touch(now);
        if reborn {
            // An emptied city may be full again before the next view is due; people should see what they did. Where it held very many heroes, the rows
            // of most are as they were.
            self.catch_up(now, FEW);
            self.push_view(now);
        }
    }

    pub(super) fn on_link_down(&mut self, now: Now, peer: NodeName, cause: LinkDown) {
        self.links.remove(&peer);
        self.asked.remove(&peer);
        self.replica.link_down(peer);
        // A bomb may well be why: whether it hit is known when the city is back.
        let is_given_up = |pending: &Pending| pending.city == peer && !matches!(pending.action, Action::Bomb { .. });
        let given_up: Vec<u64> = self.pending.iter().filter(|(_, pending)| is_given_up(pending)).map(|(request, _)| *request).collect();
        for request in given_up {
            self.no_answer(request);
        }
        self.answer_confirmed(now);
        let Some(city) = self.city(peer) else { return };
        let was = city.status;
        city.link_down(cause);
        if city.status == was {
            return;
        }
        let ended = city.status == NodeStatus::Down;
        let text = match (city.status, cause) {
            (NodeStatus::Down, _) => Some(format!("{peer} has stopped")),
            (NodeStatus::Unreachable, LinkDown::Silent) => Some(format!("{peer} gives no answer")),
            // A bombed city is gone for a moment only; what lasts will be said by the next attempt to reach it.
            (NodeStatus::Unreachable | NodeStatus::Up, _) => None,
        };
        // One that was never heard has not been lost.
        if let Some(text) = text.filter(|_| city.incarnation.is_some()) {
            city.said_lost = true;
            self.happened(now, peer, EventKind::Lost, text);
        }
        if ended {
            for fault in self.troubles.on_end(peer) {
                self.happened(now, peer, EventKind::Healed, format!("over: {}", describe(&fault)));
            }
        }
        self.holdings_changed = true;
        self.touch(now);
    }

    pub(super) fn on_frame(&mut self, now: Now, from: NodeName, frame: Frame) {
        match frame {
            Frame::Round(envelope) if envelope.to.node == self.me() => {
                self.count_exchange(now, &envelope);
                let before = self.replica.map().changes();
                self.replica.handle(now, from, envelope);
                if self.replica.map().changes() != before {
                    self.holdings_changed = true;
                    self.touch(now);
                }
            }
            Frame::Round(envelope) => self.carry(now, from, envelope),
            Frame::Observation(observation) => self.on_observation(now, from, observation),
            Frame::Answer { request, result } => self.on_answer(now, from, request, result),
            Frame::Report(report) => self.on_report(now, from, &report),
            // Dispatch obeys nobody and shows itself to browsers only.
            Frame::Command { .. } | Frame::Observe { .. } | Frame::Control(_) => {}
        }
    }

    /// Passes a step of a carried round on. Only its author can hand it in, and only a linked life receives it.
    pub(super) fn carry(&mut self, now: Now, from: NodeName, envelope: Envelope) {
        if envelope.from.node == from && self.linked(envelope.to.node) == Some(envelope.to) {
            self.count_exchange(now, &envelope);
            self.send(envelope.to.node, Frame::Round(envelope));
        }
    }

    pub(super) fn on_observation(&mut self, now: Now, from: NodeName, observation: Observation) {
        // Not asked for, or of a life that has ended since.
        if self.linked(from).map(|city| city.incarnation) != Some(observation.life) || self.asked.remove(&from).is_none() {
            return;
        }
        let mut rows = observation.changes.entries.rows();
        while let Some((hero, entry)) = rows.advance() {
            self.get_to_know(hero, &entry);
        }
        let pulls = self.city(from).map(|city| city.news(&observation)).unwrap_or_default();
        for pulled in &pulls {
            self.history.pulled(now, from, pulled);
        }
        self.history_grew |= !pulls.is_empty();
        let changed = !(observation.changes.is_empty() && observation.removed.is_empty());
        let Some(city) = self.city(from) else { return };
        let before = (city.joined, city.is_read);
        city.observe(observation, now);
        if changed || (city.joined, city.is_read) != before {
            self.holdings_changed = true;
            self.touch(now);
        }
        self.look_at_the_clock(now, from);
        self.observe(now, from);
    }

    /// Asks the city what has changed there, if it is one that is observed.
    pub(super) fn observe(&mut self, now: Now, city: NodeName) {
        if let Some(question) = self.city(city).map(|city| city.question()) {
            self.asked.insert(city, now.mono);
            self.send(city, question);
        }
    }

    pub(super) fn collect_replica_outputs(&mut self, now: Now) {
        while let Some(output) = self.replica.poll() {
            match output {
                replica::Output::Send { via, envelope } => {
                    self.count_exchange(now, &envelope);
                    self.send(via, Frame::Round(envelope));
                }
                replica::Output::Event(event) => {
                    if matches!(event, replica::Event::Superseded { .. }) {
                        self.answer_everybody();
                    }
                    if let Some((node, text)) = alarm(&event).filter(|(node, _)| self.may_alarm(now, *node)) {
                        self.happened(now, node, EventKind::Alarm, text);
                    }
                    self.event(Event::Replica(event));
                }
            }
        }
    }

    /// Tells people when a city's clock has come to be off by more than is accepted.
    pub(super) fn look_at_the_clock(&mut self, now: Now, name: NodeName) {
        let drift_max = self.drift_max;
        let Some(city) = self.city(name) else { return };
        let ahead_ms = city.clock_ahead_ms(now).unwrap_or(0);
        let is_off = u128::from(ahead_ms.unsigned_abs()) > drift_max.as_millis();
        if is_off && !city.clock_is_off {
            let (off, what) = match ahead_ms {
                0.. => ("ahead", "the others refuse what it writes"),
                _ => ("behind", "it refuses what the others write"),
            };
            let text = format!(
                "the clock of {name} is {} {off}; beyond {} {what}",
                seconds(Duration::from_millis(ahead_ms.unsigned_abs())),
                seconds(drift_max)
            );
            city.clock_is_off = true;
            self.happened(now, name, EventKind::Alarm, text);
        } else if !is_off {
            city.clock_is_off = false;
        }
    }

    /// This life is over: whoever waits for something learns that its outcome is not known.
    pub(super) fn answer_everybody(&mut self) {
        for request in self.pending.keys().copied().collect::<Vec<_>>() {
            self.no_answer(request);
        }
    }

    /// Whether people have not been told of this node's trouble just now. What is refused in every round need not be told in every round.
    pub(super) fn may_alarm(&mut self, now: Now, node: NodeName) -> bool {
        let quiet = self.alarmed.get(&node).is_none_or(|at| *at + ALARM_INTERVAL <= now.mono);
        if quiet {
            self.alarmed.insert(node, now.mono);
        }
        quiet
    }
}

/// What people should be told of a replica's event, if it is bad news.
fn alarm(event: &replica::Event) -> Option<(NodeName, String)> {
    match event {
        replica::Event::TooFarAhead { source, writer, ahead_ms } => {
            Some((writer.node, format!("a round from {} was refused: the clock of {} is {ahead_ms} ms ahead", source.node, writer.node)))
        }
        replica::Event::OriginStolen { source } => {
            Some((source.node, format!("a round from {} was refused: it claims writes that dispatch never made", source.node)))
        }
        replica::Event::Diverged { peer } => {
            Some((peer.node, format!("DIVERGED: {} covers the same writes and holds something else", peer.node)))
        }
        replica::Event::Fenced { source } => {
            Some((source.node, format!("{source} is an earlier life than the newest of {}: it is not heard any more", source.node)))
        }
        replica::Event::Collected { .. }
        | replica::Event::Adopted { .. }
        | replica::Event::Closed { .. }
        | replica::Event::Forgotten { .. }
        | replica::Event::Buried { .. }
        | replica::Event::Committed { .. }
        | replica::Event::GivenUp { .. }
        | replica::Event::Joined { .. }
        | replica::Event::Superseded { .. } => None,
    }
}
