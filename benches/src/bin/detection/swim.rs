//! Detection by SWIM: foca over datagrams, in virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::num::NonZeroU32;
use std::time::Duration;

use foca::{
    AccumulatingRuntime, Config, Foca, Identity, Member, OwnedNotification, PostcardCodec, Timer,
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{DELAY_MS, Measured, NOTICED_MAX, UDP_HEADERS, WATCHED};

/// The time from the start until nodes are watched.
const SETTLED: Duration = Duration::from_secs(10);

/// A node. One that was taken for down returns with a higher generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Node {
    number: u16,
    generation: u32,
}

impl Identity for Node {
    type Addr = u16;

    fn renew(&self) -> Option<Self> {
        Some(Self { generation: self.generation + 1, ..*self })
    }

    fn addr(&self) -> u16 {
        self.number
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.generation > adversary.generation
    }
}

enum Happens {
    Arrives { to: u16, data: Vec<u8> },
    Due { at: u16, timer: Timer<Node> },
}

/// An event in the future. Of several at one time the first one planned happens first.
struct Planned {
    when: (Duration, u64),
    what: Happens,
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.when == other.when
    }
}

impl Eq for Planned {}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Planned {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.when.cmp(&other.when)
    }
}

type SwimNode = Foca<Node, PostcardCodec, ChaCha8Rng, foca::NoCustomBroadcast>;

struct Cluster {
    nodes: Vec<SwimNode>,
    planned: BinaryHeap<Reverse<Planned>>,
    next: u64,
    now: Duration,
    loss: f64,
    dead: Option<u16>,
    rng: ChaCha8Rng,
    measured: Measured,
    is_watched: bool,
}

/// Runs a cluster of this many nodes, which know each other from the start. The first one dies in the
/// end.
pub(crate) fn run(nodes: u16, loss: f64, seed: u64) -> Measured {
    let mut cluster = Cluster::new(nodes, loss, seed);
    cluster.run_until(SETTLED, |_| false);
    cluster.is_watched = true;
    cluster.run_until(SETTLED + WATCHED, |_| false);
    cluster.is_watched = false;
    cluster.measured.watched = WATCHED * u32::from(nodes);
    let died = cluster.now;
    cluster.dead = Some(0);
    // With many losses some take it for down already.
    let lists = |node: &SwimNode| node.iter_members().any(|member| member.id().number == 0);
    let others = cluster.nodes[1..].iter().filter(|node| lists(node)).count();
    cluster.run_until(died + NOTICED_MAX, |measured| measured.noticed.len() >= others);
    let mut measured = cluster.measured;
    // One that takes all others for down asks nobody any more.
    let missing = others.saturating_sub(measured.noticed.len());
    measured.noticed.extend(std::iter::repeat_n(died + NOTICED_MAX, missing));
    measured.noticed.iter_mut().for_each(|noticed| *noticed -= died);
    measured.noticed.sort_unstable();
    measured
}

impl Cluster {
    fn new(count: u16, loss: f64, seed: u64) -> Self {
        let size = NonZeroU32::new(count.into()).expect("there are nodes");
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let node = |number| Node { number, generation: 0 };
        let nodes: Vec<_> = (0..count)
            .map(|number| {
                let own = ChaCha8Rng::seed_from_u64(rng.random());
                Foca::new(node(number), Config::new_lan(size), own, PostcardCodec)
            })
            .collect();
        let mut cluster = Self {
            nodes,
            planned: BinaryHeap::new(),
            next: 0,
            now: Duration::ZERO,
            loss,
            dead: None,
            rng,
            measured: Measured::default(),
            is_watched: false,
        };
        for number in 0..count {
            // Not all at the same moment.
            cluster.now = Duration::from_millis(cluster.rng.random_range(0..1_000));
            let others = (0..count).filter(|other| *other != number).map(node).map(Member::alive);
            let mut effects = AccumulatingRuntime::new();
            cluster.nodes[usize::from(number)]
                .apply_many(others, false, &mut effects)
                .expect("identities are small");
            cluster.take(number, effects);
        }
        cluster.now = Duration::ZERO;
        cluster
    }

    fn plan(&mut self, after: Duration, what: Happens) {
        let when = (self.now + after, self.next);
        self.next += 1;
        self.planned.push(Reverse(Planned { when, what }));
    }

    /// Carries out what a node wants.
    fn take(&mut self, from: u16, mut effects: AccumulatingRuntime<Node>) {
        while let Some((to, data)) = effects.to_send() {
            if self.is_watched {
                self.measured.packets += 1;
                self.measured.bytes += data.len() as u64 + UDP_HEADERS;
            }
            if !self.rng.random_bool(self.loss) {
                let after = Duration::from_millis(self.rng.random_range(DELAY_MS));
                self.plan(after, Happens::Arrives { to: to.number, data: data.to_vec() });
            }
        }
        while let Some((after, timer)) = effects.to_schedule() {
            self.plan(after, Happens::Due { at: from, timer });
        }
        while let Some(notification) = effects.to_notify() {
            if let OwnedNotification::MemberDown(down) = notification {
                if self.dead == Some(down.number) {
                    self.measured.noticed.push(self.now);
                } else if self.is_watched {
                    self.measured.false_alarms += 1;
                }
            }
        }
    }

    fn run_until(&mut self, end: Duration, is_done: impl Fn(&Measured) -> bool) {
        let is_due = |planned: &Reverse<Planned>| planned.0.when.0 <= end;
        while !is_done(&self.measured) && self.planned.peek().is_some_and(is_due) {
            let Some(Reverse(Planned { when: (at, _), what })) = self.planned.pop() else { break };
            self.now = at;
            let number = match &what {
                Happens::Arrives { to, .. } => *to,
                Happens::Due { at, .. } => *at,
            };
            if self.dead == Some(number) {
                continue;
            }
            let node = &mut self.nodes[usize::from(number)];
            let mut effects = AccumulatingRuntime::new();
            // Foca reports what it does not use, such as a late datagram for an earlier generation.
            let _ = match what {
                Happens::Arrives { data, .. } => node.handle_data(&data, &mut effects),
                Happens::Due { timer, .. } => node.handle_timer(timer, &mut effects),
            };
            self.take(number, effects);
        }
        self.now = end;
    }
}
