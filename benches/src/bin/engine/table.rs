//! The tables: for each workload what it costs everybody, beside the best of the peers.

use std::time::Duration;

use crate::Measured;
use crate::cost::Cost;
use crate::workload::Workload;

/// Prints one table a workload, in Markdown.
pub(crate) fn print(everybody: &[Measured], sizes: &[u32]) {
    println!(
        "Processor time of both sides together, and the bytes of all that is sent; in parentheses, how many times as much as the best peer."
    );
    for workload in Workload::ALL {
        println!("\n**{workload}**\n");
        let columns =
            sizes.iter().map(|heroes| format!(" {} heroes | {} |", grouped(*heroes), if_memory(workload, "bytes a hero", "bytes")));
        println!("| |{}", columns.collect::<String>());
        println!("|---|{}", "--:|--:|".repeat(sizes.len()));
        for (place, measured) in everybody.iter().enumerate() {
            let cells: String = sizes.iter().map(|heroes| cells(workload, *heroes, measured, &everybody[1..])).collect();
            let bold = if place == 0 { "**" } else { "" };
            println!("| {bold}{}{bold} |{cells}", measured.contestant.name);
        }
    }
    println!();
    for Measured { contestant, costs } in everybody {
        for heroes in sizes.iter().filter(|heroes| !costs.contains_key(heroes)) {
            println!("- *left out*: {} with {} heroes; {}.", contestant.name, grouped(*heroes), contestant.left_out);
        }
    }
}

fn if_memory<T>(workload: Workload, memory: T, sent: T) -> T {
    if workload == Workload::Insert { memory } else { sent }
}

/// The two cells of one peer and one number of heroes.
fn cells(workload: Workload, heroes: u32, measured: &Measured, peers: &[Measured]) -> String {
    let Some(cost) = measured.cost(workload, heroes) else { return " *left out* | |".into() };
    let times_best = |of: &dyn Fn(Cost) -> f64| {
        let best = peers.iter().filter_map(|peer| peer.cost(workload, heroes)).map(of).min_by(f64::total_cmp).filter(|best| *best > 0.0);
        best.map_or(String::new(), |best| format!(" ({})", times(of(cost) / best)))
    };
    let sent = match workload {
        Workload::Insert => format!("{:.0}", cost.bytes.total() as f64 / f64::from(heroes)),
        Workload::Nothing => format!("{} + {}", bytes(cost.bytes.asked), bytes(cost.bytes.answered)),
        Workload::Whole | Workload::Changed(_) | Workload::Both => bytes(cost.bytes.total()),
    };
    let rate = if_memory(workload, format!(", {:.2} M/s", f64::from(heroes) / cost.cpu.as_secs_f64() / 1e6), String::new());
    let of_time = times_best(&|cost| cost.cpu.as_secs_f64());
    let of_bytes = times_best(&|cost| cost.bytes.total() as f64);
    format!(" {}{rate}{of_time} | {sent}{of_bytes} |", time(cost.cpu))
}

/// A factor, to about two digits.
fn times(factor: f64) -> String {
    match factor {
        ..0.095 => format!("{factor:.3}"),
        ..0.95 => format!("{factor:.2}"),
        ..9.5 => format!("{factor:.1}"),
        _ => format!("{factor:.0}"),
    }
}

/// A time, to three digits or so.
pub(crate) fn time(time: Duration) -> String {
    match time.as_secs_f64() * 1e6 {
        micros @ ..100.0 => format!("{micros:.1} µs"),
        micros @ ..1e3 => format!("{micros:.0} µs"),
        micros @ ..1e5 => format!("{:.2} ms", micros / 1e3),
        micros => format!("{:.0} ms", micros / 1e3),
    }
}

/// A number of bytes, to three digits or so.
pub(crate) fn bytes(bytes: usize) -> String {
    match bytes as f64 {
        bytes @ ..1e3 => format!("{bytes:.0} B"),
        bytes @ ..1e6 => format!("{:.1} kB", bytes / 1e3),
        bytes => format!("{:.2} MB", bytes / 1e6),
    }
}

/// A number with a comma before each three digits.
pub(crate) fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}
