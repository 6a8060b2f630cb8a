//! The log of a process: text or JSON lines on standard output, filtered by `RUST_LOG`.
//!
//! Each incarnation of a machine is a span, and so is each of its links, so a JSON line names the
//! incarnation. Text lines omit it: the start of the incarnation is a few lines above.
//!
//! Invariants: an event is one line, whatever its message and its fields contain, and acts on no
//! terminal. No part of the process waits for the reader of the log. A thread of its own writes the
//! lines; if the reader does not read, at most `LINES_MAX` lines wait, and further ones are dropped
//! and counted.

mod json;
mod text;
#[cfg(test)]
mod written;

use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt, registry};

use gossip::NodeName;

/// The number of log lines that wait while the reader does not read.
const LINES_MAX: usize = 4_096;

/// The time limit for writing the last lines.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// The writer thread and its count of dropped lines.
static WRITER: Mutex<Option<(WorkerGuard, ErrorCounter)>> = Mutex::new(None);

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Human-readable text
    Text,
    /// One JSON object per line
    Json,
}

/// Starts the log of `node`, panics included. The level is `info` where `RUST_LOG` sets none.
///
/// # Panics
/// When the process already has a log.
pub fn init(node: NodeName, format: LogFormat) {
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(LINES_MAX)
        .lossy(true)
        .thread_name("log")
        .finish(std::io::stdout());
    let counter = writer.error_counter();
    *WRITER.lock().unwrap_or_else(PoisonError::into_inner) = Some((guard, counter));
    let lines = match format {
        LogFormat::Text => {
            let text = fmt::layer()
                .with_writer(writer)
                .with_target(false)
                .fmt_fields(text::fields())
                .with_ansi(std::io::stdout().is_terminal());
            // Without its spans a text line omits their fields.
            text.with_filter(filter_fn(|metadata| metadata.is_event())).boxed()
        }
        LogFormat::Json => fmt::layer()
            .with_writer(writer)
            .event_format(json::Lines::of(node))
            .fmt_fields(JsonFields::new())
            .boxed(),
    };
    let directives = std::env::var("RUST_LOG").unwrap_or_default();
    let parsed = parse_filter(&directives);
    let filter = parsed.as_ref().map_or_else(|_| default_filter(), Clone::clone);
    registry().with(lines.with_filter(filter)).init();
    // Panics are logged like other events, so that JSON output contains only JSON lines.
    std::panic::set_hook(Box::new(|panic| tracing::error!("panicked: {panic}")));
    if let Err(reason) = parsed {
        tracing::warn!("RUST_LOG={directives:?} is ignored: {reason}");
    }
}

/// Returns the number of log lines dropped so far, because the reader did not read.
pub fn lines_dropped() -> u64 {
    let writer = WRITER.lock().unwrap_or_else(PoisonError::into_inner);
    writer.as_ref().map_or(0, |(_, counter)| counter.dropped_lines() as u64)
}

/// Ends the log when it is dropped, also by a panic.
#[derive(Debug)]
pub struct EndOnDrop;

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        end(END_TIMEOUT);
    }
}

/// Writes the waiting lines and ends the log. It gives up after `limit` if the reader does not
/// read.
pub(crate) fn end(limit: Duration) {
    let Some(writer) = WRITER.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
    let (written, end) = mpsc::channel::<()>();
    // On a thread of its own: with a full queue, the drop prints to standard output and blocks.
    thread::spawn(move || {
        drop(writer);
        drop(written);
    });
    // Always an error: the sender is dropped, or the time is over.
    let _ = end.recv_timeout(limit);
}

/// Returns the filter for directives of the form `LEVEL` or `TARGET=LEVEL`, separated by commas.
///
/// # Errors
/// The reason for which a directive is invalid. A bare target is one: it would enable that target
/// alone, and a misspelt level is taken for a target.
fn parse_filter(directives: &str) -> Result<Targets, String> {
    let mut parts = directives.split(',').map(str::trim).filter(|part| !part.is_empty()).peekable();
    if parts.peek().is_none() {
        return Ok(default_filter());
    }
    parts.try_fold(Targets::new(), |filter, part| {
        let (target, level) =
            part.split_once('=').map_or((None, part), |(target, level)| (Some(target), level));
        let level: LevelFilter = level.trim().parse().map_err(|_| {
            format!("{part:?} is not LEVEL or TARGET=LEVEL; levels are off, error, warn, info, debug, trace")
        })?;
        match target.map(str::trim) {
            None => Ok(filter.with_default(level)),
            Some(target) if target.is_empty() || target.contains(['[', '{']) => {
                Err(format!("{part:?} names no target; filters on spans and fields are not supported"))
            }
            Some(target) => Ok(filter.with_target(target, level)),
        }
    })
}

fn default_filter() -> Targets {
    Targets::new().with_default(LevelFilter::INFO)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn empty_filter_enables_info() {
        for directives in ["", " ", ",,"] {
            let filter = parse_filter(directives).unwrap();
            assert!(filter.would_enable("gossip::link", &Level::INFO), "{directives:?}");
            assert!(!filter.would_enable("gossip::link", &Level::DEBUG), "{directives:?}");
        }
    }

    #[test]
    fn filter_takes_levels_and_targets() {
        let filter = parse_filter("WARN, gossip::link=debug,hyper=off").unwrap();
        assert!(filter.would_enable("shared", &Level::WARN));
        assert!(!filter.would_enable("shared", &Level::INFO));
        assert!(filter.would_enable("gossip::link::dialer", &Level::DEBUG));
        assert!(!filter.would_enable("hyper::proto", &Level::ERROR));
    }

    #[test]
    fn filter_refuses_what_is_neither_a_level_nor_a_target_with_one() {
        for directives in ["verbose", "info,verbose", "gossip=loud", "=debug", "[span{id=1}]=debug"]
        {
            let refused = parse_filter(directives).unwrap_err();
            assert!(refused.starts_with('"'), "{directives:?}: {refused}");
        }
    }
}
