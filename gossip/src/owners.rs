//! Owners of keys by rendezvous hashing (Thaler and Ravishankar, "Using Name-Based Mappings to
//! Increase Hit Rates", 1998): every node that knows the same members computes the same owner.
//!
//! - **Movement:** if a member leaves, only its keys get other owners. If one of n members joins, it
//!   takes 1/n of the keys, and no other key moves.
//! - **Partition:** nodes that do not reach the same members may compute different owners, each on its
//!   side. An owner is a place to look first, not a lock.

use std::cmp::Reverse;

use xxhash_rust::xxh3::xxh3_64;

use crate::id::NodeName;

/// Returns the members in the order in which they own the key, the owner first. The order does not
/// depend on the version of the library.
#[must_use]
pub fn order(key: &str, members: impl IntoIterator<Item = NodeName>) -> Vec<NodeName> {
    weighted_order(key, members.into_iter().map(|member| (member, 1)))
}

/// Returns the members in the order in which they own the key, like [`order`]. A member owns a share of the
/// keys in proportion to its weight; one without weight owns none. All nodes must know the same weights.
///
/// If a weight grows, only keys that this member gains move.
#[must_use]
pub fn weighted_order(
    key: &str,
    members: impl IntoIterator<Item = (NodeName, u8)>,
) -> Vec<NodeName> {
    let highest = |(member, weight): (NodeName, u8)| {
        // Each unit of weight draws a number, so the highest one is this many times as likely its.
        let draws = (0..weight).map(|unit| draw(key, member, unit));
        draws.max().map(|draw| (Reverse(draw), member))
    };
    let mut order: Vec<_> = members.into_iter().filter_map(highest).collect();
    order.sort_unstable();
    order.dedup();
    order.into_iter().map(|(_, member)| member).collect()
}

/// Returns the number that a unit of a member's weight draws for a key.
fn draw(key: &str, member: NodeName, unit: u8) -> u64 {
    // A name has no zero byte, so no two pairs have the same bytes.
    let pair = [key.as_bytes(), &[0], member.as_str().as_bytes()].concat();
    if unit == 0 { xxh3_64(&pair) } else { xxh3_64(&[&pair[..], &[0, unit]].concat()) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const KEYS: usize = 10_000;

    fn names(names: &[&str]) -> Vec<NodeName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn owners(members: &[NodeName]) -> Vec<NodeName> {
        (0..KEYS).map(|key| order(&key.to_string(), members.iter().copied())[0]).collect()
    }

    #[test]
    fn order_is_the_same_in_all_versions_and_for_all_orders_of_members() {
        let members = names(&["gotham", "metropolis", "capitol", "dispatch"]);
        let expected = names(&["gotham", "dispatch", "capitol", "metropolis"]);
        let mut reversed = members.clone();
        reversed.reverse();
        assert_eq!(order("joker", reversed), order("joker", members.clone()));
        assert_eq!(order("joker", members), expected);
        assert!(order("joker", []).is_empty());
        assert_eq!(order("joker", names(&["gotham", "gotham"])), names(&["gotham"]));
    }

    #[test]
    fn keys_are_spread_evenly() {
        let members = names(&["a", "b", "c", "d"]);
        let mut counts: BTreeMap<NodeName, usize> = BTreeMap::new();
        for owner in owners(&members) {
            *counts.entry(owner).or_default() += 1;
        }
        // Five standard deviations around a quarter.
        assert!(counts.len() == 4 && counts.values().all(|count| count.abs_diff(KEYS / 4) < 217));
    }

    #[test]
    fn weights_share_the_keys_and_move_only_what_is_gained() {
        let members = names(&["a", "b", "c"]);
        let owners = |weights: [u8; 3]| -> Vec<NodeName> {
            let owner = |key: usize| {
                let members = members.iter().copied().zip(weights);
                weighted_order(&key.to_string(), members)[0]
            };
            (0..KEYS).map(owner).collect()
        };
        let (before, after) = (owners([1, 1, 2]), owners([1, 3, 2]));
        let share = |owners: &[NodeName], member: usize| {
            owners.iter().filter(|owner| **owner == members[member]).count()
        };
        // Five standard deviations around a half, and around the shares of six.
        assert!(share(&before, 2).abs_diff(KEYS / 2) < 250, "{}", share(&before, 2));
        for (member, sixths) in [(0, 1), (1, 3), (2, 2)] {
            let share = share(&after, member);
            assert!(share.abs_diff(KEYS * sixths / 6) < 250, "{member}: {share}");
        }
        let moved = before.iter().zip(&after).filter(|(before, after)| before != after);
        assert!(moved.into_iter().all(|(_, after)| *after == members[1]));
        assert_eq!(weighted_order("joker", [(members[0], 0)]), []);
        assert_eq!(owners([1, 1, 1])[..10], self::owners(&members)[..10]);
    }

    #[test]
    fn only_the_keys_of_a_changed_member_move() {
        let (four, five) = (names(&["a", "b", "c", "d"]), names(&["a", "b", "c", "d", "e"]));
        let joined = five[4];
        let (before, after) = (owners(&four), owners(&five));
        let moved = before.iter().zip(&after).filter(|(before, after)| before != after);
        let moved: Vec<_> = moved.collect();
        assert!(moved.iter().all(|(_, after)| **after == joined));
        // Five standard deviations around a fifth.
        assert!(moved.len().abs_diff(KEYS / 5) < 200, "{}", moved.len());
    }
}
