//! The nodes that did not answer a short time ago.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::id::NodeName;

/// The time for which a node that did not answer is not asked again.
const SILENT_FOR: Duration = Duration::from_secs(5);

/// The nodes that did not answer a short time ago. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Silence(Arc<Mutex<BTreeMap<NodeName, Instant>>>);

impl Silence {
    pub(super) fn note(&self, node: NodeName) {
        // The value is consistent whenever the lock is released.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(node, Instant::now());
    }

    pub(super) fn has(&self, node: NodeName) -> bool {
        let silent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        silent.get(&node).is_some_and(|since| since.elapsed() < SILENT_FOR)
    }
}
