//! The spread of one write through the real core: the number of rounds until every replica holds a
//! new hero, compared with theory.
//!
//! Invariant: chance decides only which node pulls from which. The core transfers all data: nothing
//! is lost or delayed, an exchange completes before the next one starts, and a round takes one
//! second.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use gossip::replica::{Config, Event, Output};
use gossip::{Incarnation, NodeName, Now, Origin, UnixMillis};
use shared::hero::{Hero, HeroId};
use shared::{Replica, Value};

/// The wall time at which the cluster starts.
const EPOCH: UnixMillis = UnixMillis(1_790_000_000_000);
/// The time of the measured write, long after all nodes have joined.
const SETTLED: Duration = Duration::from_secs(10);
/// The hero whose spread is measured.
const HERO: HeroId = HeroId::from_u128(1);

/// The rule that decides which nodes pull in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The rule of this project: each node, in random order, starts a mutual pull with one random
    /// other node.
    EveryNodePulls,
    /// The rule of the original design: one random ordered pair (a, b) in the whole cluster; b
    /// pulls from a, one way.
    OneOrderedPair,
}

/// Returns the number of rounds until each of `nodes` replicas holds a hero that one of them wrote.
///
/// # Panics
/// Panics for fewer than two nodes, or if the core reports an event other than a commit or a join.
#[must_use]
pub fn rounds_to_converge(nodes: usize, rule: Rule, seed: u64) -> u32 {
    let mut cluster = Cluster::joined(nodes, seed);
    let writer = cluster.rng.random_range(0..nodes);
    let hero = Value::Live(Hero::new("News".into()));
    cluster.replicas[writer].write(cluster.now, HERO, hero).expect("the writer has joined");
    let mut rounds = 0;
    while !cluster.replicas.iter().all(|replica| replica.map().get(HERO).is_some()) {
        cluster.round(rule);
        rounds += 1;
    }
    rounds
}

/// The distribution over many seeds, in rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The arithmetic mean.
    pub mean: f64,
    /// The smallest number that at least half of the seeds did not exceed.
    pub p50: u32,
    /// The smallest number that at least 99 % of the seeds did not exceed.
    pub p99: u32,
}

/// Measures the seeds in `0..seeds`.
///
/// # Panics
/// Panics if `seeds` is 0, and in the same cases as [`rounds_to_converge`].
#[must_use]
pub fn measure(nodes: u32, rule: Rule, seeds: u32) -> Spread {
    let mut rounds: Vec<u32> =
        (0..seeds).map(|seed| rounds_to_converge(nodes as usize, rule, seed.into())).collect();
    rounds.sort_unstable();
    let at_most = |percent: usize| rounds[(rounds.len() * percent).div_ceil(100) - 1];
    Spread {
        mean: f64::from(rounds.iter().sum::<u32>()) / f64::from(seeds),
        p50: at_most(50),
        p99: at_most(99),
    }
}

/// Returns the classical estimate of the rounds that [`Rule::EveryNodePulls`] takes: log₃ n + ln ln
/// n.
///
/// Karp, Schindelhauer, Shenker and Vöcking, "Randomized Rumor Spreading" (FOCS 2000): if all nodes
/// call at once and both ends transfer, the number of informed nodes triples each round until most
/// are informed, and then the uninformed fraction squares each round: log₃ n + O(log log n) rounds.
/// It is a scale for the measurement, neither a bound nor a fit. The paper leaves the factor of log
/// log n open, here 1, and makes no statement about few nodes. Its rounds are synchronous: data
/// received in a round is passed on in the next. Here the exchanges of a round are sequential, as
/// those of real nodes are within a second, so a write may take several hops in one round, and
/// fewer rounds are needed.
#[must_use]
pub fn estimate(nodes: f64) -> f64 {
    nodes.ln() / 3_f64.ln() + nodes.ln().ln()
}

/// Returns the exact expectation, in seconds, for [`Rule::OneOrderedPair`].
///
/// While k of n nodes hold the hero, k(n-k) of the n(n-1) ordered pairs transfer it, so the next
/// node receives it after n(n-1) / (k(n-k)) seconds on average.
#[must_use]
pub fn ordered_pair_expectation(nodes: u32) -> f64 {
    let n = f64::from(nodes);
    (1..nodes).map(f64::from).map(|k| n * (n - 1.0) / (k * (n - k))).sum()
}

struct Cluster {
    replicas: Vec<Replica>,
    now: Now,
    rng: ChaCha8Rng,
}

impl Cluster {
    /// Returns a cluster in which all nodes have joined and every vector covers the start of every
    /// incarnation, so that the measured hero is the only difference.
    fn joined(nodes: usize, seed: u64) -> Self {
        assert!(nodes >= 2, "a write needs a second node to spread to");
        let start = Now::new(Duration::ZERO, EPOCH);
        let incarnation = |number| Origin {
            node: format!("city-{number}").parse().expect("a valid name"),
            incarnation: Incarnation::at(1),
        };
        let members: BTreeSet<NodeName> =
            (0..nodes).map(|number| incarnation(number).node).collect();
        let config = Config { members, ..Config::default() };
        let replicas = (0..nodes)
            .map(|number| Replica::new(incarnation(number), config.clone(), start))
            .collect();
        let now = Now::new(SETTLED, EPOCH.plus(SETTLED));
        let mut cluster = Self { replicas, now, rng: ChaCha8Rng::seed_from_u64(seed) };
        // The first node joins alone, the others through it. It then pulls from each, so that it
        // covers every incarnation, and each pulls from it again.
        cluster.replicas[0].tick(now);
        (1..nodes).for_each(|node| cluster.exchange(node, 0, false));
        (1..nodes).for_each(|node| cluster.exchange(0, node, false));
        (1..nodes).for_each(|node| cluster.exchange(node, 0, false));
        let agreed = cluster.replicas[0].summary();
        assert!(
            cluster.replicas.iter().all(|replica| replica.joined() && replica.summary() == agreed),
            "all replicas start equal"
        );
        cluster
    }

    fn round(&mut self, rule: Rule) {
        let second = Duration::from_secs(1);
        self.now = Now::new(self.now.mono + second, self.now.wall.plus(second));
        let mut order: Vec<usize> = (0..self.replicas.len()).collect();
        match rule {
            Rule::EveryNodePulls => {
                order.shuffle(&mut self.rng);
                for node in order {
                    let peer = self.other_than(node);
                    self.exchange(node, peer, true);
                }
            }
            Rule::OneOrderedPair => {
                let source = self.rng.random_range(0..self.replicas.len());
                let puller = self.other_than(source);
                self.exchange(puller, source, false);
            }
        }
    }

    fn other_than(&mut self, node: usize) -> usize {
        let other = self.rng.random_range(0..self.replicas.len() - 1);
        other + usize::from(other >= node)
    }

    /// Lets `puller` pull from `source`, and delivers messages until neither has more to send.
    fn exchange(&mut self, puller: usize, source: usize, mutual: bool) {
        let from = self.replicas[source].me();
        self.replicas[puller].pull(self.now, from, from.node, mutual);
        while self.deliver(puller, source) || self.deliver(source, puller) {}
        assert!(
            [puller, source].iter().all(|node| self.replicas[*node].deadline().is_none()),
            "the exchange is complete"
        );
    }

    /// Delivers the messages of `from` to `to`; returns whether there were any.
    fn deliver(&mut self, from: usize, to: usize) -> bool {
        let via = self.replicas[from].me().node;
        let mut any = false;
        while let Some(output) = self.replicas[from].poll() {
            any = true;
            match output {
                Output::Send { envelope, .. } => self.replicas[to].handle(self.now, via, envelope),
                Output::Event(event) => {
                    assert!(
                        matches!(event, Event::Committed { .. } | Event::Joined { .. }),
                        "unexpected event: {event:?}"
                    );
                }
            }
        }
        any
    }
}
