//! Rounds: staging, serving, repetition, carrying and giving up.

use super::*;

#[test]
pub(super) fn mutual_pull_makes_replicas_equal() {
    let (mut a, mut b) = (replica("a", 1), replica("b", 1));
    for number in 0..5 {
        a.write(at(2_000), key(number), live(50)).unwrap();
        b.write(at(2_000), key(100 + number), live(60)).unwrap();
    }
    b.pull(at(2_001), a.me(), a.me().node, true);
    let events = exchange(at(2_001), &mut a, &mut b);
    assert_eq!(a.summary(), b.summary());
    assert_eq!(a.map().live(), 10);
    let committed = |replica: &Replica| Event::Committed {
        source: replica.me(),
        entries: 5,
        changed: 5,
        full: false,
    };
    assert_eq!(
        events,
        [committed(&a), committed(&b)],
        "each vector contains a slot of its receiver, which is no event"
    );
}

#[test]
pub(super) fn equal_replicas_exchange_two_short_messages() {
    let (mut a, mut b) = (replica("a", 1), replica("b", 1));
    a.write(at(2_000), key(1), live(50)).unwrap();
    pull(at(2_001), &mut a, &mut b);
    pull(at(2_001), &mut b, &mut a);
    b.pull(at(2_002), a.me(), a.me().node, true);
    let request = drain(&mut b).0.remove(0);
    a.handle(at(2_002), b.me().node, request.clone());
    let answer = drain(&mut a).0.remove(0);
    assert!(matches!(answer.step, Step::Same { .. }));
    for envelope in [request, answer] {
        let bytes = crate::wire::encode(&Frame::Round(envelope));
        assert!(bytes.len() <= 100, "{} bytes", bytes.len());
    }
}

/// S1: b has overwritten a write of a. c gets the first chunk of a round from b, then loses the
/// link. It must not cover the rest.
#[test]
pub(super) fn partial_round_claims_nothing() {
    let (mut a, mut b, mut c) = (replica("a", 1), replica("b", 1), replica("c", 1));
    a.write(at(2_000), key(1), live(10)).unwrap();
    a.write(at(2_001), key(2), live(20)).unwrap();
    pull(at(2_002), &mut a, &mut b);
    b.write(at(2_003), key(1), live(30)).unwrap();
    let round = answer_to_pull(at(2_004), &mut b, &mut c);
    c.handle(at(2_004), b.me().node, round[0].clone());
    c.link_down(b.me().node);
    assert!(has_only_own_slot(&c) && c.map().live() == 0);
    pull(at(2_005), &mut a, &mut c);
    assert_eq!(
        (number(&c, 1), number(&c, 2)),
        (Some(10), Some(20)),
        "no other replica would send them again"
    );
}

/// S12: a delta for the old incarnation reaches the new one, which must not cover the entries that
/// the delta omits.
#[test]
pub(super) fn round_for_another_incarnation_is_dropped() {
    let (mut a, mut b) = (replica("a", 1), replica("b", 1));
    a.write(at(2_000), key(1), live(10)).unwrap();
    pull(at(2_001), &mut a, &mut b);
    a.write(at(2_002), key(2), live(20)).unwrap();
    let late = answer_to_pull(at(2_003), &mut a, &mut b);
    let mut b2 = new_replica("b", 2, at(2_004));
    b2.pull(at(2_004), a.me(), a.me().node, false);
    for envelope in late {
        b2.handle(at(2_005), a.me().node, envelope.clone());
        // Dropped even if the round number is the same by chance.
        b2.handle(at(2_005), a.me().node, Envelope { round: 1, ..envelope });
    }
    assert!(has_only_own_slot(&b2));
    exchange(at(2_006), &mut a, &mut b2);
    assert_eq!((number(&b2, 1), number(&b2, 2)), (Some(10), Some(20)));
}

#[test]
pub(super) fn round_from_another_incarnation_is_dropped() {
    let (mut a, mut b) = (replica("a", 1), replica("b", 1));
    a.write(at(2_000), key(1), live(10)).unwrap();
    let parts = answer_to_pull(at(2_001), &mut a, &mut b);
    for part in parts.iter().cloned() {
        b.handle(at(2_002), a.me().node, Envelope { from: origin("a", 2), ..part });
    }
    assert_eq!(drain(&mut b), (vec![], vec![]));
    parts.into_iter().for_each(|part| b.handle(at(2_003), a.me().node, part));
    assert_eq!(number(&b, 1), Some(10));
}

#[test]
pub(super) fn parts_may_be_duplicated_and_reordered() {
    let (mut a, mut b) = (replica("a", 1), replica("b", 1));
    (0..2).for_each(|number| drop(a.write(at(2_000), key(number), live(50)).unwrap()));
    let mut parts = answer_to_pull(at(2_001), &mut a, &mut b);
    assert_eq!(parts.len(), 3, "two chunks and an end");
    parts.reverse();
    let twice: Vec<Envelope> = parts.iter().chain(&parts).cloned().collect();
    twice.into_iter().for_each(|envelope| b.handle(at(2_002), a.me().node, envelope));
    assert!(hold_the_same(&a, &b));
    let committed = drain(&mut b)
        .1
        .into_iter()
        .filter(|event| matches!(event, Event::Committed { .. }))
        .count();
    assert_eq!(committed, 1);
}

/// Regression, found by the simulator: a repeated request was served from a second snapshot under
/// the same round number, and the puller committed the vector of the second with the chunks of the
/// first.
#[test]
pub(super) fn repeated_request_does_not_mix_snapshots() {
    let (mut a, mut b) = (replica("a", 1), replica("b", 1));
    a.write(at(2_000), key(1), live(10)).unwrap();
    b.pull(at(2_001), a.me(), a.me().node, false);
    let request = drain(&mut b).0.remove(0);
    a.handle(at(2_001), b.me().node, request);
    let which = drain(&mut a).0.remove(0);
    b.handle(at(2_001), a.me().node, which);
    let request = drain(&mut b).0.remove(0);
    a.handle(at(2_002), b.me().node, request.clone());
    let first = drain(&mut a).0;
    a.write(at(2_003), key(1), live(20)).unwrap();
    a.handle(at(2_004), b.me().node, request);
    let second = drain(&mut a).0;
    // Parts of both servings, as a reordering network may deliver them.
    let ([chunk, end], [other_chunk, other_end]) =
        (first.try_into().unwrap(), second.try_into().unwrap());
    for envelope in [chunk, other_end, other_chunk, end] {
        assert!(has_only_own_slot(&b), "an end does not complete another serving");
        b.handle(at(2_005), a.me().node, envelope);
    }
    assert_eq!(number(&b, 1), Some(10));
    let events = pull(at(2_006), &mut a, &mut b);
    assert!(!events.iter().any(|event| matches!(event, Event::Diverged { .. })), "{events:?}");
    assert_eq!(number(&b, 1), Some(20));
}

/// A puller that gave up pulls again, in a new round, while the old one is still served. A network
/// may duplicate a request.
#[test]
pub(super) fn served_round_restarts_for_another_request_only() {
    let (mut a, mut b) = (replica("a", 1), replica("b", 1));
    (0..4).for_each(|number| drop(a.write(at(2_000), key(number), live(50)).unwrap()));
    let served = answer_to_pull(at(2_001), &mut a, &mut b);
    let [Envelope { round, step: Step::Chunk { serving, .. }, .. }, _] = served[..] else {
        panic!("{served:?}")
    };
    let mut ask = |incarnation: Origin, round| {
        let options = PullOptions { mutual: false, full: false };
        let request =
            PullRequest { summary: b.summary(), vector: Some(b.vector().clone()), options };
        a.handle(
            at(2_002),
            incarnation.node,
            Envelope { from: incarnation, to: a.me(), round, step: Step::Pull(request) },
        );
        drain(&mut a).0.iter().find_map(|Envelope { to, round, step, .. }| {
            let Step::Chunk { serving, .. } = step else { return None };
            Some((*to, *round, *serving))
        })
    };
    let (incarnation, successor) = (origin("b", 1), origin("b", 2));
    assert_eq!(ask(incarnation, round), None, "a round under way is not restarted");
    assert_eq!(ask(incarnation, round + 1), Some((incarnation, round + 1, serving + 1)));
    assert_eq!(
        ask(successor, round + 1),
        Some((successor, round + 1, serving + 2)),
        "another incarnation, with the same round number by chance"
    );
}

#[test]
pub(super) fn ack_of_other_round_or_incarnation_is_ignored() {
    let (mut a, mut b) = (replica("a", 1), replica("b", 1));
    (0..4).for_each(|number| drop(a.write(at(2_000), key(number), live(50)).unwrap()));
    let round = answer_to_pull(at(2_001), &mut a, &mut b)[0].round;
    let mut acknowledge = |incarnation: Origin, round| {
        a.handle(
            at(2_002),
            incarnation.node,
            Envelope { from: incarnation, to: a.me(), round, step: Step::Ack { chunks: 1 } },
        );
        drain(&mut a).0.len()
    };
    assert_eq!(acknowledge(b.me(), round + 1), 0);
    assert_eq!(acknowledge(origin("b", 2), round), 0);
    assert_eq!(acknowledge(b.me(), round), 1, "the window was full, and has room for one chunk");
}

#[test]
pub(super) fn source_sends_snapshot_of_request_time() {
    let (mut a, mut b) = (replica("a", 1), replica("b", 1));
    (0..4).for_each(|number| drop(a.write(at(2_000), key(number), live(50)).unwrap()));
    let first = answer_to_pull(at(2_001), &mut a, &mut b);
    assert_eq!(first.len(), 2, "the window is full");
    let vector = a.vector().clone();
    a.write(at(2_002), key(3), live(60)).unwrap();
    first.into_iter().for_each(|envelope| b.handle(at(2_003), a.me().node, envelope));
    exchange(at(2_003), &mut a, &mut b);
    assert_eq!(b.vector().slot(a.me()), vector.slot(a.me()));
    assert_eq!(number(&b, 3), Some(50));
}

/// A copy of a running process has the same origin.
#[test]
pub(super) fn unmade_own_writes_are_reported_and_merged() {
    let mut b = replica("b", 1);
    let mut twin = replica("b", 1);
    twin.write(at(2_000), key(1), live(10)).unwrap();
    let mut a = replica("a", 1);
    pull(at(2_001), &mut twin, &mut a);
    let events = pull(at(2_002), &mut a, &mut b);
    assert!(events.contains(&Event::OriginStolen { source: a.me() }), "{events:?}");
    assert_eq!(number(&b, 1), Some(10));
    // The next write of either is above those of the other.
    let stamp = b.write(at(2_002), key(1), live(20)).unwrap().stamp;
    assert!(stamp > twin.map().get(key(1)).unwrap().stamp);
    let events = pull(at(2_003), &mut a, &mut b);
    assert!(!events.contains(&Event::OriginStolen { source: a.me() }), "{events:?}");
}

#[test]
pub(super) fn stalled_pull_is_given_up_and_can_restart() {
    let (mut a, mut b) = (replica("a", 1), replica("b", 1));
    a.write(at(2_000), key(1), live(10)).unwrap();
    b.pull(at(2_001), a.me(), a.me().node, false);
    drain(&mut b);
    b.pull(at(2_002), a.me(), a.me().node, false);
    let repeated = drain(&mut b).0;
    assert!(
        matches!(
            &repeated[..],
            [Envelope { round: 1, step: Step::Pull(PullRequest { vector: None, .. }), .. }]
        ),
        "{repeated:?}"
    );
    a.handle(at(2_002), b.me().node, repeated[0].clone());
    b.handle(at(2_003), a.me().node, drain(&mut a).0.remove(0));
    assert_eq!(drain(&mut b).0.len(), 1, "the request with its vector");
    b.pull(at(2_003), a.me(), a.me().node, false);
    assert_eq!(drain(&mut b).0, [], "the source has answered, so the request is not repeated");
    b.tick(at(5_003));
    assert_eq!(drain(&mut b).1, [Event::GivenUp { source: a.me() }]);
    pull(at(5_002), &mut a, &mut b);
    assert!(hold_the_same(&a, &b));
}

#[test]
pub(super) fn third_node_can_carry_round() {
    let (mut a, mut b) = (replica("a", 1), replica("b", 1));
    let carrier = origin("d", 1);
    a.write(at(2_000), key(1), live(10)).unwrap();
    let invite =
        Envelope { from: carrier, to: b.me(), round: 0, step: Step::Invite { source: a.me() } };
    b.handle(at(2_001), carrier.node, invite);
    for _ in 0..6 {
        while let Some(output) = b.poll() {
            let Output::Send { via, envelope } = output else { continue };
            assert_eq!((via, envelope.to), (carrier.node, a.me()));
            a.handle(at(2_002), carrier.node, envelope);
        }
        while let Some(output) = a.poll() {
            let Output::Send { via, envelope } = output else { continue };
            assert_eq!((via, envelope.to), (carrier.node, b.me()));
            b.handle(at(2_002), carrier.node, envelope);
        }
    }
    assert!(hold_the_same(&a, &b));
}

#[test]
pub(super) fn pull_log_records_times_and_outcome_of_each_pull() {
    let (mut a, mut b) = (replica("a", 1), replica("b", 1));
    b.write(at(2_000), key(9), live(9)).unwrap();
    let before = b.map().changes();
    a.write(at(2_000), key(1), live(10)).unwrap();
    a.write(at(2_000), key(2), live(20)).unwrap();
    let packed: usize = a
        .map()
        .packed_delta(&VersionVector::new(), a.config.chunk_bytes)
        .iter()
        .map(Batch::size)
        .sum();
    // The request is lost, repeated, and answered.
    b.pull(at(2_100), a.me(), a.me().node, false);
    drain(&mut b);
    b.pull(at(3_100), a.me(), a.me().node, false);
    exchange(at(3_150), &mut a, &mut b);
    a.pull(at(3_200), b.me(), b.me().node, false);
    exchange(at(3_200), &mut b, &mut a);
    b.pull(at(4_000), a.me(), a.me().node, false);
    exchange(at(4_010), &mut a, &mut b);
    // The request is lost and not repeated.
    b.pull(at(5_000), a.me(), a.me().node, false);
    b.tick(at(8_000));
    let summarize = |record: &PullRecord| {
        (record.asked.as_millis(), record.ended.as_millis(), record.outcome.clone())
    };
    let records: Vec<_> = b.pull_log().since(0).map(summarize).collect();
    let PullOutcome::Merged { entries: 2, bytes, changes } = records[1].2.clone() else {
        panic!("{records:?}")
    };
    assert_eq!((changes, bytes), (before + 1..=before + 2, packed));
    let times: Vec<_> = records.iter().map(|(asked, ended, _)| (*asked, *ended)).collect();
    assert_eq!(times, [(2_100, 3_100), (3_100, 3_150), (4_000, 4_010), (5_000, 8_000)]);
    assert_eq!(
        [&records[0].2, &records[2].2, &records[3].2],
        [&PullOutcome::Unanswered, &PullOutcome::Same, &PullOutcome::Unanswered]
    );
    assert!(records.iter().all(|(_, _, outcome)| *outcome != PullOutcome::Refused));
    assert_eq!(b.pull_log().since(3).map(|record| record.number).collect::<Vec<_>>(), [4]);
}

#[test]
pub(super) fn late_request_does_not_revoke_proof() {
    let (mut a, mut b) = (replica("a", 1), replica("b", 1));
    a.write(at(2_000), key(1), live(10)).unwrap();
    let options = PullOptions { mutual: false, full: false };
    let step =
        Step::Pull(PullRequest { summary: b.summary(), vector: Some(b.vector().clone()), options });
    let late = Envelope { from: b.me(), to: a.me(), round: 1, step };
    pull(at(2_001), &mut a, &mut b);
    assert_eq!(a.unreplicated().count(), 1, "b has not proved the write yet");
    pull(at(2_002), &mut a, &mut b);
    assert_eq!(a.unreplicated().count(), 0);
    a.handle(at(2_003), b.me().node, late);
    assert_eq!(a.unreplicated().count(), 0);
}

#[test]
pub(super) fn only_rounds_over_lost_link_are_dropped() {
    let (mut a, mut b, c) = (replica("a", 1), replica("b", 1), replica("c", 1));
    (0..4).for_each(|number| drop(a.write(at(2_000), key(number), live(50)).unwrap()));
    answer_to_pull(at(2_001), &mut a, &mut b);
    assert_eq!((a.rounds_under_way(), b.rounds_under_way()), (1, 1), "the window is full");
    a.pull(at(2_001), c.me(), c.me().node, false);
    assert_eq!(a.rounds_under_way(), 2, "one served and one pulled");
    a.link_down(origin("d", 1).node);
    assert_eq!(a.rounds_under_way(), 2);
    a.link_down(c.me().node);
    assert_eq!(a.rounds_under_way(), 1);
    a.pull(at(2_001), c.me(), c.me().node, false);
    a.link_down(b.me().node);
    assert_eq!(a.rounds_under_way(), 1);
    let begun = drain(&mut a).0.pop().expect("a request to c").round;
    a.pull(at(2_002), c.me(), c.me().node, false);
    assert_eq!(drain(&mut a).0[0].round, begun, "the pull from c is still under way");
}

#[test]
pub(super) fn each_step_extends_round_deadline_at_both_ends() {
    let (mut a, mut b) = (replica("a", 1), replica("b", 1));
    (0..8).for_each(|number| drop(a.write(at(2_000), key(number), live(50)).unwrap()));
    b.pull(at(2_000), a.me(), a.me().node, false);
    assert_eq!(b.deadline(), Some(at(5_000).mono), "since the request");
    let mut now = at(2_000);
    let mut hand_over = |a: &mut Replica, b: &mut Replica, step_at| {
        now = at(step_at);
        for envelope in drain(b).0 {
            a.handle(now, b.me().node, envelope);
        }
        for envelope in drain(a).0 {
            b.handle(now, a.me().node, envelope);
        }
        (a.deadline(), b.deadline())
    };
    assert_eq!(hand_over(&mut a, &mut b, 2_100), (None, Some(at(5_100).mono)), "since `Which`");
    assert_eq!(
        hand_over(&mut a, &mut b, 2_200),
        (Some(at(5_200).mono), Some(at(5_200).mono)),
        "since the first chunks"
    );
    assert_eq!(
        hand_over(&mut a, &mut b, 2_300),
        (Some(at(5_300).mono), Some(at(5_300).mono)),
        "since the first ack"
    );
    for replica in [&mut a, &mut b] {
        replica.tick(at(5_299));
        assert_eq!(replica.rounds_under_way(), 1);
        replica.tick(at(5_300));
        assert_eq!((replica.rounds_under_way(), replica.deadline()), (0, None));
    }
}

/// The rounds of an incarnation have different numbers, so late parts of an abandoned round are not
/// merged into the next one.
#[test]
pub(super) fn parts_of_abandoned_round_are_ignored() {
    let (mut a, mut b) = (replica("a", 1), replica("b", 1));
    a.write(at(2_000), key(1), live(10)).unwrap();
    let late = answer_to_pull(at(2_001), &mut a, &mut b);
    // Past the deadline, so that the round is given up.
    b.tick(at(5_001));
    b.pull(at(5_002), a.me(), a.me().node, false);
    drain(&mut b);
    late.into_iter().for_each(|part| b.handle(at(5_003), a.me().node, part));
    assert_eq!(drain(&mut b), (vec![], vec![]));
}
