//! The course of every workload: three replicas work on their own, then synchronise, in rounds.

use std::fmt::Debug;
use std::time::Duration;

use benches::measure::{allocated, most_allocated, timed};

use crate::cost::Cost;
use crate::peer::{Peer, REPLICAS};

/// The maximum number of rounds after the last operations until all replicas must be equal.
const LAST_ROUNDS_MAX: usize = 4;

/// The operations of each replica before one round.
pub(crate) type Round<S> = [Vec<S>; REPLICAS];

/// Runs a workload, and asserts that all three replicas have the expected content at the end.
pub(crate) fn run<P: Peer, S, C: PartialEq + Debug>(
    rounds: &[Round<S>],
    apply: impl Fn(&mut P, &[S]),
    content: impl Fn(&P) -> C,
    expected: &C,
) -> Cost {
    let before = allocated();
    let mut replicas = P::three();
    let mut cost = Cost::default();
    for round in rounds {
        cost.operations += observed(&mut cost.peak, || {
            replicas.iter_mut().zip(round).for_each(|(replica, steps)| apply(replica, steps));
        });
        round_of(&mut replicas, &mut cost);
    }
    let are_equal =
        |replicas: &[P; REPLICAS]| replicas.iter().all(|replica| content(replica) == *expected);
    for _ in 0..LAST_ROUNDS_MAX {
        if are_equal(&replicas) {
            break;
        }
        round_of(&mut replicas, &mut cost);
    }
    for replica in &replicas {
        assert!(content(replica) == *expected, "{} has not converged", P::NAME);
    }
    cost.held = allocated().saturating_sub(before);
    cost.peak = cost.peak.saturating_sub(before);
    cost
}

/// Synchronises each pair once. After that, all three have what any of them had.
fn round_of<P: Peer>(replicas: &mut [P; REPLICAS], cost: &mut Cost) {
    let [first, second, third] = replicas;
    cost.rounds += observed(&mut cost.peak, || {
        cost.sent += first.sync(second);
        cost.sent += second.sync(third);
        cost.sent += third.sync(first);
    });
}

/// Runs `work` and returns its processor time. Raises `peak` to the allocated bytes meanwhile.
fn observed(peak: &mut usize, work: impl FnOnce()) -> Duration {
    let mut time = Duration::ZERO;
    let most = most_allocated(|| (time, ()) = timed(work));
    *peak = most.max(*peak);
    time
}
