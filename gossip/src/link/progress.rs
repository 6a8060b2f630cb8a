//! The progress of a node's machine, for health checks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// The longest pause between two steps of the driver, so that an idle machine makes progress too.
pub(super) const STEP_INTERVAL: Duration = Duration::from_secs(1);
/// The time without a step after which a machine counts as stalled. Longer than any step of a large
/// map.
const STALLED_AFTER: Duration = Duration::from_secs(10);

/// The time of the last step of a node's machine. Clones share it.
#[derive(Clone, Debug)]
pub struct Progress {
    started: Instant,
    last_ms: Arc<AtomicU64>,
}

impl Progress {
    pub(super) fn start() -> Self {
        Self { started: Instant::now(), last_ms: Arc::default() }
    }

    /// Notes a step.
    pub(super) fn note(&self) {
        // Relaxed, because no other memory depends on the value.
        self.last_ms.store(self.elapsed_ms(), Ordering::Relaxed);
    }

    /// Returns the time since the last step if the machine has stalled: its task is blocked, or is
    /// in an endless loop.
    #[must_use]
    pub fn stalled(&self) -> Option<Duration> {
        let last_ms = self.last_ms.load(Ordering::Relaxed);
        let since = Duration::from_millis(self.elapsed_ms().saturating_sub(last_ms));
        (since >= STALLED_AFTER).then_some(since)
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_without_steps_has_stalled_until_its_next_step() {
        let started = Instant::now().checked_sub(STALLED_AFTER + STEP_INTERVAL);
        let progress = Progress { started: started.expect("an uptime"), ..Progress::start() };
        assert!(progress.stalled().is_some_and(|since| since > STALLED_AFTER));
        progress.note();
        assert_eq!(progress.stalled(), None);
    }
}
