//! The cluster on which all measurements run.
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
/// The number of heroes that only the latency measurement writes. They come first on the page.
const MARKERS: usize = 25;
/// The timeout for agreement of all nodes on all heroes.
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
    /// Starts a cluster, creates the heroes, and waits for agreement.
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
        Self { cluster, runtime: Runtime::new().expect("the runtime starts"), heroes, dispatch }
    }
}
