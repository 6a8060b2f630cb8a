//! The tables: the cost of each workload for each contestant, relative to the best peer.

use benches::text::{bytes, grouped, time, times};

use crate::cost::Cost;
use crate::measured::Measured;
use crate::workload::Workload;

/// Prints one table per workload, in Markdown.
pub(crate) fn print(all: &[Measured], sizes: &[u32]) {
    println!(
        "Processor time of both sides, and bytes sent by both; in parentheses, the ratio to the best \
         peer."
    );
    for workload in Workload::ALL {
        println!("\n**{workload}**\n");
        let columns = sizes.iter().map(|heroes| {
            format!(
                " {} heroes | {} |",
                grouped(*heroes),
                if_memory(workload, "bytes per hero", "bytes")
            )
        });
        println!("| |{}", columns.collect::<String>());
        println!("|---|{}", "--:|--:|".repeat(sizes.len()));
        for (place, measured) in all.iter().enumerate() {
            let cells: String =
                sizes.iter().map(|heroes| cells(workload, *heroes, measured, &all[1..])).collect();
            let bold = if place == 0 { "**" } else { "" };
            println!("| {bold}{}{bold} |{cells}", measured.contestant.name);
        }
    }
    println!();
    for Measured { contestant, costs } in all {
        for heroes in sizes.iter().filter(|heroes| !costs.contains_key(heroes)) {
            println!(
                "- *not measured*: {} with {} heroes; {}.",
                contestant.name,
                grouped(*heroes),
                contestant.left_out
            );
        }
    }
}

fn if_memory<T>(workload: Workload, memory: T, sent: T) -> T {
    if workload == Workload::Insert { memory } else { sent }
}

/// Returns the two cells of one contestant for one number of heroes.
fn cells(workload: Workload, heroes: u32, measured: &Measured, peers: &[Measured]) -> String {
    let Some(cost) = measured.cost(workload, heroes) else { return " *not measured* | |".into() };
    let times_best = |of: &dyn Fn(Cost) -> f64| {
        let best = peers
            .iter()
            .filter_map(|peer| peer.cost(workload, heroes))
            .map(of)
            .min_by(f64::total_cmp)
            .filter(|best| *best > 0.0);
        best.map_or(String::new(), |best| format!(" ({})", times(of(cost) / best)))
    };
    let sent = match workload {
        Workload::Insert => format!("{:.0}", cost.bytes.total() as f64 / f64::from(heroes)),
        Workload::Nothing => {
            format!("{} + {}", bytes(cost.bytes.asked), bytes(cost.bytes.answered))
        }
        Workload::Whole | Workload::Changed(_) | Workload::Both => bytes(cost.bytes.total()),
    };
    let rate = if_memory(
        workload,
        format!(", {:.2} M/s", f64::from(heroes) / cost.cpu.as_secs_f64() / 1e6),
        String::new(),
    );
    let of_time = times_best(&|cost| cost.cpu.as_secs_f64());
    let of_bytes = times_best(&|cost| cost.bytes.total() as f64);
    format!(" {}{rate}{of_time} | {sent}{of_bytes} |", time(cost.cpu))
}
