//! What a city's process writes of its own, through the same handle as any other program: the number
//! of bombs that it survived, what these have cost the counters, and its motto.
//!
//! Invariant: each bomb and each loss is counted at most once, by an incarnation that follows it. If
//! that one is bombed before it has answered, the bomb or the loss may be missing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use gossip::NodeName;
use gossip::link::{AskError, Cluster, Loss};
use gossip::types::TypeError;
use gossip::types::counter::CounterError;
use gossip::types::request::RequestError;

/// The counter of bombs. Its share of a city is the number of bombs on it.
const BOMBS: &str = "bombs";
/// The table of the mottos, by city.
const MOTTOS: &str = "mottos";

/// The start of the name of the counter of what a counter has lost.
const LOST: &str = "lost: ";

/// The number of losses that wait to be counted.
const LOSSES_MAX: usize = 1_000;
/// The interval between attempts.
const RETRY: Duration = Duration::from_secs(1);

/// The bombs that are not counted yet. Clones share the number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bombs(Arc<AtomicU32>);

impl Bombs {
    /// Notes a bomb.
    pub(crate) fn note(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Writes for the city `me`, whenever an incarnation has joined or a loss is known, until the process
/// stops.
pub(crate) async fn run(cluster: Cluster, me: NodeName, bombs: Bombs, stop: CancellationToken) {
    let writing = async {
        let (mut snapshots, mut last, mut losses) = (cluster.snapshots(), None, Vec::new());
        while let Some(incarnation) = cluster.joined_after(None).await {
            if last != Some(incarnation) {
                count(&cluster, &bombs).await;
                set_motto(&cluster, me).await;
                last = Some(incarnation);
            }
            losses.extend(cluster.take_losses());
            count_losses(&cluster, &mut losses).await;
            if snapshots.changed().await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = writing => {}
    }
}

/// Adds what was lost of each counter to a counter of its own, and what was lost of that one back to
/// it. Leaves the losses that were refused.
async fn count_losses(cluster: &Cluster, losses: &mut Vec<Loss>) {
    for loss in std::mem::take(losses) {
        let Loss { counter, incarnation, amount } = &loss;
        let lost = match counter.starts_with(LOST) {
            true => counter.clone(),
            false => format!("{LOST}{counter}"),
        };
        let added = match i64::try_from(*amount) {
            Ok(amount) => cluster.counter(&lost).add(amount).await,
            Err(_) => continue,
        };
        match added {
            Ok(_) => warn!(counter, %incarnation, amount, "lost with an ended incarnation"),
            // It may have been counted, so it is not counted again.
            Err(AskError::Unknown) => {
                warn!(counter, amount, "whether the loss was counted is unknown");
            }
            Err(AskError::Refused(RequestError::Counter(CounterError::Refused(
                TypeError::Name { .. },
            )))) => warn!(counter, amount, "loss not counted: the name is too long"),
            Err(AskError::Busy | AskError::Refused(_)) if losses.len() < LOSSES_MAX => {
                losses.push(loss);
            }
            Err(error) => warn!(counter, amount, "loss not counted: {error}"),
        }
    }
}

async fn count(cluster: &Cluster, bombs: &Bombs) {
    let uncounted = bombs.0.swap(0, Ordering::Relaxed);
    if uncounted == 0 {
        return;
    }
    match cluster.counter(BOMBS).add(uncounted.into()).await {
        Ok(_) => {}
        // It may have been counted, so it is not counted again.
        Err(AskError::Unknown) => warn!(uncounted, "whether the bombs were counted is unknown"),
        Err(error @ (AskError::Refused(_) | AskError::Busy)) => {
            // The next incarnation tries again.
            bombs.0.fetch_add(uncounted, Ordering::Relaxed);
            warn!(uncounted, "bombs not counted: {error}");
        }
    }
}

/// Sets the motto if the city has none.
async fn set_motto(cluster: &Cluster, me: NodeName) {
    let mottos = cluster.table(MOTTOS);
    while mottos.get(me.as_str()).is_none() {
        let motto = format!("\"{}\"", motto(me.as_str()));
        match mottos.put(me.as_str(), motto.as_bytes()).await {
            // Repeating the same write is harmless.
            Ok(()) | Err(AskError::Unknown) => return,
            Err(AskError::Busy) => sleep(RETRY).await,
            Err(AskError::Refused(error)) => return debug!("motto not set: {error}"),
        }
    }
}

fn motto(city: &str) -> &'static str {
    match city {
        "gotham" => "Dark, but consistent in the end",
        "metropolis" => "Truth, justice and anti-entropy",
        "capitol" => "Out of many replicas, one",
        _ => "Forgotten by none while one remembers",
    }
}
