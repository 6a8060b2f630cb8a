//! The real clocks, read once per input of a machine.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::time::{Now, UnixMillis};

/// The system's monotonic and wall clocks. The wall clock goes back where somebody sets it back;
/// stamps do not.
#[derive(Debug)]
pub(super) struct SystemClock {
    started: Instant,
    /// The offset that faults add to the wall clock, in milliseconds.
    skew_ms: AtomicI64,
}

#[expect(clippy::disallowed_methods, reason = "this is where the core's `Now` comes from")]
impl SystemClock {
    /// Starts the monotonic clock at zero.
    pub(super) fn start() -> Self {
        Self { started: Instant::now(), skew_ms: AtomicI64::new(0) }
    }

    /// Offsets the wall clock from now on; 0 ends it.
    pub(super) fn skew(&self, ms: i64) {
        self.skew_ms.store(ms, Ordering::Relaxed);
    }

    /// Reads both clocks. A wall clock before 1970 reads 0.
    pub(super) fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let skew = self.skew_ms.load(Ordering::Relaxed);
        let wall = u64::try_from(wall).unwrap_or(u64::MAX).saturating_add_signed(skew);
        Now { mono: self.started.elapsed(), wall: UnixMillis(wall) }
    }

    /// Waits until the monotonic clock reads `deadline`; for ever without one, or where the system
    /// cannot represent a time that far away.
    pub(super) async fn sleep_until(&self, deadline: Option<Duration>) {
        match deadline.and_then(|deadline| self.started.checked_add(deadline)) {
            Some(deadline) => tokio::time::sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    }
}
