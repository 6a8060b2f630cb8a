//! Faulty members: what one that sends false rounds, or loses entries, can do to the others.

use super::*;

/// Delivers a round of these entries and this state from `from` to a replica that has asked for it.
fn deliver(
    now: Now,
    to: &mut Replica,
    from: Origin,
    entries: Vec<(Key, Entry)>,
    vector: VersionVector,
    full: bool,
) -> Vec<Event> {
    to.pull(now, from, from.node, false);
    let round = drain(to).0.iter().find(|sent| sent.to == from).expect("a pull").round;
    let mut step = |step| {
        to.handle(now, from.node, Envelope { from, to: to.me(), round, step });
        drain(to).1
    };
    let chunks = u32::from(!entries.is_empty());
    let mut events = Vec::new();
    if chunks > 0 {
        let entries: Batch = entries.into_iter().collect();
        events.extend(step(Step::Chunk { serving: 1, number: 0, entries }));
    }
    let horizon = Horizon::new();
    events.extend(step(Step::End { serving: 1, chunks, vector, horizon, full, joined: true }));
    events
}

fn slot(origin: Origin, millis: u64) -> Stamp {
    Stamp { hlc: Hlc { wall: at(millis).wall, logical: 0 }, origin }
}

/// Two machines cloned from one start a process of the same name in the same millisecond.
#[test]
pub(super) fn processes_of_one_name_and_millisecond_do_not_cover_each_others_writes() {
    let begun = |random| Incarnation::begun_at(at(1_000).wall, None, random);
    let joined = |random| {
        let me = Origin { node: "c".parse().unwrap(), incarnation: begun(random) };
        let config = new_replica("c", 1, at(1_000)).config;
        let mut replica = Replica::new(me, config, at(1_000));
        replica.tick(at(2_000));
        replica
    };
    let (mut c, mut clone) = (joined(1), joined(2));
    let (mut a, mut b) = (replica("a", 1), replica("b", 1));
    c.write(at(2_500), key(1), live(10)).unwrap();
    pull(at(2_501), &mut c, &mut a);
    clone.write(at(2_600), key(2), live(20)).unwrap();
    pull(at(2_601), &mut clone, &mut b);
    pull(at(2_700), &mut a, &mut b);
    pull(at(2_701), &mut b, &mut a);
    for replica in [&a, &b] {
        assert_eq!([number(replica, 1), number(replica, 2)], [Some(10), Some(20)]);
    }
    // One of the two halts when it sees the other.
    let events = [pull(at(2_800), &mut a, &mut c), pull(at(2_801), &mut a, &mut clone)].concat();
    let halting = |event: &&Event| matches!(event, Event::Superseded { halts: true, .. });
    assert_eq!(events.iter().filter(halting).count(), 1, "{events:?}");
}

/// Such a slot would fence all later processes of the name, and no restart would help.
#[test]
pub(super) fn round_with_future_incarnation_is_refused() {
    let (liar, future) = (origin("b", 1), origin("c", at(3_600_000).wall.0));
    let vector = |origin| VersionVector::from_iter([slot(origin, 2_000)]);
    let mut marked = vector(liar);
    marked.close(future);
    let written = |origin| Entry::written(live(1), slot(origin, 2_000), None);
    let born = Entry { born: slot(future, 2_000), ..written(liar) };
    let rounds = [
        (vec![], vector(future)),
        (vec![], marked),
        (vec![(key(1), written(future))], vector(liar)),
        (vec![(key(1), born)], vector(liar)),
    ];
    for (entries, vector) in rounds {
        let mut a = replica("a", 1);
        let (before, now) = (a.vector().clone(), at(2_000));
        let events = deliver(now, &mut a, liar, entries.clone(), vector.clone(), false);
        let ahead_ms = 3_598_000;
        assert_eq!(events, [Event::TooFarAhead { source: liar, writer: future, ahead_ms }]);
        assert!(a.vector() == &before && a.map().is_empty());
        // An operator can accept it, like a stamp.
        let accepted = Now { reference: at(3_600_000).wall, ..at(2_001) };
        let events = deliver(accepted, &mut a, liar, entries, vector, false);
        assert!(matches!(events[..], [Event::Committed { .. }]), "{events:?}");
    }
    // Within the drift, it is accepted.
    let mut a = replica("a", 1);
    let near = origin("c", at(4_000).wall.0);
    deliver(at(2_000), &mut a, liar, vec![], vector(near), false);
    assert!(a.vector().slot(near).is_some());
    // As a proof, a future incarnation is not kept.
    let mut a = replica("a", 1);
    let options = PullOptions { mutual: false, full: false };
    let request = PullRequest { summary: a.summary(), vector: Some(vector(future)), options };
    let step = Step::Pull(request);
    a.handle(at(2_000), liar.node, Envelope { from: liar, to: a.me(), round: 1, step });
    assert!(a.proofs.is_empty());
    assert!(!drain(&mut a).0.is_empty(), "the pull is served");
}

/// Invented names would fill all vectors, until no frame can carry them.
#[test]
pub(super) fn round_with_writes_of_no_member_is_refused() {
    let liar = origin("b", 1);
    let invented = origin("mallory", 7);
    let own = VersionVector::from_iter([slot(liar, 2_000)]);
    let mut with_slot = own.clone();
    with_slot.advance(slot(invented, 2_000));
    let mut with_mark = own.clone();
    with_mark.close(invented);
    let born =
        Entry { born: slot(invented, 1_000), ..Entry::written(live(1), slot(liar, 2_000), None) };
    for (entries, vector) in [(vec![], with_slot), (vec![], with_mark), (vec![(key(1), born)], own)]
    {
        let mut a = replica("a", 1);
        let before = a.vector().clone();
        let events = deliver(at(2_000), &mut a, liar, entries, vector, false);
        assert_eq!(events, [Event::NotMember { source: liar, writer: invented.node }]);
        assert!(a.vector() == &before && a.map().is_empty());
    }
}

/// A node that was forgotten and then removed from the configuration keeps its obituary.
#[test]
fn obituary_of_former_member_is_accepted() {
    let liar = origin("b", 1);
    let former = |number: u64| origin(&format!("former-{number}"), 7);
    let obituary = |origin| Stamp { hlc: Hlc::default(), origin };
    let vector = |numbers: std::ops::Range<u64>| {
        numbers.map(|number| obituary(former(number))).collect::<VersionVector>()
    };
    let mut a = replica("a", 1);
    deliver(at(2_000), &mut a, liar, vec![], vector(0..64), false);
    assert!(a.vector().slot(former(63)).is_some());
    let mut with_slot = vector(0..1);
    with_slot.advance(slot(Origin { incarnation: Incarnation::at(2), ..former(0) }, 1_000));
    for more in [vector(0..65), vector(70..71), with_slot] {
        let events = deliver(at(2_001), &mut a, liar, vec![], more, false);
        assert!(matches!(events[..], [Event::NotMember { .. }]), "{events:?}");
    }
}

#[test]
fn round_with_too_many_incarnations_is_refused() {
    let liar = origin("b", 1);
    let vector =
        |numbers: std::ops::Range<u64>| numbers.map(|of| slot(origin("c", of), 2_000)).collect();
    let mut a = replica("a", 1);
    deliver(at(2_000), &mut a, liar, vec![], vector(2..700), false);
    let events = deliver(at(2_001), &mut a, liar, vec![], vector(702..1_400), false);
    let node = "c".parse().unwrap();
    assert_eq!(events, [Event::TooManyIncarnations { source: liar, node }]);
    assert_eq!(a.vector().incarnations(node).count(), 698);
    let events = deliver(at(2_002), &mut a, liar, vec![], vector(600..1_026), false);
    assert!(matches!(events[..], [Event::Committed { .. }]), "{events:?}");
    assert_eq!(a.vector().incarnations(node).count(), 1_024);
    // The incarnation that runs is accepted nevertheless, from itself and from others.
    for running in [2_000, 2_002] {
        let running = origin("c", running);
        a.link_up(at(2_003), running);
        let own = VersionVector::from_iter([slot(running, 2_000)]);
        let source = if running.incarnation == Incarnation::at(2_000) { running } else { liar };
        let events = deliver(at(2_003), &mut a, source, vec![], own, false);
        assert!(matches!(events[..], [Event::Committed { .. }]), "{events:?}");
    }
    assert_eq!(a.vector().incarnations(node).count(), 1_026);
}

/// Rounds under invented names would each keep a snapshot of the map.
#[test]
pub(super) fn rounds_of_others_are_accepted_from_carriers_only() {
    let mut a = replica("a", 1);
    a.write(at(2_000), key(1), live(10)).unwrap();
    let [b, c, carrier, invented] = ["b", "c", "d", "mallory"].map(|name| origin(name, 1));
    let served = |a: &mut Replica, via: Origin, from: Origin| {
        let options = PullOptions { mutual: false, full: false };
        let vector = Some(VersionVector::new());
        let request = PullRequest { summary: a.summary(), vector, options };
        let step = Step::Pull(request);
        a.handle(at(2_001), via.node, Envelope { from, to: a.me(), round: 9, step });
        !drain(a).0.is_empty()
    };
    assert!(served(&mut a, b, b));
    assert!(!served(&mut a, b, c), "b is no carrier");
    assert!(!served(&mut a, b, invented));
    assert!(!served(&mut a, carrier, invented), "no member");
    assert!(served(&mut a, carrier, c));
    // So are invitations, each of which begins a pull.
    let mut invited = |via: Origin, source: Origin| {
        let step = Step::Invite { source };
        a.handle(at(2_002), via.node, Envelope { from: via, to: a.me(), round: 0, step });
        drain(&mut a).0.iter().any(|sent| sent.to == source)
    };
    assert!(!invited(b, c) && !invited(b, invented) && !invited(carrier, invented));
    assert!(invited(b, b) && invited(carrier, c));
    a.pulls.clear();
    assert_eq!(a.rounds_under_way(), 0, "each round was small");
}

/// The parts of a round come over the link over which it was requested.
#[test]
fn parts_of_a_round_over_another_link_are_ignored() {
    let (mut a, mut b) = (replica("a", 1), replica("b", 1));
    a.write(at(2_000), key(1), live(10)).unwrap();
    let parts = answer_to_pull(at(2_001), &mut a, &mut b);
    let carrier = "d".parse().unwrap();
    for part in parts.clone() {
        b.handle(at(2_002), carrier, part);
    }
    assert_eq!((number(&b, 1), drain(&mut b).1), (None, vec![]));
    for part in parts {
        b.handle(at(2_003), a.me().node, part);
    }
    assert_eq!(number(&b, 1), Some(10));
}

/// A full round without entries, with the victim's own vector, removes nothing.
#[test]
pub(super) fn round_of_replica_without_entries_removes_nothing() {
    let (mut a, mut b, mut c) = three_with_entry();
    all_pull_all(at(2_100), &mut a, &mut b, &mut c);
    let liar = c.me();
    let vector = b.vector().clone();
    deliver(at(2_200), &mut b, liar, vec![], vector, true);
    assert_eq!(number(&b, 1), Some(50));
    // The same by a fault of memory.
    c.map.remove(key(1));
    let events = all_pull_all(at(2_300), &mut a, &mut b, &mut c);
    assert!(events.iter().any(|event| matches!(event, Event::Repaired { .. })), "{events:?}");
    for replica in [&a, &b, &c] {
        assert_eq!(number(replica, 1), Some(50));
    }
}

/// Regression, found by the simulator: many closed incarnations moved the horizon past the vector of
/// the puller, which then removed what the source had lost.
#[test]
fn round_of_replica_that_has_closed_incarnations_removes_nothing() {
    let (mut a, mut b, mut c) = three_with_entry();
    all_pull_all(at(2_100), &mut a, &mut b, &mut c);
    for incarnation in 100..140 {
        for replica in [&mut a, &mut b, &mut c] {
            replica.vector.advance(slot(origin("c", incarnation), 1));
        }
    }
    let mut c2 = new_replica("c", 200, at(2_500));
    pull(at(2_501), &mut a, &mut c2);
    c2.write(at(4_000), key(2), live(20)).unwrap();
    pull(at(4_001), &mut c2, &mut a);
    pull(at(4_002), &mut a, &mut b);
    pull(at(4_003), &mut a, &mut c2);
    pull(at(4_004), &mut c2, &mut a);
    pull(at(4_005), &mut b, &mut a);
    assert!(a.horizon().closed.marks().next().is_some(), "{:?}", a.horizon());
    assert!(b.vector().marks().next().is_none(), "{:?}", b.vector());
    a.lose_entries(|_| true);
    pull(at(4_100), &mut a, &mut b);
    assert_eq!(number(&b, 1), Some(50));
}

/// Two values with one stamp, as a fault of memory may leave them, converge.
#[test]
fn different_values_with_one_stamp_converge() {
    let (mut a, mut b, mut c) = three_with_entry();
    all_pull_all(at(2_100), &mut a, &mut b, &mut c);
    let held = b.map.get(key(1)).unwrap();
    b.map.remove(key(1));
    b.map.merge(key(1), &Entry { value: live(51), ..held }.as_entry_ref());
    all_pull_all(at(2_200), &mut a, &mut b, &mut c);
    assert!(hold_the_same(&a, &b) && hold_the_same(&b, &c));
}

/// A repair takes nothing that the vector does not cover, and no entry that a tombstone beats.
#[test]
fn repair_takes_only_covered_entries_that_are_missing() {
    let (mut a, mut b, mut c) = three_with_entry();
    a.write(at(2_050), key(2), live(20)).unwrap();
    let deleted = a.map().get(key(2)).unwrap();
    all_pull_all(at(2_100), &mut a, &mut b, &mut c);
    a.write(at(2_200), key(2), Value::Tombstone).unwrap();
    pull(at(2_201), &mut a, &mut b);
    let liar = c.me();
    b.begin_pull(at(2_300), liar, liar.node, PullOptions { mutual: false, full: true });
    let uncovered = Entry::written(live(70), slot(liar, 2_250), None);
    let (entries, vector) = (vec![(key(2), deleted), (key(7), uncovered)], b.vector().clone());
    let events = deliver(at(2_301), &mut b, liar, entries, vector, true);
    assert!(!events.iter().any(|event| matches!(event, Event::Repaired { .. })), "{events:?}");
    assert_eq!(number(&b, 2), None);
}

/// A member that links with an incarnation from the future.
#[test]
fn obituary_is_not_dated_in_the_future() {
    let (mut a, mut b) = (replica("a", 1), replica("b", 1));
    let future = origin("c", at(3_600_000).wall.0);
    a.link_up(at(2_000), future);
    a.forget(at(2_100), future.node).unwrap();
    pull(at(2_200), &mut a, &mut b);
    assert!(a.is_forgotten(future.node) && b.is_forgotten(future.node));
    // At a node to which it is linked, too.
    b.link_up(at(2_300), future);
    assert!(b.is_forgotten(future.node));
}

/// A new process that refuses the rounds of a cluster must not join as the first of another one.
#[test]
fn incarnation_that_refuses_origins_does_not_join_as_first() {
    let liar = origin("b", 1);
    let mut a = new_replica("a", 2, at(0));
    a.link_up(at(0), liar);
    let future = VersionVector::from_iter([slot(origin("c", at(3_600_000).wall.0), 500)]);
    for millis in [500, 1_400, 2_300] {
        deliver(at(millis), &mut a, liar, vec![], future.clone(), false);
        a.tick(at(millis + 800));
        drain(&mut a);
        assert!(!a.joined(), "at {millis}");
    }
}
