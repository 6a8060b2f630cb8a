//! Runs of some seeds, and the determinism that makes a seed reproducible. `make test` runs 20,000
//! more.

use std::time::Duration;

use gossip::replica::Rules;
use simulator::plan::{Action, Noise, Plan, Request, Step};
use simulator::tally::Tally;
use simulator::{run, shrink};

#[test]
fn first_400_seeds_pass_and_inject_every_fault() {
    let mut tally = Tally::default();
    let mut failures = Vec::new();
    for seed in 0..400 {
        match run::run(&Plan::draw(seed, None), &Rules::default(), false) {
            Ok(outcome) => tally += outcome.tally,
            Err(violation) => {
                failures.push(format!("seed {seed}: {violation} (replay: make sim SEED={seed})"))
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
    // A run proves nothing about a fault that did not occur.
    for (name, count) in tally.numbers() {
        let rare =
            ["adopted", "orphans dropped", "fenced"].contains(&name) || FAULTY.contains(&name);
        assert!(rare || count >= 30, "only {count} of {name}");
    }
}

/// The counters that only faulty replicas increase.
const FAULTY: [&str; 4] = ["lose", "lie", "repaired", "impossible"];

/// Replicas that lose entries, and a member that sends false rounds: what the others hold converges.
#[test]
fn honest_replicas_converge_in_spite_of_faulty_ones() {
    let mut tally = Tally::default();
    let mut failures = Vec::new();
    for seed in 0..150 {
        match run::run(&Plan::draw_faulty(seed, None), &Rules::default(), false) {
            Ok(outcome) => tally += outcome.tally,
            Err(violation) => failures.push(format!("seed {seed}: {violation}")),
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
    for (name, count) in tally.numbers() {
        assert!(!FAULTY.contains(&name) || count >= 30, "only {count} of {name}");
    }
}

#[test]
fn same_seed_gives_same_run() {
    let run = |seed| run::run(&Plan::draw(seed, None), &Rules::default(), false).unwrap();
    for seed in 0..40 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
    assert_ne!(run(0).trace, run(1).trace);
}

#[test]
fn run_without_faults_converges_on_every_node() {
    let mut heroes = 0;
    for seed in 0..20 {
        let verdict = run::run_without_faults(seed).unwrap();
        assert_eq!((verdict.only_copies, verdict.differences), (0, 0), "seed {seed}");
        heroes += verdict.heroes;
    }
    assert!(heroes > 100, "only {heroes} heroes");
}

#[test]
fn thirty_nodes_converge() {
    for seed in 0..4 {
        run::run(&Plan::draw(seed, Some(30)), &Rules::default(), false).unwrap();
    }
}

/// Dispatch alone relays, and runs for a while on a clock an hour ahead. City 1 is linked to that
/// incarnation, city 0 is not. City 1 refuses its rounds, so the incarnation that starts later on a
/// correct clock is not superseded by it.
#[test]
fn misdated_incarnation_supersedes_no_later_one() {
    let (ms, dispatch) = (Duration::from_millis, 3);
    let alone = |at, node: usize, lasts| (at, Action::Split { side: 1 << node, lasts: ms(lasts) });
    let steps = [
        alone(1_500, 0, 20_000),
        alone(1_500, dispatch, 2_500),
        (1_600, Action::Jump { node: Some(dispatch), by_ms: 3_600_000, lasts: ms(900) }),
        (1_700, Action::Kill { node: dispatch, down: Duration::ZERO }),
        (3_500, Action::Request(Request::Create)),
        (11_000, Action::Kill { node: dispatch, down: ms(1_000) }),
    ];
    let steps = steps.into_iter().map(|(at, action)| Step { at: ms(at), action }).collect();
    let noise = Noise { city_gossip: false, ..Noise::none() };
    let outcome = run::run(
        &Plan { seed: 1, cities: 3, fault_phase: ms(11_100), noise, steps },
        &Rules::default(),
        false,
    )
    .unwrap();
    assert!(outcome.tally.too_far_ahead > 0, "the misdated incarnation was refused");
    assert_eq!(outcome.tally.superseded, 0);
}

/// A plan that fails because of one step among many shrinks to that step.
#[test]
fn failing_plan_shrinks_to_failing_step() {
    // Node 9 does not exist: the run panics, which counts as a violation.
    let mut plan = Plan::draw_closed(3, Some(4));
    let half = plan.fault_phase / 2;
    plan.steps
        .push(Step { at: half, action: Action::Jump { node: Some(9), by_ms: 1, lasts: half } });
    plan.steps.sort_by_key(|step| step.at);
    let violation = run::run(&plan, &Rules::default(), false).unwrap_err();
    let (smallest, violation) = shrink::shrink(&plan, violation, &Rules::default());
    assert_eq!((smallest.steps.len(), violation.claim), (1, "no panic"));
    assert!(smallest.fault_phase < half + Duration::from_secs(1));
}

/// Regression seeds: each of them failed in a long run.
#[test]
fn regression_seeds_pass() {
    for seed in [
        1_014_304,
        1_160_914,
        1_169_522,
        1_311_133,
        1_356_422,
        1_613_179,
        4_053_519,
        8_059_810,
        15_056_783,
        19_053_705,
        25_059_875,
        104_056_317,
        969_681_255,
        4_030_746_164,
    ] {
        // They were found before cities were founded.
        let plan = Plan::draw_closed(seed, None);
        if let Err(violation) = run::run(&plan, &Rules::default(), false) {
            panic!("seed {seed}: {violation:?}");
        }
    }
    for seed in [20, 2_119, 100_583, 107_207, 210_633, 325_448, 514_068, 1_936_509_454] {
        if let Err(violation) = run::run(&Plan::draw(seed, None), &Rules::default(), false) {
            panic!("seed {seed} with further cities: {violation:?}");
        }
    }
    for seed in [11_210, 12_413] {
        let plan = Plan::draw_faulty(seed, None);
        if let Err(violation) = run::run(&plan, &Rules::default(), false) {
            panic!("seed {seed} with faulty replicas: {violation:?}");
        }
    }
}
