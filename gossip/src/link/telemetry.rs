//! Hooks for metrics and traces of links.
//!
//! The library has no metrics of its own: the application chooses their names and exporters.

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

/// The statistics of one sent or received frame.
#[derive(Clone, Copy, Debug)]
pub struct FrameStats {
    /// The direction.
    pub direction: Direction,
    /// The frame's [kind](Frame::kind).
    pub kind: &'static str,
    /// The encoded size, in bytes.
    pub bytes: usize,
    /// The number of entries in the frame.
    pub entries: usize,
}

/// A receiver of events of a node's links and supervision. All methods do nothing by default.
///
/// The methods are called from the tasks that serve the links, so implementations must not block.
pub trait Telemetry: Send + Sync + 'static {
    /// A frame was sent or received.
    fn frame(&self, _: FrameStats) {}
    /// An unauthenticated peer was refused, for this reason.
    fn peer_refused(&self, _reason: &'static str) {}
    /// A peer's queue of frames to send was full, and its link was dropped.
    fn queue_overflowed(&self) {}
    /// A frame was too large to send, and its link was dropped.
    fn frame_too_large(&self) {}
    /// The link to `peer` is up (`None`), or down for the given reason.
    fn link_changed(&self, _peer: NodeName, _down: Option<LinkDown>) {}
    /// An incarnation of the node has started.
    fn incarnation_started(&self, _: Incarnation) {}
    /// An incarnation crashed: `"bomb"` for an intended crash, `"panic"` for a bug.
    fn crashed(&self, _cause: &'static str) {}
    /// The node is about to start another incarnation after a crash, or after it was superseded.
    fn restarting(&self) {}
}

/// A [`Telemetry`] that ignores everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTelemetry;

impl Telemetry for NoTelemetry {}

/// The hooks of one incarnation of a machine, called from its driver.
///
/// All methods do nothing by default.
pub trait Hooks<M: Machine> {
    /// The machine has no work left, and is about to wait for input.
    fn idle(&mut self, _machine: &M) {}
    /// A frame is about to be sent to `to`. A hook may set the trace of a command.
    fn sending(&mut self, _now: Duration, _to: NodeName, _frame: &mut Frame<M::App>) {}
    /// A frame from `from` is about to reach the machine.
    fn received(&mut self, _now: Duration, _from: NodeName, _frame: &Frame<M::App>) {}
    /// Reports the time on the driver's monotonic clock. Called at least once per input.
    fn elapsed(&mut self, _now: Duration) {}
}

/// [`Hooks`] that do nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHooks;

impl<M: Machine> Hooks<M> for NoHooks {}
