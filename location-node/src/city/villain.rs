//! The villain whom the patrolling heroes of all cities fight: one at a time, under a global name.
//!
//! Invariant: a city has fights only while it shows a villain. If the name is free, or its holder is
//! unreachable, the city registers a villain of its own.

use gossip::Now;
use gossip::types::desk::Desk;
use gossip::types::names;
use gossip::types::request::{Done, Request};
use rand::Rng;
use rand::seq::IndexedRandom;
use shared::Replica;

/// The global name that the villain's city holds.
pub const NAME: &str = "villain";

/// The villains, each named after something that distributed systems fear.
const VILLAINS: [&str; 8] = [
    "Baron Entropy",
    "Captain Clobber",
    "Count Clock-Skew",
    "Doctor Partition",
    "Lady Latency",
    "Madame Tombstone",
    "The Byzantine",
    "The Split-Brain",
];

/// What the city found out about the villain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Villain {
    /// There is none, and none could be registered.
    Absent,
    /// This city has just registered one, of this name.
    Arrived(&'static str),
    /// The name is held, here or by another city.
    Present,
}

/// Returns the state of the villain, after registering one if the name may be taken.
pub(super) fn find(
    desk: &mut Desk,
    replica: &mut Replica,
    now: Now,
    rng: &mut impl Rng,
) -> Villain {
    let me = replica.me();
    let held = names::find(replica.map().records(), replica.vector(), NAME);
    if held.is_some_and(|held| desk.is_reachable(me, held.owner)) {
        return Villain::Present;
    }
    let villain = VILLAINS.choose(rng).copied().unwrap_or(VILLAINS[0]);
    let value = format!("\"{villain}\"").into_bytes();
    match desk.request(replica, now, Request::Register { name: NAME.to_owned(), value }) {
        Ok(Done::Registered(_)) => Villain::Arrived(villain),
        // Before it has joined, or at a limit of the tables.
        Ok(_) | Err(_) => Villain::Absent,
    }
}
