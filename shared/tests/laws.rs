//! Property tests of the map, vectors and batches with heroes as values. The main law: the result
//! of merging does not depend on order or repetition.

use proptest::prelude::*;

use gossip::{Hlc, Horizon, Incarnation, NodeName, Origin, Stamp, UnixMillis, VersionVector, wire};
use shared::hero::{HEALTH_MAX, HERO_NAME_CHARS_MAX, Hero, HeroId, Location};
use shared::{Batch, Entry, Envelope, Frame, Map, Step, Value};

type Write = (HeroId, Entry);

/// Generates stamps from few nodes and times, so that equal clock readings of two nodes are common.
fn stamp() -> impl Strategy<Value = Stamp> {
    (0..3_usize, 1..3_u64, 0..6_u64, 0..3_u32).prop_map(|(node, incarnation, wall, logical)| {
        let node: NodeName =
            ["gotham", "metropolis", "capitol"][node].parse().expect("a valid name");
        Stamp {
            hlc: Hlc { wall: UnixMillis(wall), logical },
            origin: Origin { node, incarnation: Incarnation::at(incarnation) },
        }
    })
}

/// Generates vectors of slots and of marks of closed incarnations.
fn vector() -> impl Strategy<Value = VersionVector> {
    (prop::collection::vec(stamp(), 0..6), prop::collection::vec(stamp(), 0..2)).prop_map(
        |(slots, marks)| {
            let mut vector: VersionVector = slots.into_iter().collect();
            marks.into_iter().for_each(|mark| vector.close(mark.origin));
            vector
        },
    )
}

/// Generates writes of few keys. The content is derived from the stamp, so equal stamps imply equal
/// writes, as in a real cluster.
fn write() -> impl Strategy<Value = Write> {
    stamp().prop_map(|stamp| {
        let seed = stamp.hlc.wall.0 * 7
            + u64::from(stamp.hlc.logical) * 3
            + stamp.origin.incarnation.number()
            + stamp.origin.node.as_str().len() as u64;
        let health = u8::try_from(seed % 100).expect("below 100") + 1;
        let hero = Hero {
            location: Location::City(stamp.origin.node),
            health,
            is_patrolling: seed.is_multiple_of(2),
            ..Hero::new("Ada".into())
        };
        let value = if seed.is_multiple_of(5) { Value::Tombstone } else { Value::Live(hero) };
        let key = HeroId::from(uuid::Uuid::from_u128(u128::from(seed % 4)));
        (key, Entry::written(value, stamp, None))
    })
}

fn merged<'a>(writes: impl IntoIterator<Item = &'a Write>) -> Map {
    let mut map = Map::default();
    for (key, entry) in writes {
        map.merge(*key, &entry.as_entry_ref());
    }
    map
}

fn contents(map: &Map) -> Vec<Write> {
    let mut held: Vec<Write> = map.iter().collect();
    held.sort_by_key(|(key, _)| *key);
    held
}

/// Generates writes of every valid shape, independent of their stamps. Names and clock readings are
/// both close to each other and far apart, since batches encode differences.
fn any_write() -> impl Strategy<Value = Write> {
    let reading = (
        prop_oneof![0..4_u64, Just(1_790_000_000_000), any::<u64>()],
        prop_oneof![0..3_u32, any::<u32>()],
    );
    let name = prop::sample::select(vec!["a", "gotham", "sixteen-letters-"]);
    let stamp = (reading, name, prop_oneof![0..3_u64, 0..=1_u64 << 48, Just(1 << 48)]).prop_map(
        |((wall, logical), node, incarnation)| Stamp {
            hlc: Hlc { wall: UnixMillis(wall), logical },
            origin: Origin {
                node: node.parse().expect("a valid name"),
                incarnation: Incarnation::at(incarnation),
            },
        },
    );
    let hero_name = prop_oneof!["[a-z ]{1,30}", Just("\u{1f9b8}".repeat(HERO_NAME_CHARS_MAX))];
    let hero = (
        hero_name,
        prop::option::of(prop::sample::select(vec!["gotham", "capitol"])),
        any::<bool>(),
        1..=HEALTH_MAX,
    );
    let value = prop::option::of(hero.prop_map(|(name, city, is_patrolling, health)| {
        let location =
            city.map_or(Location::Home, |city| Location::City(city.parse().expect("a valid name")));
        Hero { name: name.into(), location, is_patrolling, health }
    }));
    (any::<u128>(), value, prop::collection::vec(stamp, 1..12)).prop_map(
        |(key, value, mut stamps)| {
            stamps.sort();
            let over = stamps.iter().fold(None, |over: Option<Entry>, stamp| {
                Some(Entry::written(Value::Live(Hero::new("Ada".into())), *stamp, over.as_ref()))
            });
            let entry = Entry {
                value: value.map_or(Value::Tombstone, Value::Live),
                ..over.expect("at least one write")
            };
            // With the version of random UUIDs, which is not that of the library's tables.
            let key = uuid::Builder::from_random_bytes(u128::to_be_bytes(key)).into_uuid();
            (HeroId::from(key), entry)
        },
    )
}

/// Returns the state of a replica after complete rounds: exactly the writes that its vector covers.
fn replica(writes: &[Write], vector: &VersionVector) -> Map {
    merged(writes.iter().filter(|(_, entry)| vector.covers(entry.stamp)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn merging_is_commutative_and_idempotent(
        writes in prop::collection::vec(write(), 0..20),
        order in any::<prop::sample::Index>(),
    ) {
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
        prop_assert_eq!(
            (forwards.live(), forwards.tombstones()),
            (twice.live(), twice.tombstones())
        );
    }

    #[test]
    fn merging_is_associative_and_monotone(
        a in prop::collection::vec(write(), 0..8),
        b in prop::collection::vec(write(), 0..8),
        c in prop::collection::vec(write(), 0..8),
    ) {
        let (a, b, c) = (merged(&a), merged(&b), merged(&c));
        let left = merged(
            &contents(&merged(contents(&a).iter().chain(&contents(&b))))
                .into_iter()
                .chain(contents(&c))
                .collect::<Vec<_>>(),
        );
        let right = merged(
            &contents(&a)
                .into_iter()
                .chain(contents(&merged(contents(&b).iter().chain(&contents(&c)))))
                .collect::<Vec<_>>(),
        );
        prop_assert_eq!(contents(&left), contents(&right));
        for (key, before) in a.iter() {
            let after = left.get(key).unwrap();
            prop_assert!(after == before || after.beats(&before));
        }
    }

    #[test]
    fn fingerprint_and_indexes_match_the_entries(
        writes in prop::collection::vec(write(), 0..20),
    ) {
        let map = merged(&writes);
        let fresh = merged(&contents(&map));
        prop_assert_eq!(map.fingerprint(), fresh.fingerprint());
        let everything = VersionVector::new();
        let mut by_stamp: Vec<Write> = map.delta(&everything).collect();
        prop_assert!(by_stamp.windows(2).all(|pair| (pair[0].1.stamp.origin, pair[0].1.stamp.hlc)
            < (pair[1].1.stamp.origin, pair[1].1.stamp.hlc)));
        by_stamp.sort_by_key(|(key, _)| *key);
        prop_assert_eq!(&by_stamp, &contents(&map));
        let mut by_change: Vec<Write> =
            map.changed_since(0).map(|(_, key, entry)| (key, entry)).collect();
        by_change.sort_by_key(|(key, _)| *key);
        prop_assert_eq!(&by_change, &contents(&map));
        prop_assert!(map.changed_since(map.changes()).next().is_none());
    }

    #[test]
    fn merging_a_delta_equals_merging_the_whole_state(
        writes in prop::collection::vec(write(), 0..20),
        mine in vector(),
        theirs in vector(),
    ) {
        let (here, there) = (replica(&writes, &mine), replica(&writes, &theirs));
        let delta: Vec<Write> = there.delta(&mine).collect();
        let by_delta = merged(contents(&here).iter().chain(&delta));
        let by_state = merged(contents(&here).iter().chain(&contents(&there)));
        prop_assert_eq!(contents(&by_delta), contents(&by_state));
        prop_assert!(delta.iter().all(|(_, entry)| !mine.covers(entry.stamp)));
    }

    #[test]
    fn merged_vector_covers_what_either_covered(a in vector(), b in vector(), probe in stamp()) {
        let mut both = a.clone();
        both.merge(&b);
        prop_assert!(both.covers_all(&a) && both.covers_all(&b));
        prop_assert_eq!(a.covers_all(&b), both == a);
        prop_assert_eq!(both.covers(probe), a.covers(probe) || b.covers(probe));
        prop_assert_eq!(a == b, a.hash() == b.hash());
        prop_assert!(both.is_valid());
        let mut turned = b.clone();
        turned.merge(&a);
        prop_assert_eq!(&both, &turned);
        both.merge(&turned);
        prop_assert_eq!(&both, &turned);
    }

    #[test]
    fn meet_covers_what_both_covered(a in vector(), b in vector(), probe in stamp()) {
        let both = a.meet(&b);
        prop_assert!(a.covers_all(&both) && b.covers_all(&both));
        prop_assert_eq!(both.covers(probe), a.covers(probe) && b.covers(probe));
        prop_assert!(both.is_valid());
        prop_assert_eq!(both, b.meet(&a));
    }

    #[test]
    fn closed_incarnation_is_covered_without_a_slot(
        a in vector(),
        before in stamp(),
        probe in stamp(),
    ) {
        let mut closed = a.clone();
        closed.close(before.origin);
        let over = probe.origin.node == before.origin.node
            && probe.origin.incarnation < before.origin.incarnation;
        prop_assert_eq!(closed.covers(probe), a.covers(probe) || over);
        prop_assert!(
            closed.incarnations(before.origin.node).all(|slot| slot.origin >= before.origin)
        );
        prop_assert!(closed.covers_all(&a) && closed.is_valid());
    }

    #[test]
    fn vector_reports_its_length_and_newest_incarnations(a in vector()) {
        let places = a.iter().count() + a.marks().count();
        prop_assert_eq!((a.len(), a.is_empty()), (places, places == 0));
        for node in ["gotham", "metropolis", "capitol"]
            .map(|name| name.parse::<NodeName>().expect("a valid name"))
        {
            let oldest_first: Vec<Incarnation> =
                a.incarnations(node).map(|slot| slot.origin.incarnation).collect();
            prop_assert!(oldest_first.is_sorted());
            prop_assert_eq!(a.newest_incarnation(node), oldest_first.last().copied());
            prop_assert_eq!(
                a.closed_before(node),
                a.marks().find(|mark| mark.node == node).map(|mark| mark.incarnation)
            );
        }
    }

    #[test]
    fn tombstones_found_are_those_covered(
        writes in prop::collection::vec(write(), 0..20),
        vector in vector(),
    ) {
        let map = merged(&writes);
        let mut found: Vec<HeroId> =
            map.tombstones_covered_by(&vector).map(|(key, ..)| key).collect();
        found.sort();
        let covered: Vec<HeroId> = contents(&map)
            .iter()
            .filter(|(_, entry)| entry.is_tombstone() && vector.covers(entry.stamp))
            .map(|(key, _)| *key)
            .collect();
        prop_assert_eq!(found, covered);
    }

    #[test]
    fn batch_contains_the_packed_entries_in_order(
        writes in prop::collection::vec(any_write(), 0..20),
    ) {
        let batch: Batch = writes.iter().cloned().collect();
        prop_assert_eq!(&batch.iter().collect::<Vec<_>>(), &writes);
        prop_assert_eq!((batch.len(), batch.is_empty()), (writes.len(), writes.is_empty()));
        prop_assert!(batch.keys().eq(writes.iter().map(|(key, _)| *key)));
        let highest: VersionVector = batch.highest().iter().copied().collect();
        prop_assert_eq!(highest.len(), batch.highest().len());
        prop_assert_eq!(highest, writes.iter().map(|(_, entry)| entry.stamp).collect());
        let bytes = postcard::to_stdvec(&batch).expect("a batch can be written");
        prop_assert_eq!(postcard::from_bytes::<Batch>(&bytes), Ok(batch));
    }

    #[test]
    fn map_keeps_and_packs_entries_unchanged(
        writes in prop::collection::vec(any_write(), 0..20),
        limit in 0..2_000_usize,
    ) {
        let map = merged(&writes);
        prop_assert!(
            map.iter()
                .all(|held| writes.contains(&held) && map.get(held.0) == Some(held.1.clone()))
        );
        prop_assert_eq!(map.live() + map.tombstones(), map.iter().count());
        let everything = VersionVector::new();
        let delta: Vec<Write> = map.delta(&everything).collect();
        let batches = map.packed_delta(&everything, limit);
        prop_assert_eq!(&batches.iter().flat_map(Batch::iter).collect::<Vec<_>>(), &delta);
        prop_assert!(batches.iter().rev().skip(1).all(|batch| batch.size() >= limit));
        let (numbers, changes) = map.packed_changes(0, usize::MAX);
        prop_assert!(
            map.changed_since(0).eq(numbers
                .into_iter()
                .zip(changes.iter())
                .map(|(number, (key, entry))| (number, key, entry)))
        );
    }

    #[test]
    fn emptied_map_equals_a_new_one(
        writes in prop::collection::vec(any_write(), 0..20),
        again in prop::collection::vec(any_write(), 0..20),
    ) {
        let mut used = merged(&writes);
        contents(&used).into_iter().for_each(|(key, _)| used.remove(key));
        prop_assert_eq!(
            (used.is_empty(), used.origins().count(), used.fingerprint()),
            (true, 0, Map::default().fingerprint())
        );
        prop_assert!(
            used.delta(&VersionVector::new()).next().is_none()
                && used.changed_since(0).next().is_none()
        );
        let fresh = merged(&again);
        for (key, entry) in &again {
            used.merge(*key, &entry.as_entry_ref());
        }
        prop_assert_eq!(contents(&used), contents(&fresh));
        prop_assert_eq!(used.fingerprint(), fresh.fingerprint());
        // Unlike in a real cluster, two keys may have the same stamp here. Their order in a delta
        // is unspecified, so they are sorted by key.
        let delta = |map: &Map| {
            let mut delta: Vec<Write> = map.delta(&VersionVector::new()).collect();
            delta.sort_by_key(|(key, entry)| (entry.stamp.origin, entry.stamp.hlc, *key));
            delta
        };
        prop_assert_eq!(delta(&used), delta(&fresh));
    }

    #[test]
    fn corrupted_batch_is_rejected_or_has_valid_entries(
        writes in prop::collection::vec(any_write(), 1..4),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let batch: Batch = writes.into_iter().collect();
        let mut bytes = postcard::to_stdvec(&batch).expect("a batch can be written");
        let header = bytes.len() - batch.size();
        let at = header + at.index(batch.size());
        bytes[at] = byte;
        if let Ok(other) = Batch::parse(&bytes[header..]) {
            prop_assert_eq!(other.iter().count(), other.len());
            prop_assert!(other.iter().all(|(key, entry)| entry.is_valid(key)));
        }
        for end in 0..batch.size() {
            if let Ok(part) = Batch::parse(&bytes[header..header + end]) {
                prop_assert_eq!(part.iter().count(), part.len());
            }
        }
    }

    #[test]
    fn encoded_round_frames_decode_to_themselves(
        entries in prop::collection::vec(write(), 0..10),
        vector in vector(),
        collected in vector(),
        closed in vector(),
        round in any::<u64>(),
    ) {
        let origin = Origin { node: "gotham".parse().unwrap(), incarnation: Incarnation::at(7) };
        let mut vector = vector;
        vector.merge(&collected);
        vector.merge(&closed);
        let horizon = Horizon { collected, closed };
        for step in [
            Step::Chunk { serving: 1, number: 3, entries: entries.iter().cloned().collect() },
            Step::End { serving: 1, chunks: 4, horizon, vector, full: false, joined: true },
        ] {
            let frame = Frame::Round(Envelope { from: origin, to: origin, round, step });
            prop_assert_eq!(wire::decode(&wire::encode(&frame)), Ok(frame));
        }
    }

    #[test]
    fn decoders_panic_on_no_input(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = wire::decode::<shared::Superheroes>(&bytes);
        let _ = wire::Hello::decode(&bytes);
        let with_magic = [b"SHC1\x02\x00".as_slice(), &bytes].concat();
        let _ = wire::Hello::decode(&with_magic);
    }
}
