//! The addresses at which further nodes are reached, so that members that were not configured with
//! them can dial them.
//!
//! - **Concurrency:** an incarnation alone writes its address, so entries never conflict.
//! - **Restart, bomb, forgotten nodes:** the address of an ended incarnation is removed wherever its
//!   end is known. The next incarnation writes its own.
//! - **Growth:** one entry for each further node.
//!
//! Invariant: of each node the address of the latest incarnation is shown.

use std::collections::BTreeMap;

use crate::crdt::entry::Value;
use crate::crdt::records::Records;
use crate::id::{NodeName, Origin};
use crate::payload::Payload;
use crate::replica::Replica;
use crate::table::{Kind, Record, Table};
use crate::time::Now;
use crate::types::{TypeError, check_name};

/// The table of all addresses.
pub const TABLE: Table = Table::new(Kind::Ephemeral, 1);

/// All addresses are in one group.
const GROUP: &str = "address";

/// Writes the address of this incarnation, as HOST:PORT.
///
/// # Errors
/// [`TypeError`]; nothing was changed.
pub fn advertise<V: Payload>(
    replica: &mut Replica<V>,
    now: Now,
    address: &str,
) -> Result<(), TypeError> {
    check_name(address)?;
    let record = Record { group: GROUP, name: "", content: address.as_bytes() };
    let value = Value::Record(record.encode(Kind::Ephemeral));
    replica.write(now, TABLE.owned(GROUP, replica.me(), 0), value)?;
    Ok(())
}

/// Returns the addresses of the nodes that have written one.
#[must_use]
pub fn list(records: &Records) -> BTreeMap<NodeName, String> {
    let mut addresses: BTreeMap<NodeName, (Origin, String)> = BTreeMap::new();
    for (_, stamp, bytes) in records.range(TABLE.group(GROUP)) {
        let Ok(record) = Record::decode(bytes, Kind::Ephemeral) else { continue };
        let Ok(address) = std::str::from_utf8(record.content) else { continue };
        let latest = addresses.get(&stamp.origin.node).map(|(origin, _)| *origin);
        if latest < Some(stamp.origin) {
            addresses.insert(stamp.origin.node, (stamp.origin, address.to_owned()));
        }
    }
    addresses.into_iter().map(|(node, (_, address))| (node, address)).collect()
}
