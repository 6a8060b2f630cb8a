//! The metrics of links and supervision.

use std::time::Duration;

use gossip::link::{Direction, FrameStats, Telemetry};
use gossip::{Incarnation, LinkDown, NodeName};

use super::{counter, gauge, node};

/// Records to the recorder of the process.
pub(crate) struct LinkMetrics;

impl Telemetry for LinkMetrics {
    fn frame(&self, stats: FrameStats) {
        let direction = match stats.direction {
            Direction::In => "in",
            Direction::Out => "out",
        };
        let labels = [("direction", direction), ("kind", stats.kind)];
        counter!(node::FRAMES.name, &labels).increment(1);
        counter!(node::BYTES.name, &labels).increment(stats.bytes as u64);
        if stats.entries > 0 {
            counter!(node::ENTRIES.name, &labels).increment(stats.entries as u64);
        }
    }

    fn peer_refused(&self, reason: &'static str) {
        for metric in node::PEERS_REFUSED_NAMES {
            counter!(metric.name, "reason" => reason).increment(1);
        }
    }

    fn queue_overflowed(&self) {
        counter!(node::OVERFLOWS.name).increment(1);
    }

    fn frame_too_large(&self) {
        counter!(node::TOO_LARGE.name).increment(1);
    }

    fn link_changed(&self, peer: NodeName, down: Option<LinkDown>) {
        let state = match down {
            None => "linked",
            // A refused connection means that no process listens. A lost or silent link may be a
            // fault of the network.
            Some(LinkDown::Refused) => "down",
            Some(LinkDown::Lost | LinkDown::TimedOut) => "unreachable",
        };
        for other in ["linked", "unreachable", "down"] {
            let labels = [("peer", peer.to_string()), ("state", other.to_owned())];
            gauge!(node::LINK_STATE.name, &labels).set(f64::from(u8::from(other == state)));
        }
    }

    fn incarnation_started(&self, incarnation: Incarnation) {
        for metric in node::INCARNATION_START_NAMES {
            gauge!(metric.name).set(Duration::from_millis(incarnation.number()));
        }
    }

    fn crashed(&self, cause: &'static str) {
        counter!(node::CRASHES.name, "cause" => cause).increment(1);
    }

    fn restarting(&self) {
        counter!(node::RESTARTS.name).increment(1);
    }
}
