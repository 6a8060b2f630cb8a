//! Nothing grows without end: vectors, horizons, rounds under way, and at rest no tombstones.

use shared::{Entry, Replica};

/// Checks the size of a replica in a cluster of `nodes` at rest, when all is healed and all have
/// received everything.
///
/// # Errors
/// Names what is too much.
pub fn at_rest(replica: &Replica, nodes: usize) -> Result<(), String> {
    let (vector, horizon) = (replica.vector().len(), replica.horizon().len());
    // A tombstone stays if no other replica covers the birth of its hero: only the birth, if
    // covered, would show later that it was there.
    let tells = |entry: &Entry| entry.is_tombstone() && replica.has_seen(entry.born);
    let tombstones = replica.map().iter().filter(|(_, entry)| tells(entry)).count();
    if vector > 2 * nodes {
        return Err(format!(
            "a version vector of {vector} places for {nodes} nodes: {:?}",
            replica.vector()
        ));
    }
    if horizon > nodes * (HORIZON_A_NODE + 2) {
        return Err(format!("a horizon of {horizon} places for {nodes} nodes"));
    }
    if tombstones > 0 {
        return Err(format!("{tombstones} tombstones that all have heard of"));
    }
    Ok(())
}

/// The number of closed lives of a node of which a horizon keeps the last stamp.
const HORIZON_A_NODE: usize = 16;

/// Checks the rounds that a replica has under way.
///
/// # Errors
/// Names what is too much.
pub fn under_way(replica: &Replica, nodes: usize) -> Result<(), String> {
    let rounds = replica.rounds_under_way();
    if rounds > 2 * nodes {
        Err(format!("{rounds} rounds under way among {nodes} nodes"))
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
    fn a_tombstone_left_over_and_a_vector_too_long_are_caught() {
        let now = Now { mono: Duration::from_secs(5), wall: UnixMillis(5_000) };
        let me = Origin { node: "a".parse().unwrap(), incarnation: Incarnation(1) };
        let mut replica = Replica::new(me, Config::default(), Now { mono: Duration::ZERO, ..now });
        replica.tick(now);
        assert!(at_rest(&replica, 1).is_ok());
        assert!(at_rest(&replica, 0).unwrap_err().contains("version vector"));
        let key = HeroId::MIN;
        replica.write(now, key, Value::Live(Hero::new("Granite".into()))).unwrap();
        replica.write(now, key, Value::Tombstone).unwrap();
        assert!(at_rest(&replica, 1).unwrap_err().contains("tombstones"));
        let peer = Origin { node: "b".parse().unwrap(), incarnation: Incarnation(1) };
        replica.pull(now, peer, peer.node, false);
        assert!(under_way(&replica, 1).is_ok() && under_way(&replica, 0).is_err());
    }
}
