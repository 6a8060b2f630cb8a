//! Stamps: the order of writes, and the refusal of stamps too far ahead.

use super::*;

#[test]
pub(super) fn concurrent_writes_with_equal_readings_converge() {
    let (mut a, mut b) = (replica("a", 1), replica("b", 1));
    a.write(at(5_000), key(1), live(10)).unwrap();
    b.write(at(5_000), key(1), live(20)).unwrap();
    let (stamp_a, stamp_b) =
        (a.map().get(key(1)).unwrap().stamp, b.map().get(key(1)).unwrap().stamp);
    assert_eq!(stamp_a.hlc, stamp_b.hlc, "the same reading on two nodes");
    b.pull(at(5_001), a.me(), a.me().node, true);
    exchange(at(5_001), &mut a, &mut b);
    assert_eq!(a.summary(), b.summary());
    assert_eq!(number(&a, 1), Some(20), "the greater origin wins at both replicas");
}

#[test]
pub(super) fn tombstone_beats_later_and_concurrent_writes() {
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

/// S2: the new writes of a restarted node do not cover the writes that it lost.
#[test]
pub(super) fn new_incarnation_does_not_claim_old_writes() {
    let (mut a, mut b, mut c) = (replica("a", 1), replica("b", 1), replica("c", 1));
    b.write(at(2_000), key(1), live(10)).unwrap();
    pull(at(2_001), &mut b, &mut a);
    let mut b2 = new_replica("b", 2, at(3_000));
    pull(at(3_001), &mut c, &mut b2);
    b2.write(at(3_002), key(2), live(20)).unwrap();
    pull(at(3_003), &mut b2, &mut c);
    pull(at(3_003), &mut a, &mut c);
    pull(at(3_004), &mut a, &mut b2);
    assert_eq!((number(&c, 1), number(&b2, 1)), (Some(10), Some(10)));
}

/// S6: a new incarnation starts its clock beyond all stamps that the old one may have acknowledged,
/// including those of a peer with a fast clock.
#[test]
pub(super) fn new_incarnation_stamps_above_acknowledged_writes() {
    let (mut fast, mut b) = (replica("a", 1), replica("b", 1));
    let ahead = Now::new(at(2_000).mono, UnixMillis(at(2_000).wall.0 + 1_999));
    let seen = fast.write(ahead, key(1), live(10)).unwrap().stamp;
    assert!(matches!(
        pull(at(2_000), &mut fast, &mut b)[..],
        [Event::Committed { changed: 1, .. }]
    ));
    let mut b2 = new_replica("b", 2, at(2_001));
    b2.tick(at(3_001));
    let written = b2.write(at(3_001), key(1), live(20)).unwrap().stamp;
    assert!(written > seen, "{written} is not above {seen}");
}

/// Regression, found by the simulator in 2 of 20,000 seeds: the old incarnation had acknowledged
/// the second write in the last acceptable millisecond.
#[test]
pub(super) fn new_incarnation_stamps_above_last_acceptable_reading() {
    let mut b2 = new_replica("b", 2, at(2_000));
    b2.tick(at(3_000));
    let last_acceptable = Hlc { wall: UnixMillis(at(2_000).wall.0 + 2_000), logical: u32::MAX };
    assert!(b2.write(at(3_000), key(1), live(20)).unwrap().stamp.hlc > last_acceptable);
}

#[test]
pub(super) fn held_entry_is_writable_after_clock_set_back() {
    let mut a = replica("a", 1);
    a.write(at(9_000), key(1), live(20)).unwrap();
    assert!(a.write(at(1_000), key(1), live(30)).is_ok());
    assert_eq!(number(&a, 1), Some(30));
}

#[test]
pub(super) fn clock_corrected_before_first_write_is_used() {
    let wrong = Now::new(at(0).mono, UnixMillis(START + 3_600_000));
    let mut a = new_replica("a", 3_600_000, wrong);
    a.tick(at(1_000));
    let stamp = a.write(at(1_000), key(1), live(20)).unwrap().stamp;
    assert!(stamp.hlc.wall < UnixMillis(START + 10_000), "{stamp}");
    let stamp = a.write(at(20_000), key(1), live(30)).unwrap().stamp;
    assert_eq!(stamp.hlc.wall, at(20_000).wall, "the wrong clock affects at most the first write");
}

#[test]
pub(super) fn round_too_far_ahead_is_refused_until_clock_catches_up() {
    let (mut fast, mut b) = (replica("a", 1), replica("b", 1));
    fast.write(at(2_000), key(1), live(10)).unwrap();
    let ahead = Now::new(at(2_000).mono, UnixMillis(at(2_000).wall.0 + 10_000));
    fast.write(ahead, key(2), live(20)).unwrap();
    let events = pull(at(2_001), &mut fast, &mut b);
    assert_eq!(
        events,
        [Event::TooFarAhead { source: fast.me(), writer: fast.me(), ahead_ms: 9_999 }]
    );
    assert!(has_only_own_slot(&b) && b.map().live() == 0, "no part of a refused round is merged");
    pull(at(10_001), &mut fast, &mut b);
    assert_eq!(b.map().live(), 2);
}

/// All clocks are an hour ahead and are then set right, one after the other.
#[test]
pub(super) fn clocks_set_back_together_do_not_stop_rounds() {
    let (mut a, mut b) = (replica("a", 1), replica("b", 1));
    let mut clocks = [Reference::default(), Reference::default()];
    let mut read = |clock: usize, millis: u64, ahead: u64| {
        let now = at(millis);
        clocks[clock].read(now.mono, UnixMillis(now.wall.0 + ahead))
    };
    for clock in [0, 1] {
        read(clock, 2_000, 3_600_000);
    }
    let right = read(0, 3_000, 0);
    a.write(right, key(1), live(10)).unwrap();
    // The clock of b is set right ten seconds after that of a.
    let fast = read(1, 13_000, 3_600_000);
    b.write(fast, key(2), live(20)).unwrap();
    let (now_a, now_b) = (read(0, 14_000, 0), read(1, 14_000, 0));
    pull(now_b, &mut a, &mut b);
    pull(now_a, &mut b, &mut a);
    assert_eq!([number(&a, 2), number(&b, 1)], [Some(20), Some(10)]);
    // An operator accepts the stamps at a process that has started under the right clock.
    let mut c = new_replica("c", 14_000, at(14_000));
    let mut clock = Reference::default();
    let events = pull(clock.read(at(14_000).mono, at(14_000).wall), &mut a, &mut c);
    assert!(matches!(events[..], [Event::TooFarAhead { .. }]), "{events:?}");
    clock.accept(UnixMillis(at(14_000).wall.0 + 3_600_000));
    pull(clock.read(at(14_001).mono, at(14_001).wall), &mut a, &mut c);
    assert_eq!([number(&c, 1), number(&c, 2)], [Some(10), Some(20)]);
}

#[test]
pub(super) fn drift_limit_is_inclusive_for_rounds() {
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

/// Writes of a closed incarnation have no slot in the vector, so the stamps of the entries are
/// checked too.
#[test]
pub(super) fn entry_stamps_count_without_slot_in_round_vector() {
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
            horizon: Horizon::new(),
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
        "the clock is beyond the merged stamps"
    );
}

#[test]
pub(super) fn copy_from_far_future_does_not_advance_clock() {
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

/// Others would refuse the written entry, which names the incarnation too.
#[test]
fn copy_of_a_future_incarnation_is_refused() {
    let mut a = replica("a", 1);
    let stamp = |incarnation| Stamp {
        hlc: Hlc { wall: UnixMillis(START + 900), logical: 0 },
        origin: origin("c", incarnation),
    };
    let future = START + 3_600_000;
    let written = Entry::written(live(50), stamp(future), None);
    let over_it = Entry::written(live(60), stamp(1), Some(&written));
    for copy in [written, over_it] {
        let refused = a.write_over(at(1_100), key(1), live(70), Some(&copy));
        assert_eq!(refused, Err(WriteError::TooFarAhead));
    }
    let copy = Entry::written(live(50), stamp(START + 1_000), None);
    assert!(a.write_over(at(1_100), key(1), live(70), Some(&copy)).is_ok());
}

#[test]
pub(super) fn write_after_round_is_stamped_above_merged_entries() {
    let (mut fast, mut b) = (replica("a", 1), replica("b", 1));
    let ahead = Now::new(at(2_000).mono, UnixMillis(at(2_000).wall.0 + 1_999));
    let seen = fast.write(ahead, key(1), live(10)).unwrap().stamp;
    pull(at(2_000), &mut fast, &mut b);
    let written = b.write(at(2_001), key(2), live(20)).unwrap().stamp;
    assert!(written.hlc > seen.hlc, "{written} was written after {seen} was seen");
}

#[test]
pub(super) fn drift_limit_is_inclusive_for_copies() {
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
