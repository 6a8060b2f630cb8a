//! Every target takes its seeds, what was once found, and inputs made up of both: the same ones in
//! every run.
//!
//! `SUPERHERO_TRIES` multiplies how many are made up, `SUPERHERO_TRIES_SEED` makes up others.

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use hostile::{TARGETS, mutate, target};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Memory is counted for the whole program, so targets take turns.
static TURN: Mutex<()> = Mutex::new(());

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| {
        text.parse().unwrap_or_else(|error| panic!("{variable}={text}: {error}"))
    })
}

/// What once broke a target, and must not again: `found/TARGET/`.
fn found(name: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("found").join(name);
    let Ok(files) = fs::read_dir(directory) else { return Vec::new() };
    files
        .map(|file| {
            fs::read(file.expect("a directory can be listed").path())
                .expect("what was found can be read")
        })
        .collect()
}

fn takes_anything(name: &str) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let target = target(name);
    let seeds = (target.seeds)();
    let found = found(name);
    assert!(!seeds.is_empty(), "{name} has no seeds");
    let take = |input: &[u8], which: &str| {
        if panic::catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
            let kept = std::env::temp_dir().join(format!("hostile-{name}-{}", std::process::id()));
            fs::write(&kept, input).expect("what was found can be kept");
            panic!(
                "{name} does not take {which}, kept as {}: mend it, and put it into hostile/found/{name}/",
                kept.display()
            );
        }
    };
    for (index, input) in seeds.iter().chain(&found).enumerate() {
        take(input, &format!("seed {index}"));
    }
    let from = [seeds, found].concat();
    let tries = u64::from(target.tries) * number("SUPERHERO_TRIES", 1);
    let mut rng = ChaCha8Rng::seed_from_u64(number("SUPERHERO_TRIES_SEED", 1));
    for attempt in 0..tries {
        take(&mutate::mutated(&from, &mut rng), &format!("made-up input {attempt}"));
    }
}

#[test]
fn a_first_message_may_be_anything() {
    takes_anything("hello");
}

#[test]
fn a_frame_may_be_anything() {
    takes_anything("frame");
}

#[test]
fn a_city_may_be_told_anything_in_any_order() {
    takes_anything("city");
}

#[test]
fn dispatch_may_be_told_anything_in_any_order() {
    takes_anything("dispatch");
}

#[test]
fn bytes_at_the_port_may_be_anything() {
    takes_anything("http");
}

#[test]
fn a_page_may_say_anything() {
    takes_anything("page");
}

#[test]
fn words_may_be_anything() {
    takes_anything("text");
}

#[test]
fn a_scenario_may_be_anything() {
    takes_anything("scenario");
}

#[test]
fn what_is_allocated_is_seen() {
    let _alone = TURN.lock();
    let (_, peak) = hostile::memory::peak_of(|| vec![0_u8; 1 << 20]);
    assert!(peak >= 1 << 20, "a mebibyte is not seen: {peak}");
}

#[test]
fn every_target_has_a_test_here_and_a_fuzzer() {
    let (tests, fuzzers) = (include_str!("made_up.rs"), include_str!("../../fuzz/Cargo.toml"));
    for target in &TARGETS {
        assert!(tests.contains(&format!("takes_anything(\"{}\")", target.name)), "{}", target.name);
        assert!(fuzzers.contains(&format!("name = \"{}\"", target.name)), "{}", target.name);
    }
}
