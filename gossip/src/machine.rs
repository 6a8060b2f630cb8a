//! The contract between a deterministic machine and its driver, which is the production driver of
//! the feature `net` or a simulator. The same machine runs under both.
//!
//! A machine owns all its state and performs no I/O: it has no clock, no socket, no task, and no
//! ambient randomness.

use std::fmt::Debug;
use std::time::Duration;

use crate::fault::{Pace, Setting};
use crate::id::{Incarnation, NodeName};
use crate::message::{Application, Frame};
use crate::time::Now;

/// An input of a machine. `C` is the type of the requests of its own process.
#[derive(Clone, Debug)]
pub enum Input<A: Application, C> {
    /// A link to this incarnation of `peer` is up. A link is bound to the incarnations of both
    /// ends: when either changes, the link is lost and a new one is made.
    LinkUp {
        /// The node at the other end.
        peer: NodeName,
        /// Its incarnation.
        incarnation: Incarnation,
    },
    /// There is no link to `peer`: it was lost, or a connection attempt failed.
    LinkDown {
        /// The node at the other end.
        peer: NodeName,
        /// The reason, if known.
        cause: LinkDown,
    },
    /// `peer` refuses a link, since another incarnation of this node's name is running.
    Refused {
        /// The node that refuses.
        peer: NodeName,
        /// The running incarnation, to which the peer is linked.
        running: Incarnation,
    },
    /// A decoded and validated frame arrived. `from` is the node at the other end of the link,
    /// which is not the author of a carried frame.
    Frame {
        /// The node at the other end of the link.
        from: NodeName,
        /// The frame.
        frame: Frame<A>,
    },
    /// A controller set the pace of gossip, for [`LEASE`](crate::fault::LEASE).
    Pace(Setting<Pace>),
    /// A controller made the application quiet, for [`LEASE`](crate::fault::LEASE), or ended that. A
    /// quiet application writes only when it is asked to.
    Quiet(Setting<bool>),
    /// A request of the machine's own process.
    Command(C),
}

/// The reason why there is no link to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkDown {
    /// The address refused the connection: the process is stopped.
    Refused,
    /// The connection failed or was closed.
    Lost,
    /// Nothing was received in time: the process is frozen, or the network drops all packets.
    TimedOut,
}

/// An output of a machine. `E` is the type of the reports to its own process.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "an output is moved once, to the link or the process"
)]
pub enum Output<A: Application, E> {
    /// Sends `frame` over the link to `to`. Without a link, the frame is dropped.
    Send {
        /// The node at the other end of the link.
        to: NodeName,
        /// The frame.
        frame: Frame<A>,
    },
    /// A report to the process.
    Event(E),
}

/// A deterministic state machine: equal seeds and inputs give equal outputs.
pub trait Machine {
    /// The application that the machine is part of.
    type App: Application;
    /// A request of its own process.
    type Command: Debug;
    /// A report to its own process.
    type Event: Debug;

    /// Handles one input. This cannot fail, because inputs are decoded and validated before.
    fn handle(&mut self, now: Now, input: MachineInput<Self>);

    /// Returns the next output, oldest first. After each `handle` or `tick`, the driver calls this
    /// until it returns `None`.
    fn poll(&mut self) -> Option<MachineOutput<Self>>;

    /// Returns the time at which to call [`tick`](Self::tick), on the clock of [`Now::mono`].
    fn deadline(&self) -> Option<Duration>;

    /// Executes due work. Calling it too early, or twice, has no effect.
    fn tick(&mut self, now: Now);
}

/// The input of the machine `M`.
pub type MachineInput<M> = Input<<M as Machine>::App, <M as Machine>::Command>;
/// The output of the machine `M`.
pub type MachineOutput<M> = Output<<M as Machine>::App, <M as Machine>::Event>;
