//! The tables: the cost of each workload for each contestant, relative to the best peer.

use benches::text::{bytes, grouped, time, times};

use crate::contestant::{Contestant, Measured, Workload};
use crate::cost::Cost;
use crate::sizes::Sizes;

/// The compared costs, as numbers.
const COMPARED: [fn(Cost) -> f64; 4] = [
    |cost| cost.time().as_secs_f64(),
    |cost| cost.sent as f64,
    |cost| cost.held as f64,
    |cost| cost.peak as f64,
];

/// Prints what the tables contain.
pub(crate) fn print_heading() {
    println!(
        "Costs of three replicas together: processor time, bytes sent, bytes allocated at the end, \
         and their peak; in parentheses, the ratio to the best peer."
    );
}

/// Prints the table of a workload, in Markdown. This project is the first of the measured.
pub(crate) fn print(workload: Workload, sizes: &Sizes, measured: &[Measured]) {
    println!("\n**{}**\n", title(workload, sizes));
    println!("| | time | operations + rounds | sent | memory | peak |");
    println!("|---|--:|--:|--:|--:|--:|");
    let best: Vec<Option<f64>> = COMPARED
        .iter()
        .map(|of| {
            let peers = measured.iter().skip(1).map(|peer| of(peer.cost));
            peers.min_by(f64::total_cmp).filter(|best| *best > 0.0)
        })
        .collect();
    for (place, Measured { name, cost }) in measured.iter().enumerate() {
        let bold = if place == 0 { "**" } else { "" };
        let parts = format!("{} + {}", time(cost.operations), time(cost.rounds));
        let [spent, sent, held, peak] =
            [time(cost.time()), bytes(cost.sent), bytes(cost.held), bytes(cost.peak)];
        let ratio = |column: usize| {
            let best = best[column]?;
            Some(format!(" ({})", times(COMPARED[column](*cost) / best)))
        };
        let ratio = |column| ratio(column).unwrap_or_default();
        println!(
            "| {bold}{name}{bold} | {spent}{} | {parts} | {sent}{} | {held}{} | {peak}{} |",
            ratio(0),
            ratio(1),
            ratio(2),
            ratio(3)
        );
    }
    if let [ours, _, ..] = measured {
        let ratio = |column: usize| {
            best[column].map_or(String::new(), |best| times(best / COMPARED[column](ours.cost)))
        };
        println!(
            "| best peer / this project | {} | | {} | {} | {} |",
            ratio(0),
            ratio(1),
            ratio(2),
            ratio(3)
        );
    }
}

/// Prints which contestants were not measured with these sizes, and why.
pub(crate) fn print_left_out(left_out: &[Contestant]) {
    for Contestant { name, .. } in left_out {
        println!("\n- *not measured*: {name}; its time grows with the square of the increments.");
    }
}

fn title(workload: Workload, sizes: &Sizes) -> String {
    let count = |number: usize| u32::try_from(number).map_or(number.to_string(), grouped);
    let every = count(sizes.every);
    match workload {
        Workload::Counter => {
            format!("Counter: {} increments, a round every {every}", count(sizes.increments))
        }
        Workload::Set => format!(
            "Set: {} elements added, a round every {every}, half of them then removed elsewhere",
            count(sizes.elements)
        ),
        Workload::Chat => {
            format!("Chat: {} messages, a round every {every}", count(sizes.messages))
        }
    }
}
