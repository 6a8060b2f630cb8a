//! The order that decides which of two entries of a key wins.
//!
//! `gossip::Rank` implements the same order for the replicas. The checkers have their own
//! definition: an oracle that shared the code under test could not detect a wrong order.

use gossip::Stamp;
use shared::Entry;

/// Tombstone flag, then stamp: a tombstone beats every live entry; among entries of one kind the
/// later stamp wins.
pub type Rank = (bool, Stamp);

/// Returns the rank of an entry.
#[must_use]
pub fn rank(entry: &Entry) -> Rank {
    (entry.is_tombstone(), entry.stamp)
}
