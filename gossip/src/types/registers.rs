//! Last-writer-wins maps, by name: each key is a register (Shapiro et al. 2011, section 3.2.1),
//! ordered by [hybrid logical clocks](crate::Stamp).
//!
//! - **Concurrency:** of two writes to one key the later one wins, deletions included. The other is
//!   lost.
//! - **Restart, bomb:** a write that another node has received stays. If its incarnation was closed
//!   without it, because two processes had one name, its holder writes it again with a new stamp, and
//!   it may win over writes that were later.
//! - **Partition:** both sides write; for each key the later write wins.
//! - **Batches:** the writes of one batch travel in one round, so no replica shows a part of them.
//!   Each key is still merged by itself.
//!
//! Invariant: a key has at most one value.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::clock::Stamp;
use crate::crdt::entry::Value;
use crate::crdt::records::Records;
use crate::id::Key;
use crate::payload::Payload;
use crate::replica::{Replica, WriteError};
use crate::table::{Kind, Record, Table};
use crate::time::Now;
use crate::types::{TypeError, check_content, check_name};

/// The table of all registers.
pub const TABLE: Table = Table::new(Kind::Register, 0);

/// The value of a register, and the stamp of its write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Register {
    /// The value.
    pub value: Vec<u8>,
    /// The stamp of the write.
    pub stamp: Stamp,
}

/// Changes of one table, made in one step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The keys to set, with their values.
    pub put: BTreeMap<String, Vec<u8>>,
    /// The keys to delete. Absent ones are ignored.
    pub delete: BTreeSet<String>,
}

/// Sets and deletes keys in one step.
///
/// # Errors
/// [`TypeError`]; nothing was changed.
pub fn write<V: Payload>(
    replica: &mut Replica<V>,
    now: Now,
    table: &str,
    batch: &Batch,
) -> Result<(), TypeError> {
    check_name(table)?;
    if let Some(key) = batch.delete.iter().find(|key| batch.put.contains_key(*key)) {
        return Err(TypeError::Contradiction { bytes: key.len() });
    }
    let mut writes: BTreeMap<Key, Value<V>> = BTreeMap::new();
    for (key, value) in &batch.put {
        check_name(key)?;
        check_content(value)?;
        let record = Record { group: table, name: key, content: value };
        let value = Value::Record(record.encode(Kind::Register));
        if writes.insert(key_of(table, key), value).is_some() {
            // Two names with one hash.
            return Err(WriteError::Misplaced.into());
        }
    }
    let is_present = |key: &&String| get(replica.map().records(), table, key).is_some();
    for key in batch.delete.iter().filter(is_present) {
        writes.insert(key_of(table, key), Value::Unset);
    }
    Ok(replica.write_all(now, writes)?)
}

/// Returns the register of a key.
#[must_use]
pub fn get(records: &Records, table: &str, key: &str) -> Option<Register> {
    let held = key_of(table, key);
    let (stamp, bytes) = records.get(held)?;
    let record = Record::decode(bytes, Kind::Register).ok()?;
    let is_it = record.group == table && record.name == key;
    is_it.then(|| Register { value: record.content.to_vec(), stamp })
}

/// Returns the registers of a table whose keys start with `prefix`, sorted by key.
#[must_use]
pub fn scan(records: &Records, table: &str, prefix: &str) -> BTreeMap<String, Register> {
    let mut found = BTreeMap::new();
    for (_, stamp, bytes) in records.range(TABLE.group(table)) {
        if let Ok(record) = Record::decode(bytes, Kind::Register)
            && record.group == table
            && record.name.starts_with(prefix)
        {
            let value = record.content.to_vec();
            found.insert(record.name.to_owned(), Register { value, stamp });
        }
    }
    found
}

/// Returns the names of all tables that have keys, with the numbers of their keys.
#[must_use]
pub fn list(records: &Records) -> BTreeMap<String, usize> {
    let mut tables: BTreeMap<String, usize> = BTreeMap::new();
    for (_, _, bytes) in records.range(TABLE.keys()) {
        if let Ok(record) = Record::decode(bytes, Kind::Register) {
            *tables.entry(record.group.to_owned()).or_default() += 1;
        }
    }
    tables
}

/// Returns the table, the key and the value of a record of [`TABLE`]; `None` for one of another
/// version.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<(&str, &str, &[u8])> {
    let Record { group, name, content } = Record::decode(bytes, Kind::Register).ok()?;
    Some((group, name, content))
}

fn key_of(table: &str, key: &str) -> Key {
    TABLE.register(table, key)
}
