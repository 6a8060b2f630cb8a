//! One node as last observed, and whether it answers.
//!
//! Invariant: data only, and only what the node itself has reported.

use std::collections::BTreeSet;
use std::time::Duration;

use gossip::{
    Fingerprint, Incarnation, NodeName, Now, Origin, PullOutcome, Stamp, UnixMillis, VersionVector,
};
use shared::Replica;

/// The state of a node's process, as far as dispatch has observed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeStatus {
    /// It answers.
    Up,
    /// It is unreachable or does not answer; its process may still run.
    Unreachable,
    /// Its process has stopped: nothing listens at its address.
    Down,
}

impl NodeStatus {
    /// Returns the name used by the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Unreachable => "unreachable",
            Self::Down => "down",
        }
    }
}

/// One node as last observed.
#[derive(Clone, Debug)]
pub struct NodeState {
    /// Its name.
    pub name: NodeName,
    /// True if it answers.
    pub status: NodeStatus,
    /// Its incarnation, if it has ever answered.
    pub incarnation: Option<Incarnation>,
    /// The number of crashes since its process started.
    pub crashes: u32,
    /// The number of live heroes that it holds.
    pub heroes: u64,
    /// The number of tombstones that it holds.
    pub tombstones: u64,
    /// The fingerprint of its entries.
    pub fingerprint: Fingerprint,
    /// Its version vector.
    pub vector: VersionVector,
    /// The age of this state; `None` if the node has never answered.
    pub age: Option<Duration>,
    /// True if it lost its memory and has not recovered it.
    pub recovering: bool,
    /// The lead of its wall clock over dispatch's in milliseconds, if it has ever answered.
    pub clock_ahead_ms: Option<i64>,
    /// The lead of the latest stamp that it covers over its wall clock, in milliseconds; 0 if the
    /// stamp is in the past.
    pub stamps_ahead_ms: u64,
    /// The estimated time by which it judges the stamps of others.
    pub(crate) reference: UnixMillis,
    /// The nodes whose last round it refused.
    pub refuses: Vec<NodeName>,
    /// True if an injected fault freezes it.
    pub frozen: bool,
    /// True if its present incarnation has been read completely. If not, its content is unknown.
    pub is_read: bool,
}

impl NodeState {
    /// Returns the state of dispatch's own node.
    pub(crate) fn of_dispatch(
        replica: &Replica,
        now: Now,
        is_present: impl Fn(Origin) -> bool,
    ) -> Self {
        Self {
            name: replica.me().node,
            status: NodeStatus::Up,
            incarnation: Some(replica.me().incarnation),
            crashes: 0,
            heroes: replica.map().live() as u64,
            tombstones: replica.map().tombstones() as u64,
            fingerprint: replica.map().application().fingerprint,
            vector: replica.vector().clone(),
            age: Some(Duration::ZERO),
            recovering: false,
            clock_ahead_ms: Some(0),
            stamps_ahead_ms: stamps_ahead_ms(replica.vector(), now.wall),
            reference: now.reference,
            refuses: refused_by_dispatch(replica, is_present),
            frozen: false,
            is_read: true,
        }
    }
}

/// Returns the lead of the latest stamp in the vector over a wall clock, in milliseconds.
pub(crate) fn stamps_ahead_ms(vector: &VersionVector, wall: UnixMillis) -> u64 {
    let latest = vector.iter().map(|stamp| stamp.hlc.wall).max().unwrap_or_default();
    latest.0.saturating_sub(wall.0)
}

/// Keeps the refusals that last: the source still has a write that the node lacks, with a stamp
/// beyond what the node accepts. Other rounds were refused only once.
pub(crate) fn keep_lasting_refusals(nodes: &mut [NodeState], drift_max: Duration) {
    if nodes.iter().all(|node| node.refuses.is_empty()) {
        return;
    }
    let vectors: Vec<(NodeName, VersionVector)> =
        nodes.iter().map(|node| (node.name, node.vector.clone())).collect();
    for node in nodes {
        let latest = node.reference.plus(drift_max);
        let vector = &node.vector;
        let is_refused = |stamp: Stamp| stamp.hlc.wall > latest && !vector.covers(stamp);
        node.refuses.retain(|source| {
            let mut theirs = vectors.iter().filter(|(name, _)| name == source);
            theirs.any(|(_, vector)| vector.iter().any(is_refused))
        });
    }
}

/// Returns the nodes whose last round dispatch's own replica refused, in their present incarnations.
fn refused_by_dispatch(replica: &Replica, is_present: impl Fn(Origin) -> bool) -> Vec<NodeName> {
    let mut refused = BTreeSet::new();
    for record in replica.pull_log().since(0).filter(|record| is_present(record.source)) {
        note_outcome(&mut refused, record.source.node, &record.outcome);
    }
    refused.into_iter().collect()
}

/// Notes the outcome of a pull from `source` in the set of nodes whose last round was refused.
pub(crate) fn note_outcome(
    refused: &mut BTreeSet<NodeName>,
    source: NodeName,
    outcome: &PullOutcome,
) {
    match outcome {
        PullOutcome::Refused => {
            refused.insert(source);
        }
        PullOutcome::Same | PullOutcome::Merged { .. } => {
            refused.remove(&source);
        }
        PullOutcome::Unanswered => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{NOW, node};
    use gossip::Hlc;

    #[test]
    fn refusal_lasts_until_the_node_accepts_later_stamps() {
        let drift_max = Duration::from_secs(2);
        let ahead = NOW.wall.plus(Duration::from_secs(3_600));
        let origin = Origin { node: "dispatch".parse().unwrap(), incarnation: Incarnation::at(7) };
        let stamp = Stamp { hlc: Hlc { wall: ahead, logical: 0 }, origin };
        let mut dispatch = node("dispatch");
        dispatch.vector.advance(stamp);
        let refuses_at = |reference| {
            let gotham = NodeState { reference, refuses: vec![origin.node], ..node("gotham") };
            let mut nodes = [gotham, dispatch.clone()];
            keep_lasting_refusals(&mut nodes, drift_max);
            nodes[0].refuses == [origin.node]
        };
        assert!(refuses_at(NOW.wall));
        // An operator has made it accept such stamps, and it has not pulled from dispatch since.
        assert!(!refuses_at(ahead));
    }
}
