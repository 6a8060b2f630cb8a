//! The contract between the deterministic machines (a city, dispatch) and whoever drives them: the production
//! driver in `link::driver`, or the simulator. The very same machine runs under both.
//!
//! A machine owns all its state and does no input or output: no clock, no socket, no task, no ambient randomness.
//! The same seed and the same inputs give the same outputs.

use std::fmt::Debug;
use std::time::Duration;

use crate::fault::Pace;
use crate::id::{Incarnation, NodeName};
use crate::message::Frame;
use crate::time::Now;

/// Everything that can happen to a machine. `C` are the commands of its own outside, if it has any.
#[derive(Clone, Debug)]
pub enum Input<C> {
    /// A link to `peer` stands, and `peer` is in this life. A link is bound to both ends' incarnations: when
    /// either changes, it is lost and another is made.
    LinkUp {
        /// The node at the other end.
        peer: NodeName,
        /// Its life.
        incarnation: Incarnation,
    },
    /// There is no link to `peer`: it was lost, or an attempt to make one failed.
    LinkDown {
        /// The node at the other end.
        peer: NodeName,
        /// What is known of the reason.
        cause: LinkDown,
    },
    /// `peer` will not link, since another life of this node's name is alive.
    Refused {
        /// Who refuses.
        peer: NodeName,
        /// The life that it holds to.
        alive: Incarnation,
    },
    /// A frame arrived, decoded and within its bounds. `from` is the node at the other end of the link, which
    /// for a carried frame is not its author.
    Frame {
        /// The node at the other end of the link.
        from: NodeName,
        /// What it sent.
        frame: Frame,
    },
    /// Dispatch wants gossip at this pace, until [`Pace::LEASE`] is over.
    Pace(Pace),
    /// The outside asks for something.
    Command(C),
}

/// Why there is no link to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkDown {
    /// Nobody listens at its address: the process has stopped.
    Refused,
    /// The connection broke or closed.
    Lost,
    /// The connection stands, but nothing is heard over it: a frozen process, or a network that swallows everything.
    Silent,
}

/// Everything a machine can ask of its driver. `E` are its reports to its own outside.
#[derive(Clone, Debug)]
pub enum Output<E> {
    /// Send `frame` over the link to `to`; dropped without a word when there is none.
    Send {
        /// The node at the other end of the link.
        to: NodeName,
        /// What to send.
        frame: Frame,
    },
    /// Something the outside may want to know or must act on.
    Event(E),
}

/// A deterministic state machine.
pub trait Machine {
    /// What its outside may ask of it.
    type Command: Debug;
    /// What it tells its outside.
    type Event: Debug;

    /// Takes one input. Cannot fail: the input was decoded and bounded at the edge.
    fn handle(&mut self, now: Now, input: Input<Self::Command>);

    /// The next output, oldest first. Drivers call it until it is empty after each `handle` or `tick`.
    fn poll(&mut self) -> Option<Output<Self::Event>>;

    /// When to call [`tick`](Self::tick) if nothing else happens first, on the clock of [`Now::mono`].
    fn deadline(&self) -> Option<Duration>;

    /// Does what is due. Calling it early or twice does nothing.
    fn tick(&mut self, now: Now);
}

/// Something a machine does again and again. A field, not a task: it is due when the machine is told that its time has come.
#[derive(Clone, Debug)]
pub struct Timer {
    interval: Option<Duration>,
    at: Option<Duration>,
    pace: Pace,
}

impl Timer {
    /// A timer that is first due after `first_fraction` (0 to 1) of its interval, and never where that is `None`.
    /// Machines that start together take a random fraction, or they would do everything in step.
    #[must_use]
    pub fn new(interval: Option<Duration>, first_fraction: f64, now: Now) -> Self {
        Self { interval, at: interval.map(|interval| now.mono + interval.mul_f64(first_fraction)), pace: Pace::FREE }
    }

    /// Goes at this pace from now on: what is left of the present interval is stretched or shrunk; while paused it stands still.
    pub fn set_pace(&mut self, pace: Pace, now: Now) {
        if pace == self.pace {
            return;
        }
        self.pace = pace;
        self.at = self.paced().map(|interval| self.at.unwrap_or(Duration::MAX).min(now.mono + interval));
    }

    fn paced(&self) -> Option<Duration> {
        let percent = u32::from(self.pace.percent);
        self.interval.filter(|_| percent > 0).map(|interval| interval * 100 / percent)
    }

    /// How long it waits between two times at its usual pace; `None` if it is never due.
    #[must_use]
    pub fn interval(&self) -> Option<Duration> {
        self.interval
    }

    /// When it is due next.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.at
    }

    /// Whether it is due; if so, it begins again.
    pub fn is_due(&mut self, now: Now) -> bool {
        let due = self.at.is_some_and(|at| at <= now.mono);
        if due {
            self.at = self.paced().map(|interval| now.mono + interval);
        }
        due
    }
}

/// The earliest of several deadlines.
#[must_use]
pub fn earliest<const N: usize>(deadlines: [Option<Duration>; N]) -> Option<Duration> {
    deadlines.into_iter().flatten().min()
}
