//! A process that has no file descriptors left refuses nobody it knows, makes others wait, and
//! answers them when it has some again.

#![cfg(target_os = "linux")]

use std::net::TcpStream;
use std::time::Duration;

use cluster_tests::raw::Held;
use cluster_tests::{
    CITIES, Cluster, HANG_TIMEOUT, Heroes, Link, NODES, Options, ensure, resources, wait_until,
};

/// How many files a process may open: its listener, its links, the runtime's own and a few
/// connections.
const FILES: u64 = 64;
/// How many connections are made to each: more than it can take, and no more than wait at a
/// listener without being sent to try again.
const HOARD: usize = 100;
/// Who has no place is not answered within this.
const MOMENT: Duration = Duration::from_millis(500);

#[test]
fn without_file_descriptors_the_rest_goes_on_and_they_are_used_again_when_there_are_some() {
    resources::allow_files(4 * HOARD as u64);
    let mut cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(5));
    cluster.wait_until_held(&heroes, &CITIES);
    let dispatch = cluster.address("dispatch");
    let mut page = Link::open(dispatch, "/live", &[]).expect("a socket");
    let mut user = Held::open(dispatch, HANG_TIMEOUT).expect("dispatch listens");
    let exhausted = ["dispatch", "gotham"];
    for node in exhausted {
        resources::limit_files(cluster.process(node), FILES);
    }

    let hoard: Vec<TcpStream> = exhausted
        .iter()
        .flat_map(|node| std::iter::repeat_n(cluster.address(node), HOARD))
        .map(|address| {
            TcpStream::connect(address).expect("the system takes connections, whoever serves them")
        })
        .collect();
    for node in exhausted {
        wait_until(&format!("{node} has no files left"), HANG_TIMEOUT, || {
            // Who says nothing for ten seconds is sent away.
            user.request("GET", "/healthz", "").expect("who is there already is answered");
            let log = cluster.process(node).log();
            ensure(log.contains("cannot accept a connection"), || {
                format!("{} open", resources::open_files(cluster.process(node)))
            })
        });
    }
    let mut stranger = Held::open(dispatch, MOMENT).expect("the system takes connections");
    let unanswered = stranger.request("GET", "/healthz", "");
    assert!(unanswered.is_err(), "there were files for {unanswered:?}");

    // Who is there already is served, pages are shown what happens, and what is written reaches
    // every city.
    let (status, created) = user
        .request("POST", "/api/v1/heroes", r#"{"name":"Without descriptors"}"#)
        .expect("an answer");
    assert_eq!(status, 201, "{created}");
    let created: serde_json::Value = serde_json::from_str(&created).expect("JSON");
    let id = created["id"].as_str().expect("an id").to_owned();
    for city in CITIES {
        wait_until(&format!("the new hero is in {city}"), HANG_TIMEOUT, || {
            let (status, held) = user
                .request("GET", &format!("/api/v1/cities/{city}/heroes"), "")
                .map_err(|error| error.to_string())?;
            ensure(status == 200 && held.contains(&id), || held)
        });
    }
    wait_until("the page shows the new hero", HANG_TIMEOUT, || {
        let frame = page.receive().map_err(|ending| format!("{ending:?}"))?;
        ensure(String::from_utf8_lossy(&frame).contains("Without descriptors"), || {
            "another frame".into()
        })
    });

    // The places are free again: who waited is answered, and the limit is the same.
    drop(hoard);
    let (status, _) = wait_until("who waited is answered", HANG_TIMEOUT, || {
        stranger.answer().map_err(|error| error.to_string())
    });
    assert_eq!(status, 200);
    heroes.created([id, cluster.api.create_named("After the shortage").id]);
    cluster.wait_until_held(&heroes, &CITIES);
    for node in NODES {
        let log = cluster.process(node).log();
        assert!(!log.contains("panicked"), "{node}: {log}");
        // A pause between two attempts: a shortage must not fill the disk with its own log.
        let complaints = log.matches("cannot accept a connection").count();
        assert!(complaints <= 200, "{node} complained {complaints} times");
    }
}
