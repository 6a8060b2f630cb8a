//! The recovery of a cluster: how the nodes reach agreement on the writes that exist at one moment,
//! for comparison with the forecast of dispatch (`dispatch_node::forecast`).

use std::collections::BTreeMap;
use std::time::Duration;

use dispatch_node::forecast::HeroClass;
use gossip::Rank;
use gossip::replica::Rules;
use shared::hero::HeroId;

use crate::cluster::Cluster;
use crate::plan::Plan;
use crate::violation::Violation;

/// The spread of the writes of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// The heroes whose newest write some node was missing, with the nodes that had it as a bit
    /// set: cities by number, then dispatch.
    pub differences: Vec<HeroClass>,
    /// The number of these heroes that some node is still missing: at the start, then after each
    /// step.
    pub left: Vec<usize>,
}

/// Runs a plan until `from`, then measures the spread of the existing writes `samples` times, once
/// per `step`. Later writes do not count.
///
/// # Errors
/// Returns the first violation.
pub fn follow(
    plan: &Plan,
    from: Duration,
    step: Duration,
    samples: u32,
) -> Result<Recovery, Violation> {
    let mut cluster = Cluster::new(plan, Rules::default(), false);
    cluster.run(from)?;
    let mut newest: BTreeMap<HeroId, Rank> = BTreeMap::new();
    for held in cluster.processes.running().flat_map(|process| process.replica().map().stamps()) {
        let rank = Rank { is_final: held.is_tombstone, stamp: held.stamp };
        newest.entry(held.key).and_modify(|newest| *newest = rank.max(*newest)).or_insert(rank);
    }
    let stamps: Vec<_> = newest.values().map(|newest| newest.stamp).collect();
    let holders = |cluster: &Cluster| -> Vec<u8> {
        let holds = |stamp| {
            cluster.processes.running().zip(0..).map(move |(process, bit)| {
                u8::from(process.replica().vector().covers(stamp)) << bit
            })
        };
        stamps.iter().map(|stamp| holds(*stamp).sum()).collect()
    };
    // One bit per node, so at most seven cities and dispatch.
    let all_nodes = u8::MAX >> (7 - plan.cities);
    let differ = |cluster: &Cluster| {
        holders(cluster).into_iter().filter(|holders| *holders != all_nodes).collect::<Vec<_>>()
    };
    let differences =
        differ(&cluster).into_iter().map(|holders| HeroClass { holders, heroes: 1 }).collect();
    let mut left = vec![differ(&cluster).len()];
    for sample in 1..=samples {
        cluster.run(from + step * sample)?;
        left.push(differ(&cluster).len());
    }
    Ok(Recovery { differences, left })
}
