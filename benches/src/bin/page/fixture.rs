//! The cluster that everything here is measured on.
//!
//! Invariant: a measurement starts when all nodes agree on all heroes.

use std::sync::Arc;
use std::time::Duration;

use benches::fixtures::{quiet_cluster, wait_agreed};
use cluster_tests::Cluster;
use tokio::runtime::Runtime;

use crate::load::Heroes;

/// The number of heroes.
pub(crate) const HEROES: u32 = 10_000;
/// The heroes that only the measurement of a delay writes to. They come first on the page.
const MARKERS: usize = 25;
/// The longest time until all nodes agree on all heroes.
const AGREEMENT_TIMEOUT: Duration = Duration::from_secs(60);

/// A cluster with heroes, and the runtime of its clients.
pub(crate) struct Fixture {
    pub(crate) cluster: Cluster,
    pub(crate) runtime: Runtime,
    pub(crate) heroes: Arc<Heroes>,
    /// The process id of dispatch.
    pub(crate) dispatch: u32,
}

impl Fixture {
    /// Starts a cluster and waits until all agree on all heroes.
    pub(crate) fn new() -> Self {
        let mut cluster = quiet_cluster();
        let markers: Vec<String> = (0..MARKERS)
            .map(|number| cluster.api.create_named(&format!("0 Marker {number:02}")).id)
            .collect();
        let others = HEROES - u32::try_from(MARKERS).unwrap_or(0);
        let _ = cluster.api.create(others);
        wait_agreed(&cluster, AGREEMENT_TIMEOUT);
        let heroes = Arc::new(Heroes::of(&cluster.api, markers));
        let dispatch = cluster.process("dispatch").id();
        Self { cluster, runtime: Runtime::new().expect("a runtime can be had"), heroes, dispatch }
    }
}
