//! The faults on a link between two nodes: their severity and their descriptions.

use gossip::NodeName;
use gossip::fault::FaultKind;

use crate::model::faults::FaultView;
use crate::model::view::View;
use crate::text::{grouped, title};

/// A fault on the link between two nodes, as reported by the nodes.
pub(super) struct LinkFault<'a> {
    pub(super) fault: &'a FaultView,
    /// The directions that it affects, from the first node to the second and back.
    pub(super) forth: bool,
    pub(super) back: bool,
}

/// The faults on the link between these two, the worst first.
pub(super) fn link_faults(view: &View, a: NodeName, b: NodeName) -> Vec<LinkFault<'_>> {
    // The sender executes a fault, so the report of the sender decides.
    let is_sent = |fault: &FaultView, sender, receiver| {
        fault.fault.affects(sender, receiver) && fault.at.contains(&sender)
    };
    let found =
        |fault| LinkFault { fault, forth: is_sent(fault, a, b), back: is_sent(fault, b, a) };
    let mut found: Vec<LinkFault<'_>> =
        view.faults.iter().map(found).filter(|fault| fault.forth || fault.back).collect();
    found.sort_by_key(|fault| rank(fault.fault.fault.kind));
    found
}

/// The severity, 0 for the worst.
fn rank(kind: FaultKind) -> u8 {
    match kind {
        FaultKind::Cut => 0,
        FaultKind::Loss(_) => 1,
        FaultKind::Throttle(_) => 2,
        FaultKind::Delay { .. } => 3,
        FaultKind::Reorder(_) => 4,
        FaultKind::Duplicate(_) => 5,
        FaultKind::Freeze | FaultKind::Skew(_) => 6,
    }
}

/// The style of a link with this fault.
pub(super) fn class(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Cut => "cut",
        FaultKind::Loss(_) => "drops",
        FaultKind::Throttle(_) => "throttled",
        FaultKind::Delay { .. } => "delayed",
        FaultKind::Reorder(_) => "reorders",
        FaultKind::Duplicate(_) => "duplicates",
        FaultKind::Freeze | FaultKind::Skew(_) => "open",
    }
}

/// Describes a fault on a link in a few words, without its direction.
pub(super) fn words(kind: FaultKind) -> String {
    match kind {
        FaultKind::Cut => "cut".to_owned(),
        FaultKind::Loss(chance) => format!("drops {} %", chance.percent()),
        FaultKind::Throttle(bytes_per_s) => format!("{} bytes/s", grouped(bytes_per_s.into())),
        FaultKind::Delay { by, jitter } if jitter.is_zero() => {
            format!("{} ms", grouped(by.as_millis().try_into().unwrap_or(u64::MAX)))
        }
        FaultKind::Delay { by, jitter } => {
            format!("{} ± {} ms", by.as_millis(), jitter.as_millis())
        }
        FaultKind::Reorder(chance) => format!("reorders {} %", chance.percent()),
        FaultKind::Duplicate(chance) => format!("duplicates {} %", chance.percent()),
        FaultKind::Freeze | FaultKind::Skew(_) => String::new(),
    }
}

/// Describes a fault on a link as a clause, without its direction.
pub(super) fn state(kind: FaultKind) -> String {
    match kind {
        FaultKind::Delay { .. } => format!("delayed, {}", words(kind)),
        FaultKind::Throttle(_) => format!("throttled, {}", words(kind)),
        FaultKind::Cut
        | FaultKind::Loss(_)
        | FaultKind::Reorder(_)
        | FaultKind::Duplicate(_)
        | FaultKind::Freeze
        | FaultKind::Skew(_) => words(kind),
    }
}

impl LinkFault<'_> {
    pub(super) fn kind(&self) -> FaultKind {
        self.fault.fault.kind
    }

    /// Returns the receiver if only one direction is affected.
    pub(super) fn only_to(&self, a: NodeName, b: NodeName) -> Option<NodeName> {
        match (self.forth, self.back) {
            (true, false) => Some(b),
            (false, true) => Some(a),
            (true, true) | (false, false) => None,
        }
    }

    /// Describes the fault with its direction: `cut both ways`, `drops 20 % one way, to
    /// Metropolis`.
    pub(super) fn sentence(&self, a: NodeName, b: NodeName) -> String {
        match self.only_to(a, b) {
            Some(to) => format!("{} one way, to {}", state(self.kind()), title(to)),
            None => format!("{} both ways", state(self.kind())),
        }
    }
}
