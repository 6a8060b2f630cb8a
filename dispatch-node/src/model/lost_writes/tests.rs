use super::ancestry::KNOWN_PER_HERO_MAX;
use super::*;
use gossip::{Hlc, Incarnation};
use shared::Value;
use shared::hero::Hero;

const NOW: UnixMillis = UnixMillis(99);

fn stamp(node: &str, incarnation: u64, wall: u64) -> Stamp {
    let origin = Origin { node: node.parse().unwrap(), incarnation: Incarnation::at(incarnation) };
    Stamp { hlc: Hlc { wall: UnixMillis(wall), logical: 0 }, origin }
}

fn live(stamp: Stamp, over: Option<&Entry>) -> Arc<Entry> {
    Arc::new(Entry::written(Value::Live(Hero::new("Granite".into())), stamp, over))
}

fn lost_after(
    written: &Arc<Entry>,
    held: [Option<&Arc<Entry>>; 2],
    gotham_incarnation: u64,
) -> (u64, bool) {
    let mut lost_writes = LostWrites::default();
    lost_writes.acknowledged(NOW, Key::MIN, written);
    settle(&mut lost_writes, &held.map(|entry| entry.cloned()), gotham_incarnation);
    (lost_writes.lost(), lost_writes.open.is_empty())
}

/// The vector of a node that has seen all writes of the running incarnations.
fn covering(gotham_incarnation: u64) -> VersionVector {
    let mut vector = VersionVector::new();
    for (node, incarnation) in
        [("dispatch", 1), ("gotham", gotham_incarnation), ("metropolis", 1), ("capitol", 1)]
    {
        vector.advance(stamp(node, incarnation, 1_000_000));
    }
    vector
}

/// Settles writes of a hero that is observed like this by nodes that have seen everything.
fn settle(lost_writes: &mut LostWrites, held: &[Option<Arc<Entry>>], gotham_incarnation: u64) {
    let vector = covering(gotham_incarnation);
    settle_with(lost_writes, held, &vector, &vector);
}

/// Settles writes of a hero. The first node has seen what `first` covers, the others what `others`
/// covers.
fn settle_with(
    lost_writes: &mut LostWrites,
    held: &[Option<Arc<Entry>>],
    first: &VersionVector,
    others: &VersionVector,
) {
    settle_key(lost_writes, Key::MIN, held, [first, others], &|_| false);
}

/// Settles writes to a key.
fn settle_key(
    lost_writes: &mut LostWrites,
    key: Key,
    held: &[Option<Arc<Entry>>],
    [first, others]: [&VersionVector; 2],
    seen: &dyn Fn(Stamp) -> bool,
) {
    let mut observed: Vec<_> = others.iter().map(|slot| (slot.origin, others)).collect();
    observed[0].1 = first;
    lost_writes.changed(key);
    // The first call chooses the ground, and the second one follows answers to later questions.
    let time = lost_writes.chosen.last().map_or(Duration::ZERO, |(at, _)| *at);
    let mut nodes = Nodes { observed, seen, answered: time };
    for seconds in [1, 2] {
        let now = Now::new(time + Duration::from_secs(seconds), NOW);
        assert!(lost_writes.settle(now, usize::MAX, |_| held.to_vec(), &nodes));
        nodes.answered = now.mono + Duration::from_millis(1);
    }
}

#[test]
fn write_overwritten_by_a_writer_that_saw_it_is_not_lost() {
    let first = live(stamp("gotham", 1, 10), None);
    let second = live(stamp("capitol", 1, 20), Some(&first));
    assert_eq!(lost_after(&first, [Some(&second), Some(&second)], 1), (0, true));
}

#[test]
fn write_overwritten_everywhere_unseen_is_lost_once() {
    let base = live(stamp("dispatch", 1, 1), None);
    let first = live(stamp("gotham", 1, 10), Some(&base));
    let second = live(stamp("capitol", 1, 20), Some(&base));
    assert_eq!(lost_after(&first, [Some(&first), Some(&second)], 1), (0, false));
    assert_eq!(lost_after(&first, [Some(&second), Some(&second)], 1), (1, true));
    assert_eq!(lost_after(&second, [Some(&second), Some(&second)], 1), (0, true));
}

#[test]
fn write_is_lost_together_with_its_successor() {
    let base = live(stamp("dispatch", 1, 1), None);
    let ours = live(stamp("gotham", 1, 10), Some(&base));
    let ours_again = live(stamp("gotham", 1, 30), Some(&ours));
    let theirs = live(stamp("capitol", 1, 20), Some(&base));
    let theirs_again = live(stamp("capitol", 1, 40), Some(&theirs));
    assert_eq!(
        lost_after(&ours, [Some(&ours_again), Some(&theirs_again)], 1),
        (0, false),
        "the two cities differ"
    );
    assert_eq!(lost_after(&ours, [Some(&theirs_again), Some(&theirs_again)], 1), (1, true));
    assert_eq!(lost_after(&theirs, [Some(&theirs_again), Some(&theirs_again)], 1), (0, true));
    // If its successor is lost with a bombed city, so is the write.
    assert_eq!(lost_after(&ours, [Some(&base), Some(&base)], 2), (1, true));
}

#[test]
fn write_beaten_by_a_collected_tombstone_is_lost() {
    let key = Key::MIN;
    let base = live(stamp("dispatch", 1, 1), None);
    let unseen = live(stamp("gotham", 1, 10), Some(&base));
    let tombstone =
        Arc::new(Entry::written(Value::Tombstone, stamp("dispatch", 1, 5), Some(&base)));
    for (writes, lost) in
        [([&unseen, &tombstone], 1), ([&tombstone, &unseen], 1), ([&base, &tombstone], 0)]
    {
        let mut lost_writes = LostWrites::default();
        writes.iter().for_each(|write| lost_writes.acknowledged(NOW, key, write));
        settle(&mut lost_writes, &[None, None], 1);
        assert_eq!((lost_writes.lost(), lost_writes.open.len()), (lost, 0), "{writes:?}");
    }
    // A tombstone written by a city is only observed, not acknowledged.
    let mut lost_writes = LostWrites::default();
    lost_writes.acknowledged(NOW, key, &unseen);
    lost_writes.seen(key, &tombstone.as_entry_ref());
    settle(&mut lost_writes, &[None, None], 1);
    assert_eq!(lost_writes.lost(), 1);
}

fn register(content: &[u8], stamp: Stamp, over: Option<&Entry>) -> Arc<Entry> {
    let record = gossip::Record { group: "mottos", name: "gotham", content };
    let value = Value::Record(record.encode(Kind::Register));
    Arc::new(Entry::written(value, stamp, over))
}

fn unset(stamp: Stamp, over: &Entry) -> Arc<Entry> {
    Arc::new(Entry::written(Value::Unset, stamp, Some(over)))
}

/// Settles the acknowledged writes to a register. Returns the number of lost and of open ones.
fn settled_register(writes: &[&Arc<Entry>], held: [Option<&Arc<Entry>>; 2]) -> (u64, usize) {
    let key = gossip::types::registers::TABLE.register("mottos", "gotham");
    let mut lost_writes = LostWrites::default();
    writes.iter().for_each(|write| lost_writes.acknowledged(NOW, key, write));
    let held = held.map(|entry| entry.cloned());
    settle_key(&mut lost_writes, key, &held, [&covering(1), &covering(1)], &|_| false);
    (lost_writes.lost(), lost_writes.open.len())
}

#[test]
fn write_to_register_is_lost_to_a_later_one_that_had_not_seen_it() {
    let base = register(b"0", stamp("dispatch", 1, 1), None);
    let ours = register(b"1", stamp("gotham", 1, 10), Some(&base));
    let theirs = register(b"2", stamp("capitol", 1, 20), Some(&base));
    let deletion = unset(stamp("capitol", 1, 20), &base);
    let again = register(b"3", stamp("metropolis", 1, 30), Some(&deletion));
    let all = |held| [Some(held), Some(held)];
    assert_eq!(settled_register(&[&ours], all(&theirs)), (1, 0));
    assert_eq!(settled_register(&[&base], all(&theirs)), (0, 0));
    assert_eq!(settled_register(&[&ours], all(&deletion)), (1, 0));
    assert_eq!(settled_register(&[&base], all(&deletion)), (0, 0));
    // The deletion has been collected.
    assert_eq!(settled_register(&[&ours, &deletion], [None, None]), (1, 0));
    assert_eq!(settled_register(&[&base, &deletion], [None, None]), (0, 0));
    // The register was set again.
    assert_eq!(settled_register(&[&ours, &deletion], all(&again)), (1, 0));
    assert_eq!(settled_register(&[&base], all(&again)), (0, 0));
    // It was set again after the deletion was collected, which nothing refers to any more.
    let reborn = register(b"5", stamp("metropolis", 1, 50), None);
    assert_eq!(settled_register(&[&base, &deletion], all(&reborn)), (0, 0));
    assert_eq!(settled_register(&[&ours, &deletion], all(&reborn)), (1, 0));
    // A deletion is lost to a later write that had not seen it.
    let later = register(b"4", stamp("gotham", 1, 40), Some(&base));
    assert_eq!(settled_register(&[&deletion], all(&later)), (1, 0));
    assert_eq!(settled_register(&[&ours, &theirs], [Some(&ours), Some(&theirs)]), (0, 1));
}

/// The entry at a place of the ring of gotham's first incarnation.
fn message(wall: u64) -> Arc<Entry> {
    let record = gossip::Record { group: "hq", name: "", content: b"" };
    let value = Value::Record(record.encode(Kind::Lasting));
    Arc::new(Entry::written(value, stamp("gotham", 1, wall), None))
}

#[test]
fn message_is_lost_only_with_its_only_holder() {
    let (first, second) = (message(10), message(20));
    let key = gossip::types::room::TABLE.owned("hq", first.stamp.origin, 0);
    let lost_of = |held: Option<&Arc<Entry>>, incarnation, seen: &dyn Fn(Stamp) -> bool| {
        let mut lost_writes = LostWrites::default();
        lost_writes.acknowledged(NOW, key, &first);
        let vector = covering(incarnation);
        let held = [held.cloned(), held.cloned()];
        settle_key(&mut lost_writes, key, &held, [&vector, &vector], seen);
        assert!(lost_writes.open.is_empty());
        lost_writes.lost()
    };
    assert_eq!(lost_of(Some(&first), 1, &|_| false), 0);
    assert_eq!(lost_of(Some(&second), 1, &|_| false), 0, "its place has a later message");
    assert_eq!(lost_of(None, 2, &|_| false), 1);
    assert_eq!(lost_of(None, 2, &|write| write == first.stamp), 0, "it was pruned");
}

#[test]
fn open_writes_to_records_are_limited() {
    let mut lost_writes = LostWrites::default();
    for number in 0..30_000_u32 {
        let wall = 10 + u64::from(number);
        let write = register(b"0", stamp("gotham", 1, wall), None);
        let key = gossip::types::registers::TABLE.register("mottos", &number.to_string());
        lost_writes.acknowledged(NOW, key, &write);
    }
    let kept = lost_writes.open.values().map(|open| open.writes.len()).sum::<usize>();
    assert!((5_000..=10_000).contains(&kept), "{kept}");
}

#[test]
fn tombstone_is_not_lost_to_another_tombstone() {
    let base = live(stamp("dispatch", 1, 1), None);
    let tombstone =
        Arc::new(Entry::written(Value::Tombstone, stamp("dispatch", 1, 5), Some(&base)));
    // A node that had collected it writes a tombstone over gotham's late write; that tombstone
    // has seen neither.
    let late = live(stamp("gotham", 1, 10), Some(&base));
    let second = Arc::new(Entry::written(Value::Tombstone, stamp("capitol", 1, 20), Some(&base)));
    assert_eq!(lost_after(&tombstone, [Some(&second), Some(&second)], 1), (0, true));
    assert_eq!(lost_after(&tombstone, [Some(&tombstone), Some(&second)], 1), (0, true));
    assert_eq!(lost_after(&tombstone, [None, Some(&second)], 1), (0, true), "one was collected");
    assert_eq!(
        lost_after(&tombstone, [Some(&late), Some(&second)], 1),
        (0, false),
        "the hero is not deleted everywhere"
    );
    for held in [Some(&second), None] {
        let key = Key::MIN;
        let mut lost_writes = LostWrites::default();
        lost_writes.acknowledged(NOW, key, &tombstone);
        lost_writes.seen(key, &second.as_entry_ref());
        settle(&mut lost_writes, &vec![held.cloned(); 2], 1);
        assert_eq!((lost_writes.lost(), lost_writes.open.len()), (0, 0), "{held:?}");
    }
    // A write that the first tombstone had seen is not lost to the second one, although that
    // has seen only the creation.
    let moved = live(stamp("dispatch", 1, 3), Some(&base));
    let tombstone =
        Arc::new(Entry::written(Value::Tombstone, stamp("dispatch", 1, 5), Some(&moved)));
    let mut lost_writes = LostWrites::default();
    [&base, &moved, &tombstone, &late]
        .iter()
        .for_each(|write| lost_writes.acknowledged(NOW, Key::MIN, write));
    settle(&mut lost_writes, &vec![Some(Arc::clone(&second)); 2], 1);
    let lost: Vec<Stamp> = lost_writes.listed().iter().map(|lost| lost.entry.stamp).collect();
    assert_eq!((lost, lost_writes.open.len()), (vec![late.stamp], 0));
}

#[test]
fn tombstone_that_saw_a_write_prevents_its_loss_in_any_order() {
    let base = live(stamp("dispatch", 1, 1), None);
    let write = live(stamp("gotham", 1, 10), Some(&base));
    let unseeing =
        Arc::new(Entry::written(Value::Tombstone, stamp("dispatch", 1, 20), Some(&base)));
    let fell = Arc::new(Entry::written(Value::Tombstone, stamp("gotham", 1, 15), Some(&write)));
    for tombstones in [[&unseeing, &fell], [&fell, &unseeing]] {
        for held in [Some(&unseeing), None] {
            let key = Key::MIN;
            let mut lost_writes = LostWrites::default();
            lost_writes.acknowledged(NOW, key, &write);
            tombstones
                .iter()
                .for_each(|tombstone| lost_writes.seen(key, &tombstone.as_entry_ref()));
            settle(&mut lost_writes, &vec![held.cloned(); 2], 1);
            assert_eq!(
                (lost_writes.lost(), lost_writes.open.len()),
                (0, 0),
                "{tombstones:?} {held:?}"
            );
        }
    }
}

#[test]
fn write_held_only_by_a_bombed_city_is_lost() {
    let base = live(stamp("dispatch", 1, 1), None);
    let first = live(stamp("gotham", 1, 10), Some(&base));
    let mut lost_writes = LostWrites::default();
    lost_writes.acknowledged(NOW, Key::MIN, &first);
    let mut before = VersionVector::new();
    for node in ["dispatch", "gotham", "metropolis", "capitol"] {
        before.advance(stamp(node, 1, 5));
    }
    let held = vec![Some(Arc::clone(&base)); 4];
    settle_with(&mut lost_writes, &held, &before, &before);
    assert_eq!((lost_writes.lost(), lost_writes.open.len()), (0, 1), "it is not observed yet");
    settle(&mut lost_writes, &[None, Some(base)], 2);
    assert_eq!((lost_writes.lost(), lost_writes.open.len()), (0, 1), "gotham holds nothing yet");
    settle(&mut lost_writes, &held, 2);
    assert_eq!((lost_writes.lost(), lost_writes.open.len()), (1, 0));
}

#[test]
fn open_writes_of_one_hero_are_bounded() {
    let (key, mut lost_writes) = (Key::MIN, LostWrites::default());
    let mut last: Option<Arc<Entry>> = None;
    for wall in 1..=80_000 {
        let write = live(stamp("gotham", 1, wall), last.as_deref());
        lost_writes.acknowledged(NOW, key, &write);
        last = Some(write);
    }
    let OpenKey { writes, ancestry, .. } = &lost_writes.open[&key];
    let open = writes.len();
    assert!((OPEN_PER_KEY_MAX - DROPPED_AT_ONCE..=OPEN_PER_KEY_MAX).contains(&open), "{open}");
    assert_eq!(ancestry.len(), KNOWN_PER_HERO_MAX);
    assert_eq!(lost_writes.kept, open + KNOWN_PER_HERO_MAX);
    // The newest ones are kept. The last of them vanishes with its writer.
    settle(&mut lost_writes, &[None], 2);
    assert_eq!(lost_writes.lost(), open as u64);
    assert_eq!(lost_writes.kept, 0);
    let last = last.map(|last| last.stamp);
    assert_eq!(lost_writes.listed().last().map(|lost| lost.entry.stamp), last);
}

#[test]
fn deletion_is_waited_for_at_a_node_that_has_not_received_it() {
    let base = live(stamp("dispatch", 1, 1), None);
    let unseen = live(stamp("gotham", 1, 10), Some(&base));
    let tombstone =
        Arc::new(Entry::written(Value::Tombstone, stamp("capitol", 1, 20), Some(&base)));
    let mut lost_writes = LostWrites::default();
    lost_writes.acknowledged(NOW, Key::MIN, &unseen);
    let mut before = covering(1).meet(&VersionVector::new());
    for node in ["dispatch", "gotham", "metropolis", "capitol"] {
        before.advance(stamp(node, 1, 15));
    }
    let held = [None, Some(Arc::clone(&tombstone)), Some(tombstone)];
    settle_with(&mut lost_writes, &held, &before, &covering(1));
    assert_eq!(lost_writes.lost(), 0, "the first node may still receive the write");
    settle(&mut lost_writes, &held, 1);
    assert_eq!(lost_writes.lost(), 1);
}

#[test]
fn write_is_settled_only_after_answers_to_later_questions() {
    let base = live(stamp("dispatch", 1, 1), None);
    let first = live(stamp("gotham", 1, 10), Some(&base));
    let second = live(stamp("capitol", 1, 20), Some(&base));
    let mut lost_writes = LostWrites::default();
    lost_writes.acknowledged(NOW, Key::MIN, &first);
    let vector = covering(1);
    let mut lost = |seconds, answered| {
        let observed = vector.iter().map(|slot| (slot.origin, &vector)).collect();
        let nodes = Nodes { observed, seen: &|_| false, answered: Duration::from_secs(answered) };
        let now = Now::new(Duration::from_secs(seconds), NOW);
        lost_writes.settle(now, usize::MAX, |_| vec![Some(Arc::clone(&second)); 4], &nodes);
        lost_writes.lost()
    };
    assert_eq!([lost(5, 4), lost(6, 5), lost(7, 6)], [0, 0, 1]);
}

#[test]
fn write_is_not_settled_while_a_round_of_an_ended_incarnation_may_arrive() {
    let base = live(stamp("dispatch", 1, 1), None);
    let write = live(stamp("gotham", 1, 10), Some(&base));
    let mut lost_writes = LostWrites::default();
    lost_writes.acknowledged(NOW, Key::MIN, &write);
    let held = vec![Some(base); 4];
    // The first node has not seen that gotham restarted.
    settle_with(&mut lost_writes, &held, &covering(1), &covering(2));
    assert_eq!(lost_writes.lost(), 0);
    settle(&mut lost_writes, &held, 2);
    assert_eq!(lost_writes.lost(), 1);
}

#[test]
fn write_of_a_closed_incarnation_that_no_node_holds_is_lost() {
    let base = live(stamp("dispatch", 1, 1), None);
    let write = live(stamp("gotham", 1, 10), Some(&base));
    let mut lost_writes = LostWrites::default();
    lost_writes.acknowledged(NOW, Key::MIN, &write);
    // The mark covers all writes of the closed incarnation, also those that no member received.
    let mut closed = covering(2);
    closed.close(stamp("gotham", 2, 1).origin);
    settle_with(&mut lost_writes, &vec![Some(base); 4], &closed, &closed);
    assert_eq!((lost_writes.lost(), lost_writes.open.len()), (1, 0));
}

mod histories;
