//! How a cluster comes to agree on what it knows at some moment, to hold against what dispatch forecasts (`dispatch_node::forecast`).

use std::collections::BTreeMap;
use std::time::Duration;

use dispatch_node::forecast::News;
use shared::crdt::Rank;
use shared::id::HeroId;
use shared::replica::Rules;

use crate::cluster::{Cluster, Violation};
use crate::plan::Plan;

/// What became of what was known at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// The heroes of which not all held the newest write, by who held it. Cities by number, then dispatch.
    pub news: Vec<News>,
    /// Of how many of them some had not heard of that write: at that moment, and in even steps ever after.
    pub left: Vec<usize>,
}

/// Carries out a plan until `from`, and from then on looks, `looks` times, what has become of that moment's news. What is written later
/// does not count.
///
/// # Errors
/// What was violated.
pub fn follow(plan: &Plan, from: Duration, step: Duration, looks: u32) -> Result<Recovery, Violation> {
    let mut cluster = Cluster::new(plan, Rules::default(), false);
    cluster.run(from)?;
    let mut newest: BTreeMap<HeroId, Rank> = BTreeMap::new();
    for (id, held, _) in cluster.running().flat_map(|process| process.replica().map().stamps()) {
        let rank = newest.entry(id).or_insert(held);
        *rank = held.max(*rank);
    }
    let stamps: Vec<_> = newest.values().map(|newest| newest.stamp).collect();
    let holders = |cluster: &Cluster| -> Vec<u8> {
        let holds = |stamp| cluster.running().zip(0..).map(move |(process, bit)| u8::from(process.replica().vector().covers(stamp)) << bit);
        stamps.iter().map(|stamp| holds(*stamp).sum()).collect()
    };
    let everybody = u8::MAX >> (7 - plan.cities);
    let differ = |cluster: &Cluster| holders(cluster).into_iter().filter(|holders| *holders != everybody).collect::<Vec<_>>();
    let news = differ(&cluster).into_iter().map(|holders| News { holders, heroes: 1 }).collect();
    let mut left = vec![differ(&cluster).len()];
    for look in 1..=looks {
        cluster.run(from + step * look)?;
        left.push(differ(&cluster).len());
    }
    Ok(Recovery { news, left })
}
