//! Counters: every shard is a sum of answered increments of its incarnation, and complete while that
//! incarnation runs.

use std::collections::BTreeMap;

use gossip::types::counter;
use gossip::{Origin, Records};

/// The answered increments.
#[derive(Clone, Debug, Default)]
pub struct Increments(BTreeMap<(String, Origin), Vec<i128>>);

impl Increments {
    /// Records an answered increment.
    pub fn note(&mut self, name: &str, origin: Origin, amount: i64) {
        let sums = self.0.entry((name.to_owned(), origin)).or_insert_with(|| vec![0]);
        let last = sums.last().copied().unwrap_or_default();
        sums.push(last + i128::from(amount));
    }

    /// Checks what one replica holds after every node has received every write. `is_complete` returns
    /// whether an incarnation has counted nothing since then, and will continue.
    ///
    /// # Errors
    /// Returns the first counter with a wrong shard.
    pub fn check(
        &self,
        records: &Records,
        is_complete: impl Fn(&str, Origin) -> bool,
    ) -> Result<(), String> {
        let mut held: BTreeMap<(String, Origin), i128> = BTreeMap::new();
        for name in counter::list(records).into_keys() {
            for (origin, value) in counter::shards(records, &name) {
                held.insert((name.clone(), origin), value);
            }
        }
        if let Some(((name, origin), value)) =
            held.iter().find(|(key, _)| !self.0.contains_key(key))
        {
            return Err(format!("counter {name} has {value} of {origin}, which counted nothing"));
        }
        for ((name, origin), sums) in &self.0 {
            let value = held.get(&(name.clone(), *origin)).copied().unwrap_or_default();
            let is_right = if is_complete(name, *origin) {
                sums.last() == Some(&value)
            } else {
                sums.contains(&value)
            };
            if !is_right {
                return Err(format!("counter {name} has {value} of {origin}; its sums: {sums:?}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use gossip::replica::Config;
    use gossip::{Incarnation, Now, UnixMillis};
    use shared::Replica;

    #[test]
    fn missing_and_invented_increments_are_rejected() {
        let now = Now::new(Duration::from_secs(5), UnixMillis(5_000));
        let me = Origin { node: "a".parse().unwrap(), incarnation: Incarnation::at(2) };
        let config = Config { members: [me.node].into(), ..Config::default() };
        let mut replica = Replica::new(me, config, Now::new(Duration::ZERO, UnixMillis(0)));
        replica.tick(now);
        for amount in [3, 4] {
            counter::add(&mut replica, now, "x", amount).unwrap();
        }
        let check =
            |increments: &Increments, runs| increments.check(replica.map().records(), |_, _| runs);
        let mut increments = Increments::default();
        assert!(check(&increments, false).is_err(), "counted nothing");
        increments.note("x", me, 3);
        assert!(check(&increments, false).is_err());
        increments.note("x", me, 4);
        assert!(check(&increments, true).is_ok() && check(&increments, false).is_ok());
        increments.note("x", me, 5);
        assert!(check(&increments, false).is_ok(), "the last one may be lost with its incarnation");
        assert!(check(&increments, true).is_err());
    }
}
