//! A plan: all that happens to a cluster in one run, written down before it happens.
//!
//! Invariant: a plan is data. The same plan is the same run, so a failing one can be shrunk step by
//! step (`shrink`) and read by a person.

mod describe;
mod draw;

use std::time::Duration;

/// A run before it is run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed of all chance in the network and the machines.
    pub seed: u64,
    /// The number of cities. Dispatch comes on top of them and is the last node.
    pub cities: usize,
    /// The virtual time for which the cluster is hurt.
    pub hurt: Duration,
    /// The faults that are there all the time.
    pub noise: Noise,
    /// The actions, in order of time.
    pub steps: Vec<Step>,
}

/// The conditions for as long as a cluster is hurt.
#[derive(Clone, Debug, PartialEq)]
pub struct Noise {
    /// The least and the greatest delay of a frame.
    pub delay: (Duration, Duration),
    /// The share of frames that vanish, 0 to 1.
    pub loss: f64,
    /// The share of frames that arrive twice, 0 to 1.
    pub duplication: f64,
    /// Frames may overtake each other, and outlive the connection that they were sent on.
    pub reorder: bool,
    /// The bytes a second that every third link can carry; unlimited if absent.
    pub slow: Option<u64>,
    /// The greatest offset of a node's wall clock, in milliseconds either way.
    pub skew_ms: i64,
    /// The greatest error in the rate of a node's wall clock, in millionths either way.
    pub drift_ppm: i64,
    /// Patrols and fights go on, also after healing.
    pub fights: bool,
    /// Cities gossip among themselves; if not, only dispatch carries.
    pub city_gossip: bool,
}

impl Noise {
    /// Returns the conditions of a good day.
    #[must_use]
    pub fn none() -> Self {
        Self {
            delay: (Duration::from_millis(1), Duration::from_millis(5)),
            loss: 0.0,
            duplication: 0.0,
            reorder: false,
            slow: None,
            skew_ms: 0,
            drift_ppm: 0,
            fights: false,
            city_gossip: true,
        }
    }
}

/// An action and its time.
#[derive(Clone, Debug)]
pub struct Step {
    /// The virtual time.
    pub at: Duration,
    /// The action.
    pub action: Action,
}

/// An action on the cluster. Nodes go by number: the cities, then dispatch.
#[derive(Clone, Debug)]
pub enum Action {
    /// A user sends a request.
    Ask(Request),
    /// A user bombs a city.
    Bomb(usize),
    /// Nothing passes from `a` to `b`.
    Cut {
        /// The sender.
        a: usize,
        /// The receiver.
        b: usize,
        /// The other direction is cut too.
        both: bool,
        /// Both ends find out by silence only.
        silent: bool,
        /// The duration.
        lasts: Duration,
    },
    /// The nodes whose bit is set are cut off from the others.
    Split {
        /// A bit a node.
        side: u128,
        /// The duration.
        lasts: Duration,
    },
    /// A link breaks again and again.
    Flap {
        /// One end.
        a: usize,
        /// The other end.
        b: usize,
        /// The time between two breaks.
        period: Duration,
        /// The number of breaks.
        times: u32,
    },
    /// A process stands still, its memory intact.
    Freeze {
        /// The node.
        node: usize,
        /// The duration.
        lasts: Duration,
    },
    /// All links of a process break; its memory stays.
    Reset(usize),
    /// A process is killed, and started again without memory, on a clock that may have been set
    /// meanwhile.
    Kill {
        /// The node.
        node: usize,
        /// The time until it starts.
        down: Duration,
    },
    /// A node's wall clock is wrong for a while.
    Jump {
        /// The node.
        node: usize,
        /// The offset, in milliseconds.
        by_ms: i64,
        /// The duration.
        lasts: Duration,
    },
    /// A city leaves, is forgotten, and comes back.
    Forget {
        /// The city.
        city: usize,
        /// It is only cut off meanwhile. If not set, its process is killed.
        alive: bool,
        /// The duration of its absence.
        away: Duration,
    },
    /// A second process of a city's name is started. Of the other nodes, those whose bit is set
    /// see only the second, the others only the first.
    Double {
        /// The city.
        city: usize,
        /// A bit a node.
        side: u128,
        /// The time for which the two do not share a neighbour.
        lasts: Duration,
    },
}

/// A request of a user. Heroes and places go by any number, taken modulo how many there are by
/// then.
#[derive(Clone, Debug)]
pub enum Request {
    /// Creates a hero.
    Create,
    /// Assigns a hero to a place.
    Assign {
        /// The hero.
        hero: u32,
        /// The place; one more than the cities is home.
        to: u32,
    },
    /// Ends a hero.
    Terminate {
        /// The hero.
        hero: u32,
    },
}

impl Action {
    /// The kinds of fault, as they are counted. A request is none.
    pub const FAULTS: [&'static str; 10] =
        ["bomb", "cut", "split", "flap", "freeze", "reset", "kill", "jump", "forget", "double"];

    /// Returns its place in [`FAULTS`](Self::FAULTS), if it is a fault.
    #[must_use]
    pub fn fault(&self) -> Option<usize> {
        match self {
            Self::Ask(_) => None,
            Self::Bomb(_) => Some(0),
            Self::Cut { .. } => Some(1),
            Self::Split { .. } => Some(2),
            Self::Flap { .. } => Some(3),
            Self::Freeze { .. } => Some(4),
            Self::Reset(_) => Some(5),
            Self::Kill { .. } => Some(6),
            Self::Jump { .. } => Some(7),
            Self::Forget { .. } => Some(8),
            Self::Double { .. } => Some(9),
        }
    }
}
