//! A plan: every event of one run, fixed before the run starts.
//!
//! Invariant: a plan is data. Equal plans give equal runs, so a failing plan can be shrunk step by
//! step (`shrink`) and printed.

mod describe;
mod draw;

use std::time::Duration;

/// The complete description of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed of all random choices in the network and the machines.
    pub seed: u64,
    /// The number of cities. Dispatch is one more node, with the highest number.
    pub cities: usize,
    /// The length of the fault phase in virtual time. The cluster is healed at its end.
    pub fault_phase: Duration,
    /// The permanent conditions of the fault phase.
    pub noise: Noise,
    /// The actions, in order of time.
    pub steps: Vec<Step>,
}

/// The network, clock and workload conditions during the fault phase.
#[derive(Clone, Debug, PartialEq)]
pub struct Noise {
    /// The minimum and maximum delay of a frame.
    pub delay: (Duration, Duration),
    /// The share of frames that are lost, 0 to 1.
    pub loss: f64,
    /// The share of frames that are duplicated, 0 to 1.
    pub duplication: f64,
    /// Frames may be reordered, and may arrive after their connection has closed.
    pub reorder: bool,
    /// The capacity of every third link, in bytes per second; unlimited if `None`.
    pub slow: Option<u64>,
    /// The maximum offset of a wall clock, in milliseconds either way.
    pub skew_ms: i64,
    /// The maximum drift of a wall clock, in parts per million either way.
    pub drift_ppm: i64,
    /// Cities run patrols and fights, also after healing.
    pub fights: bool,
    /// Cities gossip with each other. Otherwise dispatch relays all rounds.
    pub city_gossip: bool,
}

impl Noise {
    /// Returns conditions without any fault.
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

/// An action with its time.
#[derive(Clone, Debug)]
pub struct Step {
    /// The virtual time.
    pub at: Duration,
    /// The action.
    pub action: Action,
}

/// An action on the cluster. Nodes are identified by number: the cities, then dispatch, then the
/// cities that are founded. Actions on a city before it is founded do nothing.
#[derive(Clone, Debug)]
pub enum Action {
    /// A user request to dispatch.
    Request(Request),
    /// A user bombs a city.
    Bomb(usize),
    /// Blocks frames from `a` to `b`.
    Cut {
        /// The sender.
        a: usize,
        /// The receiver.
        b: usize,
        /// Also blocks frames from `b` to `a`.
        both: bool,
        /// The ends detect the cut only by their silence timeouts.
        silent: bool,
        /// The duration.
        lasts: Duration,
    },
    /// Cuts the nodes whose bit is set off from the others.
    Split {
        /// One bit per node.
        side: u128,
        /// The duration.
        lasts: Duration,
    },
    /// Breaks a link repeatedly.
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
    /// Freezes a process; its memory stays.
    Freeze {
        /// The node.
        node: usize,
        /// The duration.
        lasts: Duration,
    },
    /// Breaks all links of a process; its memory stays.
    Reset(usize),
    /// Kills a process. It restarts without memory, with a newly drawn clock offset.
    Kill {
        /// The node.
        node: usize,
        /// The time until the restart.
        down: Duration,
    },
    /// Sets the wall clock of one node, or of all, wrong for a while.
    Jump {
        /// The node; all of them if `None`.
        node: Option<usize>,
        /// The offset, in milliseconds.
        by_ms: i64,
        /// The duration.
        lasts: Duration,
    },
    /// Removes a city, makes dispatch forget it, and lets it return.
    Forget {
        /// The city.
        city: usize,
        /// Only cuts the city off. Otherwise its process is killed.
        keep_running: bool,
        /// The duration of its absence.
        away: Duration,
    },
    /// Starts a second process of a city name. The other nodes whose bit is set can reach only the
    /// second process, the others only the first.
    Double {
        /// The city.
        city: usize,
        /// One bit per node.
        side: u128,
        /// The time for which no other node can reach both.
        lasts: Duration,
    },
    /// Restarts a city, and starts a second process of its name in the same millisecond, as on a
    /// cloned machine. The other nodes are divided between the two as in [`Double`](Self::Double).
    Clone {
        /// The city.
        city: usize,
        /// One bit per node.
        side: u128,
        /// The time for which no other node can reach both.
        lasts: Duration,
    },
    /// Removes entries of a replica without a trace, as a fault of its memory.
    Lose {
        /// The node.
        node: usize,
        /// The keys: those whose bit is set, by a number of each key from 0 to 127.
        keys: u128,
    },
    /// Starts a further city, which becomes a member.
    Found {
        /// Its number: the first one follows that of dispatch.
        city: usize,
        /// The time after which its process ends for ever, and dispatch forgets it.
        stays: Option<Duration>,
    },
    /// A request to one of the library's types.
    Ask {
        /// The node.
        node: usize,
        /// The request.
        ask: Ask,
    },
    /// Lets a city send false rounds until all faults end. Then it restarts without memory.
    Lie {
        /// The city.
        city: usize,
    },
}

/// A user request. Heroes and places are arbitrary numbers, reduced modulo the number that exists
/// at that time.
#[derive(Clone, Debug)]
pub enum Request {
    /// Creates a hero.
    Create,
    /// Assigns a hero to a place.
    Assign {
        /// The hero.
        hero: u32,
        /// The place: an index into the cities, with home as one more.
        to: u32,
    },
    /// Terminates a hero.
    Terminate {
        /// The hero.
        hero: u32,
    },
}

/// A request to one of the library's types. Names are small numbers.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "fields are the names of the types")]
pub enum Ask {
    /// Adds to a counter.
    Add { counter: u8, amount: i8 },
    /// Adds an element to a set.
    Insert { element: u8 },
    /// Removes an element from a set.
    Remove { element: u8 },
    /// Sets a key of a table and the next one, in one batch.
    Put { key: u8 },
    /// Deletes a key of a table.
    Delete { key: u8 },
    /// Replies to the newest message of a room.
    Say { room: u8 },
    /// Tracks a user.
    Track { key: u8 },
    /// Changes what is known of a user of the node.
    Update { place: u8 },
    /// Untracks a user of the node.
    Untrack { place: u8 },
    /// Registers a name.
    Register { number: u8 },
    /// Releases a name.
    Release { number: u8 },
}

impl Action {
    /// The names of the fault kinds, in the order of their counters. A request is not a fault.
    pub const FAULTS: [&'static str; 14] = [
        "bomb", "cut", "split", "flap", "freeze", "reset", "kill", "jump", "forget", "double",
        "clone", "lose", "lie", "found",
    ];

    /// Returns the index in [`FAULTS`](Self::FAULTS), or `None` for a request.
    #[must_use]
    pub fn fault(&self) -> Option<usize> {
        match self {
            Self::Request(_) | Self::Ask { .. } => None,
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
            Self::Clone { .. } => Some(10),
            Self::Lose { .. } => Some(11),
            Self::Lie { .. } => Some(12),
            Self::Found { .. } => Some(13),
        }
    }
}
