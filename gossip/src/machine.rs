//! The contract between a deterministic machine and its driver: the production driver of feature
//! `net`, or a simulator. The very same machine runs under both.
//!
//! A machine owns all its state and does no input or output: no clock, no socket, no task, no
//! ambient randomness.

use std::fmt::Debug;
use std::time::Duration;

use crate::fault::Pace;
use crate::id::{Incarnation, NodeName};
use crate::message::{Application, Frame};
use crate::time::Now;

/// An input of a machine. `C` is the type of requests of its own process.
#[derive(Clone, Debug)]
pub enum Input<A: Application, C> {
    /// A link to this incarnation of `peer` is up. A link belongs to both ends' incarnations: when
    /// either changes, the link is lost and another is made.
    LinkUp {
        /// The node at the other end.
        peer: NodeName,
        /// Its incarnation.
        incarnation: Incarnation,
    },
    /// There is no link to `peer`: it was lost, or an attempt to connect failed.
    LinkDown {
        /// The node at the other end.
        peer: NodeName,
        /// The reason, as far as it is known.
        cause: LinkDown,
    },
    /// `peer` refuses a link, since another incarnation of this node's name is alive.
    Refused {
        /// The node that refuses.
        peer: NodeName,
        /// The incarnation that it is linked to.
        alive: Incarnation,
    },
    /// A frame arrived, decoded and within its bounds. `from` is the node at the other end of the
    /// link; a carried frame has another author.
    Frame {
        /// The node at the other end of the link.
        from: NodeName,
        /// The frame.
        frame: Frame<A>,
    },
    /// The controller sets the pace of gossip, for [`Pace::LEASE`].
    Pace(Pace),
    /// A request of the process.
    Command(C),
}

/// The reason why there is no link to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkDown {
    /// Its address refuses connections: the process has stopped.
    Refused,
    /// The connection broke or closed.
    Lost,
    /// The connection is silent: the process is frozen, or the network drops everything.
    Silent,
}

/// An output of a machine. `E` is the type of reports to its own process.
#[derive(Clone, Debug)]
pub enum Output<A: Application, E> {
    /// Sends `frame` over the link to `to`. Without a link it is dropped.
    Send {
        /// The node at the other end of the link.
        to: NodeName,
        /// The frame.
        frame: Frame<A>,
    },
    /// A report to the process.
    Event(E),
}

/// A deterministic state machine: the same seed and the same inputs give the same outputs.
pub trait Machine {
    /// The types of the application that it is part of.
    type App: Application;
    /// A request of its own process.
    type Command: Debug;
    /// A report to its own process.
    type Event: Debug;

    /// Takes one input. Cannot fail: the input was decoded and bounded at the edge.
    fn handle(&mut self, now: Now, input: MachineInput<Self>);

    /// Returns the next output, oldest first. Drivers call it until it is empty after each `handle`
    /// or `tick`.
    fn poll(&mut self) -> Option<MachineOutput<Self>>;

    /// Returns when to call [`tick`](Self::tick) if nothing else happens first, on the clock of
    /// [`Now::mono`].
    fn deadline(&self) -> Option<Duration>;

    /// Does what is due. Calling it early or twice does nothing.
    fn tick(&mut self, now: Now);
}

/// The input of the machine `M`.
pub type MachineInput<M> = Input<<M as Machine>::App, <M as Machine>::Command>;
/// The output of the machine `M`.
pub type MachineOutput<M> = Output<<M as Machine>::App, <M as Machine>::Event>;
