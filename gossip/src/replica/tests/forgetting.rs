//! Forgetting members.

use super::*;

#[test]
pub(super) fn a_forgotten_member_keeps_nothing_in_place_and_is_one_again_when_it_returns() {
    let (mut a, mut b, mut c) = three_with_a_hero();
    all_pull_all(at(2_100), &mut a, &mut b, &mut c);
    a.write(at(3_000), key(1), Value::Tombstone).unwrap();
    a.forget(at(3_001), c.me().node).unwrap();
    assert!(a.is_forgotten(c.me().node));
    let events: Vec<Event> = (0..3)
        .flat_map(|_| [pull(at(3_002), &mut a, &mut b), pull(at(3_002), &mut b, &mut a)].concat())
        .collect();
    assert_eq!(collected(&events), 2, "at a and at b: {events:?}");
    assert!(a.vector().has_closed(c.me()) && b.is_forgotten(c.me().node));
    // It was only away. It halts, and comes back empty, as a new life.
    let events = pull(at(3_100), &mut a, &mut c);
    assert!(events.iter().any(|event| matches!(event, Event::Superseded { .. })), "{events:?}");
    let mut c2 = reborn(&c, at(3_200).wall.0, at(3_200), &mut a);
    assert_eq!(number(&c2, 1), None);
    all_pull_all(at(3_201), &mut a, &mut b, &mut c2);
    assert!(!a.is_forgotten(c2.me().node));
    a.write(at(3_300), key(2), live(10)).unwrap();
    all_pull(at(3_301), &mut a, &mut b, &mut c2);
    a.write(at(3_400), key(2), Value::Tombstone).unwrap();
    let events = [pull(at(3_401), &mut a, &mut b), pull(at(3_401), &mut b, &mut a)].concat();
    assert_eq!(collected(&events), 0, "the new life counts");
}

#[test]
pub(super) fn a_forgotten_member_counts_again_as_soon_as_a_later_life_of_it_is_linked() {
    let (mut a, _, c) = three_with_a_hero();
    a.link_up(at(2_200), c.me());
    a.forget(at(2_201), c.me().node).unwrap();
    assert!(a.is_forgotten(c.me().node), "the life that was linked does not count");
    for incarnation in [2_204, 2_206] {
        a.link_up(at(2_300), origin("c", at(incarnation).wall.0));
        assert!(!a.is_forgotten(c.me().node));
        a.link_up(at(2_300), c.me());
        assert!(a.is_forgotten(c.me().node));
    }
}

#[test]
pub(super) fn an_obituary_names_no_life_that_a_clock_set_back_leads_to() {
    let mut a = replica("a", 1);
    let c = Origin {
        node: "c".parse().unwrap(),
        incarnation: Incarnation::begun_at(at(3_600_000).wall),
    };
    a.link_up(at(2_000), c);
    a.forget(at(2_100), c.node).unwrap();
    let obituary = a
        .vector()
        .iter()
        .map(|slot| slot.origin)
        .find(|incarnation| incarnation.node == c.node)
        .expect("an obituary");
    // Its clock says an hour less now; its next lives are numbered one by one.
    let incarnations =
        std::iter::successors(Some(c.incarnation), |incarnation| Some(incarnation.successor()));
    let around: Vec<Incarnation> = incarnations.take(3).collect();
    assert!(
        obituary.incarnation > c.incarnation && !around.contains(&obituary.incarnation),
        "{obituary}"
    );
    // A life that begins later than any that was known comes back as a member.
    let back = Origin { incarnation: around[1], ..c };
    assert!(back > obituary);
    a.link_up(at(2_200), back);
    assert!(!a.is_forgotten(c.node));
}

#[test]
pub(super) fn nobody_forgets_itself_or_a_stranger_or_before_it_has_joined() {
    let mut a = replica("a", 1);
    assert_eq!(a.forget(at(2_000), a.me().node), Err(ForgetError::Myself));
    assert_eq!(a.forget(at(2_000), "z".parse().unwrap()), Err(ForgetError::NotMember));
    assert_eq!(
        newborn("b", 1, at(2_000)).forget(at(2_000), a.me().node),
        Err(ForgetError::Joining)
    );
    // One that was never heard of can be forgotten too, twice.
    a.forget(at(2_000), "c".parse().unwrap()).unwrap();
    a.forget(at(2_000), "c".parse().unwrap()).unwrap();
    assert_eq!(drain(&mut a).1, [Event::Forgotten { member: "c".parse().unwrap() }]);
}

/// Found by a reviewer: both sent each other an invitation for every one that they got.
#[test]
pub(super) fn two_that_have_forgotten_each_other_come_to_an_end_and_hear_of_it() {
    let (mut a, mut b, mut c) = three_with_a_hero();
    all_pull(at(2_100), &mut a, &mut b, &mut c);
    a.forget(at(2_200), b.me().node).unwrap();
    b.forget(at(2_200), a.me().node).unwrap();
    let events = pull(at(2_300), &mut a, &mut b);
    assert!(events.iter().any(|event| matches!(event, Event::Superseded { .. })), "{events:?}");
}

#[test]
pub(super) fn a_life_that_began_unheard_of_before_its_member_was_forgotten_is_fenced_too() {
    let (mut a, mut b, mut c) = three_with_a_hero();
    all_pull(at(2_100), &mut a, &mut b, &mut c);
    a.forget(at(5_000), c.me().node).unwrap();
    let began_before = Origin { incarnation: Incarnation(at(4_000).wall.0), ..c.me() };
    let begins_later = Origin { incarnation: Incarnation(at(6_000).wall.0), ..c.me() };
    assert!(a.has_fenced(began_before) && !a.has_fenced(begins_later));
}
