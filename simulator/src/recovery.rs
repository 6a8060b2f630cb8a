//! The recovery of a cluster: how all nodes come to agree on what is known at some moment, to be
//! compared with the forecast of dispatch (`dispatch_node::forecast`).

use std::collections::BTreeMap;
use std::time::Duration;

use dispatch_node::forecast::News;
use gossip::Rank;
use gossip::replica::Rules;
use shared::hero::HeroId;

use crate::cluster::Cluster;
use crate::plan::Plan;
use crate::violation::Violation;

/// The spread of what was known at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// The heroes of which not all held the newest write, by holder. Cities by number, then
    /// dispatch.
    pub news: Vec<News>,
    /// The number of them that some node still lacked: at that moment, and in even steps after it.
    pub left: Vec<usize>,
}

/// Carries out a plan until `from`, then looks `looks` times at the spread of that moment's news.
/// Later writes do not count.
///
/// # Errors
/// Returns the first violation.
pub fn follow(
    plan: &Plan,
    from: Duration,
    step: Duration,
    looks: u32,
) -> Result<Recovery, Violation> {
    let mut cluster = Cluster::new(plan, Rules::default(), false);
    cluster.run(from)?;
    let mut newest: BTreeMap<HeroId, Rank> = BTreeMap::new();
    for (id, held, _) in
        cluster.processes.running().flat_map(|process| process.replica().map().stamps())
    {
        let rank = newest.entry(id).or_insert(held);
        *rank = held.max(*rank);
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
    let all_nodes = u8::MAX >> (7 - plan.cities);
    let differ = |cluster: &Cluster| {
        holders(cluster).into_iter().filter(|holders| *holders != all_nodes).collect::<Vec<_>>()
    };
    let news = differ(&cluster).into_iter().map(|holders| News { holders, heroes: 1 }).collect();
    let mut left = vec![differ(&cluster).len()];
    for look in 1..=looks {
        cluster.run(from + step * look)?;
        left.push(differ(&cluster).len());
    }
    Ok(Recovery { news, left })
}
