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
    /// Create heroes until so many live; those that live already take part
    #[arg(long, value_name = "N", default_value = "1000", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(super) heroes: u64,
    /// How many writes are due, evenly spread, however late answers are; 0/s for none
    #[arg(long, value_name = "N/s", default_value = "100/s", value_parser = rate)]
    pub(super) writes: u32,
    /// For how long
    #[arg(long, value_name = "N", default_value = "30", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(super) seconds: u64,
    /// What writes do: send a hero to a city, create one, delete one that this load has created;
    /// each with its part
    #[arg(long, value_name = "KIND=PART,…", default_value = "assign=100")]
    pub(super) mix: Mix,
    /// So many writes may wait for an answer at once; what is due beyond that waits, and its time
    /// counts
    #[arg(long, value_name = "N", default_value = "16", value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000))]
    pub(super) connections: usize,
    /// How long the cities may take to agree, before the load and after it; exit code 1 when they
    /// do not
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = span::duration)]
    pub(super) wait: Duration,
    /// What cities were started with: the API does not say, and times are also told in these
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    pub(super) gossip_interval: Duration,
    /// Leave the heroes that were created; else they are deleted at the end
    #[arg(long)]
    pub(super) keep: bool,
}

/// Reads a span of time that is not zero.
fn interval(text: &str) -> Result<Duration, String> {
    span::duration(text)
        .and_then(|span| if span.is_zero() { Err("more than 0".into()) } else { Ok(span) })
}
