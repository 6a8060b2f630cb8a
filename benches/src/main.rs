//! What an anti-entropy round costs, beside the obvious alternative in the same process and run: sending the whole map, as
//! postcard, and merging it.
//!
//! Times are CPU on one core, both sides together, medians of several runs; machines are noisy, so read the ratios. Bytes are
//! those of all messages both ways.

use std::time::{Duration, Instant};

use shared::crdt::{Entry, Map, Value};
use shared::hero::{Hero, Location};
use shared::id::{HeroId, Incarnation, NodeName, Origin};
use shared::message::Frame;
use shared::replica::{Config, Output, Replica};
use shared::time::{Now, UnixMillis};
use shared::wire;

const RUNS: usize = 7;

fn main() {
    for heroes in [1_000, 10_000, 100_000] {
        println!("\n{heroes:>7} heroes {:>41} {:>26} {:>12}", "rounds", "whole map, postcard", "times faster");
        row("whole state, empty puller", heroes, 0, &|_| empty());
        row("nothing changed", heroes, 0, &|source| equal(source));
        row("1 hero changed", heroes, 1, &|source| equal(source));
        row("1000 heroes changed", heroes, 1_000, &|source| equal(source));
    }
    memory(1_000_000);
}

/// What an empty puller needs in memory for a whole map, at the end and at most: nothing may stand there twice.
fn memory(heroes: u32) {
    let mut source = filled(heroes);
    let (before, _) = resident();
    let mut puller = empty();
    // From here on the highest is counted anew.
    let counted = std::fs::write("/proc/self/clear_refs", "5").is_ok();
    let bytes = round(&mut source, &mut puller);
    let (after, peak) = resident();
    assert_eq!(source.map().fingerprint(), puller.map().fingerprint(), "the round did its work");
    if counted {
        println!(
            "\n{heroes} heroes to an empty puller: {} MB on the wire, {} MB held in the end, {} MB at most",
            bytes >> 20,
            (after - before) >> 10,
            (peak - before) >> 10
        );
    }
}

/// What this process has in memory now, and has had at most, in kB; nothing where the system does not tell.
fn resident() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.trim().parse().ok());
    (field("VmRSS:").unwrap_or(0), field("VmHWM:").unwrap_or(0))
}

/// One line: the puller starts as `puller` makes it, then `changed` heroes change at the source, then the puller catches up.
fn row(what: &str, heroes: u32, changed: u32, puller: &dyn Fn(&mut Replica) -> Replica) {
    let scene = || {
        let mut source = filled(heroes);
        let puller = puller(&mut source);
        for number in 0..changed.min(heroes) {
            write(&mut source, number, 50);
        }
        (source, puller)
    };
    let ours = median(|| {
        let (mut source, mut puller) = scene();
        let start = now();
        let bytes = round(&mut source, &mut puller);
        let took = start.elapsed();
        assert_eq!(source.map().fingerprint(), puller.map().fingerprint(), "the round did its work");
        (took, bytes)
    });
    let whole = median(|| {
        let (source, puller) = scene();
        let mut map = Map::default();
        for (key, entry) in puller.map().iter() {
            map.merge(key, &entry.as_entry_ref());
        }
        let start = now();
        let state: State = source.map().iter().collect();
        let bytes = postcard::to_stdvec(&state).expect("a state can be written");
        for (key, entry) in postcard::from_bytes::<State>(&bytes).expect("what was written can be read") {
            map.merge(key, &entry.as_entry_ref());
        }
        let took = start.elapsed();
        assert_eq!(map.fingerprint(), source.map().fingerprint(), "the exchange did its work");
        (took, bytes.len())
    });
    let cell = |(took, bytes): (Duration, usize)| format!("{:>9.3} ms {:>9} B", took.as_secs_f64() * 1e3, bytes);
    println!("  {what:<26}{}  {}   {:>8.1} x", cell(ours), cell(whole), whole.0.as_secs_f64() / ours.0.as_secs_f64());
}

type State = Vec<(HeroId, Entry)>;

fn at() -> Now {
    Now { mono: Duration::from_secs(10), wall: UnixMillis(1_790_000_000_000) }
}

fn replica(name: &str) -> Replica {
    let node: NodeName = name.parse().expect("a valid name");
    let start = Now { mono: Duration::ZERO, wall: UnixMillis(1_790_000_000_000 - 10_000) };
    let mut replica = Replica::new(Origin { node, incarnation: Incarnation(1) }, Config::default(), start);
    replica.tick(at());
    while replica.poll().is_some() {}
    replica
}

fn write(replica: &mut Replica, number: u32, health: u8) {
    // Keys as random as real ones, and the same in every run.
    let key = HeroId(uuid::Uuid::from_u128(u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)));
    let hero = Hero { health, location: Location::Home, ..Hero::new(format!("Hero number {number:05}").into()) };
    replica.write(at(), key, Value::Live(hero)).expect("it has joined");
}

fn filled(heroes: u32) -> Replica {
    let mut source = replica("gotham");
    (0..heroes).for_each(|number| write(&mut source, number, 100));
    source
}

fn empty() -> Replica {
    replica("capitol")
}

fn equal(source: &mut Replica) -> Replica {
    let mut puller = empty();
    round(source, &mut puller);
    // The source has yet to hear of the puller's life.
    round(&mut puller, source);
    puller
}

/// The puller pulls from the source, every frame encoded and decoded as on a link; how many bytes that took.
fn round(source: &mut Replica, puller: &mut Replica) -> usize {
    puller.pull(at(), source.me(), source.me().node, false);
    let mut bytes = 0;
    loop {
        let sent = bytes;
        bytes += deliver(puller, source);
        bytes += deliver(source, puller);
        if bytes == sent {
            return bytes;
        }
    }
}

fn deliver(from: &mut Replica, to: &mut Replica) -> usize {
    let mut bytes = 0;
    while let Some(output) = from.poll() {
        if let Output::Send { envelope, .. } = output {
            let message = wire::encode(&Frame::Round(envelope));
            bytes += message.len();
            if let Ok(Frame::Round(envelope)) = wire::decode(&message) {
                to.handle(at(), from.me().node, envelope);
            }
        }
    }
    bytes
}

fn median(mut run: impl FnMut() -> (Duration, usize)) -> (Duration, usize) {
    let mut runs: Vec<(Duration, usize)> = (0..RUNS).map(|_| run()).collect();
    runs.sort_unstable();
    runs[RUNS / 2]
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}
