//! The targets of the core, each with its measurement.

use std::time::Duration;

use benches::text::{bytes, grouped, time};

use crate::cost::Cost;
use crate::measured::Measured;
use crate::memory::Memory;
use crate::ours::Ours;
use crate::workload::{Pair, Workload};

/// The number of heroes for which the targets are defined.
const HEROES: u32 = 100_000;
/// The maximum ratio between the costs with the most and with the fewest heroes, for costs that
/// must not depend on their number.
const INDEPENDENT: f64 = 2.0;
/// The fixed bytes of a round in addition to its entries, and the bytes per byte of entry.
const ROUND_BYTES: f64 = 256.0;
const ROUND_OVERHEAD: f64 = 1.1;

/// Prints each target with its measurement, if there is one.
pub(crate) fn print(ours: &Measured, sizes: &[u32]) {
    println!("\n**Targets**\n\n| | target | measured | |\n|---|--:|--:|---|");
    let at = |workload, heroes| ours.cost(workload, heroes);
    insert(at(Workload::Insert, HEROES));
    memory(sizes.contains(&HEROES));
    whole(at(Workload::Whole, HEROES));
    for heroes in [HEROES, 1_000_000] {
        for changed in [1, 1_000] {
            change(changed, heroes, at(Workload::Changed(changed), heroes));
        }
    }
    nothing(at(Workload::Nothing, HEROES));
    independent(ours);
    both(at(Workload::Both, HEROES));
}

fn line(what: &str, wanted: &str, measured: Option<(String, bool)>) {
    let (measured, verdict) = match &measured {
        Some((measured, true)) => (&measured[..], "met"),
        Some((measured, false)) => (&measured[..], "**missed**"),
        None => ("", "not measured"),
    };
    println!("| {what} | {wanted} | {measured} | {verdict} |");
}

fn at_most(what: &str, wanted: Duration, cost: Option<Cost>) {
    line(
        &format!("{what}, time"),
        &format!("at most {}", time(wanted)),
        cost.map(|cost| (time(cost.cpu), cost.cpu <= wanted)),
    );
}

fn insert(cost: Option<Cost>) {
    let rate = cost.map(|cost| f64::from(HEROES) / cost.cpu.as_secs_f64() / 1e6);
    line(
        "W1, heroes per second",
        "at least 3 M",
        rate.map(|rate| (format!("{rate:.2} M"), rate >= 3.0)),
    );
}

fn memory(is_measured: bool) {
    const WANTED: f64 = 160.0;
    let memory = is_measured.then(|| Memory::measure(HEROES));
    let target = |what: &str, of: fn(Memory) -> f64| {
        let measured = memory.map(of).map(|bytes| (format!("{bytes:.0}"), bytes <= WANTED));
        line(&format!("memory, bytes per hero, {what}"), &format!("at most {WANTED}"), measured);
    };
    target("all created locally", |memory| memory.created);
    target("each then written by another node", |memory| memory.rewritten);
    target("one in twenty then deleted", |memory| memory.deleted);
    target("after catching up with all", |memory| memory.caught_up);
    let twice = memory.map(|memory| memory.catching_up / memory.caught_up);
    line(
        "memory, peak ratio while catching up",
        "under 2",
        twice.map(|twice| (format!("{twice:.2}"), twice < 2.0)),
    );
}

fn whole(cost: Option<Cost>) {
    at_most("W2", Duration::from_millis(30), cost);
    let per_hero = cost.map(|cost| cost.bytes.total() as f64 / f64::from(HEROES));
    line(
        "W2, bytes per hero",
        "at most 50",
        per_hero.map(|bytes| (format!("{bytes:.1}"), bytes <= 50.0)),
    );
}

fn change(changed: u32, heroes: u32, cost: Option<Cost>) {
    let what = format!("W3-{changed} with {} heroes", grouped(heroes));
    at_most(
        &what,
        if changed == 1 { Duration::from_micros(100) } else { Duration::from_millis(1) },
        cost,
    );
    let entries = cost.map(|_| {
        // The changed entries are the same for any total number of heroes.
        let mut pair = Pair::<Ours>::new(changed);
        pair.change(changed);
        pair.source.bytes_of_entries(0..changed)
    });
    let limit = entries.map(|entries| ROUND_OVERHEAD * entries as f64 + ROUND_BYTES);
    let measured = cost
        .zip(limit)
        .map(|(cost, limit)| (bytes(cost.bytes.total()), cost.bytes.total() as f64 <= limit));
    // The size of the key and entry of each changed hero in postcard, encoded one by one.
    let wanted = format!("at most {ROUND_OVERHEAD} times the encoded entries, + {ROUND_BYTES}");
    line(
        &format!("{what}, bytes"),
        &limit.map_or(wanted.clone(), |limit| format!("{wanted}: {limit:.0}")),
        measured,
    );
}

fn nothing(cost: Option<Cost>) {
    at_most("W4", Duration::from_micros(20), cost);
    let sent = cost.map(|Cost { bytes: sent, .. }| {
        (
            format!("{} + {}", bytes(sent.asked), bytes(sent.answered)),
            sent.asked.max(sent.answered) < 200,
        )
    });
    line("W4, bytes", "under 200 per direction", sent);
}

/// Prints whether an exchange without changes costs the same with the most heroes as with the
/// fewest.
fn independent(ours: &Measured) {
    let costs: Vec<(u32, Cost)> = ours
        .costs
        .iter()
        .filter_map(|(heroes, costs)| Some((*heroes, *costs.get(&Workload::Nothing)?)))
        .collect();
    let measured = match &costs[..] {
        [(few, fewest), .., (many, most)] => {
            let factor = most.cpu.as_secs_f64() / fewest.cpu.as_secs_f64();
            let text = format!("{factor:.2} from {} to {}", grouped(*few), grouped(*many));
            // Eight bytes of tolerance: stamps and counters are varints, whose length depends on
            // the values.
            Some((text, factor <= INDEPENDENT && most.bytes.total() <= fewest.bytes.total() + 8))
        }
        _ => None,
    };
    line(
        "W4, ratio with more heroes",
        &format!("at most {INDEPENDENT}, and no more bytes"),
        measured,
    );
}

fn both(cost: Option<Cost>) {
    at_most("W5", Duration::from_millis(2), cost);
    line(
        "W5, bytes",
        "at most 120 kB",
        cost.map(|cost| (bytes(cost.bytes.total()), cost.bytes.total() <= 120_000)),
    );
}
