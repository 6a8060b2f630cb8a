//! The wait until every city covers the writes, and until all nodes hold the same.
//!
//! Dispatch reports its last observation of a city, at best some 20 ms old. Equal fingerprints
//! right after a write therefore prove nothing: all of them may predate it. The version vector of
//! each city shows whether it covers the write.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use api_types::{Cluster, Node, Stamp};
use superhero::{Api, Error, Stopwatch};

use super::interrupt::Interrupt;
use crate::outage::Outage;

/// The interval between two reads of the cluster's state.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The newest write of each origin (node and incarnation), which every city must cover.
#[derive(Clone, Debug, Default)]
pub(super) struct Newest(BTreeMap<String, (u64, u64)>);

impl Newest {
    /// Adds a write.
    pub(super) fn wrote(&mut self, stamp: &Stamp) {
        self.raise(&stamp.origin, (stamp.wall_ms, stamp.logical.into()));
    }

    /// Adds every write of dispatch so far, since not every response of dispatch contains a stamp.
    fn wrote_at_dispatch(&mut self, cluster: &Cluster) {
        for node in cluster.nodes.iter().filter(|node| node.role == "dispatch") {
            let own = node.incarnation.map(|incarnation| format!("{}/{incarnation}", node.name));
            if let Some((origin, reading)) =
                own.and_then(|own| node.version_vector.get_key_value(&own))
            {
                self.raise(origin, reading_of(reading).unwrap_or_default());
            }
        }
    }

    fn raise(&mut self, origin: &str, reading: (u64, u64)) {
        match self.0.get_mut(origin) {
            Some(newest) => *newest = reading.max(*newest),
            None => _ = self.0.insert(origin.to_owned(), reading),
        }
    }

    fn is_covered_by(&self, node: &Node) -> bool {
        self.0.iter().all(|(origin, newest)| {
            let covers = node
                .version_vector
                .get(origin)
                .and_then(|reading| reading_of(reading))
                .is_some_and(|reading| reading >= *newest);
            covers || is_closed(node, origin)
        })
    }
}

/// Parses a clock reading such as `1790000012345+0`.
fn reading_of(text: &str) -> Option<(u64, u64)> {
    let (wall_ms, logical) = text.split_once('+')?;
    Some((wall_ms.parse().ok()?, logical.parse().ok()?))
}

/// Returns whether the node covers the whole incarnation because it is closed.
fn is_closed(node: &Node, origin: &str) -> bool {
    let incarnation = origin
        .split_once('/')
        .and_then(|(name, incarnation)| Some((name, incarnation.parse::<u64>().ok()?)));
    incarnation.is_some_and(|(name, incarnation)| {
        node.closed_before.get(name).is_some_and(|first_open| incarnation < *first_open)
    })
}

/// The convergence of the cluster at one observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Convergence {
    /// Every city is up and covers all writes.
    arrived: bool,
    /// In addition, all nodes hold the same.
    agreed: bool,
}

fn convergence(cluster: &Cluster, newest: &Newest) -> Convergence {
    let mut cities = cluster.nodes.iter().filter(|node| node.role == "city");
    let arrived = cities.all(|city| city.status == "up" && newest.is_covered_by(city));
    let same = cluster
        .nodes
        .windows(2)
        .all(|pair| pair[0].fingerprint == pair[1].fingerprint && pair[0].heroes == pair[1].heroes);
    Convergence { arrived, agreed: arrived && same }
}

/// The convergence times since the last write; `None` on timeout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Took {
    /// The time until every city covered all writes.
    pub(super) arrived: Option<Duration>,
    /// The time until all nodes held the same, too. Patrols and fights can delay it, since cities
    /// then write on their own.
    pub(super) agreed: Option<Duration>,
}

/// Waits until all nodes agree, the limit has passed, or Ctrl-C. `outage` has the last failure if
/// the cluster's state is unknown at the end.
///
/// # Errors
/// A request to dispatch failed for a reason that does not pass.
pub(super) fn wait(
    api: &Api,
    mut newest: Newest,
    limit: Duration,
    interrupt: &Interrupt,
    outage: &mut Outage,
) -> Result<Took, Error> {
    // The times include this request, so they are upper bounds.
    let (watch, mut took, mut is_first) = (Stopwatch::start(), Took::default(), true);
    while !interrupt.is_set() && (is_first || watch.elapsed() < limit) {
        let Some(cluster) = outage.check(api.cluster())? else {
            if watch.elapsed() >= limit {
                break;
            }
            thread::sleep(POLL_INTERVAL);
            continue;
        };
        if std::mem::take(&mut is_first) {
            newest.wrote_at_dispatch(&cluster.value);
            continue;
        }
        let observed = convergence(&cluster.value, &newest);
        if observed.arrived && took.arrived.is_none() {
            took.arrived = Some(watch.elapsed());
        }
        if observed.agreed {
            took.agreed = Some(watch.elapsed());
            break;
        }
        thread::sleep(POLL_INTERVAL);
    }
    Ok(took)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns three cities and dispatch, each with a fingerprint and its coverage of `gotham/2`.
    fn cluster(nodes: [(&str, &str); 4]) -> Cluster {
        let names = ["gotham", "metropolis", "capitol", "dispatch"];
        let nodes = names.iter().zip(nodes).map(|(name, (fingerprint, covered))| {
            serde_json::json!({
                "name": name,
                "role": if *name == "dispatch" { "dispatch" } else { "city" },
                "status": "up",
                "incarnation": 2,
                "crashes": 0,
                "heroes": 1,
                "tombstones": 0,
                "fingerprint": fingerprint,
                "age_ms": 1,
                "version_vector": { "gotham/2": covered, "dispatch/2": "7+0" },
                "closed_before": { "metropolis": 4 },
            })
        });
        serde_json::from_value(serde_json::json!({ "nodes": nodes.collect::<Vec<_>>() }))
            .expect("a cluster")
    }

    fn newest(origin: &str, wall_ms: u64, logical: u32) -> Newest {
        let mut newest = Newest::default();
        newest.wrote(&Stamp { wall_ms, logical, origin: origin.into() });
        newest
    }

    #[test]
    fn equal_fingerprints_from_before_the_write_are_no_agreement() {
        let before = cluster([("a", "9+9"); 4]);
        assert_eq!(
            convergence(&before, &newest("gotham/2", 10, 0)),
            Convergence { arrived: false, agreed: false }
        );
        assert_eq!(
            convergence(&before, &newest("gotham/2", 9, 9)),
            Convergence { arrived: true, agreed: true }
        );
    }

    #[test]
    fn cities_that_cover_all_writes_may_still_differ() {
        let other = cluster([("a", "10+0"), ("a", "10+0"), ("b", "10+0"), ("a", "10+0")]);
        assert_eq!(
            convergence(&other, &newest("gotham/2", 10, 0)),
            Convergence { arrived: true, agreed: false }
        );
        let late = cluster([("a", "10+0"), ("a", "9+9"), ("a", "10+0"), ("a", "10+0")]);
        assert!(
            !convergence(&late, &newest("gotham/2", 10, 0)).arrived,
            "a higher counter does not outweigh an earlier millisecond"
        );
    }

    #[test]
    fn closed_incarnation_is_covered() {
        let all = cluster([("a", "1+0"); 4]);
        assert!(convergence(&all, &newest("metropolis/2", 99, 0)).arrived);
        assert!(!convergence(&all, &newest("metropolis/4", 99, 0)).arrived);
    }

    #[test]
    fn writes_of_dispatch_must_be_covered_too() {
        let mut newest = Newest::default();
        newest.wrote_at_dispatch(&cluster([("a", "1+0"); 4]));
        assert_eq!(newest.0, BTreeMap::from([("dispatch/2".to_owned(), (7, 0))]));
    }

    #[test]
    fn newest_write_of_an_incarnation_is_kept() {
        let mut newest = newest("gotham/2", 10, 1);
        newest.wrote(&Stamp { wall_ms: 10, logical: 0, origin: "gotham/2".into() });
        assert_eq!(newest.0["gotham/2"], (10, 1));
    }
}
