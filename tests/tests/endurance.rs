//! Real processes under trouble: kill -9 and bombs at random moments, while clients write all the
//! time and somebody looks at every node all the time. What must hold is what must hold in the
//! simulator, by the same checkers.
//!
//! Nothing patrols or fights, so that only clients write, and every death is one that a client
//! asked for. The moments are counted in saved writes, so that there is never trouble without load.
//! `SUPERHERO_CYCLES` makes the run longer than the short form, and `SUPERHERO_CYCLES_SEED` repeats
//! the choices of a run, though not its timing.

use std::collections::BTreeMap;

use cluster_tests::{
    CITIES, Cluster, HANG_TIMEOUT, Load, NODES, Options, Requests, Stopwatch, ensure,
    incarnation_now, wait_until,
};
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How many cycles the short form has.
const CYCLES: usize = 28;
/// How many heroes there are at first, and about how many there are later beside those that last.
const HEROES: u32 = 120;
/// Saved writes from one trouble to the next, and while a killed city is away.
const WRITES_BETWEEN: std::ops::RangeInclusive<u64> = 1..=100;

/// What is done to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    Kill(&'static str),
    Bomb(&'static str),
}

/// Each once in some order, and then whatever comes: never fewer than there are kinds.
fn troubles(cycles: usize, rng: &mut ChaCha8Rng) -> Vec<Trouble> {
    let each: Vec<Trouble> =
        NODES.map(Trouble::Kill).into_iter().chain(CITIES.map(Trouble::Bomb)).collect();
    let mut troubles = each.clone();
    troubles.shuffle(rng);
    troubles.extend((each.len()..cycles).filter_map(|_| each.choose(rng)));
    troubles
}

/// Does it, and undoes what a person would undo: a killed process is started again.
fn strike(trouble: Trouble, cluster: &mut Cluster, load: &Load, rng: &mut ChaCha8Rng) {
    match trouble {
        Trouble::Kill("dispatch") => {
            cluster.kill9("dispatch");
            load.dispatch_was_killed();
            cluster.restart("dispatch");
        }
        Trouble::Kill(city) => {
            cluster.kill9(city);
            load.wait_for_writes(rng.random_range(WRITES_BETWEEN));
            cluster.start_again(city);
        }
        // A city that has just come back may not be linked yet.
        Trouble::Bomb(city) => wait_until(&format!("a bomb hits {city}"), HANG_TIMEOUT, || {
            let reply = cluster.api.bomb(city);
            ensure(reply.status == 202, || reply.body)
        }),
    }
}

fn chosen(variable: &str) -> Option<u64> {
    std::env::var(variable)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number, not {text:?}")))
}

#[test]
fn kills_and_bombs_under_load_break_no_promise() {
    let cycles = chosen("SUPERHERO_CYCLES")
        .map_or(CYCLES, |cycles| usize::try_from(cycles).expect("so many"));
    let seed = chosen("SUPERHERO_CYCLES_SEED").unwrap_or_else(incarnation_now);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let troubles = troubles(cycles, &mut rng);
    let cycles = troubles.len();
    println!("{cycles} cycles of SUPERHERO_CYCLES_SEED={seed}");
    let watch = Stopwatch::start();
    let mut cluster = Cluster::start(Options { max_restarts: "1000000", ..Options::default() });
    let load = Load::on(&cluster.api.create(HEROES));

    let mut struck: BTreeMap<Trouble, usize> = BTreeMap::new();
    let api = cluster.api.clone();
    load.during(&api, seed, || {
        for trouble in troubles {
            load.wait_for_writes(rng.random_range(WRITES_BETWEEN));
            strike(trouble, &mut cluster, &load, &mut rng);
            *struck.entry(trouble).or_default() += 1;
        }
        load.wait_for_writes(*WRITES_BETWEEN.end());
    });
    let faulty = watch.elapsed();

    let looks = load.wait_for_rest(&cluster);
    let fates = load.fates(&looks);
    for node in NODES {
        let log = cluster.process(node).log();
        assert!(!log.contains("panicked") && !log.contains("ERROR"), "{node}");
    }

    // Trouble that never struck, and load that nobody answered, prove nothing.
    assert_eq!(struck.values().sum::<usize>(), cycles);
    assert!(struck.len() == NODES.len() + CITIES.len(), "{struck:?}");
    let Requests { saved, refused, unknown } = load.requests();
    assert!(
        fates.told > 10 * cycles && fates.ended > cycles / 2 && refused > 0,
        "{saved} {refused} {unknown} {fates:?}"
    );
    assert!(
        fates.incarnations >= NODES.len() + cycles / 2 && fates.whole > cycles as u64,
        "{fates:?}"
    );

    let kills = |node| struck.get(&Trouble::Kill(node)).copied().unwrap_or_default();
    let of_cities: usize = CITIES.map(kills).iter().sum();
    println!(
        "{cycles} cycles in {:.1} s, at rest after {:.1} s: {struck:?}",
        faulty.as_secs_f64(),
        (watch.elapsed() - faulty).as_secs_f64()
    );
    println!(
        "{of_cities} kills of cities, {} of dispatch, {} bombs",
        kills("dispatch"),
        cycles - of_cities - kills("dispatch")
    );
    println!(
        "{} requests: {saved} saved, {refused} refused, {unknown} unknown",
        saved + refused + unknown
    );
    println!("{fates:?}");
    for look in &looks {
        println!(
            "{} holds {} heroes, and covers {:?}",
            look.incarnation,
            look.map.live(),
            look.vector.as_ref().expect("at rest")
        );
    }
}
