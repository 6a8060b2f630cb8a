//! The set: each replica adds elements of its own. After the next round, another replica removes
//! half of them.

use std::collections::BTreeSet;

use xxhash_rust::xxh3::xxh3_64;

use crate::cost::Cost;
use crate::peer::{FIRST_MS, Peer, REPLICAS};
use crate::rounds::{self, Round};
use crate::sizes::Sizes;

/// A change of a set.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Add(String),
    Remove(String),
}

/// A change with its time, in milliseconds.
pub(crate) type Timed = (u64, Change);

/// A replica of a set.
pub(crate) trait Set: Peer {
    /// Makes these changes. Each is an operation of its own, in as few transactions as the
    /// implementation allows.
    fn change(&mut self, changes: &[Timed]);

    /// Returns the elements.
    fn elements(&self) -> BTreeSet<String>;
}

/// Returns the element with this number: sixteen characters that no implementation can compress
/// by their order.
fn element(number: usize) -> String {
    format!("{:016x}", xxh3_64(&number.to_le_bytes()))
}

/// Returns whether this element is removed.
fn is_removed(number: usize) -> bool {
    number.is_multiple_of(2)
}

/// Runs the workload once.
pub(crate) fn run<P: Set>(sizes: &Sizes) -> Cost {
    let numbers: Vec<usize> = (0..sizes.elements).collect();
    let batches: Vec<&[usize]> = numbers.chunks(sizes.every).collect();
    let mut rounds: Vec<Round<Timed>> = Vec::new();
    let mut time = FIRST_MS;
    // One more than there are batches: the last round only removes.
    for place in 0..=batches.len() {
        let mut round = Round::default();
        let added = batches.get(place).copied().unwrap_or_default();
        for number in added {
            time += 1;
            round[number % REPLICAS].push((time, Change::Add(element(*number))));
        }
        let earlier = place.checked_sub(1).map_or(&[][..], |before| batches[before]);
        for number in earlier.iter().filter(|number| is_removed(**number)) {
            time += 1;
            round[(number + 1) % REPLICAS].push((time, Change::Remove(element(*number))));
        }
        rounds.push(round);
    }
    let expected = (0..sizes.elements).filter(|number| !is_removed(*number)).map(element);
    rounds::run(&rounds, P::change, P::elements, &expected.collect())
}
