//! The order that decides which of two entries of a key wins.
//!
//! `gossip::Rank` implements the same order for the replicas. The checkers have their own
//! definition: an oracle that shared the code under test could not detect a wrong order.

use gossip::Stamp;
use shared::{Entry, Value};

/// Tombstone flag, then stamp: a tombstone beats every other entry; among entries of one kind the
/// later stamp wins. An unset register is no tombstone in this sense.
pub type Rank = (bool, Stamp);

/// Returns the rank of an entry.
#[must_use]
pub fn rank(entry: &Entry) -> Rank {
    (matches!(entry.value, Value::Tombstone), entry.stamp)
}
