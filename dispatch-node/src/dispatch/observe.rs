//! The part of dispatch that takes in links, and what cities show of themselves.
//!
//! Invariant: what is observed never enters the replica; observing does not heal.

use gossip::fault::{Control, Pace};
use gossip::{Incarnation, LinkDown, NodeName, Now, Origin};
use shared::{Frame, Observation};

use super::Dispatch;
use crate::event_log::EventKind;
use crate::model::node_state::NodeStatus;

impl Dispatch {
    pub(super) fn on_link_up(&mut self, now: Now, peer: NodeName, incarnation: Incarnation) {
        self.observer.link_up(peer, incarnation);
        self.replica.link_up(now, Origin { node: peer, incarnation });
        if self.gossip.pace() != Pace::FREE {
            self.send(peer, Frame::Control(Control::Pace(self.gossip.pace())));
        }
        let Some(city) = self.observer.city_mut(peer) else { return };
        let (before, is_lost_reported) = (city.incarnation, city.is_lost_reported);
        city.link_up(incarnation, now.mono);
        city.is_lost_reported = false;
        let reborn = before.is_some_and(|before| before != incarnation);
        if reborn {
            self.complete_bombs(now, peer);
            self.log(
                now,
                peer,
                EventKind::Answers,
                format!("{peer} is back, empty, in a new life"),
            );
        } else if is_lost_reported {
            self.log(now, peer, EventKind::Answers, format!("{peer} answers again"));
        }
        self.ask_city(now, peer);
        self.holdings_changed(now);
        if reborn {
            // An emptied city may be full again before the next view is due; people should see what
            // they did. Where it held very many heroes, most rows are shown as they were.
            self.catch_up_a_few(now);
            self.push_view(now);
        }
    }

    pub(super) fn on_link_down(&mut self, now: Now, peer: NodeName, cause: LinkDown) {
        self.observer.link_down(peer);
        self.replica.link_down(peer);
        let lost = self.requests.take_lost(peer);
        self.give_up(lost);
        self.answer_confirmed(now);
        let Some(city) = self.observer.city_mut(peer) else { return };
        let before = city.status;
        city.link_down(cause);
        if city.status == before {
            return;
        }
        let has_ended = city.status == NodeStatus::Down;
        let text = match (city.status, cause) {
            (NodeStatus::Down, _) => Some(format!("{peer} has stopped")),
            (NodeStatus::Unreachable, LinkDown::Silent) => Some(format!("{peer} gives no answer")),
            // A bombed city is gone for a moment only; the next attempt to reach it tells more.
            (NodeStatus::Unreachable | NodeStatus::Up, _) => None,
        };
        // A city that never answered has not been lost.
        if let Some(text) = text.filter(|_| city.incarnation.is_some()) {
            city.is_lost_reported = true;
            self.log(now, peer, EventKind::Lost, text);
        }
        if has_ended {
            self.end_faults_at(now, peer);
        }
        self.holdings_changed(now);
    }

    pub(super) fn on_frame(&mut self, now: Now, from: NodeName, frame: Frame) {
        match frame {
            Frame::Round(envelope) => self.on_round(now, from, envelope),
            Frame::Observation(observation) => self.on_observation(now, from, observation),
            Frame::Answer { request, result } => self.on_answer(now, from, request, result),
            Frame::Report(report) => self.on_report(now, from, &report),
            // Dispatch takes no commands over links, and shows itself to browsers only.
            Frame::Command { .. } | Frame::Observe { .. } | Frame::Control(_) => {}
        }
    }

    fn on_observation(&mut self, now: Now, from: NodeName, observation: Observation) {
        // Not asked for, or of an incarnation that has ended since.
        if !self.observer.take_question(from, observation.incarnation) {
            return;
        }
        let mut rows = observation.changes.entries.rows();
        while let Some((hero, entry)) = rows.advance() {
            self.learn(hero, &entry);
        }
        let Some(city) = self.observer.city_mut(from) else { return };
        let pulls = city.news(&observation);
        for pulled in &pulls {
            self.record.history.pulled(now, from, pulled);
        }
        if !pulls.is_empty() {
            self.publisher.history_grew();
        }
        let changed = !(observation.changes.is_empty() && observation.removed.is_empty());
        let before = (city.joined, city.is_read);
        city.observe(observation, now);
        if changed || (city.joined, city.is_read) != before {
            self.holdings_changed(now);
        }
        self.check_clock(now, from);
        self.ask_city(now, from);
    }

    /// Asks a city for what has changed there, if it is one that is observed.
    fn ask_city(&mut self, now: Now, city: NodeName) {
        if let Some(question) = self.observer.ask(now, city) {
            self.send(city, question);
        }
    }

    pub(super) fn ask_overdue_cities(&mut self, now: Now) {
        for city in self.observer.overdue(now) {
            self.ask_city(now, city);
        }
    }

    /// Logs an alarm if the clock of a city has come to be off by too much.
    pub(super) fn check_clock(&mut self, now: Now, name: NodeName) {
        if let Some(text) =
            self.observer.city_mut(name).and_then(|city| self.alarms.on_clock(now, city))
        {
            self.log(now, name, EventKind::Alarm, text);
        }
    }
}
