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
//!
//! Invariants: only its own incarnation writes a shard; the total is the sum of all shards that the
//! replica holds.

use std::collections::{BTreeMap, VecDeque};

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use crate::clock::Hlc;
use crate::crdt::entry::Value;
use crate::crdt::records::Records;
use crate::id::{Key, NodeName, Origin};
use crate::payload::Payload;
use crate::replica::Replica;
use crate::table::{Kind, Record, Table};
use crate::time::Now;
use crate::types::{TypeError, check_name, decoded, encoded};

/// The table of all shards.
pub const TABLE: Table = Table::new(Kind::Lasting, 0);

/// The reason why a counter was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
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

/// What one incarnation has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Shard {
    up: u64,
    down: u64,
}

impl Shard {
    fn value(self) -> i128 {
        i128::from(self.up) - i128::from(self.down)
    }
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
    let mut counter = read(replica.map().records(), name).unwrap_or_default();
    let is_in_range = i64::try_from(counter.total + i128::from(amount)).is_ok();
    let key = key(name, replica.me());
    let mut shard = shard(replica.map().records(), key, name).unwrap_or_default();
    let side = if amount > 0 { &mut shard.up } else { &mut shard.down };
    let sum = side.checked_add(amount.unsigned_abs()).filter(|_| is_in_range);
    *side = sum.ok_or(CounterError::Overflow)?;
    let record = Record { group: name, name: "", content: &encoded(&shard) };
    let value = Value::Record(record.encode(Kind::Lasting));
    replica.write(now, key, value).map_err(TypeError::from)?;
    counter.add(replica.me().node, amount.into());
    Ok(counter)
}

/// Returns the value of a counter; `None` if the replica knows no increment of it.
#[must_use]
pub fn read(records: &Records, name: &str) -> Option<Counter> {
    let mut counter: Option<Counter> = None;
    for (_, stamp, bytes) in records.range(TABLE.group(name)) {
        if let Some((group, value)) = decode(bytes)
            && group == name
        {
            counter.get_or_insert_default().add(stamp.origin.node, value);
        }
    }
    counter
}

/// Returns what each incarnation has counted.
#[must_use]
pub fn shards(records: &Records, name: &str) -> Vec<(Origin, i128)> {
    let parsed = records.range(TABLE.group(name)).filter_map(|(_, stamp, bytes)| {
        let (group, value) = decode(bytes)?;
        (group == name).then_some((stamp.origin, value))
    });
    parsed.collect()
}

/// Returns what one incarnation has added to each counter.
#[must_use]
pub fn of_incarnation(records: &Records, incarnation: Origin) -> BTreeMap<String, i128> {
    let own = records.range(TABLE.keys()).filter(|(_, stamp, _)| stamp.origin == incarnation);
    own.filter_map(|(_, _, bytes)| decode(bytes))
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Returns all counters that the replica knows, by name.
#[must_use]
pub fn list(records: &Records) -> BTreeMap<String, Counter> {
    let mut counters: BTreeMap<String, Counter> = BTreeMap::new();
    for (_, stamp, bytes) in records.range(TABLE.keys()) {
        if let Some((name, value)) = decode(bytes) {
            counters.entry(name.to_owned()).or_default().add(stamp.origin.node, value);
        }
    }
    counters
}

/// Returns the name of the counter and the value of the shard in a record of [`TABLE`]; `None` for
/// one of another version.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<(&str, i128)> {
    parse(bytes).map(|(name, shard)| (name, shard.value()))
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

fn key(name: &str, owner: Origin) -> Key {
    TABLE.owned(name, owner, 0)
}

fn shard(records: &Records, key: Key, name: &str) -> Option<Shard> {
    let (_, bytes) = records.get(key)?;
    parse(bytes).filter(|(group, _)| *group == name).map(|(_, shard)| shard)
}

fn parse(bytes: &[u8]) -> Option<(&str, Shard)> {
    let record = Record::decode(bytes, Kind::Lasting).ok()?;
    Some((record.group, decoded(record.content)?))
}
