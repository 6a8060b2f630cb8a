//! `spread`: prints how many rounds a write takes to reach every node, by number of nodes, and
//! draws `docs/spread.svg`.

mod figure;

use std::{fs, io};

use simulator::spread::{self, Rule, Spread};

const SIZES: [u32; 9] = [3, 5, 10, 20, 50, 100, 200, 500, 1_000];
const FIGURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/spread.svg");
/// The number of cities in the original design.
const CITIES: u32 = 3;

fn main() -> io::Result<()> {
    println!("each node starts one mutual pull per round; theory is log3 n + ln ln n");
    println!(
        "{:>6} {:>7} {:>7} {:>5} {:>5} {:>8}",
        "nodes", "seeds", "mean", "p50", "p99", "theory"
    );
    let measured = SIZES.map(|nodes| {
        (
            nodes,
            row(nodes, Rule::EveryNodePulls, (100_000 / nodes).clamp(100, 10_000), |nodes| {
                spread::estimate(nodes.into())
            }),
        )
    });
    println!("\noriginal design: one ordered pair per second, one way; exact: mean 6 s, p99 17 s");
    row(CITIES, Rule::OneOrderedPair, 1_000_000, spread::ordered_pair_expectation);
    fs::write(FIGURE, figure::svg(&measured, spread::estimate))
}

/// Measures and prints one row of the table.
fn row(nodes: u32, rule: Rule, seeds: u32, theory: impl Fn(u32) -> f64) -> Spread {
    let spread = spread::measure(nodes, rule, seeds);
    let Spread { mean, p50, p99 } = spread;
    println!("{nodes:>6} {seeds:>7} {mean:>7.2} {p50:>5} {p99:>5} {:>8.2}", theory(nodes));
    spread
}
