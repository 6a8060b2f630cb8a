//! The targets of the core, each with its measurement.

use std::time::Duration;

use crate::cost::Cost;
use crate::measured::Measured;
use crate::memory::Memory;
use crate::ours::Ours;
use crate::text::{bytes, grouped, time};
use crate::workload::{Pair, Workload};

/// The number of heroes for which the targets are meant.
const HEROES: u32 = 100_000;
/// The greatest ratio between the costs with most and with fewest heroes, of what must not depend
/// on their number.
const INDEPENDENT: f64 = 2.0;
/// The bytes that a round may send on top of its entries; and the bytes for each byte of theirs.
const ROUND_BYTES: f64 = 256.0;
const ROUND_OVERHEAD: f64 = 1.1;

/// Prints each target with its measurement, also where nothing was measured.
pub(crate) fn print(ours: &Measured, sizes: &[u32]) {
    println!("\n**Targets**\n\n| | wanted | measured | |\n|---|--:|--:|---|");
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
        Some((measured, true)) => (&measured[..], "kept"),
        Some((measured, false)) => (&measured[..], "**over**"),
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
        "W1, heroes a second",
        "at least 3 M",
        rate.map(|rate| (format!("{rate:.2} M"), rate >= 3.0)),
    );
}

fn memory(is_measured: bool) {
    const WANTED: f64 = 160.0;
    let memory = is_measured.then(|| Memory::measure(HEROES));
    let target = |what: &str, of: fn(Memory) -> f64| {
        let measured = memory.map(of).map(|bytes| (format!("{bytes:.0}"), bytes <= WANTED));
        line(&format!("memory, bytes a hero, {what}"), &format!("at most {WANTED}"), measured);
    };
    target("all of them made here", |memory| memory.made);
    target("each then written by another node", |memory| memory.rewritten);
    target("one in twenty then dead", |memory| memory.buried);
    target("caught up with all of them", |memory| memory.caught_up);
    let twice = memory.map(|memory| memory.catching_up / memory.caught_up);
    line(
        "memory, times as much while it catches up",
        "under 2",
        twice.map(|twice| (format!("{twice:.2}"), twice < 2.0)),
    );
}

fn whole(cost: Option<Cost>) {
    at_most("W2", Duration::from_millis(30), cost);
    let a_hero = cost.map(|cost| cost.bytes.total() as f64 / f64::from(HEROES));
    line(
        "W2, bytes a hero",
        "at most 50",
        a_hero.map(|bytes| (format!("{bytes:.1}"), bytes <= 50.0)),
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
        // What the changes look like does not depend on how many heroes there are beside them.
        let mut pair = Pair::<Ours>::new(changed);
        pair.change(changed);
        pair.source.bytes_of_entries(0..changed)
    });
    let limit = entries.map(|entries| ROUND_OVERHEAD * entries as f64 + ROUND_BYTES);
    let measured = cost
        .zip(limit)
        .map(|(cost, limit)| (bytes(cost.bytes.total()), cost.bytes.total() as f64 <= limit));
    // By themselves: the key and the entry of each in postcard, one by one.
    let wanted = format!("at most {ROUND_OVERHEAD} of the entries by themselves, + {ROUND_BYTES}");
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
    line("W4, bytes", "under 200 each way", sent);
}

/// Checks that an exchange of nothing costs the same with most heroes as with fewest.
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
            Some((text, factor <= INDEPENDENT && most.bytes.total() <= fewest.bytes.total() + 8))
        }
        _ => None,
    };
    line(
        "W4, times as much with more heroes",
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
