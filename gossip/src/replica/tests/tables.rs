//! The kinds of tables: registers that are set again, and entries that belong to one incarnation.

use std::collections::BTreeMap;

use super::*;
use crate::table::{Kind, Record, Table};
use crate::types::counter;

const SETS: Table = Table::new(Kind::Once, 0);
const REGISTERS: Table = Table::new(Kind::Register, 0);
const COUNTERS: Table = Table::new(Kind::Lasting, 0);
const PRESENCE: Table = Table::new(Kind::Ephemeral, 0);

fn record(kind: Kind, content: &str) -> Value {
    let record = Record { group: "x", name: "y", content: content.as_bytes() };
    Value::Record(record.encode(kind))
}

fn content(replica: &Replica, key: Key) -> Option<String> {
    let Value::Record(bytes) = replica.map().get(key)?.value else { return None };
    let record = Record::decode(&bytes, key.kind()).unwrap();
    Some(String::from_utf8(record.content.to_vec()).unwrap())
}

fn contents<const N: usize>(replicas: [&Replica; N], key: Key) -> [Option<String>; N] {
    replicas.map(|replica| content(replica, key))
}

fn three() -> (Replica, Replica, Replica) {
    let (mut a, mut b, mut c) = (replica("a", 1), replica("b", 1), replica("c", 1));
    all_pull_all(at(1_900), &mut a, &mut b, &mut c);
    (a, b, c)
}

fn register() -> Key {
    REGISTERS.register("x", "y")
}

fn set(replica: &mut Replica, millis: u64, content: &str) {
    replica.write(at(millis), register(), record(Kind::Register, content)).unwrap();
}

fn unset(replica: &mut Replica, millis: u64) {
    replica.write(at(millis), register(), Value::Unset).unwrap();
}

/// b has collected the deletion, a has not, and a sets the register again.
#[test]
fn register_set_over_uncollected_deletion_is_kept() {
    let (mut a, mut b, mut c) = three();
    set(&mut a, 2_000, "old");
    all_pull_all(at(2_100), &mut a, &mut b, &mut c);
    unset(&mut a, 2_200);
    pull(at(2_201), &mut a, &mut b);
    pull(at(2_202), &mut b, &mut c);
    let events = [pull(at(2_203), &mut c, &mut b), pull(at(2_204), &mut a, &mut b)].concat();
    assert!(events.iter().any(|event| matches!(event, Event::Collected { .. })), "{events:?}");
    assert!(a.map().holds(register()) && !b.map().holds(register()));
    set(&mut a, 2_300, "new");
    all_pull_all(at(2_400), &mut a, &mut b, &mut c);
    assert_eq!(contents([&a, &b, &c], register()), [(); 3].map(|()| Some("new".to_owned())));
}

/// An outsider sets a register again over a deletion that the members have collected, together with a
/// later one of another key.
#[test]
pub(super) fn register_set_by_outsider_over_collected_deletion_is_kept() {
    let (mut a, mut b, mut c) = three();
    set(&mut a, 2_000, "old");
    a.write(at(2_000), key(1), live(1)).unwrap();
    unset(&mut a, 2_200);
    let mut outsider = new_replica("d", 1, at(2_300));
    pull(at(2_301), &mut a, &mut outsider);
    all_pull_all(at(2_400), &mut a, &mut b, &mut c);
    set(&mut outsider, 5_000, "new");
    a.write(at(9_000), key(1), Value::Tombstone).unwrap();
    all_pull_all(at(9_100), &mut a, &mut b, &mut c);
    assert!(!a.map().holds(register()) && !a.map().holds(key(1)));
    pull(at(9_200), &mut outsider, &mut a);
    all_pull_all(at(9_300), &mut a, &mut b, &mut c);
    assert_eq!(contents([&a, &b, &c], register()), [(); 3].map(|()| Some("new".to_owned())));
}

/// c receives an older write after the deletion, while a sets the register again.
#[test]
pub(super) fn older_write_to_unset_register_loses_without_new_deletion() {
    let (mut a, mut b, mut c) = three();
    set(&mut a, 2_000, "old");
    all_pull_all(at(2_100), &mut a, &mut b, &mut c);
    set(&mut b, 2_210, "older");
    unset(&mut a, 2_220);
    pull(at(2_221), &mut a, &mut c);
    set(&mut a, 2_250, "new");
    let events = pull(at(2_300), &mut b, &mut c);
    assert!(
        !events.iter().any(|event| matches!(event, Event::LateWritesDeleted { .. })),
        "{events:?}"
    );
    all_pull_all(at(2_400), &mut a, &mut b, &mut c);
    assert_eq!(contents([&a, &b, &c], register()), [(); 3].map(|()| Some("new".to_owned())));
}

/// The later of a write and a deletion wins, in both orders of arrival, and may be collected.
#[test]
fn later_write_to_register_wins_over_deletion() {
    for (written, deleted) in [(2_300, 2_200), (2_200, 2_300)] {
        let (mut a, mut b, mut c) = three();
        set(&mut a, 2_000, "old");
        all_pull_all(at(2_100), &mut a, &mut b, &mut c);
        set(&mut a, written, "new");
        unset(&mut b, deleted);
        all_pull_all(at(2_400), &mut a, &mut b, &mut c);
        let kept = (written > deleted).then(|| "new".to_owned());
        assert_eq!(contents([&a, &b, &c], register()), [(); 3].map(|()| kept.clone()));
        for replica in [&a, &b, &c] {
            assert!(!replica.map().has_tombstones());
        }
    }
}

/// A key of the kind `Once` is not written again, and a register is not unset twice.
#[test]
fn deleted_keys_are_not_written_again() {
    let (mut a, mut b, mut c) = three();
    let tag = SETS.unique("x", "y", 7);
    a.write(at(2_000), tag, record(Kind::Once, "element")).unwrap();
    assert_eq!(a.write(at(2_001), register(), Value::Unset), Err(WriteError::Deleted));
    a.write(at(2_002), tag, Value::Tombstone).unwrap();
    let again = record(Kind::Once, "element");
    assert_eq!(a.write(at(2_003), tag, again), Err(WriteError::Deleted));
    set(&mut a, 2_004, "old");
    unset(&mut a, 2_005);
    assert_eq!(a.write(at(2_006), register(), Value::Unset), Err(WriteError::Deleted));
    all_pull_all(at(2_100), &mut a, &mut b, &mut c);
    assert!(a.map().is_empty() && b.map().is_empty());
}

/// Values under keys of another table, name or owner are refused, and so are deletions of owned
/// entries. Nothing is changed.
#[test]
fn misplaced_values_are_refused() {
    let mut a = replica("a", 1);
    let me = a.me();
    let before = a.vector().clone();
    let mine = COUNTERS.owned("x", me, 0);
    for (key, value) in [
        (key(1), record(Kind::Once, "")),
        (key(1), Value::Unset),
        (register(), live(1)),
        (register(), Value::Tombstone),
        (register(), Value::Record(Box::from(*b"\x01"))),
        (REGISTERS.register("x", "z"), record(Kind::Register, "")),
        (REGISTERS.register("z", "y"), record(Kind::Register, "")),
        (SETS.unique("x", "y", 1), live(1)),
        (SETS.unique("x", "y", 1), Value::Unset),
        (mine, live(1)),
        (mine, Value::Tombstone),
        (mine, Value::Unset),
        (COUNTERS.owned("x", origin("b", 1), 0), record(Kind::Lasting, "")),
        (PRESENCE.owned("x", origin("a", 2), 0), record(Kind::Ephemeral, "")),
    ] {
        assert_eq!(a.write(at(2_000), key, value), Err(WriteError::Misplaced), "{key}");
    }
    assert!(a.map().is_empty() && *a.vector() == before);
}

/// Keys are hashes, so a record with other names could have the same key.
#[test]
fn record_is_not_replaced_by_one_with_other_names() {
    let mut a = replica("a", 1);
    let mine = COUNTERS.owned("x", a.me(), 0);
    let other = Record { group: "other", name: "", content: b"" }.encode(Kind::Lasting);
    let entry = Entry::written(Value::Record(other), slot(a.me(), 1_500), None);
    a.map.merge(mine, &entry.as_entry_ref());
    let refused = a.write(at(2_000), mine, record(Kind::Lasting, "1"));
    assert_eq!(refused, Err(WriteError::Misplaced));
    let tag = SETS.unique("x", "y", 7);
    a.write(at(2_000), tag, record(Kind::Once, "element")).unwrap();
    let refused = a.write(at(2_000), tag, record(Kind::Once, "other element"));
    assert_eq!(refused, Err(WriteError::Misplaced));
}

fn slot(origin: Origin, millis: u64) -> Stamp {
    Stamp { hlc: Hlc { wall: at(millis).wall, logical: 0 }, origin }
}

/// b restarts without having seen the deletion, which is collected meanwhile, and sets the register.
#[test]
pub(super) fn write_after_collected_deletion_is_kept() {
    for puller_is_writer in [true, false] {
        let (mut a, mut b, mut c) = three();
        set(&mut a, 2_000, "old");
        all_pull_all(at(2_100), &mut a, &mut b, &mut c);
        unset(&mut a, 2_200);
        pull(at(2_201), &mut a, &mut b);
        pull(at(2_202), &mut b, &mut a);
        let mut b2 = new_replica("b", 2, at(2_300));
        pull(at(2_301), &mut c, &mut b2);
        set(&mut b2, 5_000, "new");
        pull(at(5_001), &mut a, &mut c);
        let events = pull(at(5_002), &mut c, &mut a);
        assert!(events.iter().any(|event| matches!(event, Event::Collected { .. })), "{events:?}");
        if puller_is_writer {
            pull(at(5_003), &mut a, &mut b2);
        } else {
            pull(at(5_003), &mut b2, &mut a);
        }
        all_pull_all(at(5_100), &mut a, &mut b2, &mut c);
        assert_eq!(contents([&a, &b2, &c], register()), [(); 3].map(|()| Some("new".to_owned())));
    }
}

/// The same, with a write that is earlier than the deletion: the deletion wins.
#[test]
fn write_before_collected_deletion_is_deleted() {
    let (mut a, mut b, mut c) = three();
    set(&mut a, 2_000, "old");
    all_pull_all(at(2_100), &mut a, &mut b, &mut c);
    let mut outsider = new_replica("d", 1, at(2_110));
    pull(at(2_111), &mut a, &mut outsider);
    set(&mut outsider, 2_120, "earlier");
    unset(&mut a, 9_000);
    all_pull_all(at(9_100), &mut a, &mut b, &mut c);
    pull(at(9_200), &mut outsider, &mut a);
    all_pull_all(at(9_300), &mut a, &mut b, &mut c);
    pull(at(9_400), &mut b, &mut outsider);
    assert_eq!(contents([&a, &b, &c, &outsider], register()), [(); 4].map(|()| None));
}

/// Two processes of b: one is about to see a deletion of a, and the other has set the register for the
/// first time, earlier.
fn deletion_that_another_process_has_not_seen() -> [Replica; 4] {
    let (mut a, b, mut c) = three();
    let mut other = new_replica("b", 2, at(2_000));
    pull(at(2_001), &mut c, &mut other);
    set(&mut other, 2_010, "earlier");
    set(&mut a, 8_000, "old");
    unset(&mut a, 9_000);
    [a, b, c, other]
}

/// The process that has seen the deletion proves it, and a collects. The other's write arrives at a.
#[test]
pub(super) fn birth_before_collected_deletion_is_adopted() {
    let [mut a, mut b, mut c, mut other] = deletion_that_another_process_has_not_seen();
    pull(at(9_100), &mut a, &mut b);
    pull(at(9_101), &mut a, &mut c);
    pull(at(9_102), &mut b, &mut a);
    let events = pull(at(9_103), &mut c, &mut a);
    assert!(events.iter().any(|event| matches!(event, Event::Collected { .. })), "{events:?}");
    assert!(!a.map().holds(register()) && c.map().holds(register()));
    pull(at(9_200), &mut other, &mut a);
    let shown = a.map().get(register()).unwrap();
    assert!(shown.stamp.hlc.wall >= at(9_000).wall, "{shown:?}");
    let events = all_pull_all(at(9_300), &mut a, &mut other, &mut c);
    let held = contents([&a, &other, &c], register());
    assert_eq!(held, [(); 3].map(|()| Some("earlier".to_owned())));
    assert!(!events.iter().any(|event| matches!(event, Event::Diverged { .. })), "{events:?}");
}

/// The same, but the process that has set the register receives the round.
#[test]
pub(super) fn held_birth_before_collected_deletion_is_adopted() {
    let [mut a, mut b, mut c, mut other] = deletion_that_another_process_has_not_seen();
    all_pull_all(at(9_100), &mut a, &mut b, &mut c);
    assert!(!a.map().holds(register()) && c.map().holds(register()));
    let events = pull(at(9_200), &mut a, &mut other);
    assert!(events.iter().any(|event| matches!(event, Event::Adopted { .. })), "{events:?}");
    let shown = other.map().get(register()).unwrap();
    assert!(shown.stamp.hlc.wall >= at(9_000).wall, "{shown:?}");
    // c still holds the deletion, and now covers the same as the other process.
    pull(at(9_300), &mut other, &mut c);
    assert!(hold_the_same(&other, &c));
    pull(at(9_301), &mut other, &mut a);
    assert_eq!(
        contents([&a, &other, &c], register()),
        [(); 3].map(|()| Some("earlier".to_owned()))
    );
}

/// A full round removes what its source has seen and does not hold, except entries that nobody but
/// their owner may delete.
#[test]
pub(super) fn full_round_keeps_owned_entries() {
    let (mut a, mut b, mut c) = three();
    let counter = COUNTERS.owned("x", a.me(), 0);
    a.write(at(2_000), counter, record(Kind::Lasting, "5")).unwrap();
    a.write(at(2_000), key(1), live(50)).unwrap();
    let mut outsider = new_replica("d", 1, at(2_100));
    pull(at(2_101), &mut a, &mut outsider);
    a.write(at(3_000), key(1), Value::Tombstone).unwrap();
    all_pull_all(at(3_001), &mut a, &mut b, &mut c);
    b.lose_entries(|key| key == counter);
    let events = pull(at(3_102), &mut b, &mut outsider);
    assert!(matches!(events[..], [Event::Committed { full: true, .. }, ..]), "{events:?}");
    assert_eq!((number(&outsider, 1), content(&outsider, counter).as_deref()), (None, Some("5")));
}

#[test]
pub(super) fn ephemeral_entries_end_with_their_incarnation() {
    let (mut a, mut b, mut c) = three();
    let (here, count) = (PRESENCE.owned("x", c.me(), 0), COUNTERS.owned("x", c.me(), 0));
    c.write(at(2_000), here, record(Kind::Ephemeral, "ada")).unwrap();
    c.write(at(2_000), count, record(Kind::Lasting, "5")).unwrap();
    all_pull_all(at(2_100), &mut a, &mut b, &mut c);
    assert_eq!(contents([&a, &b], here), [(); 2].map(|()| Some("ada".to_owned())));
    // a learns of the next incarnation before b does.
    let mut c2 = new_replica("c", 2, at(2_500));
    pull(at(2_501), &mut a, &mut c2);
    pull(at(2_502), &mut c2, &mut a);
    assert_eq!(contents([&a, &c2], here), [None, None]);
    all_pull_all(at(2_600), &mut a, &mut b, &mut c2);
    assert_eq!(contents([&a, &b, &c2], here), [None, None, None]);
    assert_eq!(contents([&a, &b, &c2], count), [(); 3].map(|()| Some("5".to_owned())));
    assert!(hold_the_same(&a, &b) && hold_the_same(&b, &c2));
    // A late copy ends in the step in which it arrives.
    let mut b2 = new_replica("b", 2, at(2_700));
    pull(at(2_701), &mut c, &mut b2);
    pull(at(2_702), &mut a, &mut b2);
    assert_eq!((content(&b2, here), hold_the_same(&a, &b2)), (None, true));
}

#[test]
fn ephemeral_entries_end_when_their_node_is_forgotten() {
    let (mut a, mut b, mut c) = three();
    let here = PRESENCE.owned("x", c.me(), 0);
    c.write(at(2_000), here, record(Kind::Ephemeral, "ada")).unwrap();
    all_pull_all(at(2_100), &mut a, &mut b, &mut c);
    a.forget(at(2_200), c.me().node).unwrap();
    assert_eq!(content(&a, here), None);
    pull(at(2_300), &mut a, &mut b);
    assert_eq!(content(&b, here), None);
}

/// Two processes of one name: the older one writes to its entries after its incarnation was closed.
#[test]
pub(super) fn owned_orphans_are_replaced_by_those_of_the_closing_members() {
    let (mut a, mut b, mut c) = three();
    let (known, unknown) = (COUNTERS.owned("x", c.me(), 0), COUNTERS.owned("x", c.me(), 1));
    c.write(at(2_000), known, record(Kind::Lasting, "5")).unwrap();
    all_pull_all(at(2_100), &mut a, &mut b, &mut c);
    let mut c2 = new_replica("c", 2, at(2_500));
    pull(at(2_501), &mut a, &mut c2);
    all_pull_all(at(2_600), &mut a, &mut b, &mut c2);
    assert!(a.vector().has_closed(c.me()));
    // c is still running, linked only to b, which has just restarted and has not seen the fence.
    c.write(at(2_700), known, record(Kind::Lasting, "6")).unwrap();
    c.write(at(2_700), unknown, record(Kind::Lasting, "1")).unwrap();
    let mut b2 = new_replica("b", 2, at(2_710));
    pull(at(2_711), &mut c, &mut b2);
    let events = all_pull_all(at(3_000), &mut a, &mut b2, &mut c2);
    let dropped = Event::OrphansDropped { source: a.me(), writes: 2 };
    assert!(events.contains(&dropped), "{events:?}");
    assert_eq!(contents([&a, &b2, &c2], known), [(); 3].map(|()| Some("5".to_owned())));
    assert_eq!(contents([&a, &b2, &c2], unknown), [None, None, None]);
    assert!(hold_the_same(&a, &b2) && hold_the_same(&b2, &c2));
    assert!(!events.iter().any(|event| matches!(event, Event::Diverged { .. })));
}

/// A node that does not know a table merges its records by the kind in the key.
#[test]
fn records_of_unknown_tables_are_merged_and_passed_on() {
    let (mut a, mut b, mut c) = three();
    let unknown = Table::new(Kind::Register, 63).register("x", "y");
    a.write(at(2_000), unknown, record(Kind::Register, "1")).unwrap();
    pull(at(2_001), &mut a, &mut b);
    pull(at(2_002), &mut b, &mut c);
    assert_eq!(content(&c, unknown).as_deref(), Some("1"));
    b.write(at(2_100), unknown, Value::Unset).unwrap();
    pull(at(2_101), &mut b, &mut c);
    assert_eq!(content(&c, unknown), None);
}

/// Each table has its own limits, and its own error.
#[test]
fn limits_apply_to_each_table() {
    let mut a = replica("a", 1);
    a.config.table_limits = crate::replica::TableLimits { live: 2, tombstones: 1, bytes: 40 };
    let mut write = |key, value| a.write(at(2_000), key, value).map(|_| ());
    let named = |name: &str, content: &str| {
        let record = Record { group: "x", name, content: content.as_bytes() };
        (REGISTERS.register("x", name), Value::Record(record.encode(Kind::Register)))
    };
    for name in ["1", "2"] {
        let (key, value) = named(name, "");
        write(key, value).unwrap();
    }
    let (key, value) = named("3", "");
    assert_eq!(write(key, value), Err(WriteError::TooManyLive));
    let (key, value) = named("2", &"x".repeat(40));
    assert_eq!(write(key, value), Err(WriteError::TooManyBytes));
    let (key, value) = named("2", &"x".repeat(32));
    assert_eq!(write(key, value), Ok(()));
    write(SETS.unique("x", "y", 1), record(Kind::Once, "other tables have room")).unwrap();
    write(REGISTERS.register("x", "1"), Value::Unset).unwrap();
    assert_eq!(
        write(REGISTERS.register("x", "2"), Value::Unset),
        Err(WriteError::TooManyTombstones)
    );
}

/// The sizes of tables follow every change of the map.
#[test]
fn table_sizes_return_to_nothing() {
    let (mut a, mut b, mut c) = three();
    assert!(a.map().tables().next().is_none());
    set(&mut a, 2_000, "12345");
    let size = a.map().table(REGISTERS);
    assert_eq!((size.live, size.tombstones, size.bytes), (1, 0, 9));
    assert_eq!(a.map().fingerprint(), size.fingerprint);
    all_pull_all(at(2_100), &mut a, &mut b, &mut c);
    unset(&mut a, 2_200);
    let size = a.map().table(REGISTERS);
    assert_eq!((size.live, size.tombstones, size.bytes), (0, 1, 0));
    all_pull_all(at(2_300), &mut a, &mut b, &mut c);
    for replica in [&a, &b, &c] {
        assert!(replica.map().tables().next().is_none() && replica.map().is_empty());
    }
}

/// Rings of incarnations that were closed one after the other, and of an open one.
#[test]
pub(super) fn rings_keep_the_newest_of_closed_incarnations() {
    const RING: Table = Table::new(Kind::Lasting, crate::table::RING.start);
    let (mut a, mut b, mut c) = three();
    let mut newest = Vec::new();
    for incarnation in 2..=5_u64 {
        let millis = incarnation * 1_000;
        for place in 0..60 {
            let key = RING.owned("x", c.me(), place);
            c.write(at(millis), key, record(Kind::Lasting, "message")).unwrap();
            newest.push(key);
        }
        all_pull_all(at(millis + 100), &mut a, &mut b, &mut c);
        c = new_replica("c", incarnation, at(millis + 500));
        pull(at(millis + 501), &mut a, &mut c);
        all_pull_all(at(millis + 600), &mut a, &mut b, &mut c);
        assert!(hold_the_same(&a, &b) && hold_the_same(&b, &c));
    }
    newest.drain(..newest.len() - 100);
    newest.sort_unstable();
    for replica in [&a, &b, &c] {
        let held: Vec<Key> =
            replica.map().records().range(RING.keys()).map(|(key, ..)| key).collect();
        assert_eq!(held, newest);
    }
}

fn total(replica: &Replica) -> i128 {
    counter::read(replica.map().records(), "x").map_or(0, |counter| counter.total)
}

/// c restarts again and again, and counts each time.
#[test]
pub(super) fn shards_of_a_node_that_restarts_are_folded() {
    let (mut a, mut b, mut c) = three();
    counter::add(&mut a, at(2_000), "x", 1_000).unwrap();
    for incarnation in 2..=20_u64 {
        let millis = incarnation * 1_000;
        counter::add(&mut c, at(millis), "x", 1).unwrap();
        all_pull_all(at(millis + 100), &mut a, &mut b, &mut c);
        c = new_replica("c", incarnation, at(millis + 500));
        pull(at(millis + 501), &mut a, &mut c);
        let events = all_pull_all(at(millis + 600), &mut a, &mut b, &mut c);
        assert!(!events.iter().any(|event| matches!(event, Event::Diverged { .. })), "{events:?}");
        assert!(hold_the_same(&a, &b) && hold_the_same(&b, &c));
        let counted = 1_000 + i128::from(incarnation) - 1;
        assert_eq!([&a, &b, &c].map(total), [counted; 3]);
        let shards = counter::shards(a.map().records(), "x").len();
        assert!(shards <= 3, "{shards} shards after {incarnation} incarnations");
    }
}

/// b has seen an increment of c's ended incarnation that c's next one has not, when that counts.
#[test]
pub(super) fn shard_of_open_incarnation_is_not_folded() {
    let (mut a, mut b, mut c) = three();
    counter::add(&mut c, at(2_000), "x", 1).unwrap();
    all_pull_all(at(2_100), &mut a, &mut b, &mut c);
    counter::add(&mut c, at(2_200), "x", 10).unwrap();
    pull(at(2_201), &mut c, &mut b);
    let mut c = new_replica("c", 2, at(2_500));
    pull(at(2_501), &mut a, &mut c);
    counter::add(&mut c, at(5_000), "x", 100).unwrap();
    all_pull_all(at(5_100), &mut a, &mut b, &mut c);
    assert_eq!([&a, &b, &c].map(total), [111; 3]);
}

/// Two processes of c fold the same shard.
#[test]
fn shard_that_was_folded_twice_counts_once() {
    let (mut a, mut b, mut c) = three();
    counter::add(&mut c, at(2_000), "x", 1).unwrap();
    all_pull_all(at(2_100), &mut a, &mut b, &mut c);
    let mut c = new_replica("c", 2, at(2_500));
    pull(at(2_501), &mut a, &mut c);
    all_pull_all(at(2_600), &mut a, &mut b, &mut c);
    counter::add(&mut c, at(5_000), "x", 10).unwrap();
    // Only b receives it before c restarts.
    pull(at(5_001), &mut c, &mut b);
    let mut c = new_replica("c", 3, at(5_500));
    pull(at(5_501), &mut a, &mut c);
    counter::add(&mut c, at(9_000), "x", 100).unwrap();
    let folds = counter::shards(c.map().records(), "x");
    assert!(folds.iter().all(|(origin, shard)| shard.folded.is_some() == (*origin == c.me())));
    all_pull_all(at(9_100), &mut a, &mut b, &mut c);
    assert_eq!([&a, &b, &c].map(total), [111; 3]);
    counter::add(&mut c, at(9_200), "x", 1_000).unwrap();
    all_pull_all(at(9_300), &mut a, &mut b, &mut c);
    assert_eq!([&a, &b, &c].map(total), [1_111; 3]);
    assert!(hold_the_same(&a, &b) && hold_the_same(&b, &c));
}

/// A batch is written whole or not at all.
#[test]
fn refused_batch_changes_nothing() {
    let mut a = replica("a", 1);
    a.config.table_limits = crate::replica::TableLimits { live: 2, tombstones: 9, bytes: 900 };
    let write = |name: &str| {
        let record = Record { group: "x", name, content: b"" };
        (REGISTERS.register("x", name), Value::Record(record.encode(Kind::Register)))
    };
    let before = a.vector().clone();
    let many = BTreeMap::from(["1", "2", "3"].map(write));
    assert_eq!(a.write_all(at(2_000), many), Err(WriteError::TooManyLive));
    let misplaced = [write("1"), (register(), live(1))].into();
    assert_eq!(a.write_all(at(2_000), misplaced), Err(WriteError::Misplaced));
    assert!(a.map().is_empty() && *a.vector() == before);
    a.write_all(at(2_000), ["1", "2"].map(write).into()).unwrap();
    assert_eq!(a.map().table(REGISTERS).live, 2);
    // At the limits, entries may still be replaced.
    a.write_all(at(2_001), ["1", "2"].map(write).into()).unwrap();
    let mut new = new_replica("b", 1, at(2_000));
    assert_eq!(new.write_all(at(2_001), BTreeMap::new()), Err(WriteError::Joining));
}
