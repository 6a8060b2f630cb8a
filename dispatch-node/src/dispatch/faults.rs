//! Injecting and healing faults.
//!
//! Invariant: an action is logged and answered when the nodes report it. What no node reports in
//! time is withdrawn.

use std::collections::BTreeSet;

use gossip::fault::{Control, FAULTS_MAX, Fault, FaultId, FaultKind, Report};
use gossip::{NodeName, Now};
use shared::Frame;

use super::Dispatch;
use super::event::Event;
use super::fault_control::Confirmed;
use crate::event_log::EventKind;
use crate::model::faults::{Reported, describe};
use crate::request::{Heal, Inject, RequestError, Ticket};
use crate::text::seconds;

impl Dispatch {
    pub(super) fn inject(&mut self, now: Now, ticket: Ticket<Inject>, inject: Inject) {
        let Inject { kind, from, to, both, heal_after } = inject;
        let fault = Fault { id: self.random.fault_id(), kind, from, to, both };
        // Nodes silently ignore faults beyond this limit.
        if self.faults.faults.len() >= FAULTS_MAX {
            return self.reply(ticket, Err(RequestError::TooManyFaults(FAULTS_MAX)));
        }
        let nodes: BTreeSet<NodeName> =
            self.all_nodes().into_iter().filter(|node| fault.concerns(*node)).collect();
        if nodes.is_empty() {
            return self.reply(ticket, Err(RequestError::NoAnswer { city: fault.from }));
        }
        for node in self.all_nodes().into_iter().filter(|node| fault.is_listed_by(*node)) {
            self.send(node, Frame::Control(Control::Inject { fault, heal_after }));
        }
        self.faults.inject(now, ticket, fault, heal_after, nodes);
        self.answer_confirmed(now);
    }

    /// Returns the nodes that can be sent a control: the linked ones, and this dispatch's own process.
    pub(super) fn all_nodes(&self) -> Vec<NodeName> {
        self.observer.links().keys().copied().chain([self.me()]).collect()
    }

    pub(super) fn heal(&mut self, now: Now, ticket: Ticket<Heal>, Heal { fault }: Heal) {
        let mut faults = self.faults.unconfirmed();
        let ids = match fault {
            Some(id) => {
                faults.retain(|fault| fault.id == id);
                if faults.is_empty() && self.faults.faults.has_ended(id) {
                    return self.reply(ticket, Err(RequestError::HealedAlready(id)));
                }
                if faults.is_empty() { vec![id] } else { Vec::new() }
            }
            None => self.faults.faults.ids(),
        };
        let mut begun = Vec::new();
        for id in ids {
            let was_reported = self.faults.faults.was_reported(id);
            let Some(fault) = self.end_fault(id) else {
                return self.reply(ticket, Err(RequestError::UnknownFault(id)));
            };
            faults.push(fault);
            begun.extend(was_reported.then_some(fault));
        }
        self.faults.await_healed(now, ticket, faults, begun);
        self.answer_confirmed(now);
    }

    /// Ends a fault here and at every node. Returns `None` if it is not in force.
    fn end_fault(&mut self, id: FaultId) -> Option<Fault> {
        let fault = self.faults.faults.end(id)?;
        for node in self.all_nodes() {
            self.send(node, Frame::Control(Control::Heal(id)));
        }
        // The node may be frozen even if it has not reported so: it can no longer report.
        if fault.kind == FaultKind::Freeze {
            self.event(Event::Thaw(fault.from, id));
        }
        Some(fault)
    }

    fn log_healed(&mut self, now: Now, node: NodeName, how: &str, fault: &Fault) {
        self.log(now, node, EventKind::Healed, format!("{how}: {}", describe(fault)));
    }

    fn log_all_healed(&mut self, now: Now, faults: &[Fault], how: &str) {
        for fault in faults {
            self.log_healed(now, fault.from, how, fault);
        }
    }

    /// Answers the requests that no longer need to wait for reports.
    pub(super) fn answer_confirmed(&mut self, now: Now) {
        // At once, so that a write of the next moment is known to have been cut off.
        self.record.history.in_force(now, self.faults.faults.faults());
        let me = self.me();
        let observer = &self.observer;
        for confirmed in
            self.faults.take_confirmed(now, |node| node == me || observer.is_linked(node))
        {
            match confirmed {
                Confirmed::Injected(ticket, view) => self.reply(ticket, Ok(view)),
                Confirmed::NotInjected(ticket, fault, nodes) => {
                    self.end_fault(fault.id);
                    self.reply(ticket, Err(RequestError::NotInForce { nodes }));
                }
                Confirmed::Healed(ticket, faults) => {
                    self.log_all_healed(now, &faults, "healed");
                    self.reply(ticket, Ok(()));
                }
                Confirmed::NotHealed(ticket, faults, nodes) => {
                    self.log_all_healed(
                        now,
                        &faults,
                        "healing, but not confirmed by all nodes yet",
                    );
                    self.reply(ticket, Err(RequestError::StillInForce { nodes }));
                }
            }
        }
    }

    pub(super) fn on_report(&mut self, now: Now, from: NodeName, report: &Report) {
        let Reported { begun, controls, healed, over } = self.faults.on_report(now, from, report);
        self.log_all_healed(now, &healed, "healed");
        for (fault, heal_after) in begun {
            let text = format!("{}, for {}", describe(&fault), seconds(heal_after));
            self.log(now, fault.from, EventKind::Injected, text);
        }
        for control in controls {
            if let Some(freeze) = freeze_healed_by(&control, report) {
                // The process may freeze before the frame arrives, and would then not receive it.
                self.event(Event::Thaw(from, freeze));
            }
            self.send(from, Frame::Control(control));
        }
        for fault in over {
            self.log_healed(now, fault.from, "ended with its process", &fault);
        }
        if let Some(city) = self.observer.city_mut(from) {
            city.clock = Some((report.wall, now.mono));
        }
        self.note_clock_step(now, from, report.clock_step_ms);
        self.check_clock(now, from);
        self.answer_confirmed(now);
        self.publisher.touch(now);
    }

    /// Ends the faults that have expired, and the requests that have waited long enough.
    pub(super) fn end_due_faults(&mut self, now: Now) {
        for fault in self.faults.faults.expire(now.mono) {
            self.log_healed(now, fault.from, "expired", &fault);
        }
        self.answer_confirmed(now);
    }

    /// Ends the faults that were in force at a process that has exited.
    pub(super) fn end_faults_at(&mut self, now: Now, node: NodeName) {
        for fault in self.faults.on_end(node) {
            self.log_healed(now, node, "ended with its process", &fault);
        }
    }
}

/// Returns the freeze in the report that this control heals.
fn freeze_healed_by(control: &Control, report: &Report) -> Option<FaultId> {
    let freezes = report
        .faults
        .iter()
        .map(|in_force| in_force.fault)
        .filter(|fault| fault.kind == FaultKind::Freeze);
    freezes.map(|freeze| freeze.id).find(|id| *control == Control::Heal(*id))
}
