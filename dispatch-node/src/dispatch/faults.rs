//! The part of dispatch that causes trouble and heals it, sets the pace of gossip, and runs single exchanges.
//!
//! Invariant: what is asked is answered when the nodes concerned report it, or when waiting for them is of no use any more.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::seq::IteratorRandom;

use shared::fault::{Control, FAULTS_MAX, Fault, FaultId, Pace, Report, Trouble};
use shared::id::{NodeName, Origin};
use shared::message::{Envelope, Frame, Step};
use shared::time::Now;

use super::{ANSWER_PATIENCE, Awaited, Confirming, Dispatch, Event, seconds};
use crate::event_log::EventKind;
use crate::model::exchange::{Exchange, PendingExchange};
use crate::model::faults::{FaultView, describe};
use crate::request::{Reply, RequestError};

impl Dispatch {
    pub(super) fn inject(&mut self, now: Now, ticket: u64, key: Option<String>, fault: Fault, heal_after: Duration) {
        if self.troubles.len() >= FAULTS_MAX {
            return self.answer(ticket, key, Reply::Refused(RequestError::TooManyFaults(FAULTS_MAX)));
        }
        let nodes = self.links.keys().copied().chain([self.me()]);
        let told: BTreeSet<NodeName> = nodes.filter(|node| fault.concerns(*node)).collect();
        if told.is_empty() {
            return self.answer(ticket, key, Reply::Refused(RequestError::NoAnswer { city: fault.from }));
        }
        self.troubles.begin(now.mono, fault, heal_after);
        for node in &told {
            self.send(*node, Frame::Control(Control::Inject { fault, heal_after }));
        }
        let text = format!("{}, for {}", describe(&fault), seconds(heal_after));
        self.happened(now, fault.from, EventKind::Injected, text);
        self.confirm(now, ticket, key, Awaited::InForce(fault, heal_after, told));
    }

    pub(super) fn heal(&mut self, now: Now, ticket: u64, key: Option<String>, fault: Option<FaultId>) {
        let ids = match fault {
            Some(id) if self.troubles.has_ended(id) => {
                return self.answer(ticket, key, Reply::Refused(RequestError::HealedAlready(id)));
            }
            Some(id) => vec![id],
            None => self.troubles.ids(),
        };
        for id in &ids {
            let Some(fault) = self.troubles.end(*id) else {
                return self.answer(ticket, key, Reply::Refused(RequestError::UnknownFault(*id)));
            };
            for node in self.links.keys().copied().chain([self.me()]).collect::<Vec<_>>() {
                self.send(node, Frame::Control(Control::Heal(*id)));
            }
            // Whether or not it has said so, it may be frozen by now.
            if fault.trouble == Trouble::Freeze {
                self.event(Event::Thaw(fault.from, *id));
            }
            self.happened(now, fault.from, EventKind::Healed, format!("healed: {}", describe(&fault)));
        }
        self.confirm(now, ticket, key, Awaited::Over(ids));
    }

    /// Answers when it has come about, or when waiting for it is of no use.
    fn confirm(&mut self, now: Now, ticket: u64, key: Option<String>, what: Awaited) {
        self.confirming.push(Confirming { ticket, key, what, deadline: now.mono + ANSWER_PATIENCE });
        self.answer_confirmed(now);
    }

    pub(super) fn answer_confirmed(&mut self, now: Now) {
        let confirming = std::mem::take(&mut self.confirming);
        let reports = |node: &NodeName, id: &FaultId| self.reported.get(node).is_some_and(|ids| ids.contains(id));
        let here = |node: &NodeName| *node == self.me() || self.links.contains_key(node);
        let is_done = |confirming: &Confirming| match &confirming.what {
            Awaited::InForce(fault, _, nodes) => nodes.iter().all(|node| reports(node, &fault.id) || !here(node)),
            Awaited::Over(ids) => !self.reported.keys().filter(|node| here(node)).any(|node| ids.iter().any(|id| reports(node, id))),
        };
        let is_over = |confirming: &Confirming| is_done(confirming) || confirming.deadline <= now.mono;
        let (over, waiting): (Vec<Confirming>, Vec<Confirming>) = confirming.into_iter().partition(is_over);
        self.confirming = waiting;
        for Confirming { ticket, key, what, .. } in over {
            let answer = match what {
                Awaited::Over(_) => Reply::Healed,
                // Whatever was not told in time is told again when it is heard of. It may be over by now; it was caused all the same.
                Awaited::InForce(fault, heal_after, _) => {
                    let view = self.troubles.view(now.mono, fault.id);
                    Reply::Injected(view.unwrap_or_else(|| FaultView::over(fault, heal_after)))
                }
            };
            self.answer(ticket, key, answer);
        }
    }

    pub(super) fn on_report(&mut self, now: Now, from: NodeName, report: &Report) {
        let (controls, over) = self.troubles.on_report(now.mono, from, report);
        for control in controls {
            let mut freezes = report.faults.iter().map(|in_force| in_force.fault).filter(|fault| fault.trouble == Trouble::Freeze);
            // By the time that the frame arrives, it may hear no frame.
            if let Some(freeze) = freezes.find(|freeze| control == Control::Heal(freeze.id)) {
                self.event(Event::Thaw(from, freeze.id));
            }
            self.send(from, Frame::Control(control));
        }
        for fault in over {
            self.happened(now, fault.from, EventKind::Healed, format!("over: {}", describe(&fault)));
        }
        self.reported.insert(from, report.faults.iter().map(|in_force| in_force.fault.id).collect());
        if let Some(city) = self.city(from) {
            city.clock = Some((report.wall, now.mono));
        }
        self.look_at_the_clock(now, from);
        self.answer_confirmed(now);
        self.touch(now);
    }

    pub(super) fn set_pace(&mut self, now: Now, pace: Pace) {
        if pace != self.pace {
            let (kind, text) = match pace.percent {
                0 => (EventKind::Paused, "gossip is paused".to_owned()),
                100 => (EventKind::Resumed, "gossip goes on".to_owned()),
                percent => (EventKind::Resumed, format!("gossip goes on at {percent} % of its pace")),
            };
            self.happened(now, self.me(), kind, text);
        }
        self.pace = pace;
        self.gossip.set_pace(pace, now);
        self.poll.set_pace(pace, now);
        self.replica.pause(pace == Pace::PAUSED);
        self.tell_pace(now);
    }

    /// Tells the cities of the pace; and again before they forget it.
    pub(super) fn tell_pace(&mut self, now: Now) {
        for city in self.linked_cities() {
            self.send(city.node, Frame::Control(Control::Pace(self.pace)));
        }
        self.pace_at = (self.pace != Pace::FREE).then_some(now.mono + Pace::LEASE / 3);
    }

    pub(super) fn end_process(&mut self, now: Now, ticket: u64, key: Option<String>, city: NodeName, how: Control) {
        // A frozen one would do it when it wakes, long after anybody wants it.
        if self.linked(city).is_none() || self.troubles.is_frozen(city) {
            return self.answer(ticket, key, Reply::Refused(RequestError::NoAnswer { city }));
        }
        let (kind, text) = match how {
            Control::Kill => (EventKind::Killed, format!("{city} was killed")),
            Control::Stop | Control::Inject { .. } | Control::Heal(_) | Control::Pace(_) => {
                (EventKind::Stopped, format!("{city} was told to stop"))
            }
        };
        self.happened(now, city, kind, text);
        self.send(city, Frame::Control(how));
        self.answer(ticket, key, Reply::Ended(city));
    }

    pub(super) fn begin_exchange(
        &mut self,
        now: Now,
        ticket: u64,
        key: Option<String>,
        source: Option<NodeName>,
        puller: Option<NodeName>,
    ) {
        if self.exchange.is_some() {
            return self.answer(ticket, key, Reply::Refused(RequestError::ExchangeUnderWay));
        }
        let nodes: Vec<Origin> = self.linked_cities().into_iter().chain([self.replica.me()]).collect();
        let pairs = nodes.iter().flat_map(|source| nodes.iter().map(move |puller| (*source, *puller)));
        let fits = |wanted: Option<NodeName>, node: Origin| wanted.is_none_or(|wanted| wanted == node.node);
        let fitting = pairs.filter(|(from, to)| from != to && fits(source, *from) && fits(puller, *to));
        let Some((source, puller)) = fitting.choose(&mut self.rng) else {
            return self.answer(ticket, key, Reply::Refused(RequestError::NobodyToExchange));
        };
        self.exchange = Some(PendingExchange::new(ticket, key, now.mono, source, puller));
        if puller == self.replica.me() {
            // As if it had been invited: paused or not, it pulls.
            let invite = Envelope { from: source, to: puller, round: 0, step: Step::Invite { source } };
            self.replica.handle(now, source.node, invite);
        } else {
            self.invite(source, puller);
        }
    }

    /// Takes note of a frame of a round that passes here.
    pub(super) fn count_exchange(&mut self, now: Now, envelope: &Envelope) {
        if self.exchange.as_mut().is_some_and(|exchange| exchange.pass(envelope)) {
            self.end_exchange(now);
        }
    }

    pub(super) fn end_exchange(&mut self, now: Now) {
        let Some(PendingExchange { ticket, key, so_far, .. }) = self.exchange.take() else { return };
        let Exchange { source, puller, completed, entries, bytes } = so_far;
        let text = if completed {
            format!("{puller} pulled {entries} entries ({bytes} bytes) from {source}")
        } else {
            format!("{puller} was to pull from {source}, and no end of it was seen in time")
        };
        self.happened(now, puller, EventKind::Stepped, text);
        self.answer(ticket, key, Reply::Exchanged(so_far));
    }
}
