//! The machines of a city and dispatch, with arbitrary inputs from peers that know the cookie.
//!
//! Claims, in addition to those of [`Harness::step`]: at the end, no covered stamp is beyond the
//! accepted drift, and the allocated memory is bounded by the input.

use std::time::Duration;

use dispatch_node::dispatch::Dispatch;
use gossip::replica;
use location_node::city::{self, City};
use shared::process::HeroNode;

use crate::command;
use crate::exchange::Exchange;
use crate::harness::Harness;
use crate::memory;
use crate::step::{self, Step};

/// The memory that may be held at the end for each step, for each byte of input, and for every
/// input.
const HELD_PER_STEP: usize = 16 * 1024;
const HELD_PER_BYTE: usize = 256;
const HELD_FIXED: usize = 4 * 1024 * 1024;

/// Runs gotham through the steps in these bytes.
///
/// # Panics
/// When a claim does not hold.
pub fn city(bytes: &[u8]) {
    let bombed = |event: &city::Event| matches!(event, city::Event::Bombed);
    run(Harness::<City>::city(0), bytes, |_, _, _| None, bombed);
}

/// Runs dispatch through the steps in these bytes.
///
/// # Panics
/// When a claim does not hold.
pub fn dispatch(bytes: &[u8]) {
    run(Harness::dispatch(), bytes, dispatch_command, |_| false);
}

fn dispatch_command(
    dispatch: &Dispatch,
    verb: u8,
    subject: u8,
) -> Option<dispatch_node::request::Command> {
    Some(command::numbered(dispatch, verb, subject))
}

/// Runs a machine through the steps in `bytes`, or until an event ends its incarnation.
fn run<M: HeroNode>(
    mut harness: Harness<M>,
    bytes: &[u8],
    command: impl Fn(&M, u8, u8) -> Option<M::Command>,
    ends: impl Fn(&M::Event) -> bool,
) {
    let before = memory::held();
    let superseded = |event: &M::Event| {
        matches!(M::replica_event(event), Some(replica::Event::Superseded { .. }))
    };
    let mut steps = 0;
    for step in step::decode(bytes) {
        steps += 1;
        let (_, events) = harness.step(step, &command);
        if events.iter().any(|event| ends(event) || superseded(event)) {
            return;
        }
    }
    // If the counter of a millisecond is exhausted, a stamp uses the next millisecond.
    let latest = harness.now.wall.0 + 1 + millis(replica::Config::default().drift_max);
    for stamp in harness.machine.replica().vector().iter() {
        assert!(stamp.hlc.wall.0 <= latest, "covered stamp {stamp} is later than {latest}");
    }
    let held = memory::held().saturating_sub(before);
    let length = bytes.len();
    let limit = HELD_FIXED + HELD_PER_STEP * steps + HELD_PER_BYTE * length;
    assert!(
        held <= limit,
        "{held} bytes held, limit {limit}, after {steps} steps in {length} bytes"
    );
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).expect("seconds fit")
}

/// Returns the steps of gotham in a real exchange, as a whole and in parts.
#[must_use]
pub fn city_seeds() -> Vec<Vec<u8>> {
    parts(&Exchange::record().gotham)
}

/// Returns the steps of dispatch in a real exchange, as a whole and in parts.
#[must_use]
pub fn dispatch_seeds() -> Vec<Vec<u8>> {
    parts(&Exchange::record().dispatch)
}

fn parts(steps: &[Step]) -> Vec<Vec<u8>> {
    // Each part starts with the first steps, which bring the links up.
    let beginning = &steps[..steps.len().min(8)];
    let chunks = steps.chunks(24);
    let mut parts: Vec<Vec<u8>> =
        chunks.map(|part| step::encode(&[beginning, part].concat())).collect();
    parts.push(step::encode(steps));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    use dispatch_node::dispatch;

    #[test]
    fn seeds_reach_merges_and_replies() {
        let whole =
            |seeds: Vec<Vec<u8>>| seeds.last().cloned().expect("the last seed is the whole");
        let (mut gotham, gotham_steps) = (Harness::<City>::city(0), whole(city_seeds()));
        let merged = |event: &city::Event| {
            matches!(event, city::Event::Replica(replica::Event::Committed { changed: 1.., .. }))
        };
        let events =
            step::decode(&gotham_steps).flat_map(|step| gotham.step(step, |_, _, _| None).1);
        assert!(events.filter(merged).count() > 0, "gotham merged no changes");
        let (mut dispatch, dispatch_steps) = (Harness::dispatch(), whole(dispatch_seeds()));
        let events =
            step::decode(&dispatch_steps).flat_map(|step| dispatch.step(step, dispatch_command).1);
        let answer = |event: &dispatch::Event| matches!(event, dispatch::Event::Reply { .. });
        let answers = events.filter(answer).count();
        assert!(answers > 5, "{answers} answers");
        for replica in [gotham.machine.replica(), dispatch.machine.replica()] {
            let vector = replica.vector();
            assert!(replica.joined() && replica.map().live() > 0 && vector.len() > 1, "{vector:?}");
        }
    }
}
