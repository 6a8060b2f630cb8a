//! Counters: every shard is a sum of answered increments of its incarnation, and complete while that
//! incarnation runs. What a node has folded is a sum of such sums.

use std::collections::{BTreeMap, BTreeSet};

use gossip::types::counter::{self, Folded, Shard};
use gossip::{NodeName, Origin, Records};

/// The answered increments.
#[derive(Clone, Debug, Default)]
pub struct Increments {
    /// The sums after each increment, from 0 on.
    sums: BTreeMap<(String, Origin), Vec<i128>>,
    /// The shards that the members had when they closed an incarnation.
    closed: BTreeMap<(String, Origin), i128>,
}

impl Increments {
    /// Records an answered increment.
    pub fn note(&mut self, name: &str, origin: Origin, amount: i64) {
        let sums = self.sums.entry((name.to_owned(), origin)).or_insert_with(|| vec![0]);
        let last = sums.last().copied().unwrap_or_default();
        sums.push(last + i128::from(amount));
    }

    /// Records the shards of the incarnations of a node before this one, which a replica has just
    /// closed. `is_closed_elsewhere` returns whether another replica that runs has closed an incarnation:
    /// if all that had closed it are gone, the others may receive more of it before they close it.
    ///
    /// # Errors
    /// Returns a shard that another replica had with another value.
    pub fn note_closed(
        &mut self,
        records: &Records,
        before: Origin,
        is_closed_elsewhere: impl Fn(Origin) -> bool,
    ) -> Result<(), String> {
        let shards = counter::list(records).into_keys().flat_map(|name| {
            let shards = counter::shards(records, &name).into_iter();
            shards.map(move |(origin, shard)| (name.clone(), origin, shard.value()))
        });
        for (name, incarnation, value) in
            shards.filter(|(_, origin, _)| origin.node == before.node && *origin < before)
        {
            let agreed = self.closed.insert((name.clone(), incarnation), value);
            if let Some(agreed) = agreed.filter(|agreed| *agreed != value)
                && is_closed_elsewhere(incarnation)
            {
                return Err(format!(
                    "counter {name} has {value} of {incarnation} when it is closed, and had {agreed}"
                ));
            }
        }
        Ok(())
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
        let names = counter::list(records);
        for (name, counter) in &names {
            let shards = counter::shards(records, name);
            self.check_counter(name, &shards, &is_complete)?;
            let shares: i128 = counter.shares.values().sum();
            if counter.total != shares {
                return Err(format!("counter {name} has {counter:?}"));
            }
        }
        let missing = self.sums.iter().find(|((name, origin), sums)| {
            !names.contains_key(name) && (is_complete(name, *origin) || !sums.contains(&0))
        });
        missing.map_or(Ok(()), |((name, origin), _)| {
            Err(format!("counter {name} is unknown, although {origin} has counted"))
        })
    }

    fn check_counter(
        &self,
        name: &str,
        shards: &[(Origin, Shard)],
        is_complete: impl Fn(&str, Origin) -> bool,
    ) -> Result<(), String> {
        let nothing =
            |origin| format!("counter {name} has a shard of {origin}, which counted nothing");
        let of_name = |(key, _): &(&(String, Origin), _)| key.0 == name;
        let all: BTreeMap<Origin, &Vec<i128>> =
            self.sums.iter().filter(of_name).map(|((_, origin), sums)| (*origin, sums)).collect();
        let held: BTreeMap<Origin, i128> =
            shards.iter().map(|(origin, shard)| (*origin, shard.value())).collect();
        if let Some(origin) = held.keys().find(|origin| !all.contains_key(origin)) {
            return Err(nothing(origin));
        }
        let mut folds: BTreeMap<NodeName, Folded> = BTreeMap::new();
        for (origin, shard) in shards {
            if let Some(fold) = shard.folded {
                let latest = folds.entry(origin.node).or_insert(fold);
                if latest.before == fold.before && latest.value != fold.value {
                    return Err(format!("counter {name} has {latest:?} and {fold:?} of {origin}"));
                }
                *latest = std::cmp::max_by_key(*latest, fold, |fold| fold.before);
            }
        }
        for (origin, sums) in &all {
            let is_folded =
                folds.get(&origin.node).is_some_and(|fold| origin.incarnation < fold.before);
            let value = match held.get(origin) {
                None if is_folded => continue,
                held => held.copied().unwrap_or_default(),
            };
            let is_right = if is_complete(name, *origin) {
                sums.last() == Some(&value)
            } else {
                sums.contains(&value)
            };
            if !is_right {
                return Err(format!("counter {name} has {value} of {origin}; its sums: {sums:?}"));
            }
        }
        for (node, fold) in folds {
            let folded = all
                .iter()
                .filter(|(origin, _)| origin.node == node && origin.incarnation < fold.before);
            let mut possible = BTreeSet::from([0]);
            for (origin, sums) in folded {
                // Known, unless it was pruned as soon as it was closed.
                let closed = self.closed.get(&(name.to_owned(), *origin)).map(|value| vec![*value]);
                let sums = closed.unwrap_or_else(|| sums.to_vec());
                possible =
                    possible.iter().flat_map(|sum| sums.iter().map(move |own| sum + own)).collect();
            }
            if !possible.contains(&fold.value) {
                return Err(format!("counter {name} folds {fold:?} of {node}: {all:?}"));
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
