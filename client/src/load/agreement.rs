//! Whether every city has heard of the writes, and whether all hold the same.
//!
//! Dispatch shows what it last read of a city, some 20 ms ago at best. So equal fingerprints right
//! after a write say nothing: they may all be of before it. What each city covers, by its version
//! vector, tells the two apart.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use api_types::{Cluster, Node, Stamp};
use superhero::{Api, Error, Stopwatch};

use super::interrupt::Interrupt;

/// Between two looks.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// The newest write of each life, which every city is to hear of.
#[derive(Clone, Debug, Default)]
pub(super) struct Newest(BTreeMap<String, (u64, u64)>);

impl Newest {
    /// This was written.
    pub(super) fn wrote(&mut self, stamp: &Stamp) {
        self.raise(&stamp.origin, (stamp.wall_ms, stamp.logical.into()));
    }

    /// All that dispatch has written until now: what it answers does not always name a stamp.
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

/// `1790000012345+0`
fn reading_of(text: &str) -> Option<(u64, u64)> {
    let (wall_ms, logical) = text.split_once('+')?;
    Some((wall_ms.parse().ok()?, logical.parse().ok()?))
}

/// Whether the node covers everything of this life, which is over.
fn is_closed(node: &Node, origin: &str) -> bool {
    let incarnation = origin
        .split_once('/')
        .and_then(|(name, incarnation)| Some((name, incarnation.parse::<u64>().ok()?)));
    incarnation.is_some_and(|(name, incarnation)| {
        node.closed_before.get(name).is_some_and(|first_open| incarnation < *first_open)
    })
}

/// How the cluster stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    /// Every city has heard of all that was written.
    arrived: bool,
    /// The same, and all nodes hold the same.
    agreed: bool,
}

fn standing(cluster: &Cluster, newest: &Newest) -> Standing {
    let mut cities = cluster.nodes.iter().filter(|node| node.role == "city");
    let arrived = cities.all(|city| city.status == "up" && newest.is_covered_by(city));
    let same = cluster
        .nodes
        .windows(2)
        .all(|pair| pair[0].fingerprint == pair[1].fingerprint && pair[0].heroes == pair[1].heroes);
    Standing { arrived, agreed: arrived && same }
}

/// How long it took, `None` where it did not come about in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Took {
    /// Until every city had heard of all that was written.
    pub(super) arrived: Option<Duration>,
    /// Until all nodes held the same, too. Where heroes patrol and fight, the cities write by
    /// themselves.
    pub(super) agreed: Option<Duration>,
}

/// Waits until all agree, for at most `limit`, or until Ctrl-C.
///
/// # Errors
/// [`Error`]: nobody answered.
pub(super) fn wait(
    api: &Api,
    mut newest: Newest,
    limit: Duration,
    interrupt: &Interrupt,
) -> Result<Took, Error> {
    let (watch, mut took) = (Stopwatch::start(), Took::default());
    newest.wrote_at_dispatch(&api.cluster()?.value);
    while !interrupt.is_set() && watch.elapsed() < limit {
        let seen = standing(&api.cluster()?.value, &newest);
        if seen.arrived && took.arrived.is_none() {
            took.arrived = Some(watch.elapsed());
        }
        if seen.agreed {
            took.agreed = Some(watch.elapsed());
            break;
        }
        thread::sleep(PAUSE);
    }
    Ok(took)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three cities and dispatch; each holds this fingerprint, and covers so much of gotham's life.
    fn cluster(nodes: [(&str, &str); 4]) -> Cluster {
        let names = ["gotham", "metropolis", "capitol", "dispatch"];
        let nodes = names.iter().zip(nodes).map(|(name, (fingerprint, covered))| {
            serde_json::json!({
                "name": name, "role": if *name == "dispatch" { "dispatch" } else { "city" }, "status": "up", "incarnation": 2, "crashes": 0,
                "heroes": 1, "tombstones": 0, "fingerprint": fingerprint, "age_ms": 1,
                "version_vector": { "gotham/2": covered, "dispatch/2": "7+0" }, "closed_before": { "metropolis": 4 },
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
    fn the_same_fingerprint_of_before_the_write_is_no_agreement() {
        let before = cluster([("a", "9+9"); 4]);
        assert_eq!(
            standing(&before, &newest("gotham/2", 10, 0)),
            Standing { arrived: false, agreed: false }
        );
        assert_eq!(
            standing(&before, &newest("gotham/2", 9, 9)),
            Standing { arrived: true, agreed: true }
        );
    }

    #[test]
    fn who_has_heard_of_all_may_still_hold_something_else() {
        let other = cluster([("a", "10+0"), ("a", "10+0"), ("b", "10+0"), ("a", "10+0")]);
        assert_eq!(
            standing(&other, &newest("gotham/2", 10, 0)),
            Standing { arrived: true, agreed: false }
        );
        let late = cluster([("a", "10+0"), ("a", "9+9"), ("a", "10+0"), ("a", "10+0")]);
        assert!(
            !standing(&late, &newest("gotham/2", 10, 0)).arrived,
            "counters do not make up for milliseconds"
        );
    }

    #[test]
    fn an_incarnation_that_is_closed_is_covered() {
        let all = cluster([("a", "1+0"); 4]);
        assert!(standing(&all, &newest("metropolis/2", 99, 0)).arrived);
        assert!(!standing(&all, &newest("metropolis/4", 99, 0)).arrived);
    }

    #[test]
    fn what_dispatch_wrote_counts_too() {
        let mut newest = Newest::default();
        newest.wrote_at_dispatch(&cluster([("a", "1+0"); 4]));
        assert_eq!(newest.0, BTreeMap::from([("dispatch/2".to_owned(), (7, 0))]));
    }

    #[test]
    fn the_newest_write_of_an_incarnation_is_kept() {
        let mut newest = newest("gotham/2", 10, 1);
        newest.wrote(&Stamp { wall_ms: 10, logical: 0, origin: "gotham/2".into() });
        assert_eq!(newest.0["gotham/2"], (10, 1));
    }
}
