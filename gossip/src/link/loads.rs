//! The choice of the nodes that execute calls: in turn, by their load, or by the owners of a key.
//!
//! Invariant: what is known of a node changes only the order in which nodes are tried.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::id::NodeName;
use crate::types::snapshot::Snapshot;

/// The time for which a node that has no handler of a name is not asked again, unless it is the only
/// one.
const LACKS_FOR: Duration = Duration::from_secs(5);
/// The number of nodes and handlers that are remembered as lacking.
const LACKING_MAX: usize = 1_000;
/// The time for which the load that a node has reported counts.
const REPORTED_FOR: Duration = Duration::from_secs(5);
/// The number of handlers whose turns are remembered.
const TURNS_MAX: usize = 1_000;

/// The node that executes a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// This one.
    Node(NodeName),
    /// The reachable nodes in turn.
    RoundRobin,
    /// The reachable node with the fewest calls: of this caller, or of all as of its last answer.
    LeastLoaded,
    /// The first reachable node with such a handler, in the order in which they own this key; see
    /// [`owners`](crate::owners).
    Owner(String),
}

/// What a process knows of the nodes that execute calls. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Loads(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    nodes: BTreeMap<NodeName, Load>,
    /// The nodes that had no handler of a name, and when that was.
    lacking: BTreeMap<(String, NodeName), Instant>,
    /// The number of calls of each handler so far.
    turns: BTreeMap<String, usize>,
}

#[derive(Clone, Copy, Default)]
struct Load {
    /// The number of own calls without an answer.
    waiting: usize,
    /// The number of calls that the node executed at its last answer, and one for each later call
    /// without an answer; and when that was.
    reported: Option<(usize, Instant)>,
}

impl Load {
    fn now(self) -> usize {
        let is_recent = |(_, at): &(usize, Instant)| at.elapsed() < REPORTED_FOR;
        self.waiting.max(self.reported.filter(is_recent).map_or(0, |(reported, _)| reported))
    }
}

impl Loads {
    fn locked(&self) -> MutexGuard<'_, State> {
        // The value is consistent whenever the lock is released.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns nodes in the order in which they are tried.
    pub(super) fn order(
        &self,
        target: &Target,
        handler: &str,
        snapshot: &Snapshot,
    ) -> Vec<NodeName> {
        let nodes = match target {
            Target::Node(node) => return vec![*node],
            Target::Owner(key) => snapshot.owners(key),
            Target::RoundRobin | Target::LeastLoaded => snapshot.nodes(),
        };
        let mut state = self.locked();
        let lacks = |node: &NodeName| {
            let since = state.lacking.get(&(handler.to_owned(), *node));
            since.is_some_and(|since| since.elapsed() < LACKS_FOR)
        };
        let (lacking, mut nodes): (Vec<_>, Vec<_>) = nodes.into_iter().partition(lacks);
        if !matches!(target, Target::Owner(_)) && !nodes.is_empty() {
            let first = state.turn(handler) % nodes.len();
            nodes.rotate_left(first);
        }
        if *target == Target::LeastLoaded {
            nodes.sort_by_key(|node| state.nodes.get(node).copied().unwrap_or_default().now());
        }
        nodes.extend(lacking);
        nodes
    }

    pub(super) fn note_lacking(&self, handler: &str, node: NodeName) {
        let lacking = &mut self.locked().lacking;
        if lacking.len() >= LACKING_MAX {
            lacking.retain(|_, since| since.elapsed() < LACKS_FOR);
        }
        if lacking.len() < LACKING_MAX {
            lacking.insert((handler.to_owned(), node), Instant::now());
        }
    }

    pub(super) fn begin(&self, node: NodeName) -> Waiting<'_> {
        self.locked().nodes.entry(node).or_default().waiting += 1;
        Waiting { loads: self, node, reported: Reported::Nothing }
    }
}

impl State {
    /// Returns the number of calls of a handler before this one.
    fn turn(&mut self, handler: &str) -> usize {
        if self.turns.len() >= TURNS_MAX && !self.turns.contains_key(handler) {
            self.turns.clear();
        }
        let turns = self.turns.entry(handler.to_owned()).or_default();
        *turns = turns.wrapping_add(1);
        turns.wrapping_sub(1)
    }
}

/// A call that waits for its answer.
pub(super) struct Waiting<'a> {
    loads: &'a Loads,
    node: NodeName,
    pub(super) reported: Reported,
}

/// What the end of a call tells of the load of its node.
pub(super) enum Reported {
    /// Nothing: it was not sent.
    Nothing,
    /// The number of calls that the node executes.
    Running(u32),
    /// No answer came, so the call may still be executed.
    Silence,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.loads.locked();
        let load = state.nodes.entry(self.node).or_default();
        load.waiting -= 1;
        match self.reported {
            Reported::Nothing => {}
            Reported::Running(running) => load.reported = Some((running as usize, Instant::now())),
            Reported::Silence => {
                let reported = load.reported.map_or(0, |(reported, _)| reported);
                load.reported = Some((reported + 1, Instant::now()));
            }
        }
        // Names that are no members leave nothing behind.
        if load.now() == 0 {
            state.nodes.remove(&self.node);
        }
    }
}
