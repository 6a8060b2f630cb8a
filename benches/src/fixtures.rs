//! Clusters of real processes, configured as by `make run`.

use std::time::Duration;

use cluster_tests::{Cluster, Options, wait_until};

/// Returns a cluster with the intervals of `make run`, without patrols and fights. It logs warnings
/// only, so that no write produces a log line.
///
/// # Panics
/// Panics if the cluster does not start.
#[must_use]
pub fn quiet_cluster() -> Cluster {
    let environment = vec![("RUST_LOG", "warn".to_owned())];
    Cluster::start(Options {
        city_gossip: "1s",
        dispatch_gossip: "1s",
        poll: "2s",
        environment,
        ..Options::default()
    })
}

/// Waits until all nodes agree on all heroes.
///
/// # Panics
/// Panics after `timeout`, with the last verdict.
pub fn wait_agreed(cluster: &Cluster, timeout: Duration) {
    wait_until("all agree on all heroes", timeout, || {
        // Dispatch may not respond while it processes very many heroes.
        let reply = cluster.api.get("/api/v1/verdict");
        if reply.status == 200 && reply.json()["converged"] == true {
            Ok(())
        } else {
            Err(format!("{reply:?}"))
        }
    });
}
