//! Short histories, and long random ones. Dispatch observes the cities late and in any order, and
//! rounds are under way meanwhile. The counted writes are compared with a recount that knows the
//! exact ancestors of every write.

use super::*;

use proptest::prelude::*;

const NAMES: [&str; 3] = ["dispatch", "gotham", "capitol"];

/// One step of a history.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Writes over the node's own entry.
    Write(usize),
    /// Dispatch writes over the newest entry that it knows of, or deletes it.
    WriteOverCopy {
        deletes: bool,
    },
    /// A whole round.
    Sync {
        from: usize,
        to: usize,
    },
    /// The source takes the snapshot of a round, which arrives with the next `Arrive`.
    Depart {
        from: usize,
        to: usize,
    },
    Arrive,
    /// Dispatch observes a city.
    Observe(usize),
}

/// A node, as it is or as it was observed.
#[derive(Clone, Debug)]
struct Node {
    held: Arc<Entry>,
    vector: VersionVector,
}

impl Node {
    fn merge(&mut self, other: &Self) {
        if !self.vector.covers(other.held.stamp) && other.held.beats(&self.held) {
            self.held = Arc::clone(&other.held);
        }
        self.vector.merge(&other.vector);
    }
}

/// Dispatch and two cities. Dispatch knows its own entry, and those of the cities as observed.
struct World {
    nodes: [Node; 3],
    observed: [Node; 3],
    under_way: Vec<(usize, Node)>,
    /// The ancestors of each write.
    ancestors: BTreeMap<Stamp, BTreeSet<Stamp>>,
    saved: Vec<Arc<Entry>>,
    lost_writes: LostWrites,
    /// The node whose clock is ahead.
    fast: Option<usize>,
    /// The number of steps so far.
    time: u64,
    /// The time at which the open question to each city was asked, and the last answered one.
    asked: [u64; 3],
    answered: [u64; 3],
}

impl World {
    fn new(fast: Option<usize>) -> Self {
        let base = live(stamp("dispatch", 1, 1), None);
        let mut vector = VersionVector::new();
        for name in NAMES {
            vector.advance(stamp(name, 1, 1));
        }
        let nodes = [0; 3].map(|_| Node { held: Arc::clone(&base), vector: vector.clone() });
        Self {
            observed: nodes.clone(),
            nodes,
            under_way: Vec::new(),
            ancestors: BTreeMap::from([(base.stamp, BTreeSet::new())]),
            saved: Vec::new(),
            lost_writes: LostWrites::default(),
            fast,
            time: 0,
            asked: [0; 3],
            answered: [0; 3],
        }
    }

    fn write(&mut self, node: usize, step: u64, over: &Arc<Entry>, deletes: bool) {
        if over.is_tombstone() || self.nodes[node].held.is_tombstone() {
            return;
        }
        let ahead = if self.fast == Some(node) { 25 } else { 0 };
        let seen = over.stamp.hlc.wall.0.max(self.nodes[node].held.stamp.hlc.wall.0);
        let stamp = stamp(NAMES[node], 1, (10 * step + ahead).max(seen + 1));
        let value = if deletes {
            shared::Value::Tombstone
        } else {
            Value::Live(Hero::new("Granite".into()))
        };
        let write = Arc::new(Entry::written(value, stamp, Some(over)));
        let mut ancestors = self.ancestors[&over.stamp].clone();
        ancestors.insert(over.stamp);
        self.ancestors.insert(stamp, ancestors);
        self.lost_writes.acknowledged(NOW, Key::MIN, &write);
        self.saved.push(Arc::clone(&write));
        self.nodes[node].vector.advance(stamp);
        self.nodes[node].held = write;
    }

    fn act(&mut self, step: u64, act: Act) {
        self.time += 1;
        match act {
            Act::Write(node) => {
                let over = Arc::clone(&self.nodes[node].held);
                self.write(node, step, &over, false);
            }
            Act::WriteOverCopy { deletes } => {
                let known = self.observed[1..].iter().map(|city| &city.held);
                let known = known.chain([&self.nodes[0].held]).chain(&self.saved);
                let newest = known.max_by_key(|entry| entry.rank()).cloned().unwrap();
                self.write(0, step, &newest, deletes);
            }
            Act::Sync { from, to } => {
                let snapshot = self.nodes[from].clone();
                self.nodes[to].merge(&snapshot);
            }
            Act::Depart { from, to } => self.under_way.push((to, self.nodes[from].clone())),
            Act::Arrive => {
                for (to, snapshot) in std::mem::take(&mut self.under_way) {
                    self.nodes[to].merge(&snapshot);
                }
            }
            Act::Observe(city) => {
                self.observed[city] = self.nodes[city].clone();
                let held = Arc::clone(&self.observed[city].held);
                self.lost_writes.seen(Key::MIN, &held.as_entry_ref());
                self.answered[city] = std::mem::replace(&mut self.asked[city], self.time);
            }
        }
        // Dispatch does not notice rounds between the cities.
        if !matches!(act, Act::Sync { to: 1.., .. } | Act::Depart { .. }) {
            self.observed[0] = self.nodes[0].clone();
            self.settle();
        }
    }

    fn settle(&mut self) {
        let held: Vec<_> = self.observed.iter().map(|node| Some(Arc::clone(&node.held))).collect();
        let origins = NAMES.map(|name| stamp(name, 1, 1).origin);
        let observed =
            origins.into_iter().zip(self.observed.iter().map(|node| &node.vector)).collect();
        let answered = Duration::from_secs(self.answered[1].min(self.answered[2]));
        let nodes = Nodes { observed, seen: &|_| false, answered };
        let now = Now::new(Duration::from_secs(self.time), NOW);
        self.lost_writes.changed(Key::MIN);
        self.lost_writes.settle(now, usize::MAX, |_| held.clone(), &nodes);
    }

    /// Returns the writes that are lost at rest. A live write is not lost if any deletion had seen
    /// it, and a deletion is not lost to another.
    fn lost(&self) -> Vec<Stamp> {
        let last = &self.nodes[0].held;
        let follows =
            |later: Stamp, write: Stamp| later == write || self.ancestors[&later].contains(&write);
        let is_kept = |write: &Entry| {
            follows(last.stamp, write.stamp)
                || last.is_tombstone()
                    && self.saved.iter().any(|deletion| {
                        deletion.is_tombstone() && follows(deletion.stamp, write.stamp)
                    })
        };
        let mut lost: Vec<Stamp> =
            self.saved.iter().filter(|write| !is_kept(write)).map(|write| write.stamp).collect();
        lost.sort_unstable();
        lost
    }
}

/// Plays a history, then brings all nodes to the same entry, one observation at a time.
fn check_history(history: &[Act], fast: Option<usize>) -> Result<(), String> {
    let mut world = World::new(fast);
    for (step, act) in (1..).zip(history) {
        world.act(step, *act);
    }
    for (from, to) in [(0, 2), (2, 1), (1, 0), (0, 2), (2, 1)] {
        world.act(0, Act::Sync { from, to });
        world.act(0, Act::Observe(to.max(1)));
    }
    world.act(0, Act::Arrive);
    for (from, to) in [(1, 2), (2, 1), (1, 0), (0, 2), (2, 1)] {
        world.act(0, Act::Sync { from, to });
    }
    for city in [1, 2, 1, 2, 1, 2] {
        world.act(0, Act::Observe(city));
    }
    let lost = world.lost_writes.listed().iter().map(|lost| lost.entry.stamp);
    let mut lost: Vec<Stamp> = lost.collect();
    lost.sort_unstable();
    let expected = world.lost();
    if lost == expected && world.lost_writes.open.is_empty() {
        return Ok(());
    }
    Err(format!("{lost:?} are counted, not {expected:?}: {history:?}, fast: {fast:?}"))
}

/// All histories of four writes at three nodes, with an exchange between two nodes, or none, or
/// among all, before each write.
#[test]
fn lost_writes_of_all_short_histories_are_counted_exactly() {
    let pairs = [(0, 1), (0, 2), (1, 2)];
    let exchanges: Vec<Vec<(usize, usize)>> = std::iter::once(vec![])
        .chain(pairs.iter().map(|(a, b)| vec![(*a, *b), (*b, *a)]))
        .chain(pairs.iter().map(|(a, b)| vec![(*a, *b)]))
        .chain([[pairs, pairs].concat().iter().flat_map(|(a, b)| [(*a, *b), (*b, *a)]).collect()])
        .collect();
    let writes =
        [Act::Write(0), Act::Write(1), Act::Write(2), Act::WriteOverCopy { deletes: false }];
    let mut histories: Vec<Vec<Act>> = vec![vec![]];
    for number in 0..4 {
        let mut longer = Vec::new();
        for history in histories {
            for exchange in &exchanges[..if number == 0 { 1 } else { exchanges.len() }] {
                for write in writes {
                    let syncs =
                        exchange.iter().map(|(from, to)| Act::Sync { from: *from, to: *to });
                    longer.push(history.iter().copied().chain(syncs).chain([write]).collect());
                }
            }
        }
        histories = longer;
    }
    for history in &histories {
        for (fast, is_observed) in [(None, false), (Some(0), false), (Some(0), true)] {
            let observed = [Act::Observe(1), Act::Observe(2)];
            let observed = if is_observed { &observed[..] } else { &[] };
            let acts = history.iter().flat_map(|act| [act].into_iter().chain(observed));
            check_history(&acts.copied().collect::<Vec<_>>(), fast).unwrap();
        }
    }
}

/// All histories of three writes at dispatch and two cities. Before each write there is a round, or
/// none, or rounds among all, or one that arrives after the write; after each, dispatch observes a
/// city, or none.
#[test]
fn lost_writes_of_three_writes_observed_at_any_time_are_counted_exactly() {
    let pairs = [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)];
    let sync = |(from, to): &(usize, usize)| Act::Sync { from: *from, to: *to };
    let exchanges: Vec<Vec<Act>> = std::iter::once(vec![])
        .chain(pairs.iter().map(|pair| vec![sync(pair)]))
        .chain([(1, 2), (2, 1)].map(|(from, to)| vec![Act::Depart { from, to }]))
        .chain([[pairs, pairs].concat().iter().map(sync).collect()])
        .collect();
    let writes = [
        Act::Write(0),
        Act::Write(1),
        Act::Write(2),
        Act::WriteOverCopy { deletes: false },
        Act::WriteOverCopy { deletes: true },
    ];
    let observations: [&[usize]; 3] = [&[], &[1], &[2]];
    let mut histories: Vec<Vec<Act>> = vec![vec![]];
    for number in 0..3 {
        let mut longer = Vec::new();
        for history in &histories {
            for exchange in &exchanges[..if number == 0 { 1 } else { exchanges.len() }] {
                for write in writes {
                    for observed in observations {
                        let mut acts = history.clone();
                        acts.extend(exchange);
                        acts.push(write);
                        acts.extend(observed.iter().map(|city| Act::Observe(*city)));
                        if !exchange.iter().any(|act| matches!(act, Act::Depart { .. })) {
                            acts.push(Act::Arrive);
                        }
                        longer.push(acts);
                    }
                }
            }
        }
        histories = longer;
    }
    for (number, history) in histories.iter().enumerate() {
        let fast = [None, Some(1), Some(2)][number % 3];
        check_history(history, fast).unwrap();
    }
}

/// All histories of five writes at dispatch and two cities, with a round in one direction or none
/// before each write. Dispatch observes each city once, at any time.
#[test]
fn lost_writes_of_five_writes_observed_once_are_counted_exactly() {
    let rounds = [None, Some((1, 0)), Some((2, 1)), Some((0, 2))];
    let mut histories: Vec<Vec<Act>> = vec![vec![Act::Write(1)]];
    for _ in 0..4 {
        let mut longer = Vec::new();
        for history in &histories {
            for round in rounds {
                for node in 0..3 {
                    let round = round.map(|(from, to)| Act::Sync { from, to });
                    let acts = history.iter().copied().chain(round).chain([Act::Write(node)]);
                    longer.push(acts.collect::<Vec<_>>());
                }
            }
        }
        histories = longer;
    }
    let is_write = |act: &Act| matches!(act, Act::Write(_));
    for history in &histories {
        for (first, second) in (1..5).flat_map(|first| (1..5).map(move |second| (first, second))) {
            let mut acts = Vec::new();
            let mut writes = 0;
            for act in history {
                if is_write(act) {
                    acts.extend((writes == first).then_some(Act::Observe(1)));
                    acts.extend((writes == second).then_some(Act::Observe(2)));
                    writes += 1;
                }
                acts.push(*act);
            }
            check_history(&acts, None).unwrap();
        }
    }
}

fn any_act() -> impl Strategy<Value = Act> {
    let pair = || (0..3_usize, 0..2_usize).prop_map(|(from, other)| (from, (from + 1 + other) % 3));
    prop_oneof![
        6 => (0..3_usize).prop_map(Act::Write),
        2 => prop_oneof![9 => Just(false), 1 => Just(true)]
            .prop_map(|deletes| Act::WriteOverCopy { deletes }),
        4 => pair().prop_map(|(from, to)| Act::Sync { from, to }),
        1 => pair().prop_map(|(from, to)| Act::Depart { from, to }),
        1 => Just(Act::Arrive),
        3 => (1..3_usize).prop_map(Act::Observe),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100_000))]

    #[test]
    fn lost_writes_of_long_histories_observed_at_any_time_are_counted_exactly(
        history in prop::collection::vec(any_act(), 0..24),
        fast in prop::option::of(0..3_usize),
    ) {
        check_history(&history, fast).map_err(TestCaseError::fail)?;
    }
}
