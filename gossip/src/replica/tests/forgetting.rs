//! Forgetting members.

use super::*;

#[test]
pub(super) fn forgotten_member_holds_nothing_back_until_it_returns() {
    let (mut a, mut b, mut c) = three_with_entry();
    all_pull_all(at(2_100), &mut a, &mut b, &mut c);
    a.write(at(3_000), key(1), Value::Tombstone).unwrap();
    a.forget(at(3_001), c.me().node).unwrap();
    assert!(a.is_forgotten(c.me().node));
    let events: Vec<Event> = (0..3)
        .flat_map(|_| [pull(at(3_002), &mut a, &mut b), pull(at(3_002), &mut b, &mut a)].concat())
        .collect();
    assert_eq!(collected(&events), 2, "one at a and one at b: {events:?}");
    assert!(a.vector().has_closed(c.me()) && b.is_forgotten(c.me().node));
    // c was only unreachable. It halts, and returns empty, as a new incarnation.
    let events = pull(at(3_100), &mut a, &mut c);
    assert!(events.iter().any(|event| matches!(event, Event::Superseded { .. })), "{events:?}");
    let mut c2 = restarted(&c, at(3_200).wall.0, at(3_200), &mut a);
    assert_eq!(number(&c2, 1), None);
    all_pull_all(at(3_201), &mut a, &mut b, &mut c2);
    assert!(!a.is_forgotten(c2.me().node));
    a.write(at(3_300), key(2), live(10)).unwrap();
    all_pull(at(3_301), &mut a, &mut b, &mut c2);
    a.write(at(3_400), key(2), Value::Tombstone).unwrap();
    let events = [pull(at(3_401), &mut a, &mut b), pull(at(3_401), &mut b, &mut a)].concat();
    assert_eq!(collected(&events), 0, "the new incarnation counts");
}

#[test]
pub(super) fn forgotten_member_counts_once_later_incarnation_links() {
    let (mut a, _, c) = three_with_entry();
    a.link_up(at(2_200), c.me());
    a.forget(at(2_201), c.me().node).unwrap();
    assert!(a.is_forgotten(c.me().node), "the linked incarnation does not count");
    for incarnation in [2_204, 2_206] {
        a.link_up(at(2_300), origin("c", at(incarnation).wall.0));
        assert!(!a.is_forgotten(c.me().node));
        a.link_up(at(2_300), c.me());
        assert!(a.is_forgotten(c.me().node));
    }
}

/// Regression, found by the simulator: an incarnation with a fast clock had linked to one member
/// only, which waited for it for ever.
#[test]
pub(super) fn forgetting_again_fences_incarnation_that_only_others_have_seen() {
    let (mut a, mut b, mut c) = three_with_entry();
    let fast = Origin { incarnation: Incarnation::at(at(3_900).wall.0), ..c.me() };
    b.link_up(at(3_000), fast);
    b.link_down(fast.node);
    a.forget(at(3_001), fast.node).unwrap();
    all_pull(at(3_002), &mut a, &mut b, &mut c);
    assert!(a.is_forgotten(fast.node) && !b.is_forgotten(fast.node));
    a.forget(at(5_000), fast.node).unwrap();
    all_pull(at(5_001), &mut a, &mut b, &mut c);
    assert!(a.is_forgotten(fast.node) && b.is_forgotten(fast.node));
}

#[test]
pub(super) fn obituary_differs_from_incarnations_after_clock_set_back() {
    let mut a = replica("a", 1);
    let c = Origin {
        node: "c".parse().unwrap(),
        incarnation: Incarnation::begun_at(at(3_600_000).wall, None, 7),
    };
    // An operator has accepted stamps from the future.
    let at = |millis| Now { reference: at(7_200_000).wall, ..at(millis) };
    a.link_up(at(2_000), c);
    a.forget(at(2_100), c.node).unwrap();
    let obituary = a
        .vector()
        .iter()
        .map(|slot| slot.origin)
        .find(|incarnation| incarnation.node == c.node)
        .expect("the obituary of c has a slot");
    // The clock of c is set back by an hour, so its next incarnations get consecutive numbers.
    let incarnations = std::iter::successors(Some(c.incarnation), |above| {
        Some(Incarnation::begun_at(at(0).wall, Some(*above), 7))
    });
    let around: Vec<Incarnation> = incarnations.take(3).collect();
    assert!(
        obituary.incarnation > c.incarnation && !around.contains(&obituary.incarnation),
        "{obituary}"
    );
    // An incarnation later than all known ones returns as a member.
    let back = Origin { incarnation: around[1], ..c };
    assert!(back > obituary);
    a.link_up(at(2_200), back);
    assert!(!a.is_forgotten(c.node));
}

#[test]
pub(super) fn forget_requires_joined_node_and_other_member() {
    let mut a = replica("a", 1);
    assert_eq!(a.forget(at(2_000), a.me().node), Err(ForgetError::OwnName));
    assert_eq!(a.forget(at(2_000), "z".parse().unwrap()), Err(ForgetError::NotMember));
    assert_eq!(
        new_replica("b", 1, at(2_000)).forget(at(2_000), a.me().node),
        Err(ForgetError::Joining)
    );
    // A member that was never seen can be forgotten too. Forgetting it again has no effect.
    a.forget(at(2_000), "c".parse().unwrap()).unwrap();
    a.forget(at(2_000), "c".parse().unwrap()).unwrap();
    assert_eq!(drain(&mut a).1, [Event::Forgotten { member: "c".parse().unwrap() }]);
}

/// Regression, found in review: each answered every invitation of the other with an invitation.
#[test]
pub(super) fn mutual_forgetting_ends_in_supersession() {
    let (mut a, mut b, mut c) = three_with_entry();
    all_pull(at(2_100), &mut a, &mut b, &mut c);
    a.forget(at(2_200), b.me().node).unwrap();
    b.forget(at(2_200), a.me().node).unwrap();
    let events = pull(at(2_300), &mut a, &mut b);
    assert!(events.iter().any(|event| matches!(event, Event::Superseded { .. })), "{events:?}");
}

#[test]
pub(super) fn unseen_incarnation_begun_before_forgetting_is_fenced() {
    let (mut a, mut b, mut c) = three_with_entry();
    all_pull(at(2_100), &mut a, &mut b, &mut c);
    a.forget(at(5_000), c.me().node).unwrap();
    let started_before = Origin { incarnation: Incarnation::at(at(4_000).wall.0), ..c.me() };
    let starts_later = Origin { incarnation: Incarnation::at(at(6_000).wall.0), ..c.me() };
    assert!(a.has_fenced(started_before) && !a.has_fenced(starts_later));
}
