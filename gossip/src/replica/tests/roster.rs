//! The roster: further nodes that become members, return, and are forgotten.

use std::collections::BTreeSet;

use super::*;

/// Three members from the start, which admit further nodes, and have joined.
fn open_three() -> [Replica; 3] {
    ["a", "b", "c"].map(|name| {
        let mut replica = further_replica(name, 1, at(0));
        replica.tick(at(1_000));
        assert!(replica.joined());
        drain(&mut replica);
        replica
    })
}

/// Each pulls from each other one, in turn.
fn all_pull<const N: usize>(now: Now, mut replicas: [&mut Replica; N]) -> Vec<Event> {
    let mut events = Vec::new();
    for puller in 0..N {
        for source in (0..N).filter(|source| *source != puller) {
            let mut pair = replicas.get_disjoint_mut([source, puller]).unwrap().into_iter();
            let (source, puller) = (pair.next().unwrap(), pair.next().unwrap());
            events.extend(pull(now, source, puller));
        }
    }
    events
}

fn name(text: &str) -> NodeName {
    text.parse().unwrap()
}

#[test]
pub(super) fn candidate_waits_for_every_member() {
    let [mut a, mut b, mut c] = open_three();
    let mut d = further_replica("d", 1, at(2_000));
    let events = pull(at(2_001), &mut a, &mut d);
    assert!(events.contains(&Event::Announced), "{events:?}");
    assert_eq!(d.write(at(2_002), key(1), live(1)), Err(WriteError::Joining));
    // a and b have it on their rosters; c is out of reach.
    for _ in 0..3 {
        let events = all_pull(at(2_100), [&mut a, &mut b, &mut d]);
        assert!(!events.contains(&Event::Joined { through: Some(a.me()) }), "{events:?}");
        d.tick(at(9_000));
    }
    assert!(a.members().contains(&d.me().node) && !d.joined());
    assert_eq!(d.awaited_to_join(), [name("c")]);
    let events = all_pull(at(9_100), [&mut a, &mut b, &mut c, &mut d]);
    assert!(events.contains(&Event::Listed { member: d.me().node }), "{events:?}");
    all_pull(at(9_200), [&mut a, &mut b, &mut c, &mut d]);
    assert!(d.joined() && d.awaited_to_join().is_empty());
    assert!(d.write(at(9_300), key(1), live(1)).is_ok());
}

#[test]
pub(super) fn further_member_holds_back_tombstones() {
    let [mut a, mut b, mut c] = open_three();
    let mut d = joined_further(&mut a, &mut b, &mut c);
    a.write(at(4_000), key(1), live(1)).unwrap();
    all_pull(at(4_001), [&mut a, &mut b, &mut c, &mut d]);
    a.write(at(4_100), key(1), Value::Tombstone).unwrap();
    // d is out of reach, and has not seen the deletion.
    let mut events = Vec::new();
    for _ in 0..3 {
        events.extend(all_pull(at(4_200), [&mut a, &mut b, &mut c]));
    }
    assert_eq!(collected(&events), 0, "{events:?}");
    assert_eq!(a.awaited(), []);
    for _ in 0..3 {
        events.extend(all_pull(at(4_300), [&mut a, &mut b, &mut c, &mut d]));
    }
    assert_eq!(collected(&events), 4, "one at each: {events:?}");
}

#[test]
pub(super) fn nothing_is_taken_from_candidate() {
    let [mut a, mut b, _] = open_three();
    let mut d = further_replica("d", 1, at(2_000));
    b.write(at(2_001), key(1), live(1)).unwrap();
    pull(at(2_002), &mut b, &mut d);
    assert_eq!(number(&d, 1), Some(1));
    pull(at(2_003), &mut d, &mut a);
    assert_eq!(number(&a, 1), None);
    assert!(!a.vector().covers_all(b.vector()) && a.members().contains(&d.me().node));
}

/// Regression, found by the simulator: only the other candidate knew the one that had ended, so
/// nobody could forget it.
#[test]
fn candidate_that_only_a_candidate_knew_can_be_forgotten() {
    let [mut a, mut b, mut c] = open_three();
    let (mut d, mut e) = (further_replica("d", 1, at(2_000)), further_replica("e", 1, at(2_000)));
    pull(at(2_001), &mut a, &mut d);
    pull(at(2_001), &mut a, &mut e);
    pull(at(2_002), &mut d, &mut e);
    let ended = d.me().node;
    drop(d);
    for _ in 0..3 {
        all_pull(at(2_003), [&mut a, &mut b, &mut c, &mut e]);
    }
    assert_eq!(e.awaited_to_join(), [ended]);
    a.forget(at(3_000), ended).unwrap();
    for _ in 0..3 {
        all_pull(at(3_001), [&mut a, &mut b, &mut c, &mut e]);
    }
    assert!(e.joined());
}

/// A further member that has joined a cluster of these.
fn joined_further(a: &mut Replica, b: &mut Replica, c: &mut Replica) -> Replica {
    let mut d = further_replica("d", 1, at(2_000));
    for _ in 0..3 {
        all_pull(at(2_100), [&mut *a, &mut *b, &mut *c, &mut d]);
    }
    assert!(d.joined());
    d
}

#[test]
fn further_member_restarts_without_waiting_unless_it_was_forgotten() {
    let [mut a, mut b, mut c] = open_three();
    let d = joined_further(&mut a, &mut b, &mut c);
    let mut d2 = further_replica("d", at(3_000).wall.0, at(3_000));
    let events = pull(at(3_001), &mut a, &mut d2);
    assert!(events.contains(&Event::Joined { through: Some(a.me()) }), "{events:?}");
    assert!(d2.me() > d.me());
    a.forget(at(4_000), d.me().node).unwrap();
    for _ in 0..3 {
        all_pull(at(4_001), [&mut a, &mut b, &mut c]);
    }
    for replica in [&a, &b, &c] {
        assert!(!replica.members().contains(&d.me().node));
        // Its mark and its obituary.
        let of_d = replica.vector().origins().filter(|origin| origin.node == d.me().node);
        assert_eq!(of_d.count(), 2, "{:?}", replica.vector());
    }
    let mut d3 = further_replica("d", at(5_000).wall.0, at(5_000));
    let events = pull(at(5_001), &mut a, &mut d3);
    assert!(events.contains(&Event::Announced) && !d3.joined(), "{events:?}");
    for _ in 0..3 {
        all_pull(at(5_100), [&mut a, &mut b, &mut c, &mut d3]);
    }
    assert!(d3.joined() && b.members().contains(&d3.me().node));
}

#[test]
fn candidate_that_ended_before_it_joined_starts_again_as_a_candidate() {
    let [mut a, mut b, mut c] = open_three();
    let mut d = further_replica("d", 1, at(2_000));
    pull(at(2_001), &mut a, &mut d);
    pull(at(2_001), &mut d, &mut a);
    drop(d);
    let mut d2 = further_replica("d", 2, at(3_000));
    let events = pull(at(3_001), &mut a, &mut d2);
    assert!(events.contains(&Event::Announced) && !d2.joined(), "{events:?}");
    for _ in 0..3 {
        all_pull(at(3_100), [&mut a, &mut b, &mut c, &mut d2]);
    }
    assert!(d2.joined());
}

#[test]
fn of_two_candidates_none_joins_without_the_other() {
    let [mut a, mut b, mut c] = open_three();
    let (mut d, mut e) = (further_replica("d", 1, at(2_000)), further_replica("e", 1, at(2_000)));
    // They do not reach each other.
    for _ in 0..4 {
        all_pull(at(2_100), [&mut a, &mut b, &mut c, &mut d]);
        all_pull(at(2_100), [&mut a, &mut b, &mut c, &mut e]);
    }
    let waits_for = |one: &Replica, other: &Replica| one.awaited_to_join() == [other.me().node];
    assert!(waits_for(&d, &e) || waits_for(&e, &d), "{} {}", d.joined(), e.joined());
    for _ in 0..3 {
        all_pull(at(2_200), [&mut a, &mut b, &mut c, &mut d, &mut e]);
    }
    assert!(d.joined() && e.joined());
}

/// Regression, found by the simulator: each of them alone has a write of an incarnation that has
/// ended, which nobody takes from a candidate.
#[test]
fn candidates_join_although_none_covers_the_other() {
    let [mut a, mut b, mut c] = open_three();
    let (mut d, mut e) = (further_replica("d", 1, at(2_000)), further_replica("e", 1, at(2_000)));
    all_pull(at(2_001), [&mut a, &mut b, &mut c]);
    b.write(at(2_002), key(1), live(1)).unwrap();
    pull(at(2_003), &mut b, &mut d);
    c.write(at(2_004), key(2), live(2)).unwrap();
    pull(at(2_005), &mut c, &mut e);
    let mut b2 = further_replica("b", at(3_000).wall.0, at(3_000));
    let mut c2 = further_replica("c", at(3_000).wall.0, at(3_000));
    for _ in 0..4 {
        all_pull(at(3_001), [&mut a, &mut b2, &mut c2, &mut d, &mut e]);
    }
    assert!(d.joined() && e.joined(), "{:?} {:?}", d.awaited_to_join(), e.awaited_to_join());
    for _ in 0..3 {
        all_pull(at(3_100), [&mut a, &mut b2, &mut c2, &mut d, &mut e]);
    }
    assert_eq!((number(&a, 1), number(&a, 2)), (Some(1), Some(2)));
}

#[test]
fn names_of_further_members_are_limited() {
    let [mut a, ..] = open_three();
    assert!(a.admits(name("f")) && !replica("a", 1).admits(name("f")));
    // Three from the start, three further ones.
    for further in ["d", "e", "f"] {
        let mut further = further_replica(further, 1, at(2_000));
        pull(at(2_001), &mut a, &mut further);
        pull(at(2_002), &mut further, &mut a);
    }
    assert!(!a.admits(name("g")) && a.admits(name("f")));
    // A member on another side of a partition may have admitted others, up to twice the number.
    let rounds = |count: u32| {
        let mut source = further_replica("b", 1, at(0));
        source.tick(at(1_000));
        for number in 0..count {
            let origin =
                Origin { node: name(&format!("x{number}")), incarnation: Incarnation::at(1) };
            source.vector.advance(Stamp { hlc: Hlc::default(), origin });
        }
        source
    };
    let refused =
        |events: &[Event]| events.iter().any(|event| matches!(event, Event::NotMember { .. }));
    let events = pull(at(2_100), &mut rounds(7), &mut a);
    assert!(refused(&events), "{events:?}");
    let events = pull(at(2_100), &mut rounds(6), &mut a);
    assert!(!refused(&events), "{events:?}");
}

#[test]
fn node_without_configured_members_founds_a_cluster_or_joins_one() {
    let alone = |name: &str| {
        let replica = further_replica(name, 1, at(0));
        let config = Config { members: BTreeSet::new(), ..replica.config };
        Replica::new(replica.me, config, at(0))
    };
    let mut first = alone("d");
    first.tick(at(1_000));
    assert!(first.joined());
    let mut second = alone("e");
    let events = pull(at(1_100), &mut first, &mut second);
    assert!(events.contains(&Event::Announced), "{events:?}");
    all_pull(at(1_200), [&mut first, &mut second]);
    all_pull(at(1_300), [&mut first, &mut second]);
    assert!(second.joined() && first.members().len() == 2);
}
