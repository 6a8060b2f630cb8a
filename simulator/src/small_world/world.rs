//! The state of a small world: its replicas, the messages in flight, and the remaining budget.
//!
//! Invariant: every write of every replica is recorded when it is made, so that the invariants can
//! be checked in any state.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use gossip::replica::{Config, Rules};
use gossip::types::counter;
use gossip::{Incarnation, Kind, NodeName, Now, Origin, Record, Table, UnixMillis};
use shared::hero::{Hero, HeroId};
use shared::{Envelope, Replica, Value};
use xxhash_rust::xxh3::Xxh3;

use super::action::{Budget, Third};
use crate::checker::claims::Writes;

const EPOCH_MS: u64 = 1_790_000_000_000;
/// The seconds before a new incarnation starts, and before it acts; longer than any accepted drift.
const LATER: u64 = 10;
/// The names in the records.
pub(super) const GROUP: &str = "group";
const NAME: &str = "name";
/// The names of the replicas.
pub(super) const NAMES: [&str; 3] = ["a", "b", "c"];
/// The number of the replica that need not be a member from the start.
const THIRD: usize = 2;
const MEMBERS_MAX: usize = 8;

/// A state.
#[derive(Clone)]
pub(super) struct World {
    /// `None` is a process that has halted.
    pub(super) nodes: Vec<Option<Arc<Replica>>>,
    pub(super) under_way: Vec<Arc<Envelope>>,
    pub(super) budget: Budget,
    pub(super) writes: Arc<Writes>,
    pub(super) violation: Option<String>,
    seconds: u64,
    /// The number of the newest incarnation of any name.
    newest: u64,
}

impl World {
    /// Returns a world in which all replicas have joined, hold the first hero, and have exchanged
    /// proofs of that.
    pub(super) fn warm(budget: Budget, rules: &Rules) -> Self {
        let nodes = NAMES
            .map(|name| {
                let name = name.parse().expect("a valid name");
                Some(Arc::new(new_replica(name, Incarnation::at(1), 0, budget, rules)))
            })
            .to_vec();
        let is_further = budget.third != Third::Configured;
        let mut world = Self {
            nodes: if is_further { nodes[..THIRD].to_vec() } else { nodes },
            under_way: Vec::new(),
            budget,
            seconds: LATER,
            newest: 1,
            writes: Arc::default(),
            violation: None,
        };
        for node in 0..world.nodes.len() {
            let now = world.now();
            world.change(node, |replica| replica.tick(now));
        }
        world.set(0, 0);
        world.all_pull(rules);
        world.all_pull(rules);
        for _ in 0..budget.restarts {
            let ended = world.node(0).me();
            world.nodes[0] = Some(world.next_incarnation(ended.node, rules));
            (0..3).for_each(|_| world.all_pull(rules));
            let closed = |(_, replica): (_, &Arc<Replica>)| replica.vector().has_closed(ended);
            assert!(world.running().all(closed), "{ended} is not closed everywhere");
        }
        if is_further {
            let name = NAMES[THIRD].parse().expect("a valid name");
            let candidate = world.next_incarnation(name, rules);
            world.nodes.push(Some(candidate));
            world.round(THIRD, 0, rules);
        }
        if budget.third == Third::Further {
            (0..3).for_each(|_| world.all_pull(rules));
            assert!(world.node(THIRD).joined());
        }
        assert!(world.check().is_ok(), "{:?}", world.check());
        world
    }

    /// Returns a replica of a newer incarnation than all before, ready to act.
    pub(super) fn next_incarnation(&mut self, name: NodeName, rules: &Rules) -> Arc<Replica> {
        self.seconds += LATER;
        self.newest += 1;
        let incarnation = Incarnation::at(self.newest);
        let replica = new_replica(name, incarnation, self.seconds, self.budget, rules);
        self.seconds += LATER;
        Arc::new(replica)
    }

    /// Lets all later incarnations have greater numbers than this one.
    pub(super) fn number_above(&mut self, incarnation: Incarnation) {
        self.newest = self.newest.max(incarnation.number());
    }

    pub(super) fn now(&self) -> Now {
        Now::new(Duration::from_secs(self.seconds), UnixMillis(EPOCH_MS + self.seconds * 1_000))
    }

    /// Returns the violation found on the way to this state, if any.
    pub(super) fn violation(&self) -> Option<String> {
        self.violation.clone()
    }

    /// Returns a hash of the replicas only.
    pub(super) fn digest_of_replicas(&self) -> u64 {
        digest(&self.nodes)
    }

    /// Returns a hash of the whole state.
    pub(super) fn digest(&self) -> u64 {
        let mut hasher = Xxh3::new();
        self.nodes.hash(&mut hasher);
        // The order of sending makes no difference, since messages arrive in any order.
        let mut parts: Vec<u64> = self.under_way.iter().map(digest).collect();
        parts.sort_unstable();
        (parts, self.budget, self.violation.is_some()).hash(&mut hasher);
        hasher.finish()
    }

    /// Returns whether the replica is no member yet. Its copies do not count.
    pub(super) fn is_candidate(&self, replica: &Replica) -> bool {
        let is_third = replica.me().node.as_str() == NAMES[THIRD];
        self.budget.third != Third::Configured && is_third && !replica.joined()
    }

    pub(super) fn running(&self) -> impl Iterator<Item = (usize, &Arc<Replica>)> {
        self.nodes.iter().enumerate().filter_map(|(number, node)| Some((number, node.as_ref()?)))
    }

    pub(super) fn node(&self, number: usize) -> &Replica {
        self.nodes[number].as_ref().expect("a running replica")
    }

    /// Modifies a replica and records its writes.
    pub(super) fn change<T>(&mut self, node: usize, change: impl FnOnce(&mut Replica) -> T) -> T {
        let replica = Arc::make_mut(self.nodes[node].as_mut().expect("a running replica"));
        let changes = replica.map().changes();
        let result = change(replica);
        if replica.map().changes() != changes {
            let writes = Arc::make_mut(&mut self.writes);
            for (_, key, entry) in replica.map().changed_since(changes) {
                if let Err(violation) = writes.note_entry(key, &entry) {
                    self.violation.get_or_insert(violation);
                }
            }
        }
        result
    }

    /// Returns the key with this number, as this replica writes it.
    pub(super) fn key(&self, node: usize, number: u8) -> HeroId {
        let kind = self.budget.kinds[usize::from(number)];
        let table = Table::new(kind, number);
        match kind {
            Kind::Once => HeroId::from_bytes([number; 16]),
            Kind::Register => table.register(GROUP, NAME),
            Kind::Lasting => counter::TABLE.owned(GROUP, self.node(node).me(), 0),
            Kind::Ephemeral => table.owned(GROUP, self.node(node).me(), 0),
        }
    }

    pub(super) fn set(&mut self, node: usize, number: u8) {
        let key = self.key(node, number);
        let record = Record { group: GROUP, name: NAME, content: b"" };
        let value = match key.kind() {
            Kind::Lasting => {
                let now = self.now();
                let added = self.change(node, |replica| counter::add(replica, now, GROUP, 1));
                added.expect("a joined replica may count");
                return;
            }
            Kind::Once => Value::Live(Hero::new("Granite".into())),
            kind @ (Kind::Register | Kind::Ephemeral) => Value::Record(record.encode(kind)),
        };
        self.write(node, key, value);
    }

    pub(super) fn delete(&mut self, node: usize, number: u8) {
        let key = self.key(node, number);
        let is_register = key.kind() == Kind::Register;
        self.write(node, key, if is_register { Value::Unset } else { Value::Tombstone });
    }

    fn write(&mut self, node: usize, key: HeroId, value: Value) {
        let now = self.now();
        let written = self.change(node, |replica| replica.write(now, key, value));
        written.expect("a joined replica may write this key");
    }
}

fn digest(value: &impl Hash) -> u64 {
    let mut hasher = Xxh3::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn new_replica(
    node: NodeName,
    incarnation: Incarnation,
    seconds: u64,
    budget: Budget,
    rules: &Rules,
) -> Replica {
    let is_open = budget.third != Third::Configured;
    let configured = if is_open { &NAMES[..THIRD] } else { &NAMES };
    let members = configured.iter().map(|name| name.parse().expect("a valid name")).collect();
    // Each entry is a chunk of its own, and no chunk waits for an acknowledgement.
    let config = Config {
        members,
        members_max: if is_open { MEMBERS_MAX } else { 0 },
        chunk_bytes: 1,
        window: 1_000,
        pull_log_max: 0,
        rules: rules.clone(),
        ..Config::default()
    };
    let now = Now::new(Duration::from_secs(seconds), UnixMillis(EPOCH_MS + seconds * 1_000));
    Replica::new(Origin { node, incarnation }, config, now)
}
