//! Handling links, and the observations that cities send.
//!
//! Invariant: observed entries never enter the replica, so observation heals nothing.

use gossip::{Incarnation, LinkDown, NodeName, Now, Origin};
use shared::options::is_dispatch;
use shared::{Frame, Observation};

use super::Dispatch;
use crate::event_log::EventKind;
use crate::model::node_state::NodeStatus;

impl Dispatch {
    pub(super) fn on_link_up(&mut self, now: Now, peer: NodeName, incarnation: Incarnation) {
        self.observer.link_up(peer, incarnation);
        self.observe_members(now);
        let origin = Origin { node: peer, incarnation };
        self.desk.link_up(origin);
        self.replica.link_up(now, origin);
        self.send_settings(peer);
        self.send_accepted(now, peer);
        let Some(city) = self.observer.city_mut(peer) else { return };
        let (before, is_lost_reported) = (city.incarnation, city.is_lost_reported);
        city.link_up(incarnation, now.mono);
        city.is_lost_reported = false;
        let has_restarted = before.is_some_and(|before| before != incarnation);
        self.note_reachability(now);
        if has_restarted {
            // The refused rounds were those of the incarnation that has ended.
            for city in self.observer.cities_mut() {
                city.refuses.remove(&peer);
            }
            self.record.history.restarted(now, peer);
            self.complete_bombs(now, peer);
            self.log(
                now,
                peer,
                EventKind::Answers,
                format!("{peer} restarted empty, in a new incarnation"),
            );
        } else if is_lost_reported {
            self.log(now, peer, EventKind::Answers, format!("{peer} answers again"));
        }
        self.ask_city(now, peer);
        self.holdings_changed(now);
        if has_restarted {
            // The city may recover before the next view is due, and viewers should see it empty. If
            // it held very many heroes, most rows are still shown as they were.
            self.catch_up_a_few(now);
            self.push_view(now);
        }
    }

    pub(super) fn on_link_down(&mut self, now: Now, peer: NodeName, cause: LinkDown) {
        self.observer.link_down(peer);
        self.desk.link_down(now, peer);
        self.replica.link_down(peer);
        let lost = self.requests.take_lost(peer);
        self.give_up(lost);
        if is_dispatch(peer) {
            // It reports again when it is back.
            self.end_faults_at(now, peer);
        }
        // Requests no longer wait for the report of this node.
        self.answer_confirmed(now);
        let Some(city) = self.observer.city_mut(peer) else { return };
        let before = city.status;
        city.link_down(cause, now.mono);
        if city.status == before {
            return;
        }
        let has_ended = city.status == NodeStatus::Down;
        let text = match (city.status, cause) {
            (NodeStatus::Down, _) => Some(format!("{peer} has stopped")),
            (NodeStatus::Unreachable, LinkDown::TimedOut) => Some(format!("{peer} is unreachable")),
            // A bombed city usually restarts at once; the next connection attempt decides.
            (NodeStatus::Unreachable | NodeStatus::Up, _) => None,
        };
        // A city that never answered is not logged as lost.
        if let Some(text) = text.filter(|_| city.incarnation.is_some()) {
            city.is_lost_reported = true;
            self.log(now, peer, EventKind::Lost, text);
        }
        self.note_reachability(now);
        if has_ended {
            self.end_faults_at(now, peer);
            self.complete_ends(now, peer);
        }
        self.holdings_changed(now);
    }

    pub(super) fn on_frame(&mut self, now: Now, from: NodeName, frame: Frame) {
        match frame {
            Frame::Round(envelope) => self.on_round(now, from, envelope),
            Frame::Observation(observation) => self.on_observation(now, from, observation),
            Frame::Answer { request, result } => self.on_answer(now, from, request, result),
            Frame::Report(report) => self.on_report(now, from, &report),
            // Dispatch accepts no commands over links, and is observed by browsers only.
            Frame::Command { .. }
            | Frame::Observe { .. }
            | Frame::Control(_)
            | Frame::Publication(_)
            | Frame::Call(_)
            | Frame::Return(_)
            | Frame::Cancel { .. } => {}
        }
    }

    fn on_observation(&mut self, now: Now, from: NodeName, observation: Observation) {
        // Ignored: not asked for, or from an incarnation that has ended in the meantime.
        let Some(answered_after) = self.observer.take_question(from, observation.incarnation)
        else {
            return;
        };
        let Some(city) = self.observer.city_mut(from) else { return };
        let pulls = city.new_pulls(&observation);
        for pulled in &pulls {
            self.record.history.pulled(now, from, pulled);
        }
        if !pulls.is_empty() {
            self.publisher.history_grew();
        }
        if city.status != NodeStatus::Up {
            city.status = NodeStatus::Up;
            city.is_lost_reported = false;
            self.log(now, from, EventKind::Answers, format!("{from} answers again"));
            self.holdings_changed(now);
        }
        let Some(city) = self.observer.city_mut(from) else { return };
        let changed = !(observation.changes.is_empty() && observation.removed.is_empty());
        let before = (city.joined, city.is_read);
        let entries = observation.changes.entries.clone();
        let is_complete = observation.until == observation.head;
        let is_accepted = city.observe(observation, now);
        if is_accepted && is_complete {
            city.answered_after = Some(answered_after);
        }
        if changed || (city.joined, city.is_read) != before {
            self.holdings_changed(now);
        }
        if is_accepted {
            let mut rows = entries.rows();
            while let Some((hero, entry)) = rows.advance() {
                self.remember(hero, &entry);
            }
        }
        self.settle_after_observation(now);
        self.check_clock(now, from);
        self.ask_city(now, from);
    }

    /// Asks a city for its changes, if it is an observed one.
    pub(super) fn ask_city(&mut self, now: Now, city: NodeName) {
        if let Some(question) = self.observer.ask(now, city) {
            self.send(city, question);
        }
    }

    pub(super) fn ask_overdue_cities(&mut self, now: Now) {
        for (city, on_time) in self.observer.overdue(now) {
            if on_time {
                self.note_unobserved(now, city);
            }
            self.ask_city(now, city);
        }
    }

    /// Notes that a linked city does not answer the question for its state: its process runs, but
    /// its machine does not.
    fn note_unobserved(&mut self, now: Now, name: NodeName) {
        let Some(city) = self.observer.city_mut(name) else { return };
        if city.status == NodeStatus::Up {
            city.link_down(LinkDown::TimedOut, now.mono);
            city.is_lost_reported = true;
            self.log(now, name, EventKind::Lost, format!("{name} is unreachable"));
            self.holdings_changed(now);
        }
    }
}
