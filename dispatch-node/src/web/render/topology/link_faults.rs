//! The faults on a link between two nodes: which there are, how bad each is, and how it is described.

use shared::fault::Trouble;
use shared::id::NodeName;

use crate::model::faults::FaultView;
use crate::model::view::View;
use crate::text::{grouped, title};

/// A fault on the link between two nodes, as the nodes report it.
pub(super) struct LinkFault<'a> {
    pub(super) fault: &'a FaultView,
    /// The directions that it affects, from the first node to the second and back.
    pub(super) forth: bool,
    pub(super) back: bool,
}

/// The faults on the link between these two, the worst first.
pub(super) fn link_faults(view: &View, a: NodeName, b: NodeName) -> Vec<LinkFault<'_>> {
    let is_sent = |fault: &FaultView, sender, receiver| fault.fault.befalls(sender, receiver) && fault.at.contains(&sender);
    let found = |fault| LinkFault { fault, forth: is_sent(fault, a, b), back: is_sent(fault, b, a) };
    let mut found: Vec<LinkFault<'_>> = view.faults.iter().map(found).filter(|fault| fault.forth || fault.back).collect();
    found.sort_by_key(|fault| rank(fault.fault.fault.trouble));
    found
}

/// The severity, 0 for the worst.
fn rank(trouble: Trouble) -> u8 {
    match trouble {
        Trouble::Cut => 0,
        Trouble::Loss(_) => 1,
        Trouble::Throttle(_) => 2,
        Trouble::Delay { .. } => 3,
        Trouble::Reorder(_) => 4,
        Trouble::Duplicate(_) => 5,
        Trouble::Freeze | Trouble::Skew(_) => 6,
    }
}

/// The style of a link with this fault.
pub(super) fn class(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Cut => "cut",
        Trouble::Loss(_) => "loses",
        Trouble::Throttle(_) => "throttled",
        Trouble::Delay { .. } => "slow",
        Trouble::Reorder(_) => "overtakes",
        Trouble::Duplicate(_) => "repeats",
        Trouble::Freeze | Trouble::Skew(_) => "open",
    }
}

/// Describes a fault on a link in a few words, without its direction.
pub(super) fn words(trouble: Trouble) -> String {
    match trouble {
        Trouble::Cut => "cut".to_owned(),
        Trouble::Loss(chance) => format!("loses {} %", chance.percent()),
        Trouble::Throttle(bytes_per_s) => format!("{} bytes/s", grouped(bytes_per_s.into())),
        Trouble::Delay { by, jitter } if jitter.is_zero() => format!("{} ms", grouped(by.as_millis().try_into().unwrap_or(u64::MAX))),
        Trouble::Delay { by, jitter } => format!("{} ± {} ms", by.as_millis(), jitter.as_millis()),
        Trouble::Reorder(chance) => format!("overtakes {} %", chance.percent()),
        Trouble::Duplicate(chance) => format!("repeats {} %", chance.percent()),
        Trouble::Freeze | Trouble::Skew(_) => String::new(),
    }
}

/// Describes the same as a state in a sentence.
pub(super) fn state(trouble: Trouble) -> String {
    match trouble {
        Trouble::Delay { .. } => format!("slow, {}", words(trouble)),
        Trouble::Throttle(_) => format!("throttled, {}", words(trouble)),
        Trouble::Cut | Trouble::Loss(_) | Trouble::Reorder(_) | Trouble::Duplicate(_) | Trouble::Freeze | Trouble::Skew(_) => {
            words(trouble)
        }
    }
}

impl LinkFault<'_> {
    pub(super) fn trouble(&self) -> Trouble {
        self.fault.fault.trouble
    }

    /// Returns the receiver if only one direction is affected.
    pub(super) fn only_to(&self, a: NodeName, b: NodeName) -> Option<NodeName> {
        match (self.forth, self.back) {
            (true, false) => Some(b),
            (false, true) => Some(a),
            (true, true) | (false, false) => None,
        }
    }

    /// `cut both ways`, `loses 20 % one way, to Metropolis`.
    pub(super) fn sentence(&self, a: NodeName, b: NodeName) -> String {
        match self.only_to(a, b) {
            Some(to) => format!("{} one way, to {}", state(self.trouble()), title(to)),
            None => format!("{} both ways", state(self.trouble())),
        }
    }
}
