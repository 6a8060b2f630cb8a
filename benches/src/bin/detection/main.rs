//! How soon a node that is silent is noticed, how often a running one is taken for down, and what
//! that costs: by the links of this project, one between every two nodes, and by SWIM (foca with its
//! settings for local networks). In virtual time over a simulated network; `make detection`.

mod links;
mod swim;

use std::io::{self, Write as _};
use std::time::Duration;

/// The numbers of nodes.
const SIZES: [u16; 4] = [3, 32, 100, 1_000];
/// The probabilities that a packet is lost.
const LOSSES: [f64; 3] = [0.0, 0.01, 0.1];
/// The time for which running nodes watch each other, after the start.
const WATCHED: Duration = Duration::from_secs(60);
/// The time within which a dead node is to be noticed.
const NOTICED_MAX: Duration = Duration::from_secs(120);
/// The delay of a packet, in milliseconds.
const DELAY_MS: std::ops::RangeInclusive<u64> = 1..=10;
/// The bytes of the headers of a UDP datagram over IPv4, and of a TCP segment.
const UDP_HEADERS: u64 = 28;
const TCP_HEADERS: u64 = 52;

/// What was measured for one size and one loss.
#[derive(Debug, Default)]
struct Measured {
    /// The times from the death of a node until each other one takes it for down, ascending.
    noticed: Vec<Duration>,
    /// How often a node took a running one for down.
    false_alarms: u64,
    /// The time for which nodes watched, summed over them.
    watched: Duration,
    /// The packets and bytes that nodes have sent meanwhile.
    packets: u64,
    bytes: u64,
}

impl Measured {
    fn add(&mut self, other: Self) {
        self.noticed.extend(other.noticed);
        self.noticed.sort_unstable();
        self.false_alarms += other.false_alarms;
        self.watched += other.watched;
        self.packets += other.packets;
        self.bytes += other.bytes;
    }

    fn row(&self, by: &str, nodes: u16, loss: f64) -> String {
        let at = |percent: usize| self.noticed[(self.noticed.len() * percent).div_ceil(100) - 1];
        let seconds = |time: Duration| match time {
            NOTICED_MAX => format!("not within {} s", time.as_secs()),
            _ => format!("{:.1} s", time.as_secs_f64()),
        };
        let hours = self.watched.as_secs_f64() / 3_600.0;
        #[expect(clippy::cast_precision_loss, reason = "the numbers are small")]
        let per_second = |number: u64| number as f64 / self.watched.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "the number is small")]
        let alarms = self.false_alarms as f64 / hours;
        format!(
            "| {by} | {nodes} | {} % | {} | {} | {alarms:.2} | {:.0} | {:.1} kB |",
            loss * 100.0,
            seconds(at(50)),
            seconds(at(100)),
            per_second(self.packets),
            per_second(self.bytes) / 1_000.0,
        )
    }
}

/// Returns the number of runs, so that each size has enough pairs of nodes.
fn runs(nodes: u16) -> u64 {
    match nodes {
        0..=10 => 200,
        11..=50 => 20,
        51..=200 => 5,
        _ => 1,
    }
}

fn main() -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(
        out,
        "| By | Nodes | Loss | Down after, median | At the last node | False alarms, per node and \
         hour | Packets a second | Bytes a second |\n|---|---|---|---|---|---|---|---|"
    )?;
    for nodes in SIZES {
        for loss in LOSSES {
            for (by, measure) in
                [("links", links::run as fn(u16, f64, u64) -> Measured), ("SWIM", swim::run)]
            {
                let mut measured = Measured::default();
                for seed in 0..runs(nodes) {
                    measured.add(measure(nodes, loss, seed));
                }
                writeln!(out, "{}", measured.row(by, nodes, loss))?;
            }
        }
    }
    Ok(())
}
