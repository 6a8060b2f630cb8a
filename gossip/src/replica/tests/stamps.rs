//! Stamps: which write wins, and which stamps are refused.

use super::*;

#[test]
pub(super) fn writes_of_the_same_millisecond_end_equal_everywhere() {
    let (mut a, mut b) = (replica("a", 1), replica("b", 1));
    a.write(at(5_000), key(1), live(10)).unwrap();
    b.write(at(5_000), key(1), live(20)).unwrap();
    let (stamp_a, stamp_b) =
        (a.map().get(key(1)).unwrap().stamp, b.map().get(key(1)).unwrap().stamp);
    assert_eq!(stamp_a.hlc, stamp_b.hlc, "the same reading on two nodes");
    b.pull(at(5_001), a.me(), a.me().node, true);
    talk(at(5_001), &mut a, &mut b);
    assert_eq!(a.summary(), b.summary());
    assert_eq!(number(&a, 1), Some(20), "the greater origin wins, whoever merges");
}

#[test]
pub(super) fn the_dead_stay_dead_against_later_and_concurrent_writes_both_ways_round() {
    for a_first in [true, false] {
        let (mut a, mut b) = (replica("a", 1), replica("b", 1));
        a.write(at(2_000), key(1), live(50)).unwrap();
        pull(at(2_001), &mut a, &mut b);
        a.write(at(3_000), key(1), Value::Tombstone).unwrap();
        b.write(at(9_000), key(1), live(70)).unwrap();
        if a_first {
            pull(at(9_001), &mut a, &mut b);
            pull(at(9_002), &mut b, &mut a);
        } else {
            pull(at(9_001), &mut b, &mut a);
            pull(at(9_002), &mut a, &mut b);
        }
        assert_eq!(a.summary(), b.summary());
        assert_eq!((number(&a, 1), a.map().tombstones()), (None, 1));
    }
}

/// S2: a bombed node's new writes do not claim what its dead self wrote.
#[test]
pub(super) fn a_new_life_does_not_claim_the_writes_of_the_old() {
    let (mut a, mut b, mut c) = (replica("a", 1), replica("b", 1), replica("c", 1));
    b.write(at(2_000), key(1), live(10)).unwrap();
    pull(at(2_001), &mut b, &mut a);
    let mut b2 = newborn("b", 2, at(3_000));
    pull(at(3_001), &mut c, &mut b2);
    b2.write(at(3_002), key(2), live(20)).unwrap();
    pull(at(3_003), &mut b2, &mut c);
    pull(at(3_003), &mut a, &mut c);
    pull(at(3_004), &mut a, &mut b2);
    assert_eq!((number(&c, 1), number(&b2, 1)), (Some(10), Some(10)));
}

/// S6: a new life starts its clock past everything that its dead self can have acknowledged, a fast
/// peer's stamps included.
#[test]
pub(super) fn a_new_life_stamps_above_all_that_the_old_one_acknowledged() {
    let (mut fast, mut b) = (replica("a", 1), replica("b", 1));
    let ahead = Now { wall: UnixMillis(at(2_000).wall.0 + 1_999), ..at(2_000) };
    let seen = fast.write(ahead, key(1), live(10)).unwrap().stamp;
    assert!(matches!(
        pull(at(2_000), &mut fast, &mut b)[..],
        [Event::Committed { changed: 1, .. }]
    ));
    let mut b2 = newborn("b", 2, at(2_001));
    b2.tick(at(3_001));
    let written = b2.write(at(3_001), key(1), live(20)).unwrap().stamp;
    assert!(written > seen, "{written} is not above {seen}");
}

/// Found by the simulator, in 2 of 20,000 seeds: the dead self had acknowledged the second write of
/// the last millisecond it could accept.
#[test]
pub(super) fn a_new_life_stamps_above_every_reading_that_its_dead_self_could_accept() {
    let mut b2 = newborn("b", 2, at(2_000));
    b2.tick(at(3_000));
    let last_acceptable = Hlc { wall: UnixMillis(at(2_000).wall.0 + 2_000), logical: u32::MAX };
    assert!(b2.write(at(3_000), key(1), live(20)).unwrap().stamp.hlc > last_acceptable);
}

#[test]
pub(super) fn what_is_held_can_be_written_over_even_when_the_clock_was_set_back_since() {
    let mut a = replica("a", 1);
    a.write(at(9_000), key(1), live(20)).unwrap();
    assert!(a.write(at(1_000), key(1), live(30)).is_ok());
    assert_eq!(number(&a, 1), Some(30));
}

#[test]
pub(super) fn a_life_born_under_a_wrong_clock_stamps_by_the_right_one_if_it_is_set_before_it_writes()
 {
    let wrong = Now { wall: UnixMillis(START + 3_600_000), ..at(0) };
    let mut a = newborn("a", 3_600_000, wrong);
    a.tick(at(1_000));
    let stamp = a.write(at(1_000), key(1), live(20)).unwrap().stamp;
    assert!(stamp.hlc.wall < UnixMillis(START + 10_000), "{stamp}");
    let stamp = a.write(at(20_000), key(1), live(30)).unwrap().stamp;
    assert_eq!(
        stamp.hlc.wall,
        at(20_000).wall,
        "the wrong clock counts for the first write only, if at all"
    );
}

#[test]
pub(super) fn a_round_from_a_clock_too_far_ahead_is_refused_whole_and_taken_once_time_has_caught_up()
 {
    let (mut fast, mut b) = (replica("a", 1), replica("b", 1));
    fast.write(at(2_000), key(1), live(10)).unwrap();
    let ahead = Now { wall: UnixMillis(at(2_000).wall.0 + 10_000), ..at(2_000) };
    fast.write(ahead, key(2), live(20)).unwrap();
    let events = pull(at(2_001), &mut fast, &mut b);
    assert_eq!(
        events,
        [Event::TooFarAhead { source: fast.me(), writer: fast.me(), ahead_ms: 9_999 }]
    );
    assert!(has_only_own_slot(&b) && b.map().live() == 0, "half a refused round is a hole");
    pull(at(10_001), &mut fast, &mut b);
    assert_eq!(b.map().live(), 2);
}

#[test]
pub(super) fn the_last_reading_within_the_drift_is_taken_and_the_next_is_not() {
    let (mut fast, mut b) = (replica("a", 1), replica("b", 1));
    let wall = UnixMillis(at(2_000).wall.0 + 2_000);
    fast.clock.observe(Hlc { wall, logical: u32::MAX - 1 });
    let written = fast.write(at(2_000), key(1), live(10)).unwrap().stamp;
    assert_eq!(written.hlc, Hlc { wall, logical: u32::MAX });
    assert_eq!(
        pull(at(1_999), &mut fast, &mut b),
        [Event::TooFarAhead { source: fast.me(), writer: fast.me(), ahead_ms: 2_001 }]
    );
    pull(at(2_000), &mut fast, &mut b);
    assert_eq!(number(&b, 1), Some(10));
}

/// What a closed life wrote has no slot that speaks for it: the entries are looked at themselves.
#[test]
pub(super) fn the_stamps_of_the_entries_count_even_where_the_vector_of_the_round_has_no_slot_for_them()
 {
    let (mut b, source) = (replica("b", 1), origin("a", 1));
    let written =
        Stamp { hlc: Hlc { wall: UnixMillis(START + 5_000), logical: 7 }, origin: origin("c", 1) };
    let mut vector = VersionVector::new();
    vector.close(origin("c", 2));
    let mut round = |now| {
        b.pull(now, source, source.node, false);
        let round = drain(&mut b).0[0].round;
        let entries = [(key(1), Entry::written(live(10), written, None))].into_iter().collect();
        let end = Step::End {
            serving: 1,
            chunks: 1,
            vector: vector.clone(),
            horizon: VersionVector::new(),
            full: true,
            joined: true,
        };
        for step in [Step::Chunk { serving: 1, number: 0, entries }, end] {
            b.handle(now, source.node, Envelope { from: source, to: b.me(), round, step });
        }
        drain(&mut b).1
    };
    assert_eq!(
        round(at(2_000)),
        [Event::TooFarAhead { source, writer: written.origin, ahead_ms: 3_000 }]
    );
    assert_eq!(round(at(4_000)), [Event::Committed { source, entries: 1, changed: 1, full: true }]);
    assert!(
        b.write(at(4_000), key(2), live(20)).unwrap().stamp.hlc > written.hlc,
        "the clock has passed them"
    );
}

#[test]
pub(super) fn a_copy_from_the_far_future_does_not_drag_the_clock() {
    let (mut a, mut b) = (replica("a", 1), replica("b", 1));
    let stamp = Stamp {
        hlc: Hlc { wall: UnixMillis(START + 3_600_000), logical: 0 },
        origin: origin("c", 1),
    };
    let copy = Entry::written(live(50), stamp, None);
    assert_eq!(
        a.write_over(at(1_100), key(1), live(70), Some(&copy)),
        Err(WriteError::TooFarAhead)
    );
    a.write(at(1_200), key(2), live(30)).unwrap();
    pull(at(1_300), &mut a, &mut b);
    assert_eq!(number(&b, 2), Some(30));
}

#[test]
pub(super) fn what_is_written_after_a_round_is_stamped_above_all_that_it_brought() {
    let (mut fast, mut b) = (replica("a", 1), replica("b", 1));
    let ahead = Now { wall: UnixMillis(at(2_000).wall.0 + 1_999), ..at(2_000) };
    let seen = fast.write(ahead, key(1), live(10)).unwrap().stamp;
    pull(at(2_000), &mut fast, &mut b);
    let written = b.write(at(2_001), key(2), live(20)).unwrap().stamp;
    assert!(written.hlc > seen.hlc, "{written} came after {seen} was seen");
}

#[test]
pub(super) fn a_copy_may_be_stamped_as_far_ahead_as_the_drift_allows_and_no_further() {
    let copy = |ahead: u64, logical| {
        let wall = UnixMillis(at(2_000).wall.0 + ahead);
        Entry::written(live(50), Stamp { hlc: Hlc { wall, logical }, origin: origin("c", 1) }, None)
    };
    let mut a = replica("a", 1);
    assert!(a.write_over(at(2_000), key(1), live(70), Some(&copy(2_000, u32::MAX))).is_ok());
    assert_eq!(
        a.write_over(at(2_000), key(2), live(70), Some(&copy(2_001, 0))),
        Err(WriteError::TooFarAhead)
    );
}
