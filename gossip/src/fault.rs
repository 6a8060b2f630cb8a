//! Faults that people inject, as data: what kind, between which nodes, for how long. `link` carries
//! them out.
//!
//! Faults act on replication rounds, on a node's clock, or on a whole process. Commands,
//! observation and control are exempt: otherwise a fault could not be healed.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::NodeName;
use crate::time::UnixMillis;

/// The delay of a frame.
pub const DELAY: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(10);
/// The rate of a throttle, in bytes per second.
pub const BYTES_PER_S: RangeInclusive<u32> = 256..=1_000_000_000;
/// The offset of a wall clock, in milliseconds; not 0.
pub const SKEW_MS: RangeInclusive<i64> = -3_600_000..=3_600_000;
/// The duration of a fault.
pub const HEAL_AFTER: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(3_600);
/// The most faults in force at once; a node ignores further ones.
pub const FAULTS_MAX: usize = 64;

/// The name of a fault in the whole cluster. It is drawn at random, so that a controller that has
/// lost its memory does not repeat one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FaultId(pub u32);

impl fmt::Display for FaultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl FromStr for FaultId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u32::from_str_radix(text, 16).map(Self)
    }
}

/// A probability in thousandths, 1 to 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Permille(u16);

impl Permille {
    /// Returns the probability of `percent` in a hundred; `None` below a tenth or above a hundred.
    #[must_use]
    pub fn from_percent(percent: f64) -> Option<Self> {
        let permille = (percent * 10.0).round();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked just before"
        )]
        (1.0..=1000.0).contains(&permille).then_some(Self(permille as u16))
    }

    /// Returns the probability in percent.
    #[must_use]
    pub fn percent(self) -> f64 {
        f64::from(self.0) / 10.0
    }

    /// Returns the probability, 0 to 1.
    #[must_use]
    pub fn probability(self) -> f64 {
        f64::from(self.0) / 1000.0
    }
}

/// The kind of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FaultKind {
    /// Every frame is dropped.
    Cut,
    /// Every frame is delayed, in order.
    Delay {
        /// The mean delay.
        by: Duration,
        /// The deviation from it, either way.
        jitter: Duration,
    },
    /// Some frames are dropped.
    Loss(Permille),
    /// Some frames are duplicated.
    Duplicate(Permille),
    /// Some frames are delayed, and overtaken by later ones.
    Reorder(Permille),
    /// The rate is limited to this many bytes per second.
    Throttle(u32),
    /// A process does nothing, as if stopped by SIGSTOP.
    Freeze,
    /// A node's wall clock is offset by this many milliseconds.
    Skew(i64),
}

impl FaultKind {
    /// Returns the kind's name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Delay { .. } => "delay",
            Self::Loss(_) => "loss",
            Self::Duplicate(_) => "duplicate",
            Self::Reorder(_) => "reorder",
            Self::Throttle(_) => "throttle",
            Self::Freeze => "freeze",
            Self::Skew(_) => "skew",
        }
    }

    /// Returns whether the fault acts on the link between two nodes, rather than on one node.
    #[must_use]
    pub fn is_between_nodes(self) -> bool {
        !matches!(self, Self::Freeze | Self::Skew(_))
    }
}

/// A fault: its kind, and where it acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fault {
    /// The name.
    pub id: FaultId,
    /// The kind.
    pub kind: FaultKind,
    /// The sending node; for a fault of one node, that node.
    pub from: NodeName,
    /// The receiving node; `None` for every other. Meaningless for a fault of one node.
    pub to: Option<NodeName>,
    /// Whether the other direction is affected too.
    pub both: bool,
}

impl Fault {
    /// Returns whether `node` carries out any part of the fault: a node applies faults to what it
    /// sends.
    #[must_use]
    pub fn concerns(&self, node: NodeName) -> bool {
        self.from == node
            || (self.kind.is_between_nodes() && self.both && self.to.is_none_or(|to| to == node))
    }

    /// Returns whether the fault acts on frames from `sender` to `receiver`.
    #[must_use]
    pub fn affects(&self, sender: NodeName, receiver: NodeName) -> bool {
        let one_way = |from: NodeName, to: NodeName| {
            from == self.from && self.to.is_none_or(|other| other == to) && from != to
        };
        self.kind.is_between_nodes()
            && (one_way(sender, receiver) || self.both && one_way(receiver, sender))
    }

    /// Returns whether all fields are in range, and a fault between nodes has two ends.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let two_ends = !self.kind.is_between_nodes() || self.to != Some(self.from);
        two_ends
            && match self.kind {
                FaultKind::Cut | FaultKind::Freeze => true,
                FaultKind::Delay { by, jitter } => DELAY.contains(&by) && jitter <= by,
                FaultKind::Loss(chance)
                | FaultKind::Duplicate(chance)
                | FaultKind::Reorder(chance) => (1..=1000).contains(&chance.0),
                FaultKind::Throttle(bytes_per_s) => BYTES_PER_S.contains(&bytes_per_s),
                FaultKind::Skew(ms) => SKEW_MS.contains(&ms) && ms != 0,
            }
    }
}

/// A request of the controller to a node's process, rather than to its machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Control {
    /// Put a fault in force, or extend it.
    Inject {
        /// The fault.
        fault: Fault,
        /// The time after which it ends by itself.
        heal_after: Duration,
    },
    /// End a fault.
    Heal(FaultId),
    /// Set the pace of gossip.
    Pace(Pace),
    /// End the process, as a signal does.
    Stop,
    /// End the process immediately, as `kill -9` does.
    Kill,
}

/// The pace at which a node begins rounds by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// Percent of the configured rate; 0 is paused.
    pub percent: u16,
}

impl Pace {
    /// The configured rate.
    pub const FREE: Self = Self { percent: 100 };
    /// Paused.
    pub const PAUSED: Self = Self { percent: 0 };
    /// The slowest and the fastest pace other than paused.
    pub const RANGE: RangeInclusive<u16> = 10..=1_000;
    /// The time for which a node keeps a pace that is not repeated. The controller repeats it every
    /// second; without a controller gossip returns to the configured rate.
    pub const LEASE: Duration = Duration::from_secs(3);

    /// Returns whether a node can be set to the pace.
    #[must_use]
    pub fn is_valid(self) -> bool {
        self == Self::PAUSED || Self::RANGE.contains(&self.percent)
    }
}

/// A fault's effect on frames so far, at one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frames {
    /// The frames that it applied to.
    pub seen: u64,
    /// The frames dropped.
    pub dropped: u64,
    /// The frames delayed.
    pub delayed: u64,
    /// The frames duplicated.
    pub duplicated: u64,
}

/// A fault in force at a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InForce {
    /// The fault.
    pub fault: Fault,
    /// The time until it ends by itself.
    pub remaining: Duration,
    /// Its effect so far.
    pub frames: Frames,
}

/// The faults in force at a node, as its process reports them to the controller: on every change,
/// and periodically while there are any.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// All faults in force.
    pub faults: Vec<InForce>,
    /// The node's wall clock.
    pub wall: UnixMillis,
}

impl Report {
    /// Returns whether all fields are in range.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let can_last = |in_force: &InForce| in_force.remaining <= *HEAL_AFTER.end();
        self.faults.len() <= FAULTS_MAX
            && self.faults.iter().all(|in_force| in_force.fault.is_valid() && can_last(in_force))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> NodeName {
        text.parse().unwrap()
    }

    fn cut(from: &str, to: Option<&str>, both: bool) -> Fault {
        Fault { id: FaultId(1), kind: FaultKind::Cut, from: name(from), to: to.map(name), both }
    }

    /// The ordered pairs of these three that it befalls, as initials.
    fn affected(fault: Fault) -> String {
        let names = ["gotham", "metropolis", "dispatch"];
        let pairs = names.iter().flat_map(|from| names.iter().map(move |to| (from, to)));
        pairs
            .filter(|(from, to)| fault.affects(name(from), name(to)))
            .map(|(from, to)| format!("{}{} ", &from[..1], &to[..1]))
            .collect()
    }

    #[test]
    fn a_fault_befalls_what_it_names_and_nothing_else() {
        assert_eq!(affected(cut("gotham", Some("metropolis"), false)), "gm ");
        assert_eq!(affected(cut("gotham", Some("metropolis"), true)), "gm mg ");
        assert_eq!(affected(cut("gotham", None, false)), "gm gd ");
        assert_eq!(affected(cut("gotham", None, true)), "gm gd mg dg ");
        assert_eq!(affected(Fault { kind: FaultKind::Skew(5), ..cut("gotham", None, true) }), "");
    }

    #[test]
    fn a_fault_concerns_those_who_send_what_it_befalls() {
        let concerned = |fault: Fault| {
            ["gotham", "metropolis", "dispatch"].map(|node| fault.concerns(name(node)))
        };
        assert_eq!(concerned(cut("gotham", Some("metropolis"), false)), [true, false, false]);
        assert_eq!(concerned(cut("gotham", Some("metropolis"), true)), [true, true, false]);
        assert_eq!(concerned(cut("gotham", None, true)), [true, true, true]);
        assert_eq!(
            concerned(Fault { kind: FaultKind::Freeze, ..cut("gotham", None, true) }),
            [true, false, false]
        );
    }

    #[test]
    fn what_no_fault_can_be_is_told_apart() {
        let possible = |kind| Fault { kind, ..cut("gotham", None, true) }.is_valid();
        assert!(!cut("gotham", Some("gotham"), true).is_valid());
        let ms = Duration::from_millis;
        assert!(
            possible(FaultKind::Delay { by: ms(300), jitter: ms(300) })
                && !possible(FaultKind::Delay { by: ms(300), jitter: ms(301) })
        );
        assert!(
            !possible(FaultKind::Delay { by: ms(0), jitter: ms(0) })
                && !possible(FaultKind::Delay { by: ms(10_001), jitter: ms(0) })
        );
        assert!(
            possible(FaultKind::Skew(-3_600_000))
                && !possible(FaultKind::Skew(0))
                && !possible(FaultKind::Skew(3_600_001))
        );
        assert!(possible(FaultKind::Throttle(256)) && !possible(FaultKind::Throttle(255)));
        assert!(
            possible(FaultKind::Loss(Permille(1000))) && !possible(FaultKind::Loss(Permille(1001)))
        );
    }

    #[test]
    fn a_chance_is_a_tenth_of_a_percent_at_least() {
        assert_eq!(Permille::from_percent(5.0).map(Permille::percent), Some(5.0));
        assert_eq!(Permille::from_percent(0.5).map(Permille::probability), Some(0.005));
        for wrong in [0.0, 0.04, -1.0, 100.1, 101.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Permille::from_percent(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_paused_cluster_is_at_pace_0_and_no_other_is_below_10() {
        let possible = |percent| Pace { percent }.is_valid();
        assert!(possible(0) && possible(10) && possible(100) && possible(1_000));
        assert!(!possible(9) && !possible(1) && !possible(1_001));
    }
}
