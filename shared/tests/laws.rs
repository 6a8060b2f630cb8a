//! The laws of the map, over real values: whatever is merged, in whatever order and however often, the result is the same.

use std::sync::Arc;

use proptest::prelude::*;

use shared::clock::{Hlc, Stamp};
use shared::crdt::{Entry, Map, Value, VersionVector};
use shared::hero::{Hero, Location};
use shared::id::{HeroId, Incarnation, NodeName, Origin};
use shared::message::{Envelope, Frame, Step};
use shared::time::UnixMillis;
use shared::wire;

type Write = (HeroId, Arc<Entry>);

/// Few names, times and keys, so that the same reading on two nodes and the same key from many are common.
fn stamp() -> impl Strategy<Value = Stamp> {
    (0..3_usize, 1..3_u64, 0..6_u64, 0..3_u32).prop_map(|(node, incarnation, wall, logical)| {
        let node: NodeName = ["gotham", "metropolis", "capitol"][node].parse().expect("a valid name");
        Stamp { hlc: Hlc { wall: UnixMillis(wall), logical }, origin: Origin { node, incarnation: Incarnation(incarnation) } }
    })
}

/// Slots, and marks of closed lives.
fn vector() -> impl Strategy<Value = VersionVector> {
    (prop::collection::vec(stamp(), 0..6), prop::collection::vec(stamp(), 0..2)).prop_map(|(slots, marks)| {
        let mut vector: VersionVector = slots.into_iter().collect();
        marks.into_iter().for_each(|mark| vector.close(mark.origin));
        vector
    })
}

/// What a write with this stamp says follows from the stamp, as in life: one stamp, one write.
fn write() -> impl Strategy<Value = Write> {
    stamp().prop_map(|stamp| {
        let seed =
            stamp.hlc.wall.0 * 7 + u64::from(stamp.hlc.logical) * 3 + stamp.origin.incarnation.0 + stamp.origin.node.as_str().len() as u64;
        let health = u8::try_from(seed % 100).expect("below 100") + 1;
        let hero =
            Hero { location: Location::City(stamp.origin.node), health, is_patrolling: seed.is_multiple_of(2), ..Hero::new("Ada".into()) };
        let value = if seed.is_multiple_of(5) { Value::Tombstone } else { Value::Live(hero) };
        let key = HeroId(uuid::Uuid::from_u128(u128::from(seed % 4)));
        (key, Arc::new(Entry::written(value, stamp, None)))
    })
}

fn merged<'a>(writes: impl IntoIterator<Item = &'a Write>) -> Map {
    let mut map = Map::default();
    for (key, entry) in writes {
        map.merge(*key, Arc::clone(entry));
    }
    map
}

fn contents(map: &Map) -> Vec<Write> {
    map.iter().map(|(key, entry)| (key, Arc::clone(entry))).collect()
}

/// A replica's state as rounds make it: all the writes below its vector, and no others.
fn replica(writes: &[Write], vector: &VersionVector) -> Map {
    merged(writes.iter().filter(|(_, entry)| vector.covers(entry.stamp)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn merging_is_commutative_and_idempotent(writes in prop::collection::vec(write(), 0..20), order in any::<prop::sample::Index>()) {
        let forwards = merged(&writes);
        let backwards = merged(writes.iter().rev());
        let mut turned = writes.clone();
        if !turned.is_empty() {
            turned.rotate_left(order.index(writes.len()));
        }
        let twice = merged(turned.iter().chain(&writes));
        prop_assert_eq!(contents(&forwards), contents(&backwards));
        prop_assert_eq!(contents(&forwards), contents(&twice));
        prop_assert_eq!(forwards.fingerprint(), twice.fingerprint());
        prop_assert_eq!((forwards.live(), forwards.tombstones()), (twice.live(), twice.tombstones()));
    }

    #[test]
    fn merging_is_associative_and_monotone(a in prop::collection::vec(write(), 0..8), b in prop::collection::vec(write(), 0..8), c in prop::collection::vec(write(), 0..8)) {
        let (a, b, c) = (merged(&a), merged(&b), merged(&c));
        let left = merged(&contents(&merged(contents(&a).iter().chain(&contents(&b)))).into_iter().chain(contents(&c)).collect::<Vec<_>>());
        let right = merged(&contents(&a).into_iter().chain(contents(&merged(contents(&b).iter().chain(&contents(&c))))).collect::<Vec<_>>());
        prop_assert_eq!(contents(&left), contents(&right));
        for (key, before) in a.iter() {
            let after = left.get(key).unwrap();
            prop_assert!(after == before || after.beats(before));
        }
    }

    #[test]
    fn the_fingerprint_and_the_indexes_are_those_of_the_entries(writes in prop::collection::vec(write(), 0..20)) {
        let map = merged(&writes);
        let fresh = merged(&contents(&map));
        prop_assert_eq!(map.fingerprint(), fresh.fingerprint());
        let everything = VersionVector::new();
        let mut by_stamp: Vec<Write> = map.delta(&everything).map(|(key, entry)| (key, Arc::clone(entry))).collect();
        prop_assert!(by_stamp.windows(2).all(|pair| (pair[0].1.stamp.origin, pair[0].1.stamp.hlc) < (pair[1].1.stamp.origin, pair[1].1.stamp.hlc)));
        by_stamp.sort_by_key(|(key, _)| *key);
        prop_assert_eq!(&by_stamp, &contents(&map));
        let mut by_change: Vec<Write> = map.changed_since(0).map(|(_, key, entry)| (key, Arc::clone(entry))).collect();
        by_change.sort_by_key(|(key, _)| *key);
        prop_assert_eq!(&by_change, &contents(&map));
        prop_assert!(map.changed_since(map.changes()).next().is_none());
    }

    #[test]
    fn a_delta_brings_what_the_whole_state_would(writes in prop::collection::vec(write(), 0..20), mine in vector(), theirs in vector()) {
        let (here, there) = (replica(&writes, &mine), replica(&writes, &theirs));
        let delta: Vec<Write> = there.delta(&mine).map(|(key, entry)| (key, Arc::clone(entry))).collect();
        let by_delta = merged(contents(&here).iter().chain(&delta));
        let by_state = merged(contents(&here).iter().chain(&contents(&there)));
        prop_assert_eq!(contents(&by_delta), contents(&by_state));
        prop_assert!(delta.iter().all(|(_, entry)| !mine.covers(entry.stamp)));
    }

    #[test]
    fn a_vector_covers_what_either_covered(a in vector(), b in vector(), probe in stamp()) {
        let mut both = a.clone();
        both.merge(&b);
        prop_assert!(both.covers_all(&a) && both.covers_all(&b));
        prop_assert_eq!(a.covers_all(&b), both == a);
        prop_assert_eq!(both.covers(probe), a.covers(probe) || b.covers(probe));
        prop_assert_eq!(a == b, a.hash() == b.hash());
        prop_assert!(both.is_possible());
        let mut turned = b.clone();
        turned.merge(&a);
        prop_assert_eq!(&both, &turned);
        both.merge(&turned);
        prop_assert_eq!(&both, &turned);
    }

    #[test]
    fn a_meet_covers_what_both_covered(a in vector(), b in vector(), probe in stamp()) {
        let both = a.meet(&b);
        prop_assert!(a.covers_all(&both) && b.covers_all(&both));
        prop_assert_eq!(both.covers(probe), a.covers(probe) && b.covers(probe));
        prop_assert!(both.is_possible());
        prop_assert_eq!(both, b.meet(&a));
    }

    #[test]
    fn a_closed_life_is_covered_and_takes_no_place(a in vector(), before in stamp(), probe in stamp()) {
        let mut closed = a.clone();
        closed.close(before.origin);
        let over = probe.origin.node == before.origin.node && probe.origin.incarnation < before.origin.incarnation;
        prop_assert_eq!(closed.covers(probe), a.covers(probe) || over);
        prop_assert!(closed.lives(before.origin.node).all(|slot| slot.origin >= before.origin));
        prop_assert!(closed.covers_all(&a) && closed.is_possible());
    }

    #[test]
    fn a_vector_knows_its_length_and_its_newest_lives(a in vector()) {
        let places = a.iter().count() + a.marks().count();
        prop_assert_eq!((a.len(), a.is_empty()), (places, places == 0));
        for node in ["gotham", "metropolis", "capitol"].map(|name| name.parse::<NodeName>().expect("a valid name")) {
            let oldest_first: Vec<Incarnation> = a.lives(node).map(|slot| slot.origin.incarnation).collect();
            prop_assert!(oldest_first.is_sorted());
            prop_assert_eq!(a.newest_life(node), oldest_first.last().copied());
            prop_assert_eq!(a.closed_before(node), a.marks().find(|mark| mark.node == node).map(|mark| mark.incarnation));
        }
    }

    #[test]
    fn the_slots_forgotten_are_the_oldest_and_no_more_than_needed(a in vector(), max in 0..8_usize) {
        let mut shorter = a.clone();
        shorter.forget_oldest(max);
        prop_assert_eq!(shorter.len(), a.len().min(max.max(a.marks().count())));
        let mut oldest_first: Vec<Stamp> = a.iter().collect();
        oldest_first.sort();
        let mut kept: Vec<Stamp> = shorter.iter().collect();
        kept.sort();
        prop_assert!(oldest_first.ends_with(&kept));
        prop_assert!(shorter.marks().eq(a.marks()));
    }

    #[test]
    fn the_tombstones_found_are_those_covered(writes in prop::collection::vec(write(), 0..20), vector in vector()) {
        let map = merged(&writes);
        let mut found: Vec<HeroId> = map.tombstones_covered_by(&vector).map(|(key, _)| key).collect();
        found.sort();
        let covered: Vec<HeroId> = map.iter().filter(|(_, entry)| entry.is_tombstone() && vector.covers(entry.stamp)).map(|(key, _)| key).collect();
        prop_assert_eq!(found, covered);
    }

    #[test]
    fn what_a_node_writes_a_node_reads(entries in prop::collection::vec(write(), 0..10), vector in vector(), horizon in vector(), round in any::<u64>()) {
        let origin = Origin { node: "gotham".parse().unwrap(), incarnation: Incarnation(7) };
        let mut vector = vector;
        vector.merge(&horizon);
        for step in [Step::Chunk { serving: 1, number: 3, entries: entries.clone() }, Step::End { serving: 1, chunks: 4, horizon, vector, full: false, joined: true }] {
            let frame = Frame::Round(Envelope { from: origin, to: origin, round, step });
            prop_assert_eq!(wire::decode(&wire::encode(&frame)), Ok(frame));
        }
    }

    #[test]
    fn no_bytes_make_the_decoders_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = wire::decode(&bytes);
        let _ = wire::Hello::decode(&bytes);
        let with_magic = [b"SHC1\x02\x00".as_slice(), &bytes].concat();
        let _ = wire::Hello::decode(&with_magic);
    }
}
