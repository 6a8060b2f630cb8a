//! The report of a load: tables, or JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use scenario::span::written;
use serde::Serialize;

use crate::output::{Failure, Output};

use super::agreement::{POLL_INTERVAL, Took};
use super::lag::Lags;
use super::measured::{Done, Quantiles, Tally};
use super::mix::Kind;

/// The report of a load.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) heroes: Filled,
    writes: Writes,
    /// The latency of all successful writes. `from_due` also contains the writes that were not
    /// sent, with the time that they had waited.
    latency_ms: Latency,
    kinds: BTreeMap<Kind, OfKind>,
    refusals: Vec<Refusals>,
    convergence: Convergence,
    client: Client,
}

/// The heroes that existed before the load, and those that it created.
#[derive(Debug, Serialize)]
pub(super) struct Filled {
    pub(super) found: u64,
    pub(super) created: u64,
    pub(super) took_ms: u64,
    /// The time from the last creation until all nodes held the same; null on timeout.
    pub(super) agreed_ms: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Writes {
    /// The requested rate, per second.
    rate: u32,
    /// The actual duration.
    seconds: f64,
    done: u64,
    refused: u64,
    not_sent: u64,
    /// The actual rate of successful writes, per second.
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
    /// The time from the last write until every city covered all writes; null on timeout.
    arrived_ms: Option<u64>,
    /// The time from the last write until all nodes held the same; null on timeout.
    agreed_ms: Option<u64>,
    /// The poll interval, which bounds the precision of both times.
    looked_every_ms: u64,
    gossip_interval_ms: f64,
    /// The replication lag that dispatch measured; null if its metrics cannot be read.
    lag: Option<Lag>,
}

#[derive(Debug, Serialize)]
struct Lag {
    writes: u64,
    /// Null if the quantile is above the highest finite bucket bound.
    p50_at_most_ms: Option<f64>,
    p99_at_most_ms: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Client {
    connections: usize,
    /// The share of one core that this process used during the load.
    cpu_share: Option<f64>,
}

/// The inputs of a report.
pub(super) struct Measurements<'a> {
    pub(super) filled: Filled,
    pub(super) rate: u32,
    pub(super) lasted: Duration,
    pub(super) tally: &'a Tally,
    pub(super) took: Took,
    pub(super) lags: Lags,
    /// The effective interval: the configured one, divided by the gossip rate.
    pub(super) gossip_interval: Duration,
    pub(super) connections: usize,
    pub(super) processor: Option<Duration>,
}

impl Report {
    pub(super) fn of(measurements: Measurements<'_>) -> Self {
        let Measurements {
            filled,
            rate,
            lasted,
            tally,
            took,
            lags,
            gossip_interval,
            connections,
            processor,
        } = measurements;
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
                looked_every_ms: ms(POLL_INTERVAL),
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

    /// Prints the report.
    pub(super) fn print(&self, out: Output, json: bool) -> Result<(), Failure> {
        if json {
            return out.json(
                &serde_json::to_string(self).map_err(|error| Failure::No(error.to_string()))?,
            );
        }
        out.table(
            &["WRITES", "LATENCY FROM", "DONE", "P50", "P99", "P99.9", "MAX"],
            &self.latencies(),
        )?;
        if !self.refusals.is_empty() {
            out.table(&["STATUS", "PROBLEM", "WRITES"], &self.refused())?;
        }
        out.table(&["METRIC", "VALUE"], &self.metrics())
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
        // With a single kind its row would repeat the row of all writes.
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

    fn metrics(&self) -> Vec<Vec<String>> {
        let Convergence { arrived_ms, agreed_ms, looked_every_ms, gossip_interval_ms, lag } =
            &self.convergence;
        let intervals = |ms: f64| format!("{:.1} gossip intervals", ms / gossip_interval_ms);
        let until = |took: Option<u64>| match took {
            Some(ms) => format!(
                "{} ({}), polled every {looked_every_ms} ms",
                span(ms),
                intervals(ms as f64)
            ),
            None => "timed out".into(),
        };
        let at_most = |bound: Option<f64>| match bound {
            Some(ms) => format!("at most {ms:.0} ms ({})", intervals(ms)),
            None => "above the highest bucket".into(),
        };
        let writes = &self.writes;
        let mut rows = vec![
            ["heroes found".into(), self.heroes.found.to_string()],
            [
                "heroes created".into(),
                format!("{} in {}", self.heroes.created, span(self.heroes.took_ms)),
            ],
            [
                "all nodes agreed on them after".into(),
                self.heroes.agreed_ms.map_or_else(|| "timed out".into(), span),
            ],
            [
                "writes done".into(),
                format!(
                    "{} in {:.1} s ({:.1}/s of {}/s)",
                    writes.done, writes.seconds, writes.per_s, writes.rate
                ),
            ],
            ["writes refused".into(), writes.refused.to_string()],
            ["writes not sent".into(), writes.not_sent.to_string()],
            ["all cities received them after".into(), until(*arrived_ms)],
            ["all nodes agreed after".into(), until(*agreed_ms)],
        ];
        if let Some(lag) = lag {
            rows.push(["replication lag, p50".into(), at_most(lag.p50_at_most_ms)]);
            rows.push(["replication lag, p99".into(), at_most(lag.p99_at_most_ms)]);
        }
        let share = self
            .client
            .cpu_share
            .map_or_else(String::new, |share| format!("{:.0} % of a core, ", share * 100.0));
        rows.push([
            "client usage".into(),
            format!("{share}{} connections", self.client.connections),
        ]);
        rows.into_iter().map(Vec::from).collect()
    }
}

impl Latency {
    fn of(done: &Done) -> Self {
        let Done { from_due, from_sent, .. } = done;
        Self { from_due: from_due.quantiles(), from_sent: from_sent.quantiles() }
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
