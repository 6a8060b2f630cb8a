//! A log line as one JSON object: time, level, node, the fields of the enclosing spans (such as the
//! incarnation), and the event's own fields.
//!
//! Invariants: each line contains no character that acts on a terminal. Each line is one flat object. If a name occurs twice, the innermost field wins: the
//! event's field over that of its span. Time, level and node cannot be overridden.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use gossip::NodeName;

use crate::escape::escaped_json;

/// Formats the log lines of one node. The fields of spans must be formatted as JSON.
pub(super) struct Lines {
    node: String,
}

impl Lines {
    pub(super) fn of(node: NodeName) -> Self {
        Self { node: node.to_string() }
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Fields::default();
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            let extensions = span.extensions();
            let fields = extensions
                .get::<FormattedFields<N>>()
                .map_or("", |formatted| formatted.fields.as_str());
            if let Ok(fields) = serde_json::from_str::<Map<String, Value>>(fields) {
                line.0.extend(fields);
            }
        }
        event.record(&mut line);
        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        let level = event.metadata().level().as_str();
        for (name, value) in [("timestamp", &*timestamp), ("level", level), ("node", &self.node)] {
            line.0.insert(name.to_owned(), value.into());
        }
        writeln!(writer, "{}", escaped_json(&Value::Object(line.0).to_string()))
    }
}

/// The fields of a line.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::fmt::format::JsonFields;
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::{fmt, registry};

    use super::*;
    use crate::telemetry::written::Written;

    #[test]
    fn line_contains_its_incarnation_and_no_raw_newline() {
        let written = Written::default();
        let to = written.clone();
        let lines = fmt::layer()
            .event_format(Lines::of("gotham".parse().unwrap()))
            .fmt_fields(JsonFields::new());
        tracing::subscriber::with_default(
            registry().with(lines.with_writer(move || to.clone())),
            || {
                let incarnation =
                    tracing::error_span!("incarnation", incarnation = 6, peer = "gotham");
                incarnation.in_scope(|| tracing::info!(peer = %"capitol", ok = true, node = "another", "linked\nwith \"quotes\""));
                tracing::warn!("outside any incarnation");
            },
        );
        let text = written.text();
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2, "{text}");
        let [first, second] = &lines[..] else { unreachable!() };
        assert_eq!(
            (&first["node"], &first["incarnation"], &first["level"]),
            (&"gotham".into(), &6.into(), &"INFO".into())
        );
        assert_eq!((&first["peer"], &first["ok"]), (&"capitol".into(), &true.into()));
        assert_eq!(first["message"], "linked\nwith \"quotes\"");
        assert!(first["timestamp"].as_str().unwrap().ends_with('Z'), "{text}");
        assert_eq!((&second["node"], second.get("incarnation")), (&"gotham".into(), None));
    }
}
