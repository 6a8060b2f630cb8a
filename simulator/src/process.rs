//! One process of the simulated cluster: the machine of a city or of dispatch, its clock, and its supervisor.

use std::convert::Infallible;
use std::time::Duration;

use dispatch_node::dispatch::{self, Dispatch};
use dispatch_node::request::{Reply, Request};
use location_node::city::{self, City};
use shared::id::{Incarnation, NodeName, Origin};
use shared::machine::{Input, Machine as _, Output};
use shared::message::Frame;
use shared::replica::{self, Replica};
use shared::supervise::Intensity;
use shared::time::{Now, UnixMillis};

use crate::checker::Witness;
use crate::checker::writers::Writers;

/// When the simulated world begins: some day, long enough after 1970 for clocks to be off either way.
pub(crate) const EPOCH_MS: u64 = 1_790_000_000_000;

/// The machine of either kind of node.
pub(crate) enum Machine {
    City(Box<City>),
    Dispatch(Box<Dispatch>),
}

/// What a machine wants, of either kind.
pub(crate) enum Wanted {
    Send { to: NodeName, frame: Frame },
    Bombed,
    Replica(replica::Event),
    Answer { ticket: u64, answer: Reply },
    Nothing,
}

/// Whether a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Running,
    /// It will be started by and by.
    Down,
    /// It has ended for good; another process carries its name.
    Halted,
}

pub(crate) struct Process {
    pub(crate) name: NodeName,
    pub(crate) machine: Machine,
    pub(crate) me: Origin,
    pub(crate) state: State,
    pub(crate) crashes: u32,
    pub(crate) intensity: Intensity,
    pub(crate) clock: WallClock,
    pub(crate) frozen_until: Option<Duration>,
    /// What arrived while it stood still.
    pub(crate) inbox: Vec<Input<Infallible>>,
    pub(crate) tick_at: Option<Duration>,
    pub(crate) witness: Witness,
}

/// A wall clock that is off, drifts, and is set.
#[derive(Clone, Debug, Default)]
pub(crate) struct WallClock {
    pub(crate) skew_ms: i64,
    drift_ppm: i64,
    pub(crate) jump_ms: i64,
    latest: UnixMillis,
}

impl WallClock {
    /// A clock that is off by this much and goes wrong by that.
    pub(crate) fn new(skew_ms: i64, drift_ppm: i64) -> Self {
        Self { skew_ms, drift_ppm, ..Self::default() }
    }

    /// What it reads when `elapsed` has passed since the world began.
    pub(crate) fn read(&mut self, elapsed: Duration) -> Now {
        let millis = i64::try_from(elapsed.as_millis()).expect("virtual time is short");
        let off = self.skew_ms + self.jump_ms + millis * self.drift_ppm / 1_000_000;
        let wall = UnixMillis(EPOCH_MS.saturating_add_signed(millis + off));
        self.latest = wall.max(self.latest);
        Now { mono: elapsed, wall }
    }

    /// Somebody sets it right.
    pub(crate) fn set_right(&mut self) {
        *self = Self { latest: self.latest, ..Self::default() };
    }

    /// Whether it was set back since it read the latest time that it ever did.
    pub(crate) fn was_set_back(&self, now: Now) -> bool {
        now.wall < self.latest
    }
}

impl Process {
    pub(crate) fn replica(&self) -> &Replica {
        self.machine.replica()
    }

    /// The witness of the life that begins now: it must stamp above what its dead self held.
    pub(crate) fn next_witness(&self) -> Witness {
        Witness { writers: Writers::after(self.witness.writers.above()), ..Witness::default() }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.state == State::Running
    }

    /// Whether it takes part: it runs and does not stand still.
    pub(crate) fn is_awake(&self) -> bool {
        self.is_running() && self.frozen_until.is_none()
    }

    pub(crate) fn is_city(&self) -> bool {
        matches!(self.machine, Machine::City(_))
    }

    pub(crate) fn incarnation(&self) -> Incarnation {
        self.me.incarnation
    }
}

impl Machine {
    pub(crate) fn replica(&self) -> &Replica {
        match self {
            Self::City(city) => city.replica(),
            Self::Dispatch(dispatch) => dispatch.replica(),
        }
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        match self {
            Self::City(city) => city.deadline(),
            Self::Dispatch(dispatch) => dispatch.deadline(),
        }
    }

    pub(crate) fn tick(&mut self, now: Now) {
        match self {
            Self::City(city) => city.tick(now),
            Self::Dispatch(dispatch) => dispatch.tick(now),
        }
    }

    pub(crate) fn handle(&mut self, now: Now, input: Input<Infallible>) {
        match self {
            Self::City(city) => city.handle(now, input),
            Self::Dispatch(dispatch) => dispatch.handle(now, for_dispatch(input)),
        }
    }

    pub(crate) fn poll(&mut self) -> Option<Wanted> {
        match self {
            Self::City(city) => city.poll().map(|output| match output {
                Output::Send { to, frame } => Wanted::Send { to, frame },
                Output::Event(city::Event::Bombed) => Wanted::Bombed,
                Output::Event(city::Event::Replica(event)) => Wanted::Replica(event),
                Output::Event(city::Event::Assigned { .. } | city::Event::Patrols { .. } | city::Event::Fought { .. }) => Wanted::Nothing,
            }),
            Self::Dispatch(dispatch) => dispatch.poll().map(|output| match output {
                Output::Send { to, frame } => Wanted::Send { to, frame },
                Output::Event(dispatch::Event::Reply { ticket, reply: answer }) => Wanted::Answer { ticket, answer },
                Output::Event(dispatch::Event::Replica(event)) => Wanted::Replica(event),
                Output::Event(
                    dispatch::Event::View(_) | dispatch::Event::Logged(_) | dispatch::Event::Arrived(_) | dispatch::Event::Thaw(..),
                ) => Wanted::Nothing,
            }),
        }
    }
}

/// What happens on links is the same for both kinds of machine; only their commands have different types.
fn for_dispatch(input: Input<Infallible>) -> Input<Request> {
    match input {
        Input::LinkUp { peer, incarnation } => Input::LinkUp { peer, incarnation },
        Input::LinkDown { peer, cause } => Input::LinkDown { peer, cause },
        Input::Refused { peer, alive } => Input::Refused { peer, alive },
        Input::Frame { from, frame } => Input::Frame { from, frame },
        Input::Pace(pace) => Input::Pace(pace),
        Input::Command(never) => match never {},
    }
}
