//! Injected faults and settings of the cluster as data. The module `link` applies them.
//!
//! Faults act on replication rounds and publications, on a node's clock, or on a whole process. Commands,
//! observation and control are exempt, since otherwise a fault could not be healed.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::NodeName;
use crate::time::UnixMillis;

/// The range of the delay of a frame.
pub const DELAY: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(10);
/// The range of the rate of a throttle, in bytes per second.
pub const BYTES_PER_S: RangeInclusive<u32> = 256..=1_000_000_000;
/// The range of the offset of a wall clock, in milliseconds; 0 is excluded.
pub const SKEW_MS: RangeInclusive<i64> = -3_600_000..=3_600_000;
/// The range of the duration of a fault.
pub const HEAL_AFTER: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(3_600);
/// The maximum number of faults in force at a node, which ignores further ones.
pub const FAULTS_MAX: usize = 64;
/// The number of healed faults that a node remembers.
pub const HEALED_MAX: usize = FAULTS_MAX;

/// The identifier of a fault in the whole cluster. It is random, so that a controller does not
/// reuse one after it has lost its memory.
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
    /// Returns the probability in percent, rounded to tenths; `None` below 0.1 or above 100.
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
    /// Every frame is delayed. The order is kept.
    Delay {
        /// The mean delay.
        by: Duration,
        /// The maximum deviation from the mean, in either direction.
        jitter: Duration,
    },
    /// Some frames are dropped.
    Loss(Permille),
    /// Some frames are duplicated.
    Duplicate(Permille),
    /// Some frames are delayed, so that later ones arrive first.
    Reorder(Permille),
    /// The rate is limited to this many bytes per second.
    Throttle(u32),
    /// A process makes no progress, as if stopped by SIGSTOP.
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

    /// Returns whether the fault acts on links between nodes, rather than on one node.
    #[must_use]
    pub fn is_between_nodes(self) -> bool {
        !matches!(self, Self::Freeze | Self::Skew(_))
    }
}

/// A fault: its kind and the nodes that it affects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fault {
    /// The identifier.
    pub id: FaultId,
    /// The kind.
    pub kind: FaultKind,
    /// The sending node. For a fault of one node, that node.
    pub from: NodeName,
    /// The receiving node; `None` for all others. Ignored for a fault of one node.
    pub to: Option<NodeName>,
    /// True if the opposite direction is affected too.
    pub both: bool,
}

impl Fault {
    /// Returns whether `node` applies any part of the fault. Nodes apply faults to the frames that
    /// they send.
    #[must_use]
    pub fn concerns(&self, node: NodeName) -> bool {
        self.from == node
            || (self.kind.is_between_nodes() && self.both && self.to.is_none_or(|to| to == node))
    }

    /// Returns whether `node` lists the fault in its reports. All nodes list a freeze, since the
    /// frozen one cannot tell a controller that has restarted meanwhile.
    #[must_use]
    pub fn is_listed_by(&self, node: NodeName) -> bool {
        self.concerns(node) || self.kind == FaultKind::Freeze
    }

    /// Returns whether the fault affects frames from `sender` to `receiver`.
    #[must_use]
    pub fn affects(&self, sender: NodeName, receiver: NodeName) -> bool {
        let one_way = |from: NodeName, to: NodeName| {
            from == self.from && self.to.is_none_or(|other| other == to) && from != to
        };
        self.kind.is_between_nodes()
            && (one_way(sender, receiver) || self.both && one_way(receiver, sender))
    }

    /// Returns whether all fields are in range, and a fault between nodes names two different
    /// nodes.
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

/// A request of a controller to a node's process. Machines do not receive it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Control {
    /// Puts a fault in force, or extends it.
    Inject {
        /// The fault.
        fault: Fault,
        /// The time after which it expires.
        heal_after: Duration,
    },
    /// Ends a fault.
    Heal(FaultId),
    /// Sets the pace of gossip.
    Pace(Setting<Pace>),
    /// Accepts stamps up to this time, although the node's clock does not read it yet.
    Accept(UnixMillis),
    /// Makes applications quiet (`true`): they write only when they are asked to.
    Quiet(Setting<bool>),
}

/// The pace at which a node begins rounds on its own timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// The percentage of the configured rate; 0 pauses.
    pub percent: u16,
}

impl Pace {
    /// The configured rate.
    pub const FREE: Self = Self { percent: 100 };
    /// Paused.
    pub const PAUSED: Self = Self { percent: 0 };
    /// The slowest and the fastest pace other than paused.
    pub const RANGE: RangeInclusive<u16> = 10..=1_000;

    /// Returns whether the pace is 0 or in [`RANGE`](Self::RANGE).
    #[must_use]
    pub fn is_valid(self) -> bool {
        self == Self::PAUSED || Self::RANGE.contains(&self.percent)
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self::FREE
    }
}

/// The time for which a setting applies if it is not renewed. The controller renews it every second;
/// without a controller, a node returns to the default.
pub const LEASE: Duration = Duration::from_secs(3);

/// A value that a controller has set for the whole cluster. Of two settings the later one applies, so
/// that controllers that announce different ones do not alternate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting<T> {
    /// The value. The default is what applies without a setting.
    pub value: T,
    /// The time at which it was set, on the controller's wall clock.
    pub at: UnixMillis,
    /// The controller.
    pub by: NodeName,
}

impl<T: Default + PartialEq> Setting<T> {
    /// Returns the end of the lease that begins now; `None` for the default, which needs none.
    #[must_use]
    pub fn lease_ends(&self, now: Duration) -> Option<Duration> {
        (self.value != T::default()).then(|| now + LEASE)
    }
}

impl<T> Setting<T> {
    /// Returns whether this setting replaces `other`. Of two of one moment, the greater name's does.
    #[must_use]
    pub fn is_later_than(&self, other: &Self) -> bool {
        (self.at, self.by) > (other.at, other.by)
    }
}

/// Counters of the frames that a fault affected at one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frames {
    /// The frames that matched the fault, affected or not.
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
    /// The time until it expires.
    pub remaining: Duration,
    /// The frames affected so far.
    pub frames: Frames,
}

/// The faults in force at a node. Its process reports them to the controllers on every change, and
/// periodically while there are any.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// All faults in force.
    pub faults: Vec<InForce>,
    /// The faults that were healed here last, oldest first. They are not put in force again, so that of
    /// several controllers, one that has not heard of the end restores none.
    pub healed: Vec<FaultId>,
    /// The node's wall clock.
    pub wall: UnixMillis,
    /// By how many milliseconds the wall clock was set since the previous report; 0 if it was not.
    pub clock_step_ms: i64,
}

impl Report {
    /// Returns whether all fields are in range.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let can_last = |in_force: &InForce| in_force.remaining <= *HEAL_AFTER.end();
        self.faults.len() <= FAULTS_MAX
            && self.healed.len() <= HEALED_MAX
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

    /// The affected ordered pairs of three nodes, as initials.
    fn affected(fault: Fault) -> String {
        let names = ["gotham", "metropolis", "dispatch"];
        let pairs = names.iter().flat_map(|from| names.iter().map(move |to| (from, to)));
        pairs
            .filter(|(from, to)| fault.affects(name(from), name(to)))
            .map(|(from, to)| format!("{}{} ", &from[..1], &to[..1]))
            .collect()
    }

    #[test]
    fn fault_affects_only_named_directions() {
        assert_eq!(affected(cut("gotham", Some("metropolis"), false)), "gm ");
        assert_eq!(affected(cut("gotham", Some("metropolis"), true)), "gm mg ");
        assert_eq!(affected(cut("gotham", None, false)), "gm gd ");
        assert_eq!(affected(cut("gotham", None, true)), "gm gd mg dg ");
        assert_eq!(affected(Fault { kind: FaultKind::Skew(5), ..cut("gotham", None, true) }), "");
    }

    #[test]
    fn fault_concerns_senders_of_affected_frames() {
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
    fn out_of_range_faults_are_invalid() {
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
    fn probability_is_at_least_a_tenth_of_a_percent() {
        assert_eq!(Permille::from_percent(5.0).map(Permille::percent), Some(5.0));
        assert_eq!(Permille::from_percent(0.5).map(Permille::probability), Some(0.005));
        for wrong in [0.0, 0.04, -1.0, 100.1, 101.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Permille::from_percent(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn pace_is_0_or_at_least_10_percent() {
        let possible = |percent| Pace { percent }.is_valid();
        assert!(possible(0) && possible(10) && possible(100) && possible(1_000));
        assert!(!possible(9) && !possible(1) && !possible(1_001));
    }
}
