//! Ctrl-C, counted: the first stops the load, a second also stops the deletion after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::output::Failure;

/// The number of times Ctrl-C was pressed.
#[derive(Clone, Debug, Default)]
pub(super) struct Interrupt(Arc<AtomicU32>);

impl Interrupt {
    /// Installs the signal handler.
    pub(super) fn listen() -> Result<Self, Failure> {
        let interrupt = Self::default();
        let pressed = Arc::clone(&interrupt.0);
        ctrlc::set_handler(move || _ = pressed.fetch_add(1, Ordering::Relaxed))
            .map_err(|error| Failure::No(format!("cannot handle Ctrl-C: {error}")))?;
        Ok(interrupt)
    }

    pub(super) fn is_set(&self) -> bool {
        self.times() > 0
    }

    /// Returns the count so far.
    pub(super) fn times(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}
