//! The settings of the whole cluster, the pace of gossip and the quiet: set here, or taken over from
//! another dispatch.
//!
//! Invariant: of the settings of several dispatches, the latest applies at each of them.

use gossip::fault::{Control, Pace, Setting};
use gossip::{NodeName, Now};
use shared::Frame;

use super::Dispatch;
use crate::event_log::EventKind;

impl Dispatch {
    pub(super) fn set_pace(&mut self, now: Now, pace: Pace) {
        if pace != self.gossip.pace.value() {
            let (kind, text) = match pace.percent {
                0 => (EventKind::Paused, "gossip is paused".to_owned()),
                100 => (EventKind::Resumed, "gossip runs at its configured pace".to_owned()),
                percent => {
                    let text = format!("gossip runs at {percent} % of its configured pace");
                    (EventKind::Resumed, text)
                }
            };
            self.log(now, self.me(), kind, text);
        }
        let at = self.gossip.pace.next_time(now);
        self.gossip.pace.set(Setting { value: pace, at, by: self.me() });
        self.apply_pace(now);
        self.announce_pace(now);
    }

    pub(super) fn set_quiet(&mut self, now: Now, quiet: bool) {
        if quiet != self.quiet.value() {
            let text = if quiet {
                "the cities are quiet: no patrols and no fights"
            } else {
                "the cities are no longer quiet: patrols and fights go on"
            };
            self.log(now, self.me(), EventKind::Quiet, text.to_owned());
        }
        let at = self.quiet.next_time(now);
        self.quiet.set(Setting { value: quiet, at, by: self.me() });
        self.announce_quiet(now);
    }

    /// Takes over the pace that another dispatch has set, for the time of its lease. If this one has set
    /// a later one, the other has not heard of it, and is told.
    pub(super) fn adopt_pace(&mut self, now: Now, set: Setting<Pace>) {
        match self.gossip.pace.latest().filter(|latest| latest.is_later_than(&set)) {
            Some(latest) if latest.by == self.me() => self.announce_pace(now),
            Some(_) => {}
            None => {
                self.gossip.pace.adopt(now, set);
                self.apply_pace(now);
                self.publisher.touch(now);
            }
        }
    }

    /// Takes over the quiet that another dispatch has set, as [`adopt_pace`](Self::adopt_pace) does.
    pub(super) fn adopt_quiet(&mut self, now: Now, set: Setting<bool>) {
        match self.quiet.latest().filter(|latest| latest.is_later_than(&set)) {
            Some(latest) if latest.by == self.me() => self.announce_quiet(now),
            Some(_) => {}
            None => {
                self.quiet.adopt(now, set);
                self.publisher.touch(now);
            }
        }
    }

    /// Returns to the defaults if the dispatch that has set other values announces them no more.
    pub(super) fn end_adopted_settings(&mut self, now: Now) {
        if self.gossip.pace.end_overdue(now) {
            self.apply_pace(now);
            self.publisher.touch(now);
        }
        if self.quiet.end_overdue(now) {
            self.publisher.touch(now);
        }
    }

    pub(super) fn announce_due_settings(&mut self, now: Now) {
        if self.gossip.pace.announcement_is_due(now) {
            self.announce_pace(now);
        }
        if self.quiet.announcement_is_due(now) {
            self.announce_quiet(now);
        }
    }

    /// Sends the settings of this dispatch to a node that has just connected: it may have started after
    /// the last announcement. Another dispatch may have missed that a default was set again.
    pub(super) fn send_settings(&mut self, peer: NodeName) {
        let me = self.me();
        if let Some(set) = self.gossip.pace.latest().filter(|set| set.by == me) {
            self.send(peer, Frame::Control(Control::Pace(set)));
        }
        if let Some(set) = self.quiet.latest().filter(|set| set.by == me) {
            self.send(peer, Frame::Control(Control::Quiet(set)));
        }
    }

    fn apply_pace(&mut self, now: Now) {
        self.gossip.apply_pace(now);
        self.replica.pause(self.gossip.pace.value() == Pace::PAUSED);
    }

    fn announce_pace(&mut self, now: Now) {
        let Some(set) = self.gossip.pace.latest() else { return };
        self.send_to_linked(&Control::Pace(set));
        self.gossip.pace.announced(now);
    }

    fn announce_quiet(&mut self, now: Now) {
        let Some(set) = self.quiet.latest() else { return };
        self.send_to_linked(&Control::Quiet(set));
        self.quiet.announced(now);
    }

    /// Sends a setting to the linked nodes. Those without a link are sent it when they connect.
    fn send_to_linked(&mut self, control: &Control) {
        let nodes: Vec<NodeName> = self.observer.links().keys().copied().collect();
        for node in nodes {
            self.send(node, Frame::Control(control.clone()));
        }
    }
}
