//! The requested faults, and the requests that wait until the nodes report them.
//!
//! Invariants: a request is answered once every affected node has reported, has lost its link, or
//! has missed the deadline. A fault that no node has reported by then is withdrawn.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gossip::fault::{Fault, FaultId, FaultKind, Report};
use gossip::{NodeName, Now, earliest};

use super::requests::ANSWER_TIMEOUT;
use crate::model::faults::{FaultView, Faults, Reported};
use crate::request::{Heal, Inject, Ticket};

/// The faults, and the requests that wait for reports.
#[derive(Debug, Default)]
pub(super) struct FaultControl {
    pub(super) faults: Faults,
    waiting: Vec<Waiting>,
    /// The faults in the last report of each node.
    reported: BTreeMap<NodeName, BTreeSet<FaultId>>,
    /// The faults that have ended, and that a node still reported when their request was answered.
    unconfirmed: Vec<Fault>,
}

/// A request that waits for reports.
#[derive(Debug)]
struct Waiting {
    awaited: Awaited,
    deadline: Duration,
}

#[derive(Debug)]
enum Awaited {
    /// The fault is in force at all these nodes.
    InForce {
        ticket: Ticket<Inject>,
        fault: Fault,
        heal_after: Duration,
        nodes: BTreeSet<NodeName>,
        /// Those of the nodes that have reported the fault since.
        confirmed: BTreeSet<NodeName>,
    },
    /// The faults are in force at no node, except at those that are frozen by one of them.
    Over {
        ticket: Ticket<Heal>,
        faults: Vec<Fault>,
        /// Those of the faults that a node had reported.
        begun: Vec<Fault>,
    },
}

/// The maximum number of ended faults that are remembered because a node still reported them.
const UNCONFIRMED_MAX: usize = 128;

/// A request that can be answered.
#[derive(Debug)]
pub(super) enum Confirmed {
    Injected(Ticket<Inject>, FaultView),
    /// No node has reported the fault in time.
    NotInjected(Ticket<Inject>, Fault, Vec<NodeName>),
    Healed(Ticket<Heal>, Vec<Fault>),
    /// These nodes still report one of the faults.
    NotHealed(Ticket<Heal>, Vec<Fault>, Vec<NodeName>),
}

impl FaultControl {
    /// Starts a fault whose request waits until all `nodes` have reported it.
    pub(super) fn inject(
        &mut self,
        now: Now,
        ticket: Ticket<Inject>,
        fault: Fault,
        heal_after: Duration,
        nodes: BTreeSet<NodeName>,
    ) {
        self.faults.begin(now.mono, fault, heal_after);
        let confirmed = BTreeSet::new();
        self.wait(now, Awaited::InForce { ticket, fault, heal_after, nodes, confirmed });
    }

    /// Lets a request wait until no node reports these faults, which have ended.
    pub(super) fn await_healed(
        &mut self,
        now: Now,
        ticket: Ticket<Heal>,
        faults: Vec<Fault>,
        begun: Vec<Fault>,
    ) {
        self.wait(now, Awaited::Over { ticket, faults, begun });
    }

    fn wait(&mut self, now: Now, awaited: Awaited) {
        self.waiting.push(Waiting { awaited, deadline: now.mono + ANSWER_TIMEOUT });
    }

    /// Processes a node's report.
    pub(super) fn on_report(&mut self, now: Now, from: NodeName, report: &Report) -> Reported {
        let ids: BTreeSet<FaultId> =
            report.faults.iter().map(|in_force| in_force.fault.id).collect();
        for Waiting { awaited, .. } in &mut self.waiting {
            if let Awaited::InForce { fault, nodes, confirmed, .. } = awaited
                && ids.contains(&fault.id)
                && nodes.contains(&from)
            {
                confirmed.insert(from);
            }
        }
        self.reported.insert(from, ids);
        let reported = &self.reported;
        self.faults.on_report(now.mono, from, report, |node| reported.contains_key(&node))
    }

    /// Removes a node whose process has exited. Returns the freezes that ended with it.
    pub(super) fn on_end(&mut self, node: NodeName) -> Vec<Fault> {
        self.reported.remove(&node);
        self.faults.on_end(node)
    }

    /// Returns the nodes that reported one of these faults last, without those that were frozen by
    /// one of them: these have been thawed, and report again when they are back.
    fn still_at(&self, faults: &[Fault]) -> Vec<NodeName> {
        let was_frozen = |node: &NodeName| {
            faults.iter().any(|fault| fault.kind == FaultKind::Freeze && fault.from == *node)
        };
        let is_at = |ids: &BTreeSet<FaultId>| faults.iter().any(|fault| ids.contains(&fault.id));
        let at = self.reported.iter().filter(|(node, ids)| is_at(ids) && !was_frozen(node));
        at.map(|(node, _)| *node).collect()
    }

    /// Removes and returns the requests that need not wait any longer. An injection does not wait
    /// for a node without a link.
    pub(super) fn take_confirmed(
        &mut self,
        now: Now,
        is_linked: impl Fn(NodeName) -> bool,
    ) -> Vec<Confirmed> {
        let pending = std::mem::take(&mut self.waiting);
        let is_done = |awaited: &Awaited| match awaited {
            Awaited::InForce { nodes, confirmed, .. } => {
                nodes.iter().all(|node| confirmed.contains(node) || !is_linked(*node))
            }
            Awaited::Over { faults, .. } => self.still_at(faults).is_empty(),
        };
        let is_over = |waiting: &Waiting| is_done(&waiting.awaited) || waiting.deadline <= now.mono;
        let (over, waiting): (Vec<_>, Vec<_>) = pending.into_iter().partition(is_over);
        self.waiting = waiting;
        let mut confirmed = Vec::new();
        for Waiting { awaited, .. } in over {
            confirmed.push(self.confirmed(now, awaited));
        }
        confirmed
    }

    /// Returns the faults that have ended and that a node still reported, although a request has
    /// waited for it. A repeated request waits for them again.
    pub(super) fn unconfirmed(&mut self) -> Vec<Fault> {
        let mut unconfirmed = std::mem::take(&mut self.unconfirmed);
        unconfirmed.retain(|fault| !self.still_at(std::slice::from_ref(fault)).is_empty());
        self.unconfirmed.clone_from(&unconfirmed);
        unconfirmed
    }

    fn confirmed(&mut self, now: Now, awaited: Awaited) -> Confirmed {
        match awaited {
            Awaited::Over { ticket, faults, begun } => {
                let at = self.still_at(&faults);
                if at.is_empty() {
                    return Confirmed::Healed(ticket, begun);
                }
                let known = std::mem::take(&mut self.unconfirmed);
                self.unconfirmed = faults.into_iter().filter(|new| !known.contains(new)).collect();
                self.unconfirmed.extend(known);
                let excess = self.unconfirmed.len().saturating_sub(UNCONFIRMED_MAX);
                self.unconfirmed.drain(..excess);
                Confirmed::NotHealed(ticket, begun, at)
            }
            Awaited::InForce { ticket, fault, nodes, confirmed, .. } if confirmed.is_empty() => {
                Confirmed::NotInjected(ticket, fault, nodes.into_iter().collect())
            }
            // A node that missed the deadline is sent the fault again when it next reports. If the
            // fault has expired by then, it was injected all the same.
            Awaited::InForce { ticket, fault, heal_after, confirmed, .. } => {
                let over =
                    || FaultView::over(fault, heal_after, confirmed.iter().copied().collect());
                let view = self.faults.view(now.mono, fault.id).unwrap_or_else(over);
                Confirmed::Injected(ticket, view)
            }
        }
    }

    /// Returns the time at which the next fault expires or the next waiting request is answered.
    pub(super) fn deadline(&self) -> Option<Duration> {
        earliest([
            self.faults.deadline(),
            self.waiting.iter().map(|waiting| waiting.deadline).min(),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gossip::UnixMillis;
    use gossip::fault::{Frames, InForce};

    #[test]
    fn injection_is_confirmed_by_reports_of_linked_nodes_or_deadline() {
        let now = |millis| Now::new(Duration::from_millis(millis), UnixMillis(millis));
        let (gotham, capitol): (NodeName, NodeName) =
            ("gotham".parse().unwrap(), "capitol".parse().unwrap());
        let fault = Fault {
            id: FaultId(1),
            kind: FaultKind::Cut,
            from: gotham,
            to: Some(capitol),
            both: true,
        };
        let lasts = Duration::from_secs(9);
        let in_force = InForce { fault, remaining: lasts, frames: Frames::default() };
        let report = Report {
            faults: vec![in_force],
            healed: Vec::new(),
            wall: UnixMillis(0),
            clock_step_ms: 0,
        };
        let mut control = FaultControl::default();
        control.inject(now(0), Ticket::new(1), fault, lasts, [gotham, capitol].into());
        control.on_report(now(10), gotham, &report);
        assert!(control.take_confirmed(now(10), |_| true).is_empty(), "capitol has not reported");
        assert_eq!(control.deadline(), Some(ANSWER_TIMEOUT));
        assert!(matches!(
            control.take_confirmed(now(20), |node| node == gotham)[..],
            [Confirmed::Injected(..)]
        ));
        control.faults.end(fault.id);
        control.await_healed(now(30), Ticket::new(2), vec![fault], vec![fault]);
        assert!(control.take_confirmed(now(40), |_| true).is_empty(), "gotham reported it last");
        match control.take_confirmed(now(1_730), |_| true).as_slice() {
            [Confirmed::NotHealed(_, _, at)] => assert_eq!(at, &[gotham]),
            other => panic!("{other:?}"),
        }
        assert_eq!(control.unconfirmed(), [fault], "a repeated request waits again");
        control.await_healed(now(2_000), Ticket::new(3), vec![fault], vec![fault]);
        control.on_end(gotham);
        assert!(matches!(
            control.take_confirmed(now(2_010), |_| true)[..],
            [Confirmed::Healed(..)]
        ));
        assert_eq!(control.unconfirmed(), []);
    }

    #[test]
    fn injection_that_no_node_confirms_is_not_injected() {
        let now = |millis| Now::new(Duration::from_millis(millis), UnixMillis(millis));
        let gotham: NodeName = "gotham".parse().unwrap();
        let fault =
            Fault { id: FaultId(1), kind: FaultKind::Freeze, from: gotham, to: None, both: false };
        let mut control = FaultControl::default();
        control.inject(now(0), Ticket::new(1), fault, Duration::from_secs(9), [gotham].into());
        assert!(control.take_confirmed(now(1_699), |_| true).is_empty());
        match control.take_confirmed(now(1_700), |_| true).as_slice() {
            [Confirmed::NotInjected(_, _, nodes)] => assert_eq!(nodes, &[gotham]),
            other => panic!("{other:?}"),
        }
    }
}
