//! The requested faults, and the requests that wait until the nodes report them.
//!
//! Invariant: a request is answered once every affected node has reported, has lost its link, or
//! has missed the deadline.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gossip::fault::{Control, Fault, FaultId, Report};
use gossip::{NodeName, Now, earliest};

use super::requests::ANSWER_TIMEOUT;
use crate::model::faults::{FaultView, Faults};
use crate::request::{Heal, Inject, Ticket};

/// The faults, and the requests that wait for reports.
#[derive(Debug, Default)]
pub(super) struct FaultControl {
    pub(super) faults: Faults,
    waiting: Vec<Waiting>,
    /// The faults in the last report of each node.
    reported: BTreeMap<NodeName, BTreeSet<FaultId>>,
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
    },
    /// The faults are in force at no linked node.
    Over { ticket: Ticket<Heal>, faults: Vec<FaultId> },
}

/// A request that can be answered.
#[derive(Debug)]
pub(super) enum Confirmed {
    Injected(Ticket<Inject>, FaultView),
    Healed(Ticket<Heal>),
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
        self.wait(now, Awaited::InForce { ticket, fault, heal_after, nodes });
    }

    /// Lets a request wait until no node reports these faults, which have ended.
    pub(super) fn await_healed(&mut self, now: Now, ticket: Ticket<Heal>, faults: Vec<FaultId>) {
        self.wait(now, Awaited::Over { ticket, faults });
    }

    fn wait(&mut self, now: Now, awaited: Awaited) {
        self.waiting.push(Waiting { awaited, deadline: now.mono + ANSWER_TIMEOUT });
    }

    /// Processes a node's report. Returns the controls to send to the node, and the faults that
    /// ended with its process.
    pub(super) fn on_report(
        &mut self,
        now: Now,
        from: NodeName,
        report: &Report,
    ) -> (Vec<Control>, Vec<Fault>) {
        self.reported
            .insert(from, report.faults.iter().map(|in_force| in_force.fault.id).collect());
        self.faults.on_report(now.mono, from, report)
    }

    /// Removes and returns the requests that need not wait any longer. A node without a link is not
    /// waited for.
    pub(super) fn take_confirmed(
        &mut self,
        now: Now,
        is_linked: impl Fn(NodeName) -> bool,
    ) -> Vec<Confirmed> {
        let reported = &self.reported;
        let reports =
            |node: &NodeName, id: &FaultId| reported.get(node).is_some_and(|ids| ids.contains(id));
        let is_done = |awaited: &Awaited| match awaited {
            Awaited::InForce { fault, nodes, .. } => {
                nodes.iter().all(|node| reports(node, &fault.id) || !is_linked(*node))
            }
            Awaited::Over { faults, .. } => !reported
                .keys()
                .filter(|node| is_linked(**node))
                .any(|node| faults.iter().any(|id| reports(node, id))),
        };
        let is_over =
            |waiting: &mut Waiting| is_done(&waiting.awaited) || waiting.deadline <= now.mono;
        let over: Vec<Waiting> = self.waiting.extract_if(.., is_over).collect();
        let confirmed = |Waiting { awaited, .. }| match awaited {
            Awaited::Over { ticket, .. } => Confirmed::Healed(ticket),
            // A node that missed the deadline is sent the fault again when it next reports. If the
            // fault has expired by then, it was injected all the same.
            Awaited::InForce { ticket, fault, heal_after, .. } => {
                let view = self.faults.view(now.mono, fault.id);
                Confirmed::Injected(
                    ticket,
                    view.unwrap_or_else(|| FaultView::over(fault, heal_after)),
                )
            }
        };
        over.into_iter().map(confirmed).collect()
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
    use gossip::fault::{FaultKind, Frames, InForce};

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
        let report = Report { faults: vec![in_force], wall: UnixMillis(0), clock_step_ms: 0 };
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
        control.await_healed(now(30), Ticket::new(2), vec![fault.id]);
        assert!(control.take_confirmed(now(40), |_| true).is_empty(), "gotham reported it last");
        assert!(matches!(control.take_confirmed(now(1_730), |_| true)[..], [Confirmed::Healed(_)]));
    }
}
