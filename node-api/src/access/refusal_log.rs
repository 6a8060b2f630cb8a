//! Warnings about refused requests that point to a wrong configuration. Each distinct cause is
//! logged at most once a minute.
//!
//! Invariant: hostile clients can neither fill the log nor the memory.

use std::sync::Arc;

use tokio::time::Instant;
use tracing::warn;

use gossip::link::{Due, LogLimit};

use crate::error::Problem;

/// The causes that were logged recently. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct RefusalLog {
    logged: Arc<LogLimit<String>>,
}

impl RefusalLog {
    /// Logs the detail of a problem, which must be bounded.
    pub fn warn(&self, problem: &Problem) {
        if let Some(Due { unlogged }) = self.logged.due(problem.detail.clone(), Instant::now()) {
            warn!(problem = problem.code, unlogged, "request refused: {}", problem.detail);
        }
    }
}
