//! Stamps ahead of the clocks: the alarms about clocks, and the acceptance of such stamps.
//!
//! Invariant: stamps beyond the accepted drift are accepted only at a client's request, up to the
//! time in that request, and by every node, also by those that start later.

use std::time::Duration;

use gossip::fault::Control;
use gossip::{NodeName, Now};
use shared::Frame;

use super::Dispatch;
use crate::event_log::EventKind;
use crate::request::{AcceptStamps, Acceptance};
use crate::text::seconds;

impl Dispatch {
    /// Makes every node accept stamps up to a time that its clock does not read yet.
    pub(super) fn accept_stamps(&mut self, now: Now, request: &AcceptStamps) -> Acceptance {
        let until = now.wall.plus(request.ahead);
        self.accepted = self.accepted.max(until);
        let nodes = self.all_nodes();
        for node in &nodes {
            self.send(*node, Frame::Control(Control::Accept(until)));
        }
        let ahead = seconds(request.ahead);
        let text = format!("stamps up to {ahead} ahead of the clock of dispatch are accepted");
        self.log(now, self.me(), EventKind::Accepted, text);
        Acceptance { until, nodes }
    }

    /// Sends the accepted time to a node that has just connected, if its clock may not read it yet.
    pub(super) fn send_accepted(&mut self, now: Now, peer: NodeName) {
        if self.accepted > now.wall {
            self.send(peer, Frame::Control(Control::Accept(self.accepted)));
        }
    }

    /// Logs that the clock of a node was set.
    pub(super) fn note_clock_step(&mut self, now: Now, node: NodeName, step_ms: i64) {
        let by = seconds(Duration::from_millis(step_ms.unsigned_abs()));
        let text = match step_ms {
            0 => return,
            1.. => {
                format!("the clock of {node} was set ahead by {by}, or its machine was suspended")
            }
            _ => format!("the clock of {node} was set back by {by}"),
        };
        self.log(now, node, EventKind::Alarm, text);
    }

    /// Logs an alarm if the clock of a city has just exceeded the accepted difference.
    pub(super) fn check_clock(&mut self, now: Now, name: NodeName) {
        let alarm =
            self.alarms.on_clock(now, self.observer.cities_mut(), name, self.replica.me().node);
        if let Some((node, text)) = alarm {
            self.log(now, node, EventKind::Alarm, text);
        }
    }
}
