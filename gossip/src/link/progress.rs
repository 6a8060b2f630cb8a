//! The progress of a node's machine and of its links, for health checks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The longest pause between two steps of the driver, so that an idle machine makes progress too.
pub(super) const STEP_INTERVAL: Duration = Duration::from_secs(1);
/// The time without a step after which a machine counts as stalled. Longer than any step of a large
/// map.
const STALLED_AFTER: Duration = Duration::from_secs(10);

/// The time for which a frame that exceeds the limit counts. A link that cannot send it is made again
/// and lost again within this time.
const TOO_LARGE_FOR: Duration = Duration::from_secs(30);

/// The time of the last step of a node's machine, and of the last frame that was too large to send.
/// Clones share it.
#[derive(Clone, Debug)]
pub struct Progress {
    started: Instant,
    last_ms: Arc<AtomicU64>,
    too_large: Arc<Mutex<Option<(Instant, usize)>>>,
}

impl Progress {
    pub(super) fn start() -> Self {
        Self { started: Instant::now(), last_ms: Arc::default(), too_large: Arc::default() }
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

    /// Notes a frame of this many bytes that was too large to send.
    pub(super) fn note_too_large(&self, bytes: usize) {
        *self.too_large.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), bytes));
    }

    /// Returns the size of a frame that was too large to send in the last 30 s. Its link was lost,
    /// and carries nothing as long as the frame is to be sent.
    #[must_use]
    pub fn too_large_frame(&self) -> Option<usize> {
        let noted = *self.too_large.lock().unwrap_or_else(PoisonError::into_inner);
        noted.filter(|(at, _)| at.elapsed() < TOO_LARGE_FOR).map(|(_, bytes)| bytes)
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

    #[test]
    fn frame_that_was_too_large_counts_for_a_while() {
        let progress = Progress::start();
        assert_eq!(progress.too_large_frame(), None);
        progress.note_too_large(7);
        assert_eq!(progress.clone().too_large_frame(), Some(7));
        let long_ago = Instant::now().checked_sub(TOO_LARGE_FOR).expect("an uptime");
        *progress.too_large.lock().unwrap() = Some((long_ago, 7));
        assert_eq!(progress.too_large_frame(), None);
    }
}
