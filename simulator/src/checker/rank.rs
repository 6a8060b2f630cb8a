//! The order that decides between two entries of a key.
//!
//! `gossip::Rank` states the same order for the replicas. The checkers keep a definition of
//! their own, since an oracle that shares the order with the code that it judges would agree with
//! that code if the order were wrong.

use gossip::Stamp;
use shared::Entry;

/// Death, then stamp: the dead beat the living, and within a kind the later stamp wins.
pub type Rank = (bool, Stamp);

/// Returns the rank of an entry.
#[must_use]
pub fn rank(entry: &Entry) -> Rank {
    (entry.is_tombstone(), entry.stamp)
}
