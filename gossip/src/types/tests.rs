//! The types on three replicas: concurrency, partition, restart, and bad input.

use std::time::Duration;

use proptest::prelude::*;

use super::counter::{self, CounterError};
use super::desk::Desk;
use super::names::{self, Holding, NameError};
use super::peers::Peers;
use super::presence::{self, Diff, Why};
use super::request::Request;
use super::room::{self, RoomError};
use super::{TypeError, registers, set};
use crate::clock::Stamp;
use crate::id::{Incarnation, Origin};
use crate::protocol::Envelope;
use crate::replica::{Config, Output, WriteError};
use crate::testing::Text;
use crate::time::{Now, UnixMillis};

type Replica = crate::replica::Replica<Text>;

const NAMES: [&str; 3] = ["a", "b", "c"];

fn at(millis: u64) -> Now {
    Now::new(Duration::from_millis(millis), UnixMillis(1_790_000_000_000 + millis))
}

fn replica(name: &str, incarnation: u64, millis: u64) -> Replica {
    let members = NAMES.map(|name| name.parse().unwrap()).into();
    let config = Config { members, ..Config::default() };
    let me = Origin { node: name.parse().unwrap(), incarnation: Incarnation::at(incarnation) };
    Replica::new(me, config, at(millis))
}

/// Three replicas that have joined and know each other.
fn three() -> [Replica; 3] {
    let mut replicas = NAMES.map(|name| replica(name, 2, 0));
    replicas.iter_mut().for_each(|replica| replica.tick(at(1_000)));
    sync(at(1_500), &mut replicas);
    replicas
}

fn drain(replica: &mut Replica) -> Vec<Envelope<Text>> {
    let outputs = std::iter::from_fn(|| replica.poll());
    let sent = outputs.filter_map(|output| match output {
        Output::Send { envelope, .. } => Some(envelope),
        Output::Event(_) => None,
    });
    sent.collect()
}

/// One replica pulls from another, to the end of the round.
fn pull(now: Now, replicas: &mut [Replica], puller: usize, source: usize) {
    let (from, to) = (replicas[source].me(), replicas[puller].me());
    replicas[puller].pull(now, from, from.node, false);
    loop {
        let (asked, answered) = (drain(&mut replicas[puller]), drain(&mut replicas[source]));
        if asked.is_empty() && answered.is_empty() {
            return;
        }
        asked.into_iter().for_each(|step| replicas[source].handle(now, to.node, step));
        answered.into_iter().for_each(|step| replicas[puller].handle(now, from.node, step));
    }
}

/// All pull from all, until all have proved to each other that they hold everything.
fn sync(now: Now, replicas: &mut [Replica]) {
    for _ in 0..4 {
        for puller in 0..replicas.len() {
            for source in (0..replicas.len()).filter(|source| *source != puller) {
                pull(now, replicas, puller, source);
            }
        }
    }
}

/// Replaces a replica by an empty one of a later incarnation, which catches up.
fn restart(millis: u64, replicas: &mut [Replica], number: usize) {
    let name = replicas[number].me().node.to_string();
    replicas[number] = replica(&name, millis, millis);
    pull(at(millis), replicas, number, (number + 1) % 3);
    assert!(replicas[number].joined());
}

fn assert_equal(replicas: &[Replica]) {
    let first = replicas[0].map().fingerprint();
    assert!(replicas.iter().all(|replica| replica.map().fingerprint() == first));
}

fn total(replica: &Replica) -> i128 {
    counter::read(replica.map().records(), "visits").map_or(0, |counter| counter.total)
}

#[test]
fn amount_is_unheard_until_another_node_has_proved_to_have_it() {
    let mut replicas = three();
    let mut desk = Desk::new(at(1_900));
    let mut add = |replica: &mut Replica, amount| {
        let request = Request::Add { counter: "visits".to_owned(), amount };
        desk.request(replica, at(2_000), request).unwrap();
        let snapshot = desk.snapshot(replica);
        assert!(desk.is_shown_by(&snapshot, replica));
        (desk.clone(), snapshot)
    };
    let (_, snapshot) = add(&mut replicas[0], 5);
    assert_eq!((snapshot.unheard("visits"), snapshot.unheard("other")), (5, 0));
    pull(at(2_100), &mut replicas, 1, 0);
    let (desk, snapshot) = add(&mut replicas[0], -2);
    assert_eq!(snapshot.unheard("visits"), 3, "a pull is no proof of what it has transferred");
    pull(at(2_200), &mut replicas, 0, 1);
    assert!(!desk.is_shown_by(&snapshot, &replicas[0]));
    let snapshot = desk.snapshot(&replicas[0]);
    assert_eq!(snapshot.unheard("visits"), -2);
    sync(at(2_300), &mut replicas);
    assert_eq!(desk.snapshot(&replicas[0]).unheard("visits"), 0);
    // Many amounts without a proof are added up.
    let mut last = None;
    for _ in 0..1_000 {
        last = Some(add(&mut replicas[0], 1));
    }
    assert_eq!(last.unwrap().1.unheard("visits"), 1_000);
}

#[test]
fn concurrent_increments_add_up() {
    let mut replicas = three();
    for (replica, amount) in replicas.iter_mut().zip([5, 10, -3]) {
        counter::add(replica, at(2_000), "visits", amount).unwrap();
        counter::add(replica, at(2_000), "visits", 1).unwrap();
    }
    assert_eq!(replicas.each_ref().map(total), [6, 11, -2]);
    sync(at(2_100), &mut replicas);
    assert_eq!(replicas.each_ref().map(total), [15; 3]);
    let counter = counter::read(replicas[0].map().records(), "visits").unwrap();
    assert_eq!(NAMES.map(|name| counter.share(name.parse().unwrap())), [6, 11, -2]);
    assert_eq!(counter::list(replicas[1].map().records()).keys().collect::<Vec<_>>(), ["visits"]);
    assert_eq!(counter::read(replicas[0].map().records(), "unknown"), None);
}

#[test]
fn counter_keeps_what_others_have_received_of_a_bombed_node() {
    let mut replicas = three();
    counter::add(&mut replicas[2], at(2_000), "visits", 5).unwrap();
    pull(at(2_001), &mut replicas, 0, 2);
    counter::add(&mut replicas[2], at(2_002), "visits", 100).unwrap();
    restart(3_000, &mut replicas, 2);
    counter::add(&mut replicas[2], at(6_000), "visits", 1).unwrap();
    sync(at(6_100), &mut replicas);
    assert_eq!(replicas.each_ref().map(total), [6; 3]);
    let counter = counter::read(replicas[1].map().records(), "visits").unwrap();
    assert_eq!(counter.share("c".parse().unwrap()), 6, "of both incarnations");
}

#[test]
fn counter_overflow_and_zero_are_refused() {
    let mut replicas = three();
    let mut add = |amount| counter::add(&mut replicas[0], at(2_000), "visits", amount);
    assert_eq!(add(0), Err(CounterError::Zero));
    assert_eq!(add(i64::MAX).unwrap().total, i128::from(i64::MAX));
    assert_eq!(add(1), Err(CounterError::Overflow));
    assert_eq!(add(-1).unwrap().total, i128::from(i64::MAX - 1));
    assert_eq!(add(i64::MIN).unwrap().total, -2);
    assert_eq!(add(i64::MIN + 2).unwrap().total, i128::from(i64::MIN));
    assert_eq!(add(i64::MAX).unwrap().total, -1, "a shard has room for twice the range");
    assert_eq!(add(i64::MAX), Err(CounterError::Overflow), "a shard is full");
    let name = counter::add(&mut replicas[0], at(2_000), "", 1);
    assert_eq!(name, Err(CounterError::Refused(TypeError::Name { bytes: 0 })));
    let name = counter::add(&mut replicas[0], at(2_000), &"x".repeat(10_000), 1);
    assert_eq!(name, Err(CounterError::Refused(TypeError::Name { bytes: 10_000 })));
}

#[test]
fn incarnation_that_has_not_joined_counts_nothing() {
    let mut new = replica("a", 2, 0);
    let joining = CounterError::Refused(TypeError::Write(WriteError::Joining));
    assert_eq!(counter::add(&mut new, at(10), "visits", 1), Err(joining));
}

fn tags(replica: &Replica) -> Vec<String> {
    set::elements(replica.map().records(), "tags").into_iter().collect()
}

#[test]
fn add_wins_over_concurrent_remove() {
    let mut replicas = three();
    assert_eq!(set::add(&mut replicas[0], at(2_000), "tags", "fast", 1), Ok(true));
    assert_eq!(set::add(&mut replicas[0], at(2_000), "tags", "slow", 2), Ok(true));
    sync(at(2_100), &mut replicas);
    assert_eq!(set::add(&mut replicas[0], at(2_200), "tags", "fast", 3), Ok(false));
    assert_eq!(set::remove(&mut replicas[1], at(2_200), "tags", "fast"), Ok(true));
    assert_eq!(set::remove(&mut replicas[1], at(2_200), "tags", "slow"), Ok(true));
    assert_eq!(set::remove(&mut replicas[1], at(2_200), "tags", "slow"), Ok(false));
    assert!(!set::contains(replicas[1].map().records(), "tags", "fast"));
    sync(at(2_300), &mut replicas);
    for replica in &replicas {
        assert_eq!(tags(replica), ["fast"]);
        assert_eq!(replica.map().table(set::TABLE).tombstones, 0, "they are collected");
    }
    assert_eq!(set::remove(&mut replicas[2], at(2_400), "tags", "fast"), Ok(true));
    sync(at(2_500), &mut replicas);
    assert!(replicas.iter().all(|replica| replica.map().is_empty()));
}

fn value(replica: &Replica, key: &str) -> Option<Vec<u8>> {
    registers::get(replica.map().records(), "villains", key).map(|register| register.value)
}

fn batch(put: &[(&str, &str)], delete: &[&str]) -> registers::Batch {
    let put = put.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()));
    let delete = delete.iter().map(|key| (*key).to_owned()).collect();
    registers::Batch { put: put.collect(), delete }
}

#[test]
fn later_write_of_a_key_wins_and_batches_arrive_whole() {
    let mut replicas = three();
    let first = batch(&[("joker", "1"), ("riddler", "1"), ("penguin", "1")], &[]);
    registers::write(&mut replicas[0], at(2_000), "villains", &first).unwrap();
    sync(at(2_100), &mut replicas);
    let second = batch(&[("joker", "2"), ("bane", "2")], &["riddler", "unknown"]);
    registers::write(&mut replicas[1], at(2_200), "villains", &second).unwrap();
    let third = batch(&[("riddler", "3")], &["joker"]);
    registers::write(&mut replicas[2], at(2_300), "villains", &third).unwrap();
    pull(at(2_400), &mut replicas, 0, 1);
    let keys = |replica: &Replica, prefix| -> Vec<String> {
        registers::scan(replica.map().records(), "villains", prefix).into_keys().collect()
    };
    assert_eq!(keys(&replicas[0], ""), ["bane", "joker", "penguin"]);
    sync(at(2_500), &mut replicas);
    for replica in &replicas {
        assert_eq!(keys(replica, ""), ["bane", "penguin", "riddler"]);
        assert_eq!(keys(replica, "p"), ["penguin"]);
        assert_eq!(value(replica, "riddler").as_deref(), Some(&b"3"[..]));
        assert_eq!(registers::list(replica.map().records())["villains"], 3);
    }
    // A deleted key is set again.
    let again = batch(&[("joker", "4")], &[]);
    registers::write(&mut replicas[0], at(2_600), "villains", &again).unwrap();
    sync(at(2_700), &mut replicas);
    assert!(replicas.iter().all(|replica| value(replica, "joker").is_some()));
}

#[test]
fn refused_batch_of_registers_changes_nothing() {
    let mut replicas = three();
    let large = "x".repeat(5_000);
    let bad = batch(&[("bane", "1"), ("joker", &large)], &[]);
    let refused = registers::write(&mut replicas[0], at(2_000), "villains", &bad);
    assert_eq!(refused, Err(TypeError::TooLarge { bytes: 5_000 }));
    let bad = batch(&[("bane", "1"), ("", "1")], &[]);
    let refused = registers::write(&mut replicas[0], at(2_000), "villains", &bad);
    assert_eq!(refused, Err(TypeError::Name { bytes: 0 }));
    let bad = batch(&[("bane", "1")], &["bane"]);
    let refused = registers::write(&mut replicas[0], at(2_000), "villains", &bad);
    assert_eq!(refused, Err(TypeError::Contradiction { bytes: 4 }));
    assert!(replicas[0].map().is_empty());
    // Before it has joined, a node does not know what is absent.
    let mut new = replica("a", 2, 0);
    let joining = Err(TypeError::Write(WriteError::Joining));
    assert_eq!(registers::write(&mut new, at(10), "villains", &batch(&[], &["bane"])), joining);
    assert_eq!(set::remove(&mut new, at(10), "tags", "fast"), Err(WriteError::Joining.into()));
}

fn name_of(replica: &Replica) -> Option<names::Registration> {
    names::find(replica.map().records(), replica.vector(), "villain")
}

fn holding(replica: &Replica, token: Stamp) -> Holding {
    names::holding(replica.map().records(), replica.vector(), "villain", token)
}

#[test]
fn name_has_one_owner_after_a_partition() {
    let mut replicas = three();
    let up = |_| true;
    let first = names::register(&mut replicas[0], at(2_000), "villain", b"1", up).unwrap();
    let second = names::register(&mut replicas[1], at(2_100), "villain", b"2", up).unwrap();
    assert!(second.token > first.token);
    assert_eq!(holding(&replicas[0], first.token), Holding::Held);
    sync(at(2_200), &mut replicas);
    let lost = Holding::Lost { to: Some(second.clone()) };
    assert_eq!(holding(&replicas[0], first.token), lost);
    assert_eq!(holding(&replicas[1], second.token), Holding::Held);
    let taken = Err(NameError::Taken(second.clone().into()));
    assert_eq!(names::register(&mut replicas[2], at(2_300), "villain", b"3", up), taken);
    assert_eq!(names::release(&mut replicas[2], at(2_300), "villain"), Err(NameError::NotHeld));
    names::release(&mut replicas[1], at(2_400), "villain").unwrap();
    sync(at(2_500), &mut replicas);
    assert!(replicas.iter().all(|replica| name_of(replica).is_none()));
    names::register(&mut replicas[2], at(2_600), "villain", b"3", up).unwrap();
    assert_eq!(
        names::list(replicas[2].map().records(), replicas[2].vector()).keys().collect::<Vec<_>>(),
        ["villain"]
    );
}

#[test]
fn name_of_ended_or_unreachable_owner_is_free() {
    let mut replicas = three();
    let (up, down) = (|_| true, |_| false);
    names::register(&mut replicas[2], at(2_000), "villain", b"1", up).unwrap();
    sync(at(2_100), &mut replicas);
    let held = name_of(&replicas[0]).unwrap();
    assert_eq!(held.owner, replicas[2].me());
    restart(3_000, &mut replicas, 2);
    counter::add(&mut replicas[2], at(6_000), "visits", 1).unwrap();
    sync(at(6_100), &mut replicas);
    assert!(replicas.iter().all(|replica| name_of(replica).is_none()));
    assert_eq!(
        names::registrations(replicas[0].map().records()).len(),
        1,
        "a map shows what it holds"
    );
    let mine = names::register(&mut replicas[0], at(6_200), "villain", b"2", up).unwrap();
    sync(at(6_300), &mut replicas);
    let taken = names::register(&mut replicas[1], at(6_400), "villain", b"3", up);
    assert_eq!(taken, Err(NameError::Taken(mine.into())));
    assert!(names::register(&mut replicas[1], at(6_400), "villain", b"3", down).is_ok());
}

fn texts(replica: &Replica) -> Vec<String> {
    room::recent(replica.map().records(), "hq", room::KEPT)
        .into_iter()
        .map(|message| message.text)
        .collect()
}

fn say(replica: &mut Replica, millis: u64, text: &str) -> room::Message {
    // Many senders, so that the limit of each does not apply.
    let sender = format!("sender {}", millis / 100);
    room::send(replica, at(millis), "hq", &sender, text, None).unwrap()
}

#[test]
fn room_shows_newest_hundred_of_all_nodes_in_order() {
    let mut replicas = three();
    let mut all = Vec::new();
    for number in 0..350_u64 {
        let replica = &mut replicas[usize::try_from(number % 3).unwrap()];
        say(replica, 2_000 + 10 * number, &number.to_string());
        all.push(number.to_string());
    }
    sync(at(8_000), &mut replicas);
    for replica in &replicas {
        assert_eq!(texts(replica), all[250..]);
        assert_eq!(room::recent(replica.map().records(), "hq", 50).len(), 50);
        assert_eq!(replica.map().table(room::TABLE).live, 300, "a ring for each node");
        assert_eq!(room::list(replica.map().records())["hq"], 100);
        assert!(room::list(replica.map().records()).len() == 1);
    }
}

#[test]
fn reply_is_not_shown_before_its_question() {
    let mut replicas = three();
    let question = say(&mut replicas[0], 2_000, "Is anybody there?");
    pull(at(2_100), &mut replicas, 1, 0);
    // b's clock is behind that of a.
    let reply = room::send(&mut replicas[1], at(1_600), "hq", "bob", "I am", Some(question.stamp));
    assert!(reply.unwrap().stamp > question.stamp);
    pull(at(2_200), &mut replicas, 2, 1);
    assert_eq!(texts(&replicas[2]), ["Is anybody there?", "I am"]);
    let unknown = room::send(&mut replicas[2], at(2_300), "other", "c", "?", Some(question.stamp));
    assert_eq!(unknown, Err(RoomError::UnknownMessage));
}

#[test]
fn rooms_of_restarted_nodes_do_not_grow() {
    let mut replicas = three();
    let mut last = Vec::new();
    for life in 1..=8_u64 {
        let millis = life * 10_000;
        for number in 0..60 {
            last.push(format!("{life}.{number}"));
            say(&mut replicas[2], millis + 10 * number, last.last().unwrap());
        }
        sync(at(millis + 1_000), &mut replicas);
        restart(millis + 2_000, &mut replicas, 2);
        // The new incarnation must have written, so that the earlier one is known to have ended.
        counter::add(&mut replicas[2], at(millis + 5_000), "visits", 1).unwrap();
        sync(at(millis + 5_100), &mut replicas);
        assert_equal(&replicas);
        assert!(replicas[0].map().table(room::TABLE).live <= 100);
    }
    for replica in &replicas {
        assert_eq!(texts(replica), last[last.len() - 100..]);
    }
}

#[test]
fn rooms_are_counted_as_they_are_listed() {
    let mut replicas = three();
    assert_eq!(room::count(replicas[0].map().records()), 0);
    for number in 0..20_u64 {
        let replica = &mut replicas[usize::try_from(number % 3).unwrap()];
        let name = format!("room {}", number % 7);
        room::send(replica, at(2_000 + 1_000 * number), &name, "ada", "x", None).unwrap();
    }
    sync(at(30_000), &mut replicas);
    for replica in &replicas {
        let records = replica.map().records();
        assert_eq!((room::count(records), room::list(records).len()), (7, 7));
    }
}

#[test]
fn bad_messages_are_refused() {
    let mut replicas = three();
    let mut send = |sender: &str, text: &str| {
        room::send(&mut replicas[0], at(2_000), "hq", sender, text, None).map(|_| ())
    };
    assert_eq!(send("ada", ""), Err(RoomError::Text { bytes: 0 }));
    assert_eq!(send("ada", &"x".repeat(1 << 20)), Err(RoomError::Text { bytes: 1 << 20 }));
    assert_eq!(send("", "x"), Err(RoomError::Refused(TypeError::Name { bytes: 0 })));
    for _ in 0..room::RATE {
        assert_eq!(send("ada", &"x".repeat(1_024)), Ok(()));
    }
    let refused = send("ada", "x");
    assert!(
        matches!(refused, Err(RoomError::TooFast { retry_ms: 1..=room::RATE_MS })),
        "{refused:?}"
    );
    assert_eq!(send("bob", "x"), Ok(()));
    let later = room::send(&mut replicas[0], at(4_001), "hq", "ada", "x", None);
    assert!(later.is_ok(), "{later:?}");
}

fn here(replica: &Replica) -> Vec<presence::Present> {
    presence::list(replica.map().records(), "lobby", |_| true)
}

fn who(replica: &Replica) -> Vec<String> {
    here(replica).into_iter().map(|present| present.key).collect()
}

#[test]
fn presence_is_tracked_updated_and_left() {
    let mut replicas = three();
    let (up, ended) = (|_| true, |_| false);
    let ada = presence::track(&mut replicas[0], at(2_000), "lobby", "ada", b"away").unwrap();
    presence::track(&mut replicas[1], at(2_000), "lobby", "bob", b"").unwrap();
    let before = here(&replicas[0]);
    sync(at(2_100), &mut replicas);
    let after = here(&replicas[0]);
    assert_eq!(presence::topics(replicas[2].map().records())["lobby"], 2);
    let diffs = presence::diff(&before, &after, ended, up);
    assert!(matches!(&diffs[..], [Diff::Joined(bob)] if bob.key == "bob"), "{diffs:?}");
    presence::update(&mut replicas[0], at(2_200), "lobby", &ada, b"here").unwrap();
    let updated = here(&replicas[0]);
    let diffs = presence::diff(&after, &updated, ended, up);
    let is_update = |diff: &Diff| matches!(diff, Diff::Updated { from, to } if from.meta == b"away" && to.meta == b"here");
    assert!(diffs.len() == 1 && is_update(&diffs[0]), "{diffs:?}");
    presence::untrack(&mut replicas[0], at(2_300), "lobby", &ada).unwrap();
    let diffs = presence::diff(&updated, &here(&replicas[0]), ended, up);
    let is_left = |diff: &Diff| matches!(diff, Diff::Left { why: Why::Untracked, .. });
    assert!(diffs.len() == 1 && is_left(&diffs[0]), "{diffs:?}");
    let gone = presence::update(&mut replicas[0], at(2_400), "lobby", &ada, b"");
    assert_eq!(gone, Err(TypeError::Write(WriteError::Deleted)));
    sync(at(2_500), &mut replicas);
    assert!(replicas.iter().all(|replica| who(replica) == ["bob"]));
}

#[test]
fn presence_of_silent_node_is_hidden_and_of_ended_one_removed() {
    let mut replicas = three();
    presence::track(&mut replicas[2], at(2_000), "lobby", "ada", b"").unwrap();
    sync(at(2_100), &mut replicas);
    let c = replicas[2].me();
    let before = here(&replicas[0]);
    let hidden = presence::list(replicas[0].map().records(), "lobby", |owner| owner != c);
    assert!(hidden.is_empty());
    let diffs = presence::diff(&before, &hidden, |_| false, |owner| owner != c);
    assert!(matches!(diffs[..], [Diff::Left { why: Why::Silent, .. }]), "{diffs:?}");
    restart(3_000, &mut replicas, 2);
    counter::add(&mut replicas[2], at(6_000), "visits", 1).unwrap();
    pull(at(6_100), &mut replicas, 0, 2);
    let after = here(&replicas[0]);
    let diffs =
        presence::diff(&before, &after, |owner| replicas[0].vector().has_ended(owner), |_| true);
    assert!(matches!(diffs[..], [Diff::Left { why: Why::Ended, .. }]), "{diffs:?}");
    sync(at(6_200), &mut replicas);
    assert!(replicas.iter().all(|replica| replica.map().table(presence::TABLE).live == 0));
}

fn three_owner() -> Origin {
    Origin { node: "b".parse().unwrap(), incarnation: Incarnation::at(2) }
}

#[test]
fn presence_reuses_places() {
    let mut replicas = three();
    let a = &mut replicas[0];
    for round in 0..50 {
        let now = at(2_000 + round);
        let one = presence::track(a, now, "lobby", "ada", b"").unwrap();
        let two = presence::track(a, now, "lobby", "ada", b"").unwrap();
        assert_eq!((one.place, two.place), (0, 1));
        presence::untrack(a, now, "lobby", &one).unwrap();
        // Another user takes the place, and is not untracked by a repetition.
        let three = presence::track(a, now, "lobby", "bob", b"").unwrap();
        assert_eq!(three.place, one.place);
        presence::untrack(a, now, "lobby", &one).unwrap();
        let elsewhere = presence::Present { owner: three_owner(), ..three.clone() };
        presence::untrack(a, now, "lobby", &elsewhere).unwrap();
        assert_eq!(who(a), ["ada", "bob"]);
        presence::untrack(a, now, "lobby", &two).unwrap();
        presence::untrack(a, now, "lobby", &three).unwrap();
    }
    assert_eq!((a.map().table(presence::TABLE).live, who(a).len()), (2, 0));
}

#[test]
fn lost_peer_is_reachable_during_its_grace() {
    let mut peers = Peers::new(at(0));
    let [a, b] = ["a", "b"]
        .map(|name| Origin { node: name.parse().unwrap(), incarnation: Incarnation::at(2) });
    assert!(peers.is_reachable(a), "its link may be late");
    assert_eq!(peers.deadline(), Some(Duration::from_millis(3_000)));
    peers.link_up(a);
    peers.link_up(b);
    peers.link_down(at(1_000), a.node);
    assert_eq!(peers.reachable(), [a, b].into());
    peers.tick(at(3_999));
    let unknown = Origin { incarnation: Incarnation::at(8), ..a };
    assert!(peers.is_reachable(a) && !peers.is_reachable(unknown));
    assert_eq!(peers.deadline(), Some(Duration::from_millis(4_000)));
    peers.tick(at(4_000));
    assert!(!peers.is_reachable(a));
    assert_eq!((peers.reachable(), peers.deadline()), ([b].into(), None));
    let later = Origin { incarnation: Incarnation::at(4), ..b };
    peers.link_down(at(5_000), b.node);
    peers.link_up(later);
    assert_eq!(peers.reachable(), [b, later].into());
}

/// A user of one of the replicas.
#[derive(Clone, Debug)]
enum Step {
    Add(usize, i64),
    Put(usize, u8),
    Remove(usize, u8),
    Pull(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..3_usize, -9..9_i64).prop_map(|(at, amount)| Step::Add(at, amount)),
        (0..3_usize, 0..3_u8).prop_map(|(at, element)| Step::Put(at, element)),
        (0..3_usize, 0..3_u8).prop_map(|(at, element)| Step::Remove(at, element)),
        (0..3_usize, 0..3_usize).prop_map(|(one, other)| Step::Pull(one, other)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The total is the sum of all increments. An element is present if an add of it was not seen by
    /// a later remove.
    #[test]
    fn counters_and_sets_agree_with_a_model(steps in prop::collection::vec(step(), 0..60)) {
        let mut replicas = three();
        let mut sum = 0;
        // The adds that each replica has seen, and all that were removed.
        let mut seen: [Vec<(u8, u32)>; 3] = Default::default();
        let (mut removed, mut random) = (Vec::new(), 0);
        for (millis, step) in (2_000..).zip(&steps) {
            match *step {
                Step::Add(replica, amount) => {
                    let added = counter::add(&mut replicas[replica], at(millis), "visits", amount);
                    prop_assert_eq!(added.is_ok(), amount != 0);
                    sum += i128::from(amount);
                }
                Step::Put(replica, element) => {
                    random += 1;
                    let name = element.to_string();
                    set::add(&mut replicas[replica], at(millis), "tags", &name, random).unwrap();
                    seen[replica].push((element, random));
                }
                Step::Remove(replica, element) => {
                    let name = element.to_string();
                    set::remove(&mut replicas[replica], at(millis), "tags", &name).unwrap();
                    removed.extend(
                        seen[replica].iter().filter(|(held, _)| *held == element).copied(),
                    );
                }
                Step::Pull(one, other) => {
                    if one != other {
                        pull(at(millis), &mut replicas, one, other);
                        let more = seen[other].clone();
                        seen[one].extend(more);
                    }
                }
            }
        }
        sync(at(9_000), &mut replicas);
        assert_equal(&replicas);
        let mut present: Vec<String> = seen
            .concat()
            .iter()
            .filter(|add| !removed.contains(add))
            .map(|(element, _)| element.to_string())
            .collect();
        present.sort_unstable();
        present.dedup();
        for replica in &replicas {
            prop_assert_eq!(total(replica), sum);
            prop_assert_eq!(&tags(replica), &present);
        }
    }
}

/// c is away for an hour, while a and b chat, count and track once a second.
#[test]
fn nothing_grows_while_a_member_is_away_for_an_hour() {
    let mut replicas = three();
    let mut sizes = Vec::new();
    for second in 0..3_600_u64 {
        let now = at(2_000 + second * 1_000);
        for (number, replica) in replicas.iter_mut().take(2).enumerate() {
            let sender = format!("sender {number}");
            counter::add(replica, now, "visits", 1).unwrap();
            room::send(replica, now, "hq", &sender, "text", None).unwrap();
            let tracked = presence::track(replica, now, "lobby", &sender, b"").unwrap();
            presence::update(replica, now, "lobby", &tracked, b"busy").unwrap();
            presence::untrack(replica, now, "lobby", &tracked).unwrap();
        }
        pull(now, &mut replicas, 0, 1);
        pull(now, &mut replicas, 1, 0);
        if second % 600 == 599 {
            let map = replicas[0].map();
            sizes.push((map.records().len(), map.tombstones(), replicas[0].vector().len()));
        }
    }
    // Two shards, two rings of 100 messages, two empty places; the slots of three members.
    assert_eq!(sizes, [(204, 0, 3); 6]);
    pull(at(3_700_000), &mut replicas, 2, 0);
    assert_equal(&replicas);
    assert_eq!(total(&replicas[2]), 7_200);
}
