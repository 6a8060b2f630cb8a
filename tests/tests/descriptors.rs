//! A process without free file descriptors keeps its established connections, lets new ones wait,
//! and serves them when descriptors are free again.

#![cfg(target_os = "linux")]

use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use cluster_tests::raw::Connection;
use cluster_tests::{
    CITIES, Cluster, HANG_TIMEOUT, Heroes, Link, NODES, Options, binary, ensure, resources,
    wait_until,
};

/// The open file limit: enough for the listener, the links, the runtime and a few connections.
const FILES: u64 = 64;
/// The number of connections to each process: more than it can accept, and no more than the
/// listener's backlog holds.
const CONNECTIONS: usize = 100;
/// The time within which a waiting connection gets no response.
const UNANSWERED: Duration = Duration::from_millis(500);

#[test]
fn node_with_too_few_descriptors_does_not_start_and_names_the_limit() {
    for (node, limit) in [("dispatch", 12), ("gotham", 12), ("dispatch", 63)] {
        // The shell's limit is both the soft and the hard one.
        let script = format!("ulimit -n {limit} && exec \"$0\" --listen=127.0.0.1:0");
        let finished = Command::new("timeout")
            .args(["60", "sh", "-c", &script])
            .arg(binary(node))
            .output()
            .expect("a shell");
        let error = String::from_utf8_lossy(&finished.stderr);
        assert_eq!(finished.status.code(), Some(2), "{node}: {error}");
        let words = format!("the limit on open files is {limit}");
        assert!(error.contains(&words) && error.contains("ulimit -n"), "{node}: {error}");
    }
}

#[test]
fn descriptor_shortage_delays_new_connections_only() {
    resources::allow_files(4 * CONNECTIONS as u64);
    let mut cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(5));
    cluster.wait_until_held(&heroes, &CITIES);
    let dispatch = cluster.address("dispatch");
    let mut page = Link::open(dispatch, "/live", &[]).expect("a socket");
    let mut established =
        Connection::open(dispatch, HANG_TIMEOUT).expect("dispatch accepts connections");
    let exhausted = ["dispatch", "gotham"];
    for node in exhausted {
        resources::limit_files(cluster.process(node), FILES);
    }

    let connections: Vec<TcpStream> = exhausted
        .iter()
        .flat_map(|node| std::iter::repeat_n(cluster.address(node), CONNECTIONS))
        .map(|address| TcpStream::connect(address).expect("the backlog holds the connection"))
        .collect();
    for node in exhausted {
        wait_until(&format!("{node} has no free file descriptor"), HANG_TIMEOUT, || {
            // Requests keep the connection open, which is closed after ten idle seconds.
            established
                .request("GET", "/healthz", "")
                .expect("an established connection is served");
            let log = cluster.process(node).log();
            ensure(log.contains("cannot accept a connection"), || {
                format!("{} files are open", resources::open_files(cluster.process(node)))
            })
        });
    }
    let mut waiting =
        Connection::open(dispatch, UNANSWERED).expect("the backlog holds the connection");
    let unanswered = waiting.request("GET", "/healthz", "");
    assert!(unanswered.is_err(), "a connection beyond the limit was served: {unanswered:?}");

    // Established connections are served, pages receive frames, and writes reach every city.
    let (status, created) = established
        .request("POST", "/api/v1/heroes", r#"{"name":"Without descriptors"}"#)
        .expect("a response");
    assert_eq!(status, 201, "{created}");
    let created: serde_json::Value = serde_json::from_str(&created).expect("JSON");
    let id = created["id"].as_str().expect("an id").to_owned();
    for city in CITIES {
        wait_until(&format!("the new hero is in {city}"), HANG_TIMEOUT, || {
            let (status, held) = established
                .request("GET", &format!("/api/v1/cities/{city}/heroes?limit=100"), "")
                .map_err(|error| error.to_string())?;
            ensure(status == 200 && held.contains(&id), || held)
        });
    }
    wait_until("the page shows the new hero", HANG_TIMEOUT, || {
        let frame = page.receive().map_err(|disconnect| format!("{disconnect:?}"))?;
        ensure(String::from_utf8_lossy(&frame).contains("Without descriptors"), || {
            "another frame".into()
        })
    });

    // With free descriptors, waiting connections are served, and the limit is unchanged.
    drop(connections);
    let (status, _) = wait_until("the waiting connection is served", HANG_TIMEOUT, || {
        waiting.read_response().map_err(|error| error.to_string())
    });
    assert_eq!(status, 200);
    heroes.created([id, cluster.api.create_named("After the shortage").id]);
    cluster.wait_until_held(&heroes, &CITIES);
    for node in NODES {
        let log = cluster.process(node).log();
        assert!(!log.contains("panicked"), "{node}: {log}");
        // The pause between two attempts to accept bounds the log during a shortage.
        let warnings = log.matches("cannot accept a connection").count();
        assert!(warnings <= 200, "{node} logged {warnings} warnings");
    }
}
