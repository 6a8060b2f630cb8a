//! Collection of tombstones, and full rounds for replicas that missed one.

use super::*;

#[test]
pub(super) fn tombstone_seen_by_all_is_collected_and_key_stays_deleted() {
    let (mut a, mut b, mut c) = three_with_entry();
    let tombstone = a.write(at(3_000), key(1), Value::Tombstone).unwrap().stamp;
    let events = all_pull(at(3_001), &mut a, &mut b, &mut c);
    assert_eq!(collected(&events), 3, "{events:?}");
    for replica in [&a, &b, &c] {
        assert_eq!((replica.map().live(), replica.map().tombstones()), (0, 0));
        assert!(
            replica.horizon().collected.covers(tombstone)
                && replica.horizon().is_covered_by(replica.vector())
        );
    }
    let old_copy = Entry::written(live(50), Stamp { hlc: Hlc::default(), origin: a.me() }, None);
    assert_eq!(
        c.write_over(at(3_002), key(1), live(70), Some(&old_copy)),
        Err(WriteError::Deleted),
        "an old copy does not revive it"
    );
}

/// S8: a member that is away holds back the tombstone, without a time limit.
#[test]
pub(super) fn absent_member_holds_back_tombstone() {
    let (mut a, mut b, mut c) = three_with_entry();
    a.write(at(3_000), key(1), Value::Tombstone).unwrap();
    for _ in 0..5 {
        let events = [pull(at(9_000), &mut a, &mut b), pull(at(9_000), &mut b, &mut a)].concat();
        assert_eq!(collected(&events), 0);
    }
    pull(at(9_001), &mut a, &mut c);
    assert_eq!(number(&c, 1), None);
}

/// A proof ends with its incarnation: the new incarnation starts empty.
#[test]
pub(super) fn proof_of_ended_incarnation_does_not_count() {
    let (mut a, mut b, c) = three_with_entry();
    drop(c);
    let mut c2 = new_replica("c", 2, at(2_500));
    c2.tick(at(3_500));
    c2.write(at(3_500), key(2), live(10)).unwrap();
    pull(at(3_501), &mut c2, &mut a);
    a.write(at(3_502), key(1), Value::Tombstone).unwrap();
    let events = [pull(at(3_503), &mut a, &mut b), pull(at(3_503), &mut b, &mut a)].concat();
    assert_eq!(
        collected(&events),
        0,
        "the new incarnation of c may still receive the deleted entry"
    );
}

/// S3: a slow round with the old value arrives after the tombstone was collected.
#[test]
pub(super) fn late_round_does_not_revive_collected_key() {
    let (mut a, mut b, mut c) = three_with_entry();
    b.write(at(2_500), key(1), live(60)).unwrap();
    let late = answer_to_pull(at(2_501), &mut b, &mut c);
    a.write(at(3_000), key(1), Value::Tombstone).unwrap();
    // Drops the pull, so that the late parts belong to no round.
    c.link_down(b.me().node);
    all_pull(at(3_001), &mut a, &mut b, &mut c);
    assert_eq!(c.map().tombstones(), 0);
    late.into_iter().for_each(|part| c.handle(at(3_002), b.me().node, part));
    assert_eq!(c.map().live(), 0);
}

/// S4 and S5: a replica that holds the entry and never saw its tombstone removes it after a full
/// round, even from a source that has only inherited the horizon.
#[test]
pub(super) fn replica_behind_horizon_gets_full_round_and_removes_key() {
    let (mut a, mut b, mut c) = three_with_entry();
    let mut outsider = new_replica("d", 1, at(2_100));
    pull(at(2_101), &mut a, &mut outsider);
    assert_eq!(number(&outsider, 1), Some(50));
    a.write(at(3_000), key(1), Value::Tombstone).unwrap();
    a.write(at(3_000), key(2), live(20)).unwrap();
    all_pull(at(3_001), &mut a, &mut b, &mut c);
    let mut b2 = new_replica("b", 2, at(3_100));
    pull(at(3_101), &mut a, &mut b2);
    let events = pull(at(3_102), &mut b2, &mut outsider);
    assert!(matches!(events[..], [Event::Committed { full: true, .. }, ..]), "{events:?}");
    assert_eq!((number(&outsider, 1), number(&outsider, 2)), (None, Some(20)));
}

/// A non-member's late write to the deleted key gets a new tombstone, and all replicas converge.
#[test]
pub(super) fn late_write_to_deleted_key_gets_new_tombstone() {
    let (mut a, mut b, mut c) = three_with_entry();
    let mut outsider = new_replica("d", 1, at(2_100));
    pull(at(2_101), &mut a, &mut outsider);
    let copy = outsider.map().get(key(1)).unwrap();
    outsider.write_over(at(2_200), key(1), live(90), Some(&copy)).unwrap();
    a.write(at(3_000), key(1), Value::Tombstone).unwrap();
    all_pull(at(3_001), &mut a, &mut b, &mut c);
    let events = pull(at(3_100), &mut outsider, &mut a);
    assert!(
        events.contains(&Event::LateWritesDeleted { source: outsider.me(), writes: 1 }),
        "{events:?}"
    );
    pull(at(3_101), &mut a, &mut outsider);
    assert_eq!((number(&outsider, 1), number(&a, 1)), (None, None));
    assert_eq!(a.summary().fingerprint, outsider.summary().fingerprint);
}

/// Regression, found under load: the replacement tombstone had seen the late write, but not the
/// writes that the earlier tombstone had seen. So the count of lost writes included the earlier
/// tombstone, which was not lost, and not the late write, which was.
#[test]
pub(super) fn replacement_tombstone_has_not_seen_late_write() {
    for is_collected in [false, true] {
        let (mut a, mut b, mut c) = three_with_entry();
        let birth = a.map().get(key(1)).unwrap().born;
        let mut outsider = new_replica("d", 1, at(2_100));
        pull(at(2_101), &mut a, &mut outsider);
        let mut copy = outsider.map().get(key(1)).unwrap();
        for written in [2_200, 2_300] {
            outsider.write_over(at(written), key(1), live(90), Some(&copy)).unwrap();
            copy = outsider.map().get(key(1)).unwrap();
        }
        a.write(at(3_000), key(1), Value::Tombstone).unwrap();
        let tombstone = a.map().get(key(1)).unwrap();
        if is_collected {
            all_pull(at(3_001), &mut a, &mut b, &mut c);
        }
        assert_eq!(a.map().get(key(1)).is_none(), is_collected);
        pull(at(3_100), &mut outsider, &mut a);
        let replacement = a.map().get(key(1)).unwrap();
        assert!(
            replacement.is_tombstone()
                && replacement.beats(&tombstone)
                && replacement.born == birth
        );
        assert!(
            replacement.had_seen(birth)
                && copy
                    .seen
                    .stamps()
                    .iter()
                    .all(|seen| *seen == birth || !replacement.had_seen(*seen))
        );
        assert!(!replacement.had_seen(copy.stamp));
        assert_eq!(
            replacement.had_seen(tombstone.stamp),
            !is_collected,
            "the stamp of a collected tombstone is not known"
        );
    }
}

/// S7: a joiner that the collectors have not seen writes to the key that they delete. Its write is
/// late, and gets a new tombstone too.
#[test]
pub(super) fn write_by_unseen_joiner_does_not_split_cluster() {
    let (mut a, mut b, mut c) = three_with_entry();
    let mut c2 = new_replica("c", 2, at(2_100));
    pull(at(2_101), &mut b, &mut c2);
    a.write(at(3_000), key(1), Value::Tombstone).unwrap();
    all_pull(at(3_001), &mut a, &mut b, &mut c);
    assert_eq!(a.map().tombstones(), 0, "collected before a has seen the new incarnation of c");
    c2.write(at(3_100), key(1), live(80)).unwrap();
    all_pull(at(3_101), &mut a, &mut b, &mut c2);
    for replica in [&a, &b, &c2] {
        assert_eq!(number(replica, 1), None);
        assert_eq!(replica.map().fingerprint(), a.map().fingerprint());
    }
}

/// S9: a proof covers a write that the collector has not received. That older write would arrive
/// after the tombstone was collected.
#[test]
pub(super) fn proof_beyond_own_vector_holds_back_tombstone() {
    let (mut a, mut b, mut c) = three_with_entry();
    c.write(at(2_500), key(2), live(20)).unwrap();
    a.write(at(3_000), key(1), Value::Tombstone).unwrap();
    pull(at(3_001), &mut a, &mut c);
    pull(at(3_001), &mut a, &mut b);
    // The pull by c proves to b what c covers, but b has not received the writes of c.
    c.pull(at(3_002), b.me(), b.me().node, false);
    pull(at(3_002), &mut b, &mut c);
    pull(at(3_002), &mut a, &mut b);
    assert_eq!(b.map().tombstones(), 1);
}

/// S10: a replica returns with a write that no other has seen, stamped below the horizon. A full
/// round does not remove it.
#[test]
pub(super) fn full_round_keeps_entries_unseen_by_source() {
    let (mut a, mut b, mut c) = three_with_entry();
    let mut outsider = new_replica("d", 1, at(2_100));
    pull(at(2_101), &mut a, &mut outsider);
    outsider.write(at(2_200), key(7), live(70)).unwrap();
    a.write(at(5_000), key(1), Value::Tombstone).unwrap();
    all_pull(at(5_001), &mut a, &mut b, &mut c);
    let events = pull(at(5_100), &mut a, &mut outsider);
    assert!(matches!(events[..], [Event::Committed { full: true, .. }]), "{events:?}");
    assert_eq!((number(&outsider, 1), number(&outsider, 7)), (None, Some(70)));
    pull(at(5_101), &mut outsider, &mut a);
    assert_eq!(number(&a, 7), Some(70));
}

/// Regression, found by the simulator in 1 of 170,000 seeds: two replicas deleted one key, one of
/// them a joiner that the collectors had not seen. The joiner got a full round from a replica that
/// had collected the other tombstone. It dropped its own tombstone, but still covered it towards
/// replicas that held the other one.
#[test]
pub(super) fn full_round_keeps_tombstone_unseen_by_source() {
    let (mut a, mut b, mut c) = three_with_entry();
    all_pull(at(2_050), &mut a, &mut b, &mut c);
    let mut c2 = restarted(&c, 2, at(2_100), &mut b);
    a.write(at(3_000), key(1), Value::Tombstone).unwrap();
    for _ in 0..2 {
        pull(at(3_001), &mut a, &mut b);
        pull(at(3_001), &mut a, &mut c);
    }
    assert_eq!(
        [&a, &b].map(|replica| replica.map().tombstones()),
        [0, 1],
        "a has both proofs, b does not"
    );
    let unreplicated = c2.write(at(3_100), key(1), Value::Tombstone).unwrap().stamp;
    let events = pull(at(3_101), &mut a, &mut c2);
    assert!(matches!(events[..], [Event::Committed { full: true, .. }]), "{events:?}");
    pull(at(3_102), &mut c2, &mut b);
    for replica in [&c2, &b] {
        assert_eq!(
            replica.map().get(key(1)).map(|entry| entry.stamp),
            Some(unreplicated),
            "it is covered, and no replica has collected it"
        );
    }
    all_pull_all(at(3_103), &mut a, &mut b, &mut c2);
    assert_eq!([&a, &b, &c2].map(|replica| replica.map().iter().count()), [0; 3]);
}

/// A non-member has no vote: the cluster does not wait for its proofs.
#[test]
pub(super) fn non_member_collects_and_closes_nothing() {
    let (mut a, mut b, mut c) = three_with_entry();
    all_pull(at(2_050), &mut a, &mut b, &mut c);
    let mut outsider = new_replica("d", 1, at(2_100));
    pull(at(2_101), &mut a, &mut outsider);
    let mut c2 = restarted(&c, 2, at(3_000), &mut a);
    a.write(at(3_100), key(1), Value::Tombstone).unwrap();
    let mut events = Vec::new();
    for _ in 0..3 {
        for member in [&mut a, &mut b, &mut c2] {
            events.extend(
                [pull(at(3_200), member, &mut outsider), pull(at(3_200), &mut outsider, member)]
                    .concat(),
            );
        }
    }
    assert!(
        outsider.awaited().is_empty() && outsider.has_fenced(c.me()),
        "it has the proofs of all members"
    );
    assert!(events.iter().all(|event| matches!(event, Event::Committed { .. })), "{events:?}");
    assert_eq!(outsider.map().tombstones(), 1);
    all_pull_all(at(3_300), &mut a, &mut b, &mut c2);
    assert!(a.vector().has_closed(c.me()) && a.map().tombstones() == 0);
}

/// Regression, found by the simulator in 3 of 25,000 seeds: one round contained both the successor
/// of an incarnation and the last proof that it needed to collect.
#[test]
pub(super) fn superseded_incarnation_collects_nothing() {
    let (mut a, mut b, mut c) = three_with_entry();
    all_pull(at(2_100), &mut a, &mut b, &mut c);
    a.write(at(3_000), key(1), Value::Tombstone).unwrap();
    let a2 = &mut restarted(&a, 2, at(3_001), &mut c);
    for _ in 0..2 {
        pull(at(3_002), &mut a, &mut b);
        pull(at(3_002), a2, &mut c);
    }
    pull(at(3_003), &mut b, &mut c);
    c.pull(at(3_004), b.me(), b.me().node, false);
    exchange(at(3_004), &mut b, &mut c);
    let events = [pull(at(3_005), &mut b, &mut a), pull(at(3_006), &mut c, &mut a)].concat();
    assert!(
        events.contains(&Event::Superseded { by: Incarnation::at(2), halts: true }),
        "{events:?}"
    );
    assert_eq!((collected(&events), a.map().tombstones()), (0, 1));
}

/// Simulated memory corruption: `Diverged` is reported, and full rounds repair the replicas. A
/// replica that has lost entries removes none at the others.
#[test]
pub(super) fn divergence_is_reported_and_repaired() {
    let (mut a, mut b, mut c) = three_with_entry();
    a.write(at(2_500), key(2), live(20)).unwrap();
    all_pull_all(at(2_600), &mut a, &mut b, &mut c);
    b.map.remove(key(1));
    let older = Entry::written(
        live(1),
        Stamp { hlc: Hlc::default(), ..c.map.get(key(2)).unwrap().stamp },
        None,
    );
    c.map.remove(key(2));
    c.map.merge(key(2), &older.as_entry_ref());
    let events = all_pull_all(at(2_700), &mut a, &mut b, &mut c);
    assert!(events.iter().any(|event| matches!(event, Event::Diverged { .. })), "{events:?}");
    assert!(
        events.iter().any(|event| matches!(event, Event::Repaired { entries: 1, .. })),
        "{events:?}"
    );
    assert!(hold_the_same(&a, &b) && hold_the_same(&b, &c));
    assert_eq!(
        [number(&a, 1), number(&b, 1), number(&c, 2)],
        [Some(50), Some(50), Some(20)],
        "the newer write is taken, and the key that one replica dropped"
    );
    let events = all_pull(at(2_800), &mut a, &mut b, &mut c);
    assert!(!events.iter().any(|event| matches!(event, Event::Diverged { .. })));
}

/// A full round also contains entries that the puller covers. They are skipped, even if their
/// tombstone was collected.
#[test]
pub(super) fn covered_entries_are_skipped_in_full_round() {
    let (mut a, mut b, mut c) = three_with_entry();
    let mut outsider = new_replica("d", 1, at(2_100));
    pull(at(2_101), &mut a, &mut outsider);
    a.write(at(3_000), key(1), Value::Tombstone).unwrap();
    all_pull(at(3_001), &mut a, &mut b, &mut c);
    a.begin_pull(
        at(3_002),
        outsider.me(),
        outsider.me().node,
        PullOptions { mutual: false, full: true },
    );
    let events = exchange(at(3_002), &mut a, &mut outsider);
    assert!(
        matches!(events[..], [Event::Committed { full: true, entries: 1, changed: 0, .. }]),
        "{events:?}"
    );
    assert_eq!((a.map().live(), a.map().tombstones()), (0, 0));
}

/// c proved that it has the tombstone, and crashed. Its next incarnation, which a knows only
/// through b, has the entry and not the tombstone.
#[test]
pub(super) fn proof_ends_with_its_incarnation_before_successor_proves() {
    let (mut a, mut b, mut c) = three_with_entry();
    all_pull(at(2_100), &mut a, &mut b, &mut c);
    a.write(at(3_000), key(1), Value::Tombstone).unwrap();
    pull(at(3_001), &mut a, &mut c);
    pull(at(3_002), &mut a, &mut c);
    let mut c2 = restarted(&c, 2, at(3_100), &mut b);
    pull(at(3_101), &mut c2, &mut b);
    pull(at(3_102), &mut a, &mut b);
    pull(at(3_103), &mut b, &mut a);
    assert_eq!((a.map().tombstones(), number(&c2, 1)), (1, Some(50)));
    assert_eq!(a.awaited(), [c2.me().node]);
}

/// Regression, found by the simulator in 2 of 139,000 seeds: a key was deleted over a copy, and the
/// tombstone was collected. The copy then revived the key, since no member had seen its birth.
#[test]
pub(super) fn tombstone_stays_until_birth_is_seen() {
    let (mut a, mut b, mut c) = (replica("a", 1), replica("b", 1), replica("c", 1));
    all_pull(at(2_000), &mut a, &mut b, &mut c);
    let stamp =
        Stamp { hlc: Hlc { wall: UnixMillis(START + 2_500), logical: 0 }, origin: origin("d", 1) };
    let copy = Entry::written(live(50), stamp, None);
    a.write_over(at(2_600), key(1), Value::Tombstone, Some(&copy)).unwrap();
    let events = all_pull_all(at(2_700), &mut a, &mut b, &mut c);
    assert_eq!(collected(&events), 0, "{events:?}");
    assert_eq!(a.write_over(at(2_800), key(1), live(70), Some(&copy)), Err(WriteError::Deleted));
}

#[test]
pub(super) fn awaited_members_lack_proof_in_linked_incarnation() {
    let [b_name, c_name] = ["b", "c"].map(|name| name.parse::<NodeName>().unwrap());
    let (mut a, mut b, mut c) = three_with_entry();
    assert_eq!(replica("a", 1).awaited(), [b_name, c_name]);
    all_pull_all(at(2_100), &mut a, &mut b, &mut c);
    assert_eq!(a.awaited(), []);
    a.link_up(at(2_200), b.me());
    assert_eq!(a.awaited(), [], "the same incarnation as before");
    a.link_up(at(2_200), origin("c", 2));
    assert_eq!(a.awaited(), [c_name], "another incarnation, known only by its link");
    a.write(at(2_300), key(1), Value::Tombstone).unwrap();
    let events = [pull(at(2_301), &mut a, &mut b), pull(at(2_301), &mut b, &mut a)].concat();
    assert_eq!(collected(&events), 0, "{events:?}");
    pull(at(2_302), &mut c, &mut a);
    assert_eq!(a.awaited(), [c_name], "a round of the earlier incarnation is no proof");
    let mut c2 = new_replica("c", 2, at(2_400));
    pull(at(2_401), &mut a, &mut c2);
    pull(at(2_402), &mut c2, &mut a);
    assert_eq!(a.awaited(), []);
}

#[test]
pub(super) fn proof_is_replaced_by_later_incarnation_only() {
    let (mut a, mut b, mut c) = three_with_entry();
    all_pull_all(at(2_100), &mut a, &mut b, &mut c);
    let mut c2 = restarted(&c, 2, at(2_200), &mut a);
    pull(at(2_201), &mut c2, &mut a);
    assert_eq!(a.awaited(), []);
    a.write(at(2_300), key(1), live(30)).unwrap();
    pull(at(2_301), &mut a, &mut c);
    assert_eq!(
        (a.awaited(), a.unreplicated().count()),
        (vec![], 1),
        "the earlier incarnation is served, and proves nothing"
    );
    pull(at(2_302), &mut a, &mut c2);
    pull(at(2_302), &mut a, &mut c2);
    assert_eq!(a.unreplicated().count(), 0);
}
