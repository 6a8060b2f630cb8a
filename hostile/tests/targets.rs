//! Runs every target on its seeds, on inputs that once broke it, and on mutations of both. The
//! mutations are the same in every run.
//!
//! `SUPERHERO_TRIES` multiplies the number of mutations; `SUPERHERO_TRIES_SEED` selects others.

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use hostile::{TARGETS, mutate, target};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Held while a target runs: memory is counted for the whole program, so targets run one at a time.
static TURN: Mutex<()> = Mutex::new(());

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| {
        text.parse().unwrap_or_else(|error| panic!("{variable}={text}: {error}"))
    })
}

/// Returns the inputs that once broke this target, from `found/TARGET/`.
fn found(name: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("found").join(name);
    let Ok(files) = fs::read_dir(directory) else { return Vec::new() };
    files
        .map(|file| {
            fs::read(file.expect("a directory can be listed").path())
                .expect("a regression input can be read")
        })
        .collect()
}

fn accepts_anything(name: &str) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let target = target(name);
    let seeds = (target.seeds)();
    let found = found(name);
    assert!(!seeds.is_empty(), "{name} has no seeds");
    let check = |input: &[u8], which: &str| {
        if panic::catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
            let kept = std::env::temp_dir().join(format!("hostile-{name}-{}", std::process::id()));
            fs::write(&kept, input).expect("the input can be written");
            panic!(
                "{name} fails on {which}, saved as {}: fix it and move the input to \
                 hostile/found/{name}/",
                kept.display()
            );
        }
    };
    for (index, input) in seeds.iter().chain(&found).enumerate() {
        check(input, &format!("seed {index}"));
    }
    let from = [seeds, found].concat();
    let tries = u64::from(target.tries) * number("SUPERHERO_TRIES", 1);
    let mut rng = ChaCha8Rng::seed_from_u64(number("SUPERHERO_TRIES_SEED", 1));
    for attempt in 0..tries {
        check(&mutate::mutated(&from, &mut rng), &format!("generated input {attempt}"));
    }
}

#[test]
fn hello_target_accepts_any_bytes() {
    accepts_anything("hello");
}

#[test]
fn frame_target_accepts_any_bytes() {
    accepts_anything("frame");
}

#[test]
fn city_target_accepts_any_bytes() {
    accepts_anything("city");
}

#[test]
fn dispatch_target_accepts_any_bytes() {
    accepts_anything("dispatch");
}

#[test]
fn http_target_accepts_any_bytes() {
    accepts_anything("http");
}

#[test]
fn page_target_accepts_any_bytes() {
    accepts_anything("page");
}

#[test]
fn text_target_accepts_any_bytes() {
    accepts_anything("text");
}

#[test]
fn scenario_target_accepts_any_bytes() {
    accepts_anything("scenario");
}

#[test]
fn allocations_are_counted() {
    let _alone = TURN.lock();
    let (_, peak) = hostile::memory::peak_of(|| vec![0_u8; 1 << 20]);
    assert!(peak >= 1 << 20, "an allocation of one mebibyte is not counted: {peak}");
}

#[test]
fn every_target_has_a_test_and_a_fuzzer() {
    let (tests, fuzzers) = (include_str!("targets.rs"), include_str!("../../fuzz/Cargo.toml"));
    for target in &TARGETS {
        assert!(
            tests.contains(&format!("accepts_anything(\"{}\")", target.name)),
            "{}",
            target.name
        );
        assert!(fuzzers.contains(&format!("name = \"{}\"", target.name)), "{}", target.name);
    }
}

#[test]
fn recording_target_accepts_any_bytes() {
    accepts_anything("recording");
}
