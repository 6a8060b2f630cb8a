//! Real processes killed with SIGKILL and bombed at random moments, while clients write and every
//! node is observed continuously. The claims and the checkers are those of the simulator.
//!
//! Patrols and fights are off, so that only clients write, and every deletion is one that a client
//! requested. The moments are counted in saved writes, so that each fault hits a cluster under
//! load. `SUPERHERO_CYCLES` sets the number of cycles, and `SUPERHERO_CYCLES_SEED` repeats the
//! choices of a run, though not its timing.

use std::collections::BTreeMap;

use cluster_tests::{
    CITIES, Cluster, HANG_TIMEOUT, Load, NODES, Options, Requests, Stopwatch, ensure,
    incarnation_now, wait_until,
};
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The default number of cycles.
const CYCLES: usize = 28;
/// The initial number of heroes, and the approximate number of deletable ones later.
const HEROES: u32 = 120;
/// Saved writes between two faults, and while a killed city is down.
const WRITES_BETWEEN: std::ops::RangeInclusive<u64> = 1..=100;

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Kill(&'static str),
    Bomb(&'static str),
}

/// Each fault once in random order, followed by random ones; at least one of each kind.
fn faults(cycles: usize, rng: &mut ChaCha8Rng) -> Vec<Fault> {
    let each: Vec<Fault> =
        NODES.map(Fault::Kill).into_iter().chain(CITIES.map(Fault::Bomb)).collect();
    let mut faults = each.clone();
    faults.shuffle(rng);
    faults.extend((each.len()..cycles).filter_map(|_| each.choose(rng)));
    faults
}

/// Causes the fault; a killed process is started again.
fn cause(fault: Fault, cluster: &mut Cluster, load: &Load, rng: &mut ChaCha8Rng) {
    match fault {
        Fault::Kill("dispatch") => {
            cluster.kill9("dispatch");
            load.dispatch_was_killed();
            cluster.restart("dispatch");
        }
        Fault::Kill(city) => {
            cluster.kill9(city);
            load.wait_for_writes(rng.random_range(WRITES_BETWEEN));
            cluster.start_again(city);
        }
        // A city that has just restarted may not be linked yet, so the bomb is retried.
        Fault::Bomb(city) => wait_until(&format!("a bomb hits {city}"), HANG_TIMEOUT, || {
            let reply = cluster.api.bomb(city);
            ensure(reply.status == 202, || reply.body)
        }),
    }
}

fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| {
        text.parse().unwrap_or_else(|_| panic!("{variable} must be a number, not {text:?}"))
    })
}

#[test]
fn kills_and_bombs_under_load_violate_no_claim() {
    let cycles = number_from("SUPERHERO_CYCLES").map_or(CYCLES, |cycles| {
        usize::try_from(cycles).expect("a number of cycles fits into usize")
    });
    let seed = number_from("SUPERHERO_CYCLES_SEED").unwrap_or_else(incarnation_now);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let faults = faults(cycles, &mut rng);
    let cycles = faults.len();
    println!("{cycles} cycles of SUPERHERO_CYCLES_SEED={seed}");
    let watch = Stopwatch::start();
    let mut cluster = Cluster::start(Options { max_restarts: "1000000", ..Options::default() });
    let load = Load::on(&cluster.api.create(HEROES));

    let mut caused: BTreeMap<Fault, usize> = BTreeMap::new();
    let api = cluster.api.clone();
    load.during(&api, seed, || {
        for fault in faults {
            load.wait_for_writes(rng.random_range(WRITES_BETWEEN));
            cause(fault, &mut cluster, &load, &mut rng);
            *caused.entry(fault).or_default() += 1;
        }
        load.wait_for_writes(*WRITES_BETWEEN.end());
    });
    let under_load = watch.elapsed();

    let snapshots = load.wait_for_quiescence(&cluster);
    let counts = load.audit(&snapshots);
    for node in NODES {
        let log = cluster.process(node).log();
        assert!(!log.contains("panicked") && !log.contains("ERROR"), "{node}");
    }

    // Faults without effect or load without responses would make the test vacuous.
    assert_eq!(caused.values().sum::<usize>(), cycles);
    assert!(caused.len() == NODES.len() + CITIES.len(), "{caused:?}");
    let Requests { saved, refused, unknown } = load.requests();
    assert!(
        counts.acknowledged > 10 * cycles && counts.deletions > cycles / 2 && refused > 0,
        "{saved} {refused} {unknown} {counts:?}"
    );
    assert!(
        counts.incarnations >= NODES.len() + cycles / 2 && counts.with_vector > cycles as u64,
        "{counts:?}"
    );

    let kills = |node| caused.get(&Fault::Kill(node)).copied().unwrap_or_default();
    let city_kills: usize = CITIES.map(kills).iter().sum();
    println!(
        "{cycles} cycles in {:.1} s, quiescent after {:.1} s: {caused:?}",
        under_load.as_secs_f64(),
        (watch.elapsed() - under_load).as_secs_f64()
    );
    println!(
        "{city_kills} kills of cities, {} of dispatch, {} bombs",
        kills("dispatch"),
        cycles - city_kills - kills("dispatch")
    );
    println!(
        "{} requests: {saved} saved, {refused} refused, {unknown} unknown",
        saved + refused + unknown
    );
    println!("{counts:?}");
    for snapshot in &snapshots {
        println!(
            "{} holds {} heroes and covers {:?}",
            snapshot.incarnation,
            snapshot.map.live(),
            snapshot.vector.as_ref().expect("a quiescent node has a vector")
        );
    }
}
