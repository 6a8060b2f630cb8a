//! Some seeds of a hurt and healed cluster, and the determinism that makes a seed worth printing.
//! `make test` runs 20,000 more.

use std::time::Duration;

use gossip::replica::Rules;
use simulator::plan::{Action, Noise, Plan, Request, Step};
use simulator::tally::Tally;
use simulator::{run, shrink};

#[test]
fn four_hundred_seeds_hold_and_every_kind_of_trouble_strikes() {
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
    // Trouble that never struck proves nothing.
    for (what, struck) in tally.numbers() {
        let rare = ["adopted", "fenced"].contains(&what);
        assert!(rare || struck >= 30, "only {struck} of {what}");
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let run = |seed| run::run(&Plan::draw(seed, None), &Rules::default(), false).unwrap();
    for seed in 0..40 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
    assert_ne!(run(0).trace, run(1).trace);
}

#[test]
fn where_nothing_goes_wrong_all_agree_and_dispatch_says_so() {
    let mut heroes = 0;
    for seed in 0..20 {
        let verdict = run::run_without_faults(seed).unwrap();
        assert_eq!((verdict.only_copies, verdict.differences), (0, 0), "seed {seed}");
        heroes += verdict.heroes;
    }
    assert!(heroes > 100, "only {heroes}");
}

#[test]
fn thirty_nodes_come_to_rest_too() {
    for seed in 0..4 {
        run::run(&Plan::draw(seed, Some(30)), &Rules::default(), false).unwrap();
    }
}

/// Dispatch, the only one that carries, lives for a while on a clock an hour ahead. City 1 hears of
/// that life, city 0 does not. Started again under the right clock, dispatch joins through city 0,
/// whom it links to first, and is outlived by what it hears from city 1.
#[test]
fn one_whose_clock_was_an_hour_ahead_in_its_last_life_does_not_halt_again_and_again() {
    let (ms, dispatch) = (Duration::from_millis, 3);
    let alone = |at, node: usize, lasts| (at, Action::Split { side: 1 << node, lasts: ms(lasts) });
    let steps = [
        alone(1_500, 0, 20_000),
        alone(1_500, dispatch, 2_500),
        (1_600, Action::Jump { node: dispatch, by_ms: 3_600_000, lasts: ms(900) }),
        (1_700, Action::Kill { node: dispatch, down: Duration::ZERO }),
        (3_500, Action::Ask(Request::Create)),
        (11_000, Action::Kill { node: dispatch, down: ms(1_000) }),
    ];
    let steps = steps.into_iter().map(|(at, action)| Step { at: ms(at), action }).collect();
    let noise = Noise { city_gossip: false, ..Noise::none() };
    let outcome = run::run(
        &Plan { seed: 1, cities: 3, hurt: ms(11_100), noise, steps },
        &Rules::default(),
        false,
    )
    .unwrap();
    assert_eq!(outcome.tally.superseded, 1, "it was outlived");
}

/// A plan that fails for one step among many comes down to that step.
#[test]
fn a_failing_plan_shrinks_to_what_makes_it_fail() {
    // There is no node 9 to kill: the run panics, which counts as a violation.
    let mut plan = Plan::draw(3, Some(4));
    let half = plan.hurt / 2;
    plan.steps.push(Step { at: half, action: Action::Kill { node: 9, down: half } });
    plan.steps.sort_by_key(|step| step.at);
    let violation = run::run(&plan, &Rules::default(), false).unwrap_err();
    let (smallest, violation) = shrink::shrink(&plan, violation, &Rules::default());
    assert_eq!((smallest.steps.len(), violation.claim), (1, "no panic"));
    assert!(smallest.hurt < half + Duration::from_secs(1));
}

/// What the long runs found, and what was mended since.
#[test]
fn seeds_that_failed_once_hold() {
    for seed in [1_160_914, 1_169_522, 1_311_133, 1_356_422, 1_613_179, 969_681_255] {
        if let Err(violation) = run::run(&Plan::draw(seed, None), &Rules::default(), false) {
            panic!("seed {seed}: {violation:?}");
        }
    }
}
