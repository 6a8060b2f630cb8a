//! A run as a recording: what its dispatch recorded, and the steps of its plan.
//!
//! Invariant: the recording is of the run that the seed gives without it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use dispatch_node::model::history::KEPT;
use dispatch_node::model::recorded;
use gossip::replica::Rules;
use recording::{Event, Fault, Recording};

use crate::cluster::Cluster;
use crate::plan::{Action, Plan, Step};
use crate::run::{Outcome, run_in};
use crate::violation::Violation;

/// Runs a plan, and returns its result with the recording up to the end or to the violation. There is
/// none if dispatch has panicked or is stopped.
pub fn record(plan: &Plan, rules: &Rules) -> (Result<Outcome, Violation>, Option<Recording>) {
    let mut cluster = Cluster::new(plan, rules.clone(), false);
    let outcome = run_in(&mut cluster, plan);
    // Unwind safe: the cluster is not used after a panic.
    let view = catch_unwind(AssertUnwindSafe(|| cluster.read_view())).ok().flatten();
    let recording = view.map(|view| {
        let source = format!("the simulator, seed {}", plan.seed);
        let mut recording = recorded::recording(&view, KEPT, source);
        let began = view.at.mono.saturating_sub(Duration::from_millis(recording.length.into()));
        for step in plan.steps.iter().filter(|step| step.at >= began) {
            add(&mut recording, step, began);
        }
        if let Err(violation) = &outcome {
            let text = format!("violation of {}: {}", violation.claim, violation.text);
            let node = last(&recording);
            let at = recording.length;
            recording.events.push(Event { at, node, kind: "alarm".to_owned(), text });
        }
        recording.events.sort_by_key(|event| event.at);
        recording.faults.sort_by_key(|fault| fault.began);
        recording
    });
    (outcome, recording)
}

/// Adds a step of the plan: its words, and the cut or freeze that it is.
fn add(recording: &mut Recording, step: &Step, began: Duration) {
    let Ok(at) = u32::try_from(step.at.saturating_sub(began).as_millis()) else { return };
    if at > recording.length {
        return;
    }
    let text = step.action.to_string();
    let node = last(recording);
    recording.events.push(Event { at, node, kind: "plan".to_owned(), text: text.clone() });
    let (kind, [from, to], both, lasts) = if let Action::Cut { a, b, both, lasts, .. } = step.action
    {
        ("cut", [a, b], both, lasts)
    } else if let Action::Freeze { node, lasts } = step.action {
        ("freeze", [node; 2], false, lasts)
    } else {
        return;
    };
    // Second processes and founded cities have no place of their own.
    let [Some(from), Some(to)] = [from, to].map(|node| place(recording, node)) else { return };
    let ended = u32::try_from(lasts.as_millis()).ok().and_then(|lasts| at.checked_add(lasts));
    let ended = ended.filter(|ended| *ended <= recording.length);
    let to = (to != from).then_some(to);
    recording.faults.push(Fault { began: at, ended, kind: kind.to_owned(), from, to, both, text });
}

/// Returns the place of a node of the plan: the configured cities come first, then dispatch.
fn place(recording: &Recording, node: usize) -> Option<u32> {
    let name = format!("city-{node}");
    let place = recording.nodes.iter().position(|other| other.name == name);
    place.and_then(|place| u32::try_from(place).ok())
}

/// Returns the place of dispatch.
fn last(recording: &Recording) -> u32 {
    u32::try_from(recording.nodes.len() - 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::run;

    #[test]
    fn recorded_run_is_the_same_run_and_its_recording_is_valid() {
        for seed in [7, 13] {
            let plan = Plan::draw(seed, Some(4));
            let (outcome, recording) = record(&plan, &Rules::default());
            assert_eq!(
                outcome.expect("the seed passes"),
                run(&plan, &Rules::default(), false).expect("the seed passes")
            );
            let recording = recording.expect("dispatch runs at the end");
            assert_eq!(recording.check(), Ok(()));
            assert_eq!(Recording::read(&recording.write()).expect("it is valid"), recording);
            let counts = (recording.pulls.len(), recording.changes.len());
            assert!(counts.0 > 50 && counts.1 > 10, "{seed}: {counts:?}");
            let planned = recording.events.iter().filter(|event| event.kind == "plan").count();
            assert!(planned > 0, "the steps are told: {seed}");
        }
    }
}
