//! The options of `superhero load`.

use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;

use scenario::span;

use super::mix::Mix;
use super::schedule::rate;

/// The options of `superhero load`.
#[derive(Args, Clone, Debug)]
pub(crate) struct LoadOptions {
    /// Number of heroes to write to; existing heroes take part, missing ones are created
    #[arg(
        long,
        value_name = "N",
        default_value = "1000",
        value_parser = clap::value_parser!(u64).range(1..=1_000_000)
    )]
    pub(super) heroes: u64,
    /// Rate of writes, kept even if responses are late; 0/s for none
    #[arg(long, value_name = "N/s", default_value = "100/s", value_parser = rate)]
    pub(super) writes: u32,
    /// Duration of the load: 30s or 2m; `--seconds 30` is the same
    #[arg(
        long = "for",
        alias = "seconds",
        value_name = "DURATION",
        default_value = "30s",
        value_parser = whole_seconds
    )]
    pub(super) seconds: u64,
    /// Kinds of writes and their weights: assign, create, delete (only heroes of this load)
    #[arg(long, value_name = "KIND=WEIGHT,…", default_value = "assign=100")]
    pub(super) mix: Mix,
    /// Maximum number of writes in flight; the latency of a write includes its wait for a connection
    #[arg(
        long,
        value_name = "N",
        default_value = "16",
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000)
    )]
    pub(super) connections: usize,
    /// Timeout for the nodes to agree, before and after the load; exit with 1 on timeout
    #[arg(long, value_name = "TIMEOUT", default_value = "60s", value_parser = span::duration)]
    pub(super) wait: Duration,
    /// Gossip interval configured at the cities, to report times in intervals
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = interval)]
    pub(super) gossip_interval: Duration,
    /// Keep the created heroes instead of deleting them at the end
    #[arg(long)]
    pub(super) keep: bool,
}

/// Parses a duration of at least a second, and in whole seconds. A bare number is in seconds.
fn whole_seconds(text: &str) -> Result<u64, String> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let span = if is_number { span::duration(&format!("{text}s")) } else { span::duration(text) }?;
    if span.is_zero() || span.subsec_nanos() != 0 {
        return Err("must be whole seconds, at least 1s".to_owned());
    }
    Ok(span.as_secs())
}

/// Parses a duration that is not zero.
fn interval(text: &str) -> Result<Duration, String> {
    span::duration(text)
        .and_then(|span| if span.is_zero() { Err("must be more than 0".into()) } else { Ok(span) })
}
