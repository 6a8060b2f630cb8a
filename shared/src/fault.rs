//! Trouble that people cause on purpose, as data: what kind, between whom, for how long. `link::faults` carries it out.
//!
//! Faults act on replication rounds, on a node's clock, or on a whole process. Commands, observation and what is said here travel
//! on a channel that no fault touches, or nobody could heal.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::NodeName;
use crate::time::UnixMillis;

/// How long a frame may be delayed.
pub const DELAY: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(10);
/// How many bytes a second may be let through.
pub const BYTES_PER_S: RangeInclusive<u32> = 256..=1_000_000_000;
/// How many milliseconds a clock may be off, either way; not 0.
pub const SKEW_MS: RangeInclusive<i64> = -3_600_000..=3_600_000;
/// How long a fault may last.
pub const HEAL_AFTER: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3_600);
/// How many faults may be in force at once; nodes ignore further ones.
pub const FAULTS_MAX: usize = 64;

/// Names a fault in the whole cluster. Drawn at random, so that a dispatch that has forgotten all does not repeat one.
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

/// A chance in thousandths, 1 to 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Permille(u16);

impl Permille {
    /// Of this many in a hundred; none below a tenth or above a hundred.
    #[must_use]
    pub fn from_percent(percent: f64) -> Option<Self> {
        let permille = (percent * 10.0).round();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked just before")]
        (1.0..=1000.0).contains(&permille).then_some(Self(permille as u16))
    }

    /// In a hundred.
    #[must_use]
    pub fn percent(self) -> f64 {
        f64::from(self.0) / 10.0
    }

    /// As a probability, 0 to 1.
    #[must_use]
    pub fn probability(self) -> f64 {
        f64::from(self.0) / 1000.0
    }
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Trouble {
    /// Nothing passes.
    Cut,
    /// All passes late, in order.
    Delay {
        /// By how much, in the middle.
        by: Duration,
        /// How far from that, either way.
        jitter: Duration,
    },
    /// Some frames are lost.
    Loss(Permille),
    /// Some frames arrive twice.
    Duplicate(Permille),
    /// Some frames are overtaken by those behind them.
    Reorder(Permille),
    /// No more passes than this many bytes a second.
    Throttle(u32),
    /// A process does nothing, as if stopped by SIGSTOP.
    Freeze,
    /// A node's wall clock is off by this many milliseconds.
    Skew(i64),
}

impl Trouble {
    /// The word of the API.
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

    /// Whether it befalls the way between two nodes, rather than one node.
    #[must_use]
    pub fn is_between_nodes(self) -> bool {
        !matches!(self, Self::Freeze | Self::Skew(_))
    }
}

/// One trouble, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fault {
    /// Which.
    pub id: FaultId,
    /// What.
    pub trouble: Trouble,
    /// From this node; of a trouble that befalls one node, that node.
    pub from: NodeName,
    /// To this node; `None` for every other. Means nothing for a trouble of one node.
    pub to: Option<NodeName>,
    /// In the other direction too.
    pub both: bool,
}

impl Fault {
    /// Whether any part of it is carried out at `node`. What a node sends, it holds up itself.
    #[must_use]
    pub fn concerns(&self, node: NodeName) -> bool {
        self.from == node || (self.trouble.is_between_nodes() && self.both && self.to.is_none_or(|to| to == node))
    }

    /// Whether it befalls what `sender` sends to `receiver`.
    #[must_use]
    pub fn befalls(&self, sender: NodeName, receiver: NodeName) -> bool {
        let one_way = |from: NodeName, to: NodeName| from == self.from && self.to.is_none_or(|other| other == to) && from != to;
        self.trouble.is_between_nodes() && (one_way(sender, receiver) || self.both && one_way(receiver, sender))
    }

    /// Whether its parts are within their bounds, and it has two ends where it needs them.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        let two_ends = !self.trouble.is_between_nodes() || self.to != Some(self.from);
        two_ends
            && match self.trouble {
                Trouble::Cut | Trouble::Freeze => true,
                Trouble::Delay { by, jitter } => DELAY.contains(&by) && jitter <= by,
                Trouble::Loss(chance) | Trouble::Duplicate(chance) | Trouble::Reorder(chance) => (1..=1000).contains(&chance.0),
                Trouble::Throttle(bytes_per_s) => BYTES_PER_S.contains(&bytes_per_s),
                Trouble::Skew(ms) => SKEW_MS.contains(&ms) && ms != 0,
            }
    }
}

/// What dispatch may ask of a node's process, or of its driver, rather than of its machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Control {
    /// Cause this trouble, and heal it by yourself after a while; where it is in force already, from now.
    Inject {
        /// What.
        fault: Fault,
        /// For how long.
        heal_after: Duration,
    },
    /// Heal this.
    Heal(FaultId),
    /// Gossip at this pace.
    Pace(Pace),
    /// End the process, as if asked to.
    Stop,
    /// End the process at once, as by `kill -9`.
    Kill,
}

/// How often a node begins rounds of its own accord.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// In percent of what the node was configured to; 0 is paused.
    pub percent: u16,
}

impl Pace {
    /// As configured.
    pub const FREE: Self = Self { percent: 100 };
    /// Not at all.
    pub const PAUSED: Self = Self { percent: 0 };
    /// The slowest and the fastest, paused aside.
    pub const RANGE: RangeInclusive<u16> = 10..=1_000;
    /// How long a node keeps a pace that is not repeated. Dispatch repeats it every second: when it is gone, gossip runs free again.
    pub const LEASE: Duration = Duration::from_secs(3);

    /// Whether a node can go at it.
    #[must_use]
    pub fn is_possible(self) -> bool {
        self == Self::PAUSED || Self::RANGE.contains(&self.percent)
    }
}

/// What a fault did to frames so far, at one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frames {
    /// That it befell.
    pub seen: u64,
    /// Lost.
    pub dropped: u64,
    /// Held back for a while.
    pub delayed: u64,
    /// Sent once more.
    pub duplicated: u64,
}

/// A fault in force at a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InForce {
    /// Which.
    pub fault: Fault,
    /// How long it still lasts.
    pub remaining: Duration,
    /// What it did so far.
    pub frames: Frames,
}

/// What is in force at a node, as its process tells dispatch: on every change, and every now and then while there is something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// All of it.
    pub faults: Vec<InForce>,
    /// What the node's wall clock reads.
    pub wall: UnixMillis,
}

impl Report {
    /// Whether a node that keeps to the bounds can say this.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        let can_last = |in_force: &InForce| in_force.remaining <= *HEAL_AFTER.end();
        self.faults.len() <= FAULTS_MAX && self.faults.iter().all(|in_force| in_force.fault.is_possible() && can_last(in_force))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> NodeName {
        text.parse().unwrap()
    }

    fn cut(from: &str, to: Option<&str>, both: bool) -> Fault {
        Fault { id: FaultId(1), trouble: Trouble::Cut, from: name(from), to: to.map(name), both }
    }

    /// The ordered pairs of these three that it befalls, as initials.
    fn befallen(fault: Fault) -> String {
        let names = ["gotham", "metropolis", "dispatch"];
        let pairs = names.iter().flat_map(|from| names.iter().map(move |to| (from, to)));
        pairs.filter(|(from, to)| fault.befalls(name(from), name(to))).map(|(from, to)| format!("{}{} ", &from[..1], &to[..1])).collect()
    }

    #[test]
    fn a_fault_befalls_what_it_names_and_nothing_else() {
        assert_eq!(befallen(cut("gotham", Some("metropolis"), false)), "gm ");
        assert_eq!(befallen(cut("gotham", Some("metropolis"), true)), "gm mg ");
        assert_eq!(befallen(cut("gotham", None, false)), "gm gd ");
        assert_eq!(befallen(cut("gotham", None, true)), "gm gd mg dg ");
        assert_eq!(befallen(Fault { trouble: Trouble::Skew(5), ..cut("gotham", None, true) }), "");
    }

    #[test]
    fn a_fault_concerns_those_who_send_what_it_befalls() {
        let concerned = |fault: Fault| ["gotham", "metropolis", "dispatch"].map(|node| fault.concerns(name(node)));
        assert_eq!(concerned(cut("gotham", Some("metropolis"), false)), [true, false, false]);
        assert_eq!(concerned(cut("gotham", Some("metropolis"), true)), [true, true, false]);
        assert_eq!(concerned(cut("gotham", None, true)), [true, true, true]);
        assert_eq!(concerned(Fault { trouble: Trouble::Freeze, ..cut("gotham", None, true) }), [true, false, false]);
    }

    #[test]
    fn what_no_fault_can_be_is_told_apart() {
        let possible = |trouble| Fault { trouble, ..cut("gotham", None, true) }.is_possible();
        assert!(!cut("gotham", Some("gotham"), true).is_possible());
        let ms = Duration::from_millis;
        assert!(possible(Trouble::Delay { by: ms(300), jitter: ms(300) }) && !possible(Trouble::Delay { by: ms(300), jitter: ms(301) }));
        assert!(!possible(Trouble::Delay { by: ms(0), jitter: ms(0) }) && !possible(Trouble::Delay { by: ms(10_001), jitter: ms(0) }));
        assert!(possible(Trouble::Skew(-3_600_000)) && !possible(Trouble::Skew(0)) && !possible(Trouble::Skew(3_600_001)));
        assert!(possible(Trouble::Throttle(256)) && !possible(Trouble::Throttle(255)));
        assert!(possible(Trouble::Loss(Permille(1000))) && !possible(Trouble::Loss(Permille(1001))));
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
        let possible = |percent| Pace { percent }.is_possible();
        assert!(possible(0) && possible(10) && possible(100) && possible(1_000));
        assert!(!possible(9) && !possible(1) && !possible(1_001));
    }
}
