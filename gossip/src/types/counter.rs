//! Counters that add up under concurrency: the PN-Counter of Shapiro et al., "A comprehensive study
//! of Convergent and Commutative Replicated Data Types" (2011), section 3.1.3, with one shard for
//! each incarnation that has counted.
//!
//! - **Concurrency:** every increment counts, at whichever node it was made.
//! - **Restart:** a new incarnation starts a shard of its own, at zero. It never continues an earlier
//!   one, of which others may hold more than it remembers.
//! - **Bomb:** increments that any other member has received count for ever. Those that none has
//!   received are lost with the incarnation that made them. If a second process of its name runs, what
//!   it counts after the members have closed its incarnation is lost too.
//! - **Partition:** both sides count. After the partition, the totals are equal.
//! - **Forgotten nodes:** what they have counted stays.
//! - **Growth:** when a node counts, it adds up the shards of its closed incarnations in its own (it
//!   *folds* them). They are removed once the incarnation that folded them is closed too. So a node
//!   that has restarted ten thousand times takes a few shards in each counter. A node that has lost
//!   a closed shard by a fault of its memory, and counts before a repair returns it, folds without
//!   it: its value is lost everywhere.
//!
//! Invariants: only its own incarnation writes a shard. All folds of a node that end at the same
//! incarnation have the same value, since the members agree on the shards of closed incarnations. The
//! total is, for each node, the value of its latest fold and the shards of all later incarnations.

use std::collections::{BTreeMap, VecDeque};

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use crate::clock::Hlc;
use crate::crdt::entry::Value;
use crate::crdt::records::Records;
use crate::id::{Incarnation, NodeName, Origin};
use crate::payload::Payload;
use crate::replica::Replica;
use crate::shard::FOLDED_MAX;
pub use crate::shard::{Folded, Shard};
use crate::table::{FOLDING, Kind, Record, Table};
use crate::time::Now;
use crate::types::{TypeError, check_name};

/// The table of all shards.
pub const TABLE: Table = Table::new(Kind::Lasting, FOLDING.start);

/// The reason why a counter was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum CounterError {
    /// The total or a shard would exceed 64 bits.
    #[error("the counter would exceed 64 bits")]
    Overflow,
    /// The amount is zero.
    #[error("the amount must not be 0")]
    Zero,
    /// The write was refused.
    #[error(transparent)]
    Refused(#[from] TypeError),
}

/// The value of a counter at one replica.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// The sum of the shares.
    pub total: i128,
    /// What each node has counted, in all its incarnations.
    pub shares: BTreeMap<NodeName, i128>,
}

impl Counter {
    /// Returns what one node has counted, in all its incarnations.
    #[must_use]
    pub fn share(&self, node: NodeName) -> i128 {
        self.shares.get(&node).copied().unwrap_or_default()
    }

    /// Returns the counter with these shards, each with the incarnation that wrote it.
    #[must_use]
    pub fn of(shards: &[(Origin, Shard)]) -> Self {
        let folds = latest_folds(shards);
        let mut counter = Self::default();
        for (Origin { node, incarnation }, shard) in shards {
            let is_folded = folds.get(node).is_some_and(|fold| *incarnation < fold.before);
            // A node that has counted has a share, also if it is contained in a fold.
            counter.add(*node, if is_folded { 0 } else { shard.value() });
        }
        folds.into_iter().for_each(|(node, fold)| counter.add(node, fold.value));
        counter
    }

    fn add(&mut self, node: NodeName, value: i128) {
        self.total += value;
        *self.shares.entry(node).or_default() += value;
    }
}

/// Adds `amount`, which may be negative, to the counter. Returns its new value.
///
/// The call is not idempotent: repeat it only if it is known to have failed.
///
/// # Errors
/// [`CounterError`]; nothing was changed.
pub fn add<V: Payload>(
    replica: &mut Replica<V>,
    now: Now,
    name: &str,
    amount: i64,
) -> Result<Counter, CounterError> {
    check_name(name)?;
    if amount == 0 {
        return Err(CounterError::Zero);
    }
    let me = replica.me();
    let shards = shards(replica.map().records(), name);
    let mut counter = Counter::of(&shards);
    let is_in_range = i64::try_from(counter.total + i128::from(amount)).is_ok();
    let own = shards.iter().find(|(origin, _)| *origin == me).map(|(_, shard)| *shard);
    let mut shard = own.unwrap_or_default();
    let side = if amount > 0 { &mut shard.up } else { &mut shard.down };
    let sum = side.checked_add(amount.unsigned_abs()).filter(|_| is_in_range);
    *side = sum.ok_or(CounterError::Overflow)?;
    let folded = replica.folds_before().and_then(|before| fold(&shards, me.node, before));
    shard.folded = folded.or(shard.folded);
    let content = shard.encode();
    let record = Record { group: name, name: "", content: content.as_bytes() };
    let value = Value::Record(record.encode(Kind::Lasting));
    replica.write(now, TABLE.owned(name, me, 0), value).map_err(TypeError::from)?;
    counter.add(me.node, amount.into());
    Ok(counter)
}

/// Returns the fold of the shards of this node's incarnations before `before`; `None` if the latest
/// fold already contains all of them.
fn fold(shards: &[(Origin, Shard)], node: NodeName, before: Incarnation) -> Option<Folded> {
    let latest = latest_folds(shards).remove(&node);
    let is_new = |origin: &Origin| {
        origin.node == node
            && origin.incarnation < before
            && latest.is_none_or(|fold| fold.before <= origin.incarnation)
    };
    let mut new = shards.iter().filter(|(origin, _)| is_new(origin)).peekable();
    new.peek()?;
    let value = latest.map_or(0, |fold| fold.value);
    let value = new.fold(value, |sum, (_, shard)| sum + shard.value());
    // Only a false record can come near this limit.
    (value.unsigned_abs() <= FOLDED_MAX).then_some(Folded { before, value })
}

/// Returns the latest fold of each node that has one.
fn latest_folds(shards: &[(Origin, Shard)]) -> BTreeMap<NodeName, Folded> {
    let mut latest: BTreeMap<NodeName, Folded> = BTreeMap::new();
    for (origin, shard) in shards {
        if let Some(fold) = shard.folded
            && latest.get(&origin.node).is_none_or(|latest| latest.before < fold.before)
        {
            latest.insert(origin.node, fold);
        }
    }
    latest
}

/// Returns the value of a counter; `None` if the replica knows no increment of it.
#[must_use]
pub fn read(records: &Records, name: &str) -> Option<Counter> {
    let shards = shards(records, name);
    (!shards.is_empty()).then(|| Counter::of(&shards))
}

/// Returns the shards of a counter, each with the incarnation that wrote it.
#[must_use]
pub fn shards(records: &Records, name: &str) -> Vec<(Origin, Shard)> {
    let parsed = records.range(TABLE.group(name)).filter_map(|(_, stamp, bytes)| {
        let (group, shard) = decode(bytes)?;
        (group == name).then_some((stamp.origin, shard))
    });
    parsed.collect()
}

/// Returns what one incarnation has added to each counter.
#[must_use]
pub fn of_incarnation(records: &Records, incarnation: Origin) -> BTreeMap<String, i128> {
    let own = records.range(TABLE.keys()).filter(|(_, stamp, _)| stamp.origin == incarnation);
    own.filter_map(|(_, _, bytes)| decode(bytes))
        .map(|(name, shard)| (name.to_owned(), shard.value()))
        .collect()
}

/// Returns what is missing of the amounts that a closed incarnation had added to counters. A counter
/// whose shard of that incarnation was folded and removed since is left out.
#[must_use]
pub fn missing(
    records: &Records,
    incarnation: Origin,
    added: &BTreeMap<String, i128>,
) -> BTreeMap<String, i128> {
    let missing = |(name, added): (&String, &i128)| {
        let shards = shards(records, name);
        let own = shards.iter().find(|(origin, _)| *origin == incarnation);
        let folds = latest_folds(&shards);
        let fold = folds.get(&incarnation.node);
        let is_folded = fold.is_some_and(|fold| incarnation.incarnation < fold.before);
        let left = match own {
            Some((_, shard)) => shard.value(),
            None if is_folded => *added,
            None => 0,
        };
        (left != *added).then(|| (name.clone(), added - left))
    };
    added.iter().filter_map(missing).collect()
}

/// Returns all counters that the replica knows, by name.
#[must_use]
pub fn list(records: &Records) -> BTreeMap<String, Counter> {
    let mut counters: BTreeMap<&str, Vec<(Origin, Shard)>> = BTreeMap::new();
    for (_, stamp, bytes) in records.range(TABLE.keys()) {
        if let Some((name, shard)) = decode(bytes) {
            counters.entry(name).or_default().push((stamp.origin, shard));
        }
    }
    counters.into_iter().map(|(name, shards)| (name.to_owned(), Counter::of(&shards))).collect()
}

/// Returns the name of the counter and the shard in a record of [`TABLE`]; `None` for one of another
/// version.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<(&str, Shard)> {
    let record = Record::decode(bytes, Kind::Lasting).ok()?;
    Some((record.group, Shard::decode(record.content).ok()?))
}

/// The amounts that one incarnation has added, until another node is known to have them. Cheap to
/// clone.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    amounts: OrdMap<String, VecDeque<(Hlc, i128)>>,
    /// The reading up to which amounts were dropped.
    dropped: Option<Hlc>,
}

impl Recent {
    /// The number of amounts that are kept apart for one counter. Older ones are added up.
    const KEPT: usize = 64;

    /// Notes an amount with the reading of its stamp, and drops those that another node has.
    /// `proved` is the newest reading of this incarnation that another node is known to cover.
    pub(crate) fn note(&mut self, name: &str, stamp: Hlc, amount: i64, proved: Option<Hlc>) {
        if proved > self.dropped {
            self.dropped = proved;
            let newest = |amounts: &VecDeque<(Hlc, i128)>| amounts.back().map(|(stamp, _)| *stamp);
            let kept = self.amounts.iter().filter(|(_, amounts)| newest(amounts) > proved);
            self.amounts = kept.map(|(name, kept)| (name.clone(), kept.clone())).collect();
        }
        let mut amounts = self.amounts.remove(name).unwrap_or_default();
        amounts.retain(|(stamp, _)| Some(*stamp) > proved);
        amounts.push_back((stamp, amount.into()));
        if amounts.len() > Self::KEPT
            && let Some((_, oldest)) = amounts.pop_front()
            && let Some((_, next)) = amounts.front_mut()
        {
            *next += oldest;
        }
        self.amounts.insert(name.to_owned(), amounts);
    }

    /// Returns the sum of the amounts of a counter that no other node is known to have.
    #[must_use]
    pub fn unheard(&self, name: &str, proved: Option<Hlc>) -> i128 {
        let amounts = self.amounts.get(name).into_iter().flatten();
        amounts.filter(|(stamp, _)| Some(*stamp) > proved).map(|(_, amount)| amount).sum()
    }

    /// Returns whether there are amounts that no other node is known to have.
    #[must_use]
    pub fn has_any_after(&self, proved: Option<Hlc>) -> bool {
        let newest = |amounts: &VecDeque<(Hlc, i128)>| amounts.back().map(|(stamp, _)| *stamp);
        self.amounts.values().any(|amounts| newest(amounts) > proved)
    }
}
