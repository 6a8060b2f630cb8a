//! The counter: each replica makes a third of the increments.

use crate::cost::Cost;
use crate::peer::{FIRST_MS, Peer, REPLICAS};
use crate::rounds::{self, Round};
use crate::sizes::Sizes;

/// A replica of a counter.
pub(crate) trait Counter: Peer {
    /// Adds 1 at each of these times, in milliseconds. Each is an operation of its own, in as few
    /// transactions as the implementation allows.
    fn increment(&mut self, times: &[u64]);

    /// Returns the value.
    fn total(&self) -> i64;
}

/// Runs the workload once.
pub(crate) fn run<P: Counter>(sizes: &Sizes) -> Cost {
    let mut rounds: Vec<Round<u64>> = Vec::new();
    for number in 0..sizes.increments {
        if number.is_multiple_of(sizes.every) {
            rounds.push(Round::default());
        }
        if let Some(round) = rounds.last_mut() {
            round[number % REPLICAS].push(FIRST_MS + number as u64);
        }
    }
    let expected = i64::try_from(sizes.increments).expect("a number of increments fits");
    rounds::run(&rounds, P::increment, P::total, &expected)
}
