//! The choice of the nodes that execute calls: in turn, by their load, or by the owners of a key.
//!
//! Invariant: what is known of a node changes only the order in which nodes are tried.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
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
pub(super) struct Loads(Arc<Mutex<State>>, Arc<AtomicUsize>);

#[derive(Default)]
struct State {
    nodes: BTreeMap<NodeName, Load>,
    /// The nodes that had no handler of a name, and when that was.
    lacking: BTreeMap<(String, NodeName), Instant>,
}

#[derive(Clone, Copy, Default)]
struct Load {
    /// The number of own calls without an answer.
    waiting: usize,
    /// The number of calls that the node executed at its last answer.
    reported: usize,
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
        let mut nodes = match target {
            Target::Node(node) => return vec![*node],
            Target::Owner(key) => snapshot.owners(key),
            Target::RoundRobin | Target::LeastLoaded => snapshot.nodes(),
        };
        let state = self.locked();
        if !matches!(target, Target::Owner(_)) {
            let turn = self.1.fetch_add(1, Ordering::Relaxed);
            let first = turn % nodes.len().max(1);
            nodes.rotate_left(first);
        }
        if *target == Target::LeastLoaded {
            let load = |node: &NodeName| {
                let load = state.nodes.get(node).copied().unwrap_or_default();
                load.waiting.max(load.reported)
            };
            nodes.sort_by_key(load);
        }
        let lacks = |node: &NodeName| {
            let since = state.lacking.get(&(handler.to_owned(), *node));
            since.is_some_and(|since| since.elapsed() < LACKS_FOR)
        };
        nodes.sort_by_key(lacks);
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
        Waiting { loads: self, node, reported: None }
    }
}

/// A call that waits for its answer.
pub(super) struct Waiting<'a> {
    loads: &'a Loads,
    node: NodeName,
    pub(super) reported: Option<u32>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.loads.locked();
        let load = state.nodes.entry(self.node).or_default();
        load.waiting -= 1;
        // A call without an answer may still be executed.
        load.reported = self.reported.map_or(load.reported + 1, |reported| reported as usize);
    }
}
