//! Real processes as users start them, to be measured.

use std::time::Duration;

use cluster_tests::{Cluster, Options, wait_until};

/// Returns a cluster with the intervals of `make run`, without patrols and fights, which logs no
/// line for each write.
///
/// # Panics
/// When it does not come up.
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
/// After `timeout`, with the verdict at that time.
pub fn wait_agreed(cluster: &Cluster, timeout: Duration) {
    wait_until("all agree on all heroes", timeout, || {
        // While it takes in very many heroes it may not be there for the question.
        let reply = cluster.api.get("/api/v1/verdict");
        if reply.status == 200 && reply.json()["converged"] == true {
            Ok(())
        } else {
            Err(format!("{reply:?}"))
        }
    });
}
