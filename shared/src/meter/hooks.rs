//! The hooks that a node's driver calls for each frame and step: they record the spans of commands
//! and the metrics of the replica.

use std::time::Duration;

use gossip::link::Hooks;
use gossip::{NodeName, Origin};

use crate::app::Frame;
use crate::command_spans::CommandSpans;
use crate::meter::replica::Watcher;
use crate::process::HeroNode;

/// The hooks of one incarnation.
pub(crate) struct NodeHooks {
    spans: CommandSpans,
    watcher: Watcher,
}

impl NodeHooks {
    pub(crate) fn new(me: Origin) -> Self {
        Self { spans: CommandSpans::new(me), watcher: Watcher::new() }
    }
}

impl<M: HeroNode> Hooks<M> for NodeHooks {
    fn idle(&mut self, machine: &M) {
        self.watcher.update(machine.replica());
    }

    fn sending(&mut self, now: Duration, to: NodeName, frame: &mut Frame) {
        self.spans.sends(now, to, frame);
    }

    fn received(&mut self, now: Duration, from: NodeName, frame: &Frame) {
        self.spans.receives(now, from, frame);
    }

    fn elapsed(&mut self, now: Duration) {
        self.spans.expire(now);
    }
}
