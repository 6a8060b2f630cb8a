//! Two hundred seeds of a hurt and healed cluster, and the determinism that makes a seed worth printing.

use simulator::cluster::Tally;
use simulator::run;

#[test]
fn two_hundred_seeds_hold() {
    let mut tally = Tally::default();
    let mut failures = Vec::new();
    for seed in 0..200 {
        match run::run(seed, false) {
            Ok(outcome) => tally += outcome.tally,
            Err(violation) => failures.push(format!("seed {seed}: {violation} (replay: make sim SEED={seed})")),
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
    // Trouble that never struck proves nothing.
    let Tally { frames, bytes, lost, duplicated, cuts, bombs, kills, rounds, writes, too_far_ahead: _, collected, full, buried: _ } = tally;
    for (struck, what) in [
        (lost, "losses"),
        (duplicated, "duplicates"),
        (cuts, "cuts"),
        (bombs, "bombs"),
        (kills, "kills"),
        (collected, "collections"),
        (full, "full rounds"),
    ] {
        assert!(struck >= 100, "only {struck} {what}");
    }
    assert!(frames > 10_000 && bytes > frames && rounds > 1_000 && writes > 1_000, "{tally:?}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..20 {
        let (once, again) = (run::run(seed, false).unwrap(), run::run(seed, false).unwrap());
        assert_eq!(once, again, "seed {seed}");
    }
    assert_ne!(run::run(0, false).unwrap().trace, run::run(1, false).unwrap().trace);
}

#[test]
fn where_nothing_goes_wrong_all_agree_and_dispatch_says_so() {
    for seed in 0..20 {
        let verdict = run::run_untroubled(seed).unwrap();
        assert_eq!((verdict.only_copies, verdict.differences), (0, 0), "seed {seed}");
        assert!(verdict.heroes > 0, "seed {seed}");
    }
}
