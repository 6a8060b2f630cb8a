//! The metrics of dispatch in addition to those of every node: the state of the whole cluster, and
//! the open browser sockets. A test compares `docs/metrics.md` with this table.
//!
//! Invariant: a view is measured once, when it is published; metrics never influence behaviour.

use std::time::Duration;

use shared::meter::Kind::{Counter, Gauge, Histogram};
use shared::meter::Unit::{Count, Seconds};
use shared::meter::{Gauge as Handle, Metric, counter, gauge, histogram};

use crate::model::view::View;

/// The buckets of write lags, from one round to the duration of a long cut, in seconds.
const LAG: &[f64] = &[0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0];

const CONVERGED: Metric = Metric::new(
    "superhero_converged",
    Gauge,
    Count,
    "1 if all cities answer and hold the same entries as dispatch, 0 otherwise.",
);
const DIFFERENCES: Metric = Metric::new(
    "superhero_differences",
    Gauge,
    Count,
    "Heroes whose copies differ between the cities that answer.",
);
const OLDEST: Metric = Metric::new(
    "superhero_oldest_difference_seconds",
    Gauge,
    Seconds,
    "Age of the longest-lasting difference between cities; 0 if there is none.",
);
const ONLY_COPIES: Metric = Metric::new(
    "superhero_only_copies",
    Gauge,
    Count,
    "Heroes held by a single node: a crash of that node would lose them.",
);
const LOST: Metric = Metric::new(
    "superhero_lost_writes_total",
    Counter,
    Count,
    "Acknowledged writes that no longer exist anywhere: \
     overwritten by a write that had not seen them, or lost in a crash.",
);
const FAULTS: Metric =
    Metric::new("superhero_faults", Gauge, Count, "Injected faults that are in force.");
const CONVERGENCE_LAG: Metric = Metric::new(
    "superhero_convergence_lag_seconds",
    Histogram(LAG),
    Seconds,
    "Time from the first observation of a write until every city that answers \
     is observed to hold it or a write that beats it.",
);
const BROWSERS: Metric =
    Metric::new("superhero_browsers", Gauge, Count, "Open live sockets of pages and programs.")
        .by(&[("kind", &["page", "program"])]);
/// The frames sent over live sockets.
pub(crate) const FRAMES_SENT: Metric = Metric::new(
    "superhero_browser_frames_sent_total",
    Counter,
    Count,
    "Frames sent over live sockets.",
)
.by(&[("to", &["page", "program"])]);
/// The frames skipped because a page was too slow.
pub(crate) const FRAMES_SKIPPED: Metric = Metric::new(
    "superhero_browser_frames_skipped_total",
    Counter,
    Count,
    "Frames that were not sent because the page was too slow; \
     a later frame contains their changes.",
);

/// All metrics in this table.
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

/// The part of the view that is already counted.
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

/// Records the times that writes took to reach every city.
pub(crate) fn arrived(lags: &[Duration]) {
    let histogram = histogram!(CONVERGENCE_LAG.name);
    lags.iter().for_each(|lag| histogram.record(*lag));
}

/// A live socket, counted until it is dropped.
pub(crate) struct Watched(Handle);

impl Watched {
    /// Counts an open socket of a page or of a program.
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
