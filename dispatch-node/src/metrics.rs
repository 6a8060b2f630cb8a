//! The metrics of dispatch beyond those of every node: the state of the whole cluster, and its
//! watchers. A test compares `docs/metrics.md` with this table.
//!
//! Invariant: a view is measured once, when it is published; nothing here decides anything.

use std::time::Duration;

use shared::meter::Kind::{Counter, Gauge, Histogram};
use shared::meter::Unit::{Count, Seconds};
use shared::meter::{Gauge as Handle, Metric, counter, gauge, histogram};

use crate::model::view::View;

/// The buckets of write lags: a round or a few, or as long as a cut lasts.
const LAG: &[f64] = &[0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0];

const CONVERGED: Metric = Metric::new(
    "superhero_converged",
    Gauge,
    Count,
    "1 where all cities answer and hold what dispatch holds, 0 otherwise.",
);
const DIFFERENCES: Metric = Metric::new(
    "superhero_differences",
    Gauge,
    Count,
    "Heroes of whom the cities that answer do not hold the same.",
);
const OLDEST: Metric = Metric::new(
    "superhero_oldest_difference_seconds",
    Gauge,
    Seconds,
    "For how long the hero who differs for longest has differed; 0 where none does.",
);
const ONLY_COPIES: Metric = Metric::new(
    "superhero_only_copies",
    Gauge,
    Count,
    "Heroes whom one node alone holds: they are lost where it crashes now.",
);
const LOST: Metric = Metric::new(
    "superhero_lost_writes_total",
    Counter,
    Count,
    "Writes that were answered as saved, and later stood nowhere, overwritten by somebody who had not seen them.",
);
const FAULTS: Metric = Metric::new(
    "superhero_faults",
    Gauge,
    Count,
    "Faults that people have put in force and that are not over.",
);
const CONVERGENCE_LAG: Metric = Metric::new(
    "superhero_convergence_lag_seconds",
    Histogram(LAG),
    Seconds,
    "From when dispatch knows of a write until every city that answers is seen to hold it, or something that beats it.",
);
const BROWSERS: Metric = Metric::new(
    "superhero_browsers",
    Gauge,
    Count,
    "Sockets of pages, and of programs that watch, which are open.",
)
.by(&[("kind", &["page", "program"])]);
/// The frames sent to watchers.
pub(crate) const FRAMES_SENT: Metric = Metric::new(
    "superhero_browser_frames_sent_total",
    Counter,
    Count,
    "Frames sent to whoever watches.",
)
.by(&[("to", &["page", "program"])]);
/// The frames that were skipped.
pub(crate) const FRAMES_SKIPPED: Metric = Metric::new(
    "superhero_browser_frames_skipped_total",
    Counter,
    Count,
    "Frames that pages were never sent, since they were too slow for them; what they said came with a later one.",
);

/// All metrics of this table.
pub(crate) const ALL: &[Metric] = &[
    CONVERGED,
    DIFFERENCES,
    OLDEST,
    ONLY_COPIES,
    LOST,
    FAULTS,
    CONVERGENCE_LAG,
    BROWSERS,
    FRAMES_SENT,
    FRAMES_SKIPPED,
];

/// The part of the views that was counted so far.
#[derive(Debug, Default)]
pub(crate) struct ViewMetrics {
    lost: u64,
}

impl ViewMetrics {
    /// Measures a view.
    #[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^53 heroes")]
    pub(crate) fn measure(&mut self, view: &View) {
        let status = &view.status;
        gauge!(CONVERGED.name).set(f64::from(u8::from(status.converged)));
        gauge!(DIFFERENCES.name).set(status.differences as f64);
        gauge!(ONLY_COPIES.name).set(status.only_copies as f64);
        gauge!(OLDEST.name).set(status.oldest_difference.unwrap_or_default());
        gauge!(FAULTS.name).set(view.faults.len() as f64);
        // A new incarnation of dispatch counts from 0 again.
        counter!(LOST.name).increment(status.lost_writes.saturating_sub(self.lost));
        self.lost = status.lost_writes;
    }
}

/// Counts writes that have arrived everywhere after these times.
pub(crate) fn arrived(lags: &[Duration]) {
    let histogram = histogram!(CONVERGENCE_LAG.name);
    lags.iter().for_each(|lag| histogram.record(*lag));
}

/// A watcher's socket: counted while it is held.
pub(crate) struct Watched(Handle);

impl Watched {
    /// Counts a socket of a page, or of a program.
    pub(crate) fn by(kind: &'static str) -> Self {
        let open = gauge!(BROWSERS.name, "kind" => kind);
        open.increment(1.0);
        Self(open)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
