//! What a process counts of itself, and how it is asked for it: `GET /metrics`, as Prometheus reads
//! it.
//!
//! - [`node`]: what every node counts, as a table. Dispatch has one more of its own.
//! - `links`: counts what links and supervision do. `hooks`: what the driver calls at each frame
//!   and step.
//! - `replica`: counts what a replica does, by looking at it after each step. The core itself
//!   counts nothing.
//! - `requests`: counts HTTP requests, by the pattern of their route.
//! - `system`: what the process costs, as `/proc` has it.
//!
//! Invariants: all that is counted stands in a table, with its help; a label's value is one of a
//! few, whatever is sent from outside. A process has one recorder: it outlives the lives of its
//! machine, so no crash sets a counter back.

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

pub use metrics::{Gauge, Unit, counter, gauge, histogram};

/// The text format of Prometheus, as its media type.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// How often the samples of histograms are put into their buckets; until then each of them takes
/// memory.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Something that is counted or measured.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name, with its unit, as Prometheus has it.
    pub name: &'static str,
    /// How it moves.
    pub kind: Kind,
    /// What its numbers are of.
    pub unit: Unit,
    /// What it means, for people.
    pub help: &'static str,
    /// Its labels. Where all their values are known, all combinations are served from the start:
    /// what never happened is 0, not nothing.
    pub labels: &'static [(&'static str, &'static [&'static str])],
}

/// How a metric moves.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// It only rises.
    Counter,
    /// It rises and falls.
    Gauge,
    /// It is many values, counted in buckets up to these bounds.
    Histogram(&'static [f64]),
}

impl Metric {
    /// A metric without labels.
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind, unit: Unit, help: &'static str) -> Self {
        Self { name, kind, unit, help, labels: &[] }
    }

    /// The same with labels. No values means: not known beforehand, and still few.
    #[must_use]
    pub const fn by(self, labels: &'static [(&'static str, &'static [&'static str])]) -> Self {
        Self { labels, ..self }
    }

    fn begin(&self) {
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
                    Kind::Counter => recorder.register_counter(&key, &metadata).increment(0),
                    Kind::Gauge => recorder.register_gauge(&key, &metadata).increment(0.0),
                    Kind::Histogram(_) => drop(recorder.register_histogram(&key, &metadata)),
                }
            }
        });
    }

    /// All combinations of the values of its labels; none where not all are known.
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

/// Begins to count what stands in these tables. In a process that does already, the recorder stays
/// as it is: `node` is who began first.
pub fn begin(node: NodeName, tables: &[&'static [Metric]]) {
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
                .expect("a histogram of a table has bounds")
        });
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            warn!("something else in this process counts already: /metrics is empty");
        }
        handle
    });
    metrics().for_each(Metric::begin);
    gauge!(node::BUILD.name, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

/// The way to what was counted.
pub(crate) fn router() -> Router {
    let text = || async {
        system::look();
        (
            [(header::CONTENT_TYPE, TEXT)],
            RECORDER.get().map(PrometheusHandle::render).unwrap_or_default(),
        )
            .into_response()
    };
    Router::new().route("/metrics", get(text))
}

/// Puts samples into their buckets until `stop`, so that memory does not grow where nobody asks.
pub(crate) async fn keep_up(stop: CancellationToken) {
    let mut interval = tokio::time::interval(UPKEEP_INTERVAL);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = interval.tick() => {
                if let Some(recorder) = RECORDER.get() {
                    recorder.run_upkeep();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELLED: Metric = Metric::new(
        "superhero_tests_total",
        Kind::Counter,
        Unit::Count,
        "Help with \"quotes\" and\nlines.",
    )
    .by(&[("a", &["1", "2"]), ("b", &["x", "y", "z"])]);

    #[test]
    fn every_combination_of_known_values_is_there_from_the_start_and_none_of_unknown_ones() {
        assert_eq!(LABELLED.combinations().len(), 6);
        assert_eq!(Metric { labels: &[], ..LABELLED }.combinations(), [Vec::<Label>::new()]);
        assert!(LABELLED.by(&[("a", &["1"]), ("peer", &[])]).combinations().is_empty());
    }

    #[test]
    fn many_machines_in_one_process_share_its_recorder_and_odd_values_are_escaped() {
        for name in ["gotham", "capitol"] {
            begin(name.parse().unwrap(), &[node::ALL, &[LABELLED]]);
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
    fn names_are_of_one_family_and_say_their_unit() {
        for Metric { name, kind, unit, help, .. } in node::ALL {
            let (begins, ends) = (
                name.starts_with("superhero_") || name.starts_with("process_"),
                help.ends_with('.'),
            );
            let total = name.ends_with("_total") == matches!(kind, Kind::Counter);
            let stem = name.trim_end_matches("_total");
            let says_unit = *unit == Unit::Count || stem.ends_with(unit.as_str());
            assert!(begins && ends && total && says_unit, "{name}");
        }
    }
}
