//! The system clocks, read once per input of a machine.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::time::{Now, Reference, UnixMillis};

/// The system's monotonic and wall clocks. The wall clock may be set back; stamps never go back.
#[derive(Debug)]
pub(super) struct SystemClock {
    started: Instant,
    /// The offset of the wall clock by faults, in milliseconds.
    skew_ms: AtomicI64,
    /// Of the process, so that a crash does not forget how its clock was set.
    reference: Mutex<Reference>,
}

#[expect(clippy::disallowed_methods, reason = "the source of `Now` for the core")]
impl SystemClock {
    /// Returns a clock whose monotonic time starts at zero.
    pub(super) fn start() -> Self {
        Self { started: Instant::now(), skew_ms: AtomicI64::new(0), reference: Mutex::default() }
    }

    /// Sets the offset of the wall clock; 0 removes it.
    pub(super) fn skew(&self, ms: i64) {
        // Relaxed, because no other memory depends on the value.
        self.skew_ms.store(ms, Ordering::Relaxed);
    }

    /// Reads both clocks. A wall clock before 1970 reads 0.
    pub(super) fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let skew = self.skew_ms.load(Ordering::Relaxed);
        let wall = u64::try_from(wall).unwrap_or(u64::MAX).saturating_add_signed(skew);
        self.reference().read(self.started.elapsed(), UnixMillis(wall))
    }

    /// Accepts stamps up to `time`, and those that the accepted drift allows after it.
    pub(super) fn accept(&self, time: UnixMillis) {
        self.reference().accept(time);
    }

    /// Returns by how many milliseconds the wall clock was set since the last call, if it was set.
    pub(super) fn take_step_ms(&self) -> Option<i64> {
        self.reference().take_step_ms()
    }

    fn reference(&self) -> MutexGuard<'_, Reference> {
        self.reference.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the monotonic clock reads `deadline`. Never returns without a deadline, or if
    /// the system cannot represent a time that far ahead.
    pub(super) async fn sleep_until(&self, deadline: Option<Duration>) {
        match deadline.and_then(|deadline| self.started.checked_add(deadline)) {
            Some(deadline) => tokio::time::sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    }
}
