//! Add-wins sets: the OR-Set of Shapiro et al., "A comprehensive study of Convergent and Commutative
//! Replicated Data Types" (2011), section 3.3.5. Each add has a unique tag; a remove deletes the
//! tags that it has seen.
//!
//! - **Concurrency:** of an add and a concurrent remove, the add wins: the remove has not seen its
//!   tag.
//! - **Restart, bomb:** an add or a remove that another node has received stays.
//! - **Partition:** adds and removes of both sides are merged.
//!
//! Only removes, and adds of present elements, leave tombstones. They are collected once all members
//! have them.
//!
//! Invariant: an element is present if the replica holds a tag of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::crdt::entry::Value;
use crate::crdt::records::Records;
use crate::id::Key;
use crate::payload::Payload;
use crate::replica::Replica;
use crate::table::{Kind, Record, Table};
use crate::time::Now;
use crate::types::{TypeError, check_name};

/// The table of all tags.
pub const TABLE: Table = Table::new(Kind::Once, 0);

/// Adds an element under a tag with this random number. Returns whether the element was absent.
///
/// If the element is present, its tags are replaced by the new one, so that a concurrent remove,
/// which has not seen this add, does not remove it.
///
/// # Errors
/// [`TypeError`]; nothing was changed.
pub fn add<V: Payload>(
    replica: &mut Replica<V>,
    now: Now,
    set: &str,
    element: &str,
    random: u32,
) -> Result<bool, TypeError> {
    check_name(set)?;
    check_name(element)?;
    let before = tags(replica.map().records(), set, element);
    let record = Record { group: set, name: "", content: element.as_bytes() };
    let tag = (TABLE.unique(set, element, random), Value::Record(record.encode(Kind::Once)));
    let deletions = before.iter().map(|tag| (*tag, Value::Tombstone));
    replica.write_all(now, [tag].into_iter().chain(deletions).collect())?;
    Ok(before.is_empty())
}

/// Removes an element. Returns whether it was present.
///
/// # Errors
/// [`TypeError`]; nothing was changed.
pub fn remove<V: Payload>(
    replica: &mut Replica<V>,
    now: Now,
    set: &str,
    element: &str,
) -> Result<bool, TypeError> {
    let tags = tags(replica.map().records(), set, element);
    let is_present = !tags.is_empty();
    replica.write_all(now, tags.into_iter().map(|tag| (tag, Value::Tombstone)).collect())?;
    Ok(is_present)
}

/// Returns whether the element is present.
#[must_use]
pub fn contains(records: &Records, set: &str, element: &str) -> bool {
    !tags(records, set, element).is_empty()
}

/// Returns the elements of a set, sorted.
#[must_use]
pub fn elements(records: &Records, set: &str) -> BTreeSet<String> {
    let parsed = records.range(TABLE.group(set)).filter_map(|(_, _, bytes)| decode(bytes));
    parsed.filter(|(group, _)| *group == set).map(|(_, element)| element.to_owned()).collect()
}

/// Returns all sets that have elements, by name.
#[must_use]
pub fn list(records: &Records) -> BTreeMap<String, BTreeSet<String>> {
    let mut sets: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (_, _, bytes) in records.range(TABLE.keys()) {
        if let Some((set, element)) = decode(bytes) {
            sets.entry(set.to_owned()).or_default().insert(element.to_owned());
        }
    }
    sets
}

/// Returns the tags of an element.
fn tags(records: &Records, set: &str, element: &str) -> Vec<Key> {
    let tags = records.range(TABLE.element(set, element));
    tags.filter(|(_, _, bytes)| decode(bytes) == Some((set, element)))
        .map(|(key, ..)| key)
        .collect()
}

/// Returns the set and the element of a record of [`TABLE`]; `None` for one of another version.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<(&str, &str)> {
    let record = Record::decode(bytes, Kind::Once).ok()?;
    Some((record.group, std::str::from_utf8(record.content).ok()?))
}
