//! The hooks by which an application counts and traces what links do.
//!
//! The library counts nothing itself: names of metrics and ways to export them are the
//! application's.

use std::time::Duration;

use crate::id::{Incarnation, NodeName};
use crate::machine::{LinkDown, Machine};
use crate::message::Frame;

/// The direction of a frame on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Received.
    In,
    /// Sent.
    Out,
}

/// A frame that passed a link, in figures.
#[derive(Clone, Copy, Debug)]
pub struct FrameStats {
    /// Received or sent.
    pub direction: Direction,
    /// The frame's [kind](Frame::kind).
    pub kind: &'static str,
    /// The size on the link, in bytes.
    pub bytes: usize,
    /// The number of entries in it.
    pub entries: usize,
}

/// The events of a node's links and supervision. Every method does nothing by default.
///
/// They are called from the tasks that do the work, so an implementation must not block.
pub trait Telemetry: Send + Sync + 'static {
    /// A frame was sent or received.
    fn frame(&self, _: FrameStats) {}
    /// An unauthenticated peer was turned away, for this reason.
    fn peer_refused(&self, _reason: &'static str) {}
    /// A peer was too slow for the frames sent to it, and its link was dropped.
    fn queue_overflowed(&self) {}
    /// The link to `peer` is up (`None`), or down for this reason.
    fn link_changed(&self, _peer: NodeName, _down: Option<LinkDown>) {}
    /// An incarnation of the node has begun.
    fn incarnation_started(&self, _: Incarnation) {}
    /// An incarnation crashed: `"bomb"` for an intended crash, `"panic"` for a bug.
    fn crashed(&self, _cause: &'static str) {}
    /// The node is about to begin another incarnation after a crash or a refusal.
    fn restarting(&self) {}
}

/// A [`Telemetry`] that ignores everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTelemetry;

impl Telemetry for NoTelemetry {}

/// The hooks of one incarnation of a machine, called from its driver.
///
/// Every method does nothing by default.
pub trait Hooks<M: Machine> {
    /// The machine is about to wait for input: everything due has been done.
    fn idle(&mut self, _machine: &M) {}
    /// A frame is about to be sent to `to`. A hook may set the trace of a command.
    fn sending(&mut self, _now: Duration, _to: NodeName, _frame: &mut Frame<M::App>) {}
    /// A frame from `from` is about to reach the machine.
    fn received(&mut self, _now: Duration, _from: NodeName, _frame: &Frame<M::App>) {}
    /// The time on the driver's monotonic clock; called at least once per input.
    fn elapsed(&mut self, _now: Duration) {}
}

/// [`Hooks`] that do nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHooks;

impl<M: Machine> Hooks<M> for NoHooks {}
