//! The message and the fields of a text line, escaped.

use std::fmt;

use tracing::field::Field;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

use crate::escape::escaped;

/// The field with the message of an event.
const MESSAGE: &str = "message";

/// Returns the formatter of the message and the fields. Every line is formatted by it, so no call
/// has to escape what it logs.
pub(super) fn fields() -> impl for<'a> FormatFields<'a> + 'static {
    debug_fn(field).delimited(" ")
}

fn field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let value = format!("{value:?}");
    let value = escaped(&value);
    match field.name() {
        MESSAGE => writer.write_str(&value),
        // In italics and dimmed, as in tracing's own format.
        name if writer.has_ansi_escapes() => {
            write!(writer, "\u{1b}[3m{name}\u{1b}[0m\u{1b}[2m=\u{1b}[0m{value}")
        }
        name => write!(writer, "{name}={value}"),
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::{fmt, registry};

    use super::*;
    use crate::telemetry::written::Written;

    fn logged(ansi: bool, log: impl FnOnce()) -> String {
        let written = Written::default();
        let to = written.clone();
        let lines = fmt::layer()
            .with_writer(move || to.clone())
            .with_target(false)
            .with_ansi(ansi)
            .without_time()
            .fmt_fields(fields());
        tracing::subscriber::with_default(registry().with(lines), log);
        written.text()
    }

    #[test]
    fn event_is_one_line_whatever_it_contains() {
        let hostile = "a\nb\r\0\t\u{1b}[2J\u{9b}\u{85}\u{2028}\u{202e}\u{2066}c";
        let shown = "a\\nb\\r\\u{0}\\t\\u{1b}[2J\\u{9b}\\u{85}\\u{2028}\\u{202e}\\u{2066}c";
        let text = logged(false, || {
            tracing::info!(%hostile, "message {hostile}");
            tracing::error!(text = hostile, debug = ?hostile, "{}", hostile);
            tracing::warn!(hostile);
        });
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
        assert!(!text.contains(['\u{2028}', '\u{202e}', '\u{2066}']), "{text:?}");
        assert!(text.starts_with(&format!(" INFO message {shown} hostile={shown}\n")), "{text}");
    }

    #[test]
    fn lines_have_the_form_of_tracings_own() {
        let event = || tracing::info!(peer = %"gotham", entries = 3, text = "a b", "pulled");
        assert_eq!(logged(false, event), " INFO pulled peer=gotham entries=3 text=\"a b\"\n");
        let coloured = logged(true, event);
        assert!(
            coloured.contains("\u{1b}[3mpeer\u{1b}[0m\u{1b}[2m=\u{1b}[0mgotham"),
            "{coloured:?}"
        );
    }
}
