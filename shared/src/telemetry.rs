//! Logs of a process: text or JSON lines on standard output, filtered by `RUST_LOG`.
//!
//! A life of a machine is a span, and so are its links: a JSON line says of which life it is. Text
//! lines are for people, who see the life begin a few lines above.

mod json;

use std::io::IsTerminal as _;

use clap::ValueEnum;
use tracing::Level;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt, registry};

use gossip::NodeName;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// Starts the logs of `node`, panics included. What `RUST_LOG` does not say is logged from `info`
/// up.
pub fn init(node: NodeName, format: LogFormat) {
    let lines = match format {
        LogFormat::Text => {
            let text = fmt::layer().with_target(false).with_ansi(std::io::stdout().is_terminal());
            text.with_filter(filter_fn(|metadata| metadata.is_event())).boxed()
        }
        LogFormat::Json => {
            fmt::layer().event_format(json::Lines::of(node)).fmt_fields(JsonFields::new()).boxed()
        }
    };
    let filter = EnvFilter::builder().with_default_directive(Level::INFO.into()).from_env_lossy();
    registry().with(lines.with_filter(filter)).init();
    std::panic::set_hook(Box::new(|panic| tracing::error!("panicked: {panic}")));
}
