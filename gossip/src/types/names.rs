//! Global names: at most one owner of a name at rest, like Erlang's `global`, without a lock.
//!
//! - **Concurrency:** of two registrations of one name the later one wins. The owner of the other
//!   finds out from its own replica ([`Holding::Lost`]), and must stop.
//! - **Restart, bomb:** a registration belongs to one incarnation. When that has ended, the name is
//!   free.
//! - **Partition:** each side may have its own owner. After the partition one of the two loses.
//!
//! If two processes had one name, a registration may be written again by another node, with a new
//! token; its owner then takes it for lost.
//!
//! This is eventual uniqueness. The stamp of the registration is a fencing token: a resource that
//! remembers the highest token it has seen refuses the owner that has lost.
//!
//! Invariant: the entry of a name is that of its latest registration or release.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Stamp;
use crate::crdt::entry::Value;
use crate::crdt::records::Records;
use crate::crdt::version_vector::VersionVector;
use crate::id::{Key, Origin};
use crate::payload::Payload;
use crate::replica::Replica;
use crate::table::{Kind, Record, Table};
use crate::time::Now;
use crate::types::{TypeError, check_content, check_name, decoded, encoded};

/// The table of all names.
pub const TABLE: Table = Table::new(Kind::Register, 1);

/// All names are in one group.
const GROUP: &str = "";

/// A registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The incarnation that holds the name.
    pub owner: Origin,
    /// What the owner has registered, for example its address.
    pub value: Vec<u8>,
    /// The stamp of the registration: a fencing token.
    pub token: Stamp,
}

/// The reason why a name was not registered or released.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum NameError {
    /// Another incarnation holds the name.
    #[error("the name is held by {}", .0.owner)]
    Taken(Box<Registration>),
    /// This incarnation does not hold the name.
    #[error("this node does not hold the name")]
    NotHeld,
    /// The write was refused.
    #[error(transparent)]
    Refused(#[from] TypeError),
}

/// The state of a registration that was made here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holding {
    /// This registration holds the name.
    Held,
    /// A later registration or release has replaced it: its work must stop.
    Lost {
        /// The registration that holds the name, if there is one.
        to: Option<Registration>,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct Content {
    owner: Origin,
    value: Vec<u8>,
}

/// Registers a name for this incarnation. `is_up` returns whether an incarnation is reachable: a
/// name whose owner is not may be taken over.
///
/// # Errors
/// [`NameError`]; nothing was changed.
pub fn register<V: Payload>(
    replica: &mut Replica<V>,
    now: Now,
    name: &str,
    value: &[u8],
    is_up: impl Fn(Origin) -> bool,
) -> Result<Registration, NameError> {
    check_name(name)?;
    let me = replica.me();
    let held = held(replica, name).filter(|held| held.owner != me && is_up(held.owner));
    if let Some(held) = held {
        return Err(NameError::Taken(held.into()));
    }
    let content = encoded(&Content { owner: me, value: value.to_vec() });
    check_content(&content)?;
    let record = Record { group: GROUP, name, content: &content };
    let value_of_entry = Value::Record(record.encode(Kind::Register));
    let entry = replica.write(now, key(name), value_of_entry).map_err(TypeError::from)?;
    Ok(Registration { owner: me, value: value.to_vec(), token: entry.stamp })
}

/// Releases a name that this incarnation holds, with its newest registration. Several tasks of one
/// node that register one name replace each other's registrations.
///
/// # Errors
/// [`NameError`]; nothing was changed.
pub fn release<V: Payload>(
    replica: &mut Replica<V>,
    now: Now,
    name: &str,
) -> Result<(), NameError> {
    held(replica, name).filter(|held| held.owner == replica.me()).ok_or(NameError::NotHeld)?;
    replica.write(now, key(name), Value::Unset).map_err(TypeError::from)?;
    Ok(())
}

/// Returns the registration of a name; `None` if it is free: it was never registered, was released,
/// or the vector shows that its owner has ended.
#[must_use]
pub fn find(records: &Records, vector: &VersionVector, name: &str) -> Option<Registration> {
    let (stamp, bytes) = records.get(key(name))?;
    let (held, registration) = decode(bytes, stamp)?;
    (held == name && !vector.has_ended(registration.owner)).then_some(registration)
}

/// Returns all names that are held.
#[must_use]
pub fn list(records: &Records, vector: &VersionVector) -> BTreeMap<String, Registration> {
    let mut names = registrations(records);
    names.retain(|_, registration| !vector.has_ended(registration.owner));
    names
}

/// Returns the state of a registration that was made with this token.
#[must_use]
pub fn holding(records: &Records, vector: &VersionVector, name: &str, token: Stamp) -> Holding {
    match find(records, vector, name) {
        Some(held) if held.token == token => Holding::Held,
        to => Holding::Lost { to },
    }
}

fn held<V: Payload>(replica: &Replica<V>, name: &str) -> Option<Registration> {
    find(replica.map().records(), replica.vector(), name)
}

fn key(name: &str) -> Key {
    TABLE.register(GROUP, name)
}

/// Returns the name and the registration of a record of [`TABLE`] with this stamp; `None` for one of
/// another version.
#[must_use]
pub fn decode(bytes: &[u8], token: Stamp) -> Option<(&str, Registration)> {
    let record = Record::decode(bytes, Kind::Register).ok()?;
    let Content { owner, value } = decoded(record.content)?;
    Some((record.name, Registration { owner, value, token }))
}

/// Returns all registrations in a map, with those of ended incarnations. For displays of what a map
/// holds.
#[must_use]
pub fn registrations(records: &Records) -> BTreeMap<String, Registration> {
    let parsed = records.range(TABLE.keys()).filter_map(|(_, stamp, bytes)| decode(bytes, stamp));
    parsed.map(|(name, registration)| (name.to_owned(), registration)).collect()
}
