//! The addresses at which further nodes are reached, so that members that were not configured with
//! them can dial them.
//!
//! Each member writes the addresses of the further nodes that are linked to it, and a further one its
//! own. So nodes that have not joined yet find each other, too.
//!
//! - **Concurrency:** an incarnation alone writes its entries, so they never conflict. Of several
//!   addresses of a node the one written last is used.
//! - **Restart, bomb, forgotten nodes:** the entries of an ended incarnation are removed wherever its
//!   end is known.
//! - **Growth:** one entry for each further node and each member that was linked to it.
//!
//! Invariant: only addresses are shown, whatever the entries contain.

use std::collections::BTreeMap;

use crate::clock::Stamp;
use crate::crdt::entry::Value;
use crate::crdt::records::Records;
use crate::id::NodeName;
use crate::payload::Payload;
use crate::replica::Replica;
use crate::table::{Kind, Record, Table};
use crate::time::Now;
use crate::types::TypeError;

/// The table of all addresses. The group of an entry is the name of the node.
pub const TABLE: Table = Table::new(Kind::Ephemeral, 1);

/// The size limit of an address, in bytes.
const ADDRESS_BYTES_MAX: usize = 255;

/// Writes the address of a node, as HOST:PORT.
///
/// # Errors
/// [`TypeError`]; nothing was changed. A text that is not an address is [`TypeError::Name`].
pub fn advertise<V: Payload>(
    replica: &mut Replica<V>,
    now: Now,
    node: NodeName,
    address: &str,
) -> Result<(), TypeError> {
    if !is_address(address) {
        return Err(TypeError::Name { bytes: address.len() });
    }
    let record = Record { group: node.as_str(), name: "", content: address.as_bytes() };
    let value = Value::Record(record.encode(Kind::Ephemeral));
    replica.write(now, TABLE.owned(node.as_str(), replica.me(), 0), value)?;
    Ok(())
}

/// Returns the addresses that were written, by node.
#[must_use]
pub fn list(records: &Records) -> BTreeMap<NodeName, String> {
    let mut addresses: BTreeMap<NodeName, (Stamp, String)> = BTreeMap::new();
    for (_, stamp, bytes) in records.range(TABLE.keys()) {
        let Ok(record) = Record::decode(bytes, Kind::Ephemeral) else { continue };
        let Ok(node) = record.group.parse::<NodeName>() else { continue };
        let Ok(address) = std::str::from_utf8(record.content) else { continue };
        let is_later = addresses.get(&node).is_none_or(|(latest, _)| *latest < stamp);
        if is_later && is_address(address) {
            addresses.insert(node, (stamp, address.to_owned()));
        }
    }
    addresses.into_iter().map(|(node, (_, address))| (node, address)).collect()
}

/// Returns whether this is HOST:PORT, of printable characters.
#[must_use]
pub fn is_address(text: &str) -> bool {
    let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    text.len() <= ADDRESS_BYTES_MAX
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && port.is_some_and(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_with_a_port_are_addresses() {
        for address in ["127.0.0.1:4904", "[::1]:1", "star-city.example:65535"] {
            assert!(is_address(address), "{address}");
        }
        let long = format!("{}:1", "x".repeat(ADDRESS_BYTES_MAX));
        for text in ["", ":1", "host", "host:", "host:0", "host:65536", "a b:1", "a\n:1", &long] {
            assert!(!is_address(text), "{text:?}");
        }
    }
}
