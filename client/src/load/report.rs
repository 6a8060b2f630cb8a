//! What was measured, for people and for programs.

use std::collections::BTreeMap;
use std::time::Duration;

use scenario::span::written;
use serde::Serialize;

use crate::output::{Failure, Output};

use super::agreement::{PAUSE, Took};
use super::lag::Lags;
use super::measured::{Done, Quantiles, Tally, Times};
use super::mix::Kind;

/// All of it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) heroes: Filled,
    writes: Writes,
    /// Of all writes that were done; `from_due` also has those that were never sent, by how long
    /// they had waited.
    latency_ms: Latency,
    kinds: BTreeMap<Kind, OfKind>,
    refusals: Vec<Refusals>,
    convergence: Convergence,
    client: Client,
}

/// What there was before the load, and what was added.
#[derive(Debug, Serialize)]
pub(super) struct Filled {
    pub(super) found: u64,
    pub(super) created: u64,
    pub(super) took_ms: u64,
    /// From the last creation until all nodes held the same; null where they did not in time.
    pub(super) agreed_ms: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Writes {
    /// A second, as asked for.
    rate: u32,
    /// For how long, as it came to be.
    seconds: f64,
    done: u64,
    refused: u64,
    not_sent: u64,
    /// Those that were done.
    per_s: f64,
}

#[derive(Debug, Serialize)]
struct Latency {
    from_due: Option<Quantiles>,
    from_sent: Option<Quantiles>,
}

#[derive(Debug, Serialize)]
struct OfKind {
    done: u64,
    latency_ms: Latency,
}

#[derive(Debug, Serialize)]
struct Refusals {
    status: Option<u16>,
    #[serde(rename = "type")]
    kind: String,
    writes: u64,
}

#[derive(Debug, Serialize)]
struct Convergence {
    /// From the last write until every city had heard of all of them.
    arrived_ms: Option<u64>,
    /// From the last write until all nodes held the same.
    agreed_ms: Option<u64>,
    /// How often that was looked at.
    looked_every_ms: u64,
    gossip_interval_ms: f64,
    /// By dispatch's metrics.
    lag: Option<Lag>,
}

#[derive(Debug, Serialize)]
struct Lag {
    writes: u64,
    /// Null where it is longer than dispatch tells apart.
    p50_at_most_ms: Option<f64>,
    p99_at_most_ms: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Client {
    connections: usize,
    /// Of one core, while it wrote.
    cpu_share: Option<f64>,
}

/// What the load was asked to be, and what was seen of it.
pub(super) struct Seen<'a> {
    pub(super) filled: Filled,
    pub(super) rate: u32,
    pub(super) lasted: Duration,
    pub(super) tally: &'a Tally,
    pub(super) took: Took,
    pub(super) lags: Lags,
    /// As configured, at the pace that gossip went at.
    pub(super) gossip_interval: Duration,
    pub(super) connections: usize,
    pub(super) processor: Option<Duration>,
}

impl Report {
    pub(super) fn of(seen: Seen<'_>) -> Self {
        let Seen {
            filled,
            rate,
            lasted,
            tally,
            took,
            lags,
            gossip_interval,
            connections,
            processor,
        } = seen;
        let of_kind = |(kind, done): (&Kind, &Done)| {
            (*kind, OfKind { done: done.count, latency_ms: Latency::of(done) })
        };
        let at_most = |share| {
            lags.at_most(share).filter(|bound| bound.is_finite()).map(|bound| bound * 1_000.0)
        };
        let lag = (lags.count() > 0).then(|| Lag {
            writes: lags.count(),
            p50_at_most_ms: at_most(0.5),
            p99_at_most_ms: at_most(0.99),
        });
        Self {
            heroes: filled,
            writes: Writes {
                rate,
                seconds: lasted.as_secs_f64(),
                done: tally.all.count,
                refused: tally.refusals(),
                not_sent: tally.not_sent,
                per_s: per_s(tally.all.count, lasted),
            },
            latency_ms: Latency::of(&tally.all),
            kinds: tally.kinds.iter().map(of_kind).collect(),
            refusals: tally
                .refused
                .iter()
                .map(|(why, writes)| Refusals {
                    status: why.status,
                    kind: why.kind.clone(),
                    writes: *writes,
                })
                .collect(),
            convergence: Convergence {
                arrived_ms: took.arrived.map(ms),
                agreed_ms: took.agreed.map(ms),
                looked_every_ms: ms(PAUSE),
                gossip_interval_ms: gossip_interval.as_secs_f64() * 1_000.0,
                lag,
            },
            client: Client {
                connections,
                cpu_share: processor
                    .map(|taken| taken.as_secs_f64() / lasted.as_secs_f64().max(f64::MIN_POSITIVE)),
            },
        }
    }

    /// Prints it.
    pub(super) fn print(&self, out: Output, json: bool) -> Result<(), Failure> {
        if json {
            return out.line(
                &serde_json::to_string(self).map_err(|error| Failure::No(error.to_string()))?,
            );
        }
        out.table(
            &["WRITES", "COUNTED FROM", "DONE", "P50", "P99", "P99.9", "MAX"],
            &self.latencies(),
        )?;
        if !self.refusals.is_empty() {
            out.table(&["STATUS", "REFUSED AS", "WRITES"], &self.refused())?;
        }
        out.table(&["MEASURED", "IS"], &self.measures())
    }

    fn latencies(&self) -> Vec<Vec<String>> {
        let all = ("all", self.writes.done, &self.latency_ms);
        let kinds = self.kinds.iter().map(|(kind, of)| (kind.as_str(), of.done, &of.latency_ms));
        let both = |(what, done, latency): (&str, u64, &Latency)| {
            [("due", latency.from_due), ("sent", latency.from_sent)].map(|(from, times)| {
                let times = times.map_or_else(
                    || vec![String::new(); 4],
                    |times| [times.p50, times.p99, times.p99_9, times.max].map(in_ms).to_vec(),
                );
                [vec![what.to_owned(), from.to_owned(), done.to_string()], times].concat()
            })
        };
        // With one kind of writes, that is all of them.
        [all].into_iter().chain(kinds.filter(|_| self.kinds.len() > 1)).flat_map(both).collect()
    }

    fn refused(&self) -> Vec<Vec<String>> {
        let row = |of: &Refusals| {
            vec![
                of.status.map_or_else(String::new, |status| status.to_string()),
                of.kind.clone(),
                of.writes.to_string(),
            ]
        };
        self.refusals.iter().map(row).collect()
    }

    fn measures(&self) -> Vec<Vec<String>> {
        let Convergence { arrived_ms, agreed_ms, looked_every_ms, gossip_interval_ms, lag } =
            &self.convergence;
        let intervals = |ms: f64| format!("{:.1} gossip intervals", ms / gossip_interval_ms);
        let until = |took: Option<u64>| match took {
            Some(ms) => format!(
                "{} ({}), looked at every {looked_every_ms} ms",
                span(ms),
                intervals(ms as f64)
            ),
            None => "not in time".into(),
        };
        let at_most = |bound: Option<f64>| match bound {
            Some(ms) => format!("at most {ms:.0} ms ({})", intervals(ms)),
            None => "longer than dispatch tells apart".into(),
        };
        let writes = &self.writes;
        let mut rows = vec![
            ["heroes found".into(), self.heroes.found.to_string()],
            [
                "heroes created".into(),
                format!("{} in {}", self.heroes.created, span(self.heroes.took_ms)),
            ],
            [
                "all agreed on them after".into(),
                self.heroes.agreed_ms.map_or_else(|| "not in time".into(), span),
            ],
            [
                "writes done".into(),
                format!(
                    "{} in {:.1} s, {:.1} a second of {}",
                    writes.done, writes.seconds, writes.per_s, writes.rate
                ),
            ],
            ["writes refused".into(), writes.refused.to_string()],
            ["writes never sent".into(), writes.not_sent.to_string()],
            ["all cities had heard after".into(), until(*arrived_ms)],
            ["all agreed after".into(), until(*agreed_ms)],
        ];
        if let Some(lag) = lag {
            rows.push(["lag of a write, p50".into(), at_most(lag.p50_at_most_ms)]);
            rows.push(["lag of a write, p99".into(), at_most(lag.p99_at_most_ms)]);
        }
        let share = self
            .client
            .cpu_share
            .map_or_else(String::new, |share| format!("{:.0} % of a core over ", share * 100.0));
        rows.push([
            "this client took".into(),
            format!("{share}{} connections", self.client.connections),
        ]);
        rows.into_iter().map(Vec::from).collect()
    }
}

impl Latency {
    fn of(done: &Done) -> Self {
        let said = |times: &Times| times.quantiles();
        Self { from_due: said(&done.from_due), from_sent: said(&done.from_sent) }
    }
}

fn per_s(count: u64, lasted: Duration) -> f64 {
    if lasted.is_zero() { 0.0 } else { count as f64 / lasted.as_secs_f64() }
}

pub(super) fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn span(ms: u64) -> String {
    written(Duration::from_millis(ms))
}

fn in_ms(ms: f64) -> String {
    format!("{ms:.2} ms")
}
