//! Presence: who is here, where, and since when, like Phoenix Presence (Valim, McCord: "What makes
//! Phoenix Presence special", 2016).
//!
//! Each incarnation has places in a topic, and puts whom it tracks into a free one. Untracking
//! empties the place.
//!
//! - **Concurrency:** an incarnation alone writes its places, so entries never conflict. One key may
//!   be tracked at several nodes, or several times at one.
//! - **Silent nodes:** the entries of a node that is silent are hidden by the reader, and shown again
//!   when it returns. The map does not change.
//! - **Restart, bomb, forgotten nodes:** the entries of an ended incarnation are removed wherever its
//!   end is known, at once and without a tombstone.
//! - **Growth:** an incarnation has as many places in a topic as it has tracked there at the same
//!   time.
//!
//! Invariant: no entry of an incarnation is shown whose end the replica knows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Stamp;
use crate::crdt::entry::Value;
use crate::crdt::records::Records;
use crate::id::Origin;
use crate::payload::Payload;
use crate::replica::{Replica, WriteError};
use crate::table::{Kind, PLACES, Record, Table};
use crate::time::{Now, UnixMillis};
use crate::types::{TypeError, check_content, check_name, decoded, encoded};

/// The table of all places.
pub const TABLE: Table = Table::new(Kind::Ephemeral, 0);

/// Somebody who is present.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Present {
    /// Who is present: for example a user name.
    pub key: String,
    /// What is known of them, chosen by the application.
    pub meta: Vec<u8>,
    /// The incarnation that tracks them.
    pub owner: Origin,
    /// The time at which tracking began, by the owner's clock.
    pub since: UnixMillis,
    /// The stamp of the newest change.
    pub stamp: Stamp,
    /// The place among those of the owner.
    pub place: u16,
}

/// A change between two looks at a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Diff {
    /// Somebody is present who was not before.
    Joined(Present),
    /// What is known of somebody has changed.
    Updated {
        /// Before the change.
        from: Present,
        /// After the change.
        to: Present,
    },
    /// Somebody is not present any more.
    Left {
        /// Who was present.
        present: Present,
        /// The reason.
        why: Why,
    },
}

/// The reason why somebody is not present any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// They were untracked.
    Untracked,
    /// The node that tracks them is silent. They are shown again if it returns.
    Silent,
    /// The incarnation that tracked them has ended.
    Ended,
}

/// The content of a place: the key, what is known of it, and the start of tracking. `None` in an
/// empty one.
pub type Content = Option<(String, Vec<u8>, UnixMillis)>;

/// Tracks `key` in a topic. Returns its entry.
///
/// # Errors
/// [`TypeError`]; nothing was changed. With all places taken, [`WriteError::TooManyLive`].
pub fn track<V: Payload>(
    replica: &mut Replica<V>,
    now: Now,
    topic: &str,
    key: &str,
    meta: &[u8],
) -> Result<Present, TypeError> {
    check_name(topic)?;
    check_name(key)?;
    let me = replica.me();
    let places = replica.map().records().range(TABLE.of_owner(topic, me));
    let taken: Vec<u16> = places
        .filter(|(_, _, bytes)| {
            decode(bytes).is_some_and(|(group, content)| group == topic && content.is_some())
        })
        .map(|(held, ..)| held.place())
        .collect();
    // The places are sorted, so the first gap is free.
    let free =
        (0..PLACES).find(|place| taken.get(*place).is_none_or(|taken| *place < (*taken).into()));
    let place = free.and_then(|place| u16::try_from(place).ok());
    let place = place.ok_or(WriteError::TooManyLive)?;
    let content = Some((key.to_owned(), meta.to_vec(), now.wall));
    let stamp = write(replica, now, topic, place, &content)?;
    let (owner, since) = (me, now.wall);
    Ok(Present { key: key.to_owned(), meta: meta.to_vec(), owner, since, stamp, place })
}

/// Changes what is known of somebody who is tracked here.
///
/// # Errors
/// [`TypeError`]; nothing was changed. Of somebody who is not tracked here any more,
/// [`WriteError::Deleted`].
pub fn update<V: Payload>(
    replica: &mut Replica<V>,
    now: Now,
    topic: &str,
    tracked: &Present,
    meta: &[u8],
) -> Result<(), TypeError> {
    if !is_tracked(replica, topic, tracked) {
        return Err(WriteError::Deleted.into());
    }
    let content = Some((tracked.key.clone(), meta.to_vec(), tracked.since));
    write(replica, now, topic, tracked.place, &content)?;
    Ok(())
}

/// Ends the tracking of somebody who is tracked here. Does nothing for others.
///
/// # Errors
/// [`TypeError`]; nothing was changed.
pub fn untrack<V: Payload>(
    replica: &mut Replica<V>,
    now: Now,
    topic: &str,
    tracked: &Present,
) -> Result<(), TypeError> {
    if is_tracked(replica, topic, tracked) {
        write(replica, now, topic, tracked.place, &None)?;
    }
    Ok(())
}

/// Returns who is present in a topic, sorted by key, owner and place. `is_up` returns whether an
/// incarnation is reachable: the entries of others are hidden.
#[must_use]
pub fn list(records: &Records, topic: &str, is_up: impl Fn(Origin) -> bool) -> Vec<Present> {
    let mut present: Vec<Present> = records
        .range(TABLE.group(topic))
        .filter(|(_, stamp, _)| is_up(stamp.origin))
        .filter_map(|(held, stamp, bytes)| {
            let (group, content) = decode(bytes)?;
            let (key, meta, since) = content.filter(|_| group == topic)?;
            Some(Present { key, meta, owner: stamp.origin, since, stamp, place: held.place() })
        })
        .collect();
    present.sort_unstable_by(|a, b| (&a.key, a.owner, a.place).cmp(&(&b.key, b.owner, b.place)));
    present
}

/// Returns the names of all topics in which somebody is tracked, with the numbers of entries,
/// hidden ones included.
#[must_use]
pub fn topics(records: &Records) -> BTreeMap<String, usize> {
    let mut topics: BTreeMap<String, usize> = BTreeMap::new();
    for (_, _, bytes) in records.range(TABLE.keys()) {
        if let Some((topic, Some(_))) = decode(bytes) {
            *topics.entry(topic.to_owned()).or_default() += 1;
        }
    }
    topics
}

/// Returns the changes between two looks at a topic, in the order of stamps. `has_ended` returns
/// whether an incarnation has ended, `is_up` whether it is reachable.
#[must_use]
pub fn diff(
    before: &[Present],
    after: &[Present],
    has_ended: impl Fn(Origin) -> bool,
    is_up: impl Fn(Origin) -> bool,
) -> Vec<Diff> {
    // The start of tracking tells two users of one place apart.
    let id = |present: &Present| (present.owner, present.place, present.since, present.key.clone());
    let mut gone: BTreeMap<_, &Present> = before.iter().map(|each| (id(each), each)).collect();
    let mut diffs: Vec<(Stamp, Diff)> = Vec::new();
    for now in after {
        match gone.remove(&id(now)) {
            None => diffs.push((now.stamp, Diff::Joined(now.clone()))),
            Some(was) if was.stamp != now.stamp => {
                diffs.push((now.stamp, Diff::Updated { from: was.clone(), to: now.clone() }));
            }
            Some(_) => {}
        }
    }
    for left in gone.into_values() {
        let why = if has_ended(left.owner) {
            Why::Ended
        } else if is_up(left.owner) {
            Why::Untracked
        } else {
            Why::Silent
        };
        diffs.push((left.stamp, Diff::Left { present: left.clone(), why }));
    }
    diffs.sort_by_key(|(stamp, _)| *stamp);
    diffs.into_iter().map(|(_, diff)| diff).collect()
}

fn write<V: Payload>(
    replica: &mut Replica<V>,
    now: Now,
    topic: &str,
    place: u16,
    content: &Content,
) -> Result<Stamp, TypeError> {
    let content = encoded(content);
    check_content(&content)?;
    let record = Record { group: topic, name: "", content: &content };
    let value = Value::Record(record.encode(Kind::Ephemeral));
    let key = TABLE.owned(topic, replica.me(), place);
    Ok(replica.write(now, key, value)?.stamp)
}

/// Returns whether this incarnation tracks them at their place, whatever is known of them now.
fn is_tracked<V: Payload>(replica: &Replica<V>, topic: &str, tracked: &Present) -> bool {
    let key = TABLE.owned(topic, replica.me(), tracked.place);
    let held = replica.map().records().get(key).and_then(|(_, bytes)| decode(bytes));
    let is_it = |(group, content): (&str, Content)| {
        let held = content.map(|(key, _, since)| (key, since));
        group == topic && held == Some((tracked.key.clone(), tracked.since))
    };
    tracked.owner == replica.me() && held.is_some_and(is_it)
}

/// Returns the topic and the content of a record of [`TABLE`]; `None` for one of another version.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<(&str, Content)> {
    let record = Record::decode(bytes, Kind::Ephemeral).ok()?;
    Some((record.group, decoded(record.content)?))
}
