//! The metrics of a process, served at `GET /metrics` in the Prometheus text format.
//!
//! - [`node`]: the table of the metrics of every node. Dispatch has a second table.
//! - `links`: counts frames, connections and restarts. `hooks`: called by the driver for each frame
//!   and step.
//! - `replica`: counts the rounds of a replica by comparing its state after each step. The core
//!   itself contains no metrics.
//! - `requests`: counts HTTP requests by route pattern.
//! - `system`: memory, CPU and descriptors of the process, from `/proc`.
//!
//! Invariants: every metric is in a table, with a help text; the number of label values is bounded,
//! for any input from outside. A process has one recorder, which outlives the incarnations of
//! its machine, so a crash does not reset counters.

pub(crate) mod hooks;
pub(crate) mod links;
pub mod node;
pub(crate) mod replica;
pub(crate) mod requests;
mod system;

use std::sync::OnceLock;
use std::time::Duration;

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use metrics::{Key, Label, Level, Metadata};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use gossip::NodeName;

use crate::telemetry;

pub use metrics::{Gauge, Unit, counter, gauge, histogram};

/// The media type of the Prometheus text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// The interval at which histogram samples are moved into their buckets. Until then each sample
/// takes memory.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// The definition of a metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The Prometheus name, with the unit as suffix.
    pub name: &'static str,
    /// The type.
    pub kind: Kind,
    /// The unit of the values.
    pub unit: Unit,
    /// The help text.
    pub help: &'static str,
    /// The labels with their values. If all values are known, all combinations are served from the
    /// start, as 0.
    pub labels: &'static [(&'static str, &'static [&'static str])],
}

/// The type of a metric.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A value that only increases.
    Counter,
    /// A value that increases and decreases.
    Gauge,
    /// A distribution, counted in buckets with these upper bounds.
    Histogram(&'static [f64]),
}

impl Metric {
    /// Returns a metric without labels.
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind, unit: Unit, help: &'static str) -> Self {
        Self { name, kind, unit, help, labels: &[] }
    }

    /// Returns the metric with these labels. A label without values has few values that are not
    /// known in advance.
    #[must_use]
    pub const fn by(self, labels: &'static [(&'static str, &'static [&'static str])]) -> Self {
        Self { labels, ..self }
    }

    /// Returns this metric under a former name. The caller records every value under both names.
    const fn deprecated(self, name: &'static str, help: &'static str) -> Self {
        Self { name, help, ..self }
    }

    fn register(&self) {
        let (metadata, help) = (Metadata::new(module_path!(), Level::INFO, None), self.help.into());
        metrics::with_recorder(|recorder| {
            match self.kind {
                Kind::Counter => recorder.describe_counter(self.name.into(), Some(self.unit), help),
                Kind::Gauge => recorder.describe_gauge(self.name.into(), Some(self.unit), help),
                Kind::Histogram(_) => {
                    recorder.describe_histogram(self.name.into(), Some(self.unit), help)
                }
            }
            for labels in self.combinations() {
                let key = Key::from_parts(self.name, labels);
                match self.kind {
                    // Adding zero creates the series, so it is served before its first event.
                    Kind::Counter => recorder.register_counter(&key, &metadata).increment(0),
                    Kind::Gauge => recorder.register_gauge(&key, &metadata).increment(0.0),
                    Kind::Histogram(_) => drop(recorder.register_histogram(&key, &metadata)),
                }
            }
        });
    }

    /// Returns all combinations of the label values; none if the values of a label are unknown.
    fn combinations(&self) -> Vec<Vec<Label>> {
        self.labels.iter().fold(vec![Vec::new()], |combinations, (label, values)| {
            let with = |value: &'static str| {
                combinations
                    .iter()
                    .map(move |before| [&before[..], &[Label::new(*label, value)]].concat())
            };
            values.iter().flat_map(|value| with(value)).collect()
        })
    }
}

/// Registers the metrics of these tables. A process has a single recorder, whose `node` label is
/// that of the first call.
pub fn register(node: NodeName, tables: &[&'static [Metric]]) {
    let metrics = || tables.iter().copied().flatten();
    RECORDER.get_or_init(|| {
        let buckets = metrics().filter_map(|metric| match metric.kind {
            Kind::Histogram(bounds) => Some((metric.name, bounds)),
            Kind::Counter | Kind::Gauge => None,
        });
        let builder = PrometheusBuilder::new().add_global_label("node", node.as_str());
        let builder = buckets.fold(builder, |builder, (name, bounds)| {
            builder
                .set_buckets_for_metric(Matcher::Full(name.to_owned()), bounds)
                .expect("every histogram has bounds")
        });
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            warn!("another metrics recorder is installed in this process: /metrics is empty");
        }
        handle
    });
    metrics().for_each(Metric::register);
    gauge!(node::BUILD.name, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

/// Returns the route of the metrics.
pub(crate) fn router() -> Router {
    let text = || async {
        system::measure();
        counter!(node::LOG_LINES_DROPPED.name).absolute(telemetry::lines_dropped());
        (
            [(header::CONTENT_TYPE, TEXT)],
            RECORDER.get().map(PrometheusHandle::render).unwrap_or_default(),
        )
            .into_response()
    };
    Router::new().route("/metrics", get(text))
}

/// Moves histogram samples into their buckets until `stop`. Without it, memory would grow while
/// `/metrics` is not requested.
pub(crate) async fn run_upkeep(stop: CancellationToken) {
    let mut interval = tokio::time::interval(UPKEEP_INTERVAL);
    let mut dropped = 0;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = interval.tick() => {
                if let Some(recorder) = RECORDER.get() {
                    recorder.run_upkeep();
                }
                let before = std::mem::replace(&mut dropped, telemetry::lines_dropped());
                if dropped > before {
                    warn!("{} log lines dropped: standard output was not read", dropped - before);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use gossip::Incarnation;
    use gossip::link::Telemetry as _;

    use super::*;

    const LABELLED: Metric = Metric::new(
        "superhero_tests_total",
        Kind::Counter,
        Unit::Count,
        "Help with \"quotes\" and\nlines.",
    )
    .by(&[("a", &["1", "2"]), ("b", &["x", "y", "z"])]);

    #[test]
    fn label_combinations_are_registered_if_all_values_are_known() {
        assert_eq!(LABELLED.combinations().len(), 6);
        assert_eq!(Metric { labels: &[], ..LABELLED }.combinations(), [Vec::<Label>::new()]);
        assert!(LABELLED.by(&[("a", &["1"]), ("peer", &[])]).combinations().is_empty());
    }

    #[test]
    fn machines_share_the_recorder_and_label_values_are_escaped() {
        for name in ["gotham", "capitol"] {
            register(name.parse().unwrap(), &[node::ALL, &[LABELLED]]);
        }
        counter!(LABELLED.name, "a" => "quote\" slash\\ line\nend", "b" => "x").increment(3);
        let text = RECORDER.get().unwrap().render();
        assert!(text.contains(r#"a="quote\" slash\\ line\nend",b="x"} 3"#), "{text}");
        assert!(
            text.lines()
                .all(|line| line.is_empty() || line.starts_with("# ") || line.contains("node=")),
            "{text}"
        );
    }

    #[test]
    fn names_have_a_known_prefix_and_their_unit_as_suffix() {
        for Metric { name, kind, unit, help, .. } in node::ALL {
            let (has_prefix, is_sentence) = (
                name.starts_with("superhero_") || name.starts_with("process_"),
                help.ends_with('.'),
            );
            let total = name.ends_with("_total") == matches!(kind, Kind::Counter);
            let stem = name.trim_end_matches("_total");
            let has_unit = *unit == Unit::Count || stem.ends_with(unit.as_str());
            assert!(has_prefix && is_sentence && total && has_unit, "{name}");
        }
    }

    #[test]
    fn deprecated_names_have_the_values_of_their_replacements() {
        register("gotham".parse().unwrap(), &[node::ALL]);
        links::LinkMetrics.peer_refused("cookie");
        links::LinkMetrics.incarnation_started(Incarnation::at(1_790_000_000_500));
        let text = RECORDER.get().unwrap().render();
        // The order of the samples of a metric is unspecified.
        let samples = |name: &str| -> BTreeSet<&str> {
            text.lines().filter_map(|line| line.strip_prefix(name)).collect()
        };
        for [metric, deprecated] in [node::PEERS_REFUSED_NAMES, node::INCARNATION_START_NAMES] {
            assert_eq!(samples(deprecated.name), samples(metric.name));
            assert!(text.contains(&format!("\n{}{{", deprecated.name)), "{text}");
            assert_eq!(deprecated.help, format!("Deprecated: use {}.", metric.name));
        }
        assert!(samples(node::PEERS_REFUSED.name).iter().any(|sample| sample.ends_with("} 1")));
        let started = samples(node::INCARNATION_START.name);
        assert!(started.iter().all(|sample| sample.ends_with("} 1790000000.5")), "{started:?}");
    }
}
