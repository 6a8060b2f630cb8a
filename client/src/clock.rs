//! Real time.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// The time that something takes.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts a stopwatch.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "a client lives in real time")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Returns the time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Returns the monotonic time since this was first asked for.
pub(crate) fn now() -> Duration {
    static START: LazyLock<Stopwatch> = LazyLock::new(Stopwatch::start);
    START.elapsed()
}
