//! What one node holds of the types at one moment.
//!
//! Invariant: it shows what the replica held after one step of its machine, so a write is never
//! shown before the writes that its writer had seen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::clock::{Hlc, Stamp};
use crate::crdt::records::Records;
use crate::crdt::version_vector::VersionVector;
use crate::id::{NodeName, Origin};
use crate::owners;
use crate::payload::Payload;
use crate::replica::Replica;
use crate::types::counter::{self, Counter, Recent};
use crate::types::names::{self, Holding, Registration};
use crate::types::peers::Peers;
use crate::types::presence::{self, Present};
use crate::types::registers::{self, Register};
use crate::types::room::{self, Message};
use crate::types::set;

/// What one node holds of the types at one moment. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Snapshot {
    me: Origin,
    is_joined: bool,
    number: u64,
    records: Records,
    vector: Arc<VersionVector>,
    reachable: Arc<BTreeSet<Origin>>,
    is_starting: bool,
    recent: Recent,
    /// The newest reading of this incarnation that another node is known to cover.
    proved: Option<Hlc>,
}

impl Snapshot {
    /// Returns what a replica holds.
    #[must_use]
    pub fn of<V: Payload>(replica: &Replica<V>, peers: &Peers, recent: &Recent) -> Self {
        Self {
            me: replica.me(),
            is_joined: replica.joined(),
            number: replica.map().changes(),
            records: replica.map().records().clone(),
            vector: Arc::new(replica.vector().clone()),
            reachable: Arc::new(peers.reachable()),
            is_starting: peers.is_starting(),
            recent: recent.clone(),
            proved: replica.proved(),
        }
    }

    /// Returns whether a new snapshot would show the same.
    pub(crate) fn is_current<V: Payload>(&self, replica: &Replica<V>, peers: &Peers) -> bool {
        // The number first, since it is the cheapest and changes most often.
        self.number == replica.map().changes()
            && self.me == replica.me()
            && self.is_joined == replica.joined()
            && self.is_starting == peers.is_starting()
            && peers.are(&self.reachable)
            && *self.vector == *replica.vector()
            && (self.proved == replica.proved()
                || !self.recent.has_any_after(self.proved.min(replica.proved())))
    }

    /// Returns the node and its incarnation.
    #[must_use]
    pub fn me(&self) -> Origin {
        self.me
    }

    /// Returns whether this incarnation has joined, and so may write.
    #[must_use]
    pub fn is_joined(&self) -> bool {
        self.is_joined
    }

    /// Returns the number of the newest change of the incarnation's map.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Returns the records.
    #[must_use]
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// Returns whether an incarnation is reachable from this node.
    #[must_use]
    pub fn is_up(&self, incarnation: Origin) -> bool {
        self.is_starting || incarnation == self.me || self.reachable.contains(&incarnation)
    }

    /// Returns the nodes that are reachable from this one, and the node itself, sorted.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeName> {
        let nodes: BTreeSet<NodeName> =
            self.reachable.iter().chain([&self.me]).map(|peer| peer.node).collect();
        nodes.into_iter().collect()
    }

    /// Returns the nodes that are reachable from this one, and the node itself, in the order in which
    /// they own a key; see [`owners::order`].
    #[must_use]
    pub fn owners(&self, key: &str) -> Vec<NodeName> {
        owners::order(key, self.reachable.iter().chain([&self.me]).map(|peer| peer.node))
    }

    /// Returns whether an incarnation is known to have ended.
    #[must_use]
    pub fn has_ended(&self, incarnation: Origin) -> bool {
        self.vector.has_ended(incarnation)
    }

    /// Returns whether an incarnation is closed: the members agree on its last write.
    #[must_use]
    pub fn has_closed(&self, incarnation: Origin) -> bool {
        self.vector.has_closed(incarnation)
    }

    /// Returns what an incarnation has added to each counter, as far as this node knows.
    #[must_use]
    pub fn shards_of(&self, incarnation: Origin) -> BTreeMap<String, i128> {
        counter::of_incarnation(&self.records, incarnation)
    }

    /// Returns the value of a counter; see [`counter::read`].
    #[must_use]
    pub fn counter(&self, name: &str) -> Option<Counter> {
        counter::read(&self.records, name)
    }

    /// Returns what this incarnation has added to a counter and no other node is known to have. A node
    /// that had it may lose it with its own memory before any other has it.
    #[must_use]
    pub fn unheard(&self, counter: &str) -> i128 {
        self.recent.unheard(counter, self.proved)
    }

    /// Returns all counters; see [`counter::list`].
    #[must_use]
    pub fn counters(&self) -> BTreeMap<String, Counter> {
        counter::list(&self.records)
    }

    /// Returns the elements of a set; see [`set::elements`].
    #[must_use]
    pub fn set(&self, name: &str) -> BTreeSet<String> {
        set::elements(&self.records, name)
    }

    /// Returns all sets that have elements; see [`set::list`].
    #[must_use]
    pub fn sets(&self) -> BTreeMap<String, BTreeSet<String>> {
        set::list(&self.records)
    }

    /// Returns the register of a key; see [`registers::get`].
    #[must_use]
    pub fn register(&self, table: &str, key: &str) -> Option<Register> {
        registers::get(&self.records, table, key)
    }

    /// Returns the registers of a table by a prefix; see [`registers::scan`].
    #[must_use]
    pub fn table(&self, name: &str, prefix: &str) -> BTreeMap<String, Register> {
        registers::scan(&self.records, name, prefix)
    }

    /// Returns all tables that have keys; see [`registers::list`].
    #[must_use]
    pub fn tables(&self) -> BTreeMap<String, usize> {
        registers::list(&self.records)
    }

    /// Returns the newest messages of a room; see [`room::recent`].
    #[must_use]
    pub fn room(&self, name: &str, limit: usize) -> Vec<Message> {
        room::recent(&self.records, name, limit)
    }

    /// Returns all rooms that have messages; see [`room::list`].
    #[must_use]
    pub fn rooms(&self) -> BTreeMap<String, usize> {
        room::list(&self.records)
    }

    /// Returns the number of rooms that have messages; see [`room::count`].
    #[must_use]
    pub fn rooms_count(&self) -> usize {
        room::count(&self.records)
    }

    /// Returns whether this snapshot shows the same presence as `other`. May return false if it
    /// does.
    #[must_use]
    pub fn has_presence_of(&self, other: &Self) -> bool {
        self.me == other.me
            && self.records.is_same(&other.records)
            && self.reachable == other.reachable
    }

    /// Returns who is present in a topic and reachable; see [`presence::list`].
    #[must_use]
    pub fn present(&self, topic: &str) -> Vec<Present> {
        presence::list(&self.records, topic, |owner| self.is_up(owner))
    }

    /// Returns all topics in which somebody is tracked; see [`presence::topics`].
    #[must_use]
    pub fn topics(&self) -> BTreeMap<String, usize> {
        presence::topics(&self.records)
    }

    /// Returns the registration of a name; see [`names::find`].
    #[must_use]
    pub fn name(&self, name: &str) -> Option<Registration> {
        names::find(&self.records, &self.vector, name)
    }

    /// Returns all names that are held; see [`names::list`].
    #[must_use]
    pub fn names(&self) -> BTreeMap<String, Registration> {
        names::list(&self.records, &self.vector)
    }

    /// Returns the state of a registration that was made with this token; see [`names::holding`].
    #[must_use]
    pub fn holding(&self, name: &str, token: Stamp) -> Holding {
        names::holding(&self.records, &self.vector, name, token)
    }
}
