//! Bounded state: the sizes of vectors and horizons, the rounds in flight, and no tombstones left
//! at rest.

use shared::{Entry, Replica};

/// Checks the size of a replica in a cluster of `nodes` nodes at rest: all faults are healed and
/// every node has received every write.
///
/// # Errors
/// Returns the bound that is exceeded.
pub fn at_rest(replica: &Replica, nodes: usize) -> Result<(), String> {
    let vector = replica.vector().len();
    // A tombstone is kept while no other replica covers the creation of its hero: the covered
    // creation is what would later prove that the hero was deleted.
    let is_collectable = |entry: &Entry| entry.is_tombstone() && replica.has_seen(entry.born);
    let tombstones = replica.map().iter().filter(|(_, entry)| is_collectable(entry)).count();
    if vector > 2 * nodes {
        return Err(format!(
            "version vector has {vector} slots for {nodes} nodes: {:?}",
            replica.vector()
        ));
    }
    for part in [&replica.horizon().collected, &replica.horizon().closed] {
        if part.len() > nodes * (HORIZON_A_NODE + 2) {
            return Err(format!("horizon has {} slots for {nodes} nodes: {part:?}", part.len()));
        }
    }
    if tombstones > 0 {
        return Err(format!("{tombstones} tombstones left that every node has seen"));
    }
    Ok(())
}

/// The closed incarnations per node whose last stamp a horizon keeps; the limit of the core.
const HORIZON_A_NODE: usize = 16;

/// Checks the number of rounds that a replica has in flight.
///
/// # Errors
/// Returns the bound that is exceeded.
pub fn rounds_in_flight(replica: &Replica, nodes: usize) -> Result<(), String> {
    let rounds = replica.rounds_under_way();
    if rounds > 2 * nodes {
        Err(format!("{rounds} rounds in flight among {nodes} nodes"))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gossip::replica::Config;
    use gossip::{Incarnation, Now, Origin, UnixMillis};
    use shared::Value;
    use shared::hero::{Hero, HeroId};
    use std::time::Duration;

    #[test]
    fn leftover_tombstone_and_oversized_vector_are_rejected() {
        let now = Now::new(Duration::from_secs(5), UnixMillis(5_000));
        let me = Origin { node: "a".parse().unwrap(), incarnation: Incarnation::at(1) };
        let mut replica = Replica::new(me, Config::default(), Now { mono: Duration::ZERO, ..now });
        replica.tick(now);
        assert!(at_rest(&replica, 1).is_ok());
        assert!(at_rest(&replica, 0).unwrap_err().contains("version vector"));
        let key = HeroId::MIN;
        replica.write(now, key, Value::Live(Hero::new("Granite".into()))).unwrap();
        replica.write(now, key, Value::Tombstone).unwrap();
        assert!(at_rest(&replica, 1).unwrap_err().contains("tombstones"));
        let peer = Origin { node: "b".parse().unwrap(), incarnation: Incarnation::at(1) };
        replica.pull(now, peer, peer.node, false);
        assert!(rounds_in_flight(&replica, 1).is_ok() && rounds_in_flight(&replica, 0).is_err());
    }
}
