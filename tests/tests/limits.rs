//! Every limit of a node at its bound: further clients are refused with a reason, and established
//! ones continue.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use cluster_tests::{
    Api, CITIES, Cluster, HANG_TIMEOUT, Heroes, Link, Options, Stopwatch, ensure, raw, wait_until,
};
use serde_json::json;

fn cluster(environment: &[(&'static str, &str)], dispatch: &[&str]) -> Cluster {
    let environment =
        environment.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let dispatch = dispatch.iter().map(|flag| (*flag).to_owned()).collect();
    Cluster::start(Options { environment, dispatch, ..Options::default() })
}

#[test]
fn hero_limit_refuses_a_creation_as_a_whole() {
    let cluster = cluster(&[("SUPERHERO_MAX_HEROES", "5")], &[]);
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(4));
    let detail =
        cluster.api.post("/api/v1/heroes", &json!({ "count": 2 })).problem(409, "too_many_heroes");
    assert!(detail.contains("--max-heroes") && detail.contains("nothing was created"), "{detail}");
    heroes.created([cluster.api.create_named("Last").id]);
    let _ = cluster.api.post("/api/v1/heroes", &json!({})).problem(409, "too_many_heroes");
    cluster.wait_until_held(&heroes, &CITIES);
    // A deleted hero makes room, and a hero can be moved at the limit.
    let id = heroes.live.keys().next().expect("there are five heroes").clone();
    cluster.api.assign(&id, "gotham").expect(200);
    heroes.assigned(&id, "gotham");
    let other = heroes.live.keys().nth(1).expect("there are five heroes").clone();
    cluster.api.terminate(&other).expect(204);
    heroes.deleted(&other);
    heroes.created([cluster.api.create_named("Another").id]);
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn tombstone_limit_refuses_deletions() {
    let mut cluster = cluster(&[("SUPERHERO_MAX_TOMBSTONES", "2")], &[]);
    let mut heroes = Heroes::default();
    let ids = cluster.api.create(3);
    heroes.created(ids.clone());
    cluster.wait_until_held(&heroes, &CITIES);
    // Tombstones are kept while a city is down.
    cluster.kill9("capitol");
    for id in &ids[..2] {
        cluster.api.terminate(id).expect(204);
        heroes.deleted(id);
    }
    let detail = cluster.api.terminate(&ids[2]).problem(503, "too_many_tombstones");
    assert!(detail.contains("--max-tombstones"), "{detail}");
    cluster.restart("capitol");
    // They are collected when it has received them, which makes room.
    wait_until("there is room for a tombstone", HANG_TIMEOUT, || {
        let reply = cluster.api.terminate(&ids[2]);
        ensure(reply.status == 204, || reply.body)
    });
    heroes.deleted(&ids[2]);
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn name_length_limit_is_enforced() {
    let cluster = cluster(&[], &["--max-name-chars=5"]);
    let named = |name: &str| cluster.api.post("/api/v1/heroes", &json!({ "name": name }));
    let detail = named("Batman").problem(422, "invalid_name");
    assert!(detail.contains("1 to 5 characters"), "{detail}");
    named("Robin").expect(201);
    named("Ümläu").expect(201);
}

#[test]
fn event_log_keeps_the_newest_events() {
    let cluster = cluster(&[], &["--max-events=20"]);
    for number in 0..30 {
        let _ = cluster.api.create_named(&format!("Number {number}"));
    }
    let events = cluster.api.events(0);
    assert_eq!(events.len(), 20);
    assert!(
        events.last().is_some_and(|event| event.text.contains("Number 29")),
        "the newest events must be kept"
    );
}

#[test]
fn page_limit_refuses_new_pages_only() {
    let cluster = cluster(&[], &["--max-browsers=3"]);
    let address = cluster.address("dispatch");
    let open = || Link::open(address, "/live?as=data", &[]);
    let mut pages: Vec<Link> = (0..3).map(|_| open().expect("three pages are permitted")).collect();
    assert_eq!(open().err(), Some(503));
    for page in &mut pages {
        page.receive().expect("an open page receives frames");
    }
    pages.pop().expect("three are open").close();
    wait_until("the permit is released", HANG_TIMEOUT, || {
        open().map(drop).map_err(|status| status.to_string())
    });
}

#[test]
fn page_limit_per_address_is_enforced() {
    let cluster = cluster(&[], &["--max-browsers-per-address=2"]);
    let address = cluster.address("dispatch");
    let open = || Link::open(address, "/live?as=data", &[]);
    let _pages: Vec<Link> = (0..2).map(|_| open().expect("two pages are permitted")).collect();
    assert_eq!(open().err(), Some(429));
}

#[test]
fn connection_limit_per_address_is_enforced() {
    let cluster = cluster(&[("SUPERHERO_MAX_CONNECTIONS_PER_ADDRESS", "16")], &[]);
    let address = cluster.address("dispatch");
    let mut silent = Vec::new();
    wait_until("the address has no permit left", HANG_TIMEOUT, || {
        silent.push(TcpStream::connect(address).expect("dispatch listens"));
        let response =
            raw::exchange(address, &raw::request(address, "GET", b"/healthz", &[], b""), false);
        ensure(response.status() == Some(503), || format!("{response:?}"))
    });
    assert!(silent.len() <= 16, "{}", silent.len());
}

#[test]
fn connection_limit_refuses_new_connections_only() {
    let cluster = cluster(&[], &["--max-connections=16"]);
    let address = cluster.address("dispatch");
    let mut page = Link::open(address, "/live?as=data", &[]).expect("a page is permitted");
    // The links to the cities count too.
    let mut silent = Vec::new();
    wait_until("there is no permit left", HANG_TIMEOUT, || {
        silent.push(TcpStream::connect(address).expect("dispatch listens"));
        let response =
            raw::exchange(address, &raw::request(address, "GET", b"/healthz", &[], b""), false);
        ensure(response.status() == Some(503) && response.body().contains("no_place"), || {
            format!("{response:?}")
        })
    });
    assert!(silent.len() < 16, "links and pages must hold permits too: {}", silent.len());
    page.receive().expect("an open page receives frames");
    drop(silent);
    wait_until("there are permits again", HANG_TIMEOUT, || {
        let reply = cluster.api.try_request("GET", "/healthz", &[], &[])?;
        ensure(reply.status == 200, || reply.body)
    });
}

/// Sends these bytes and waits for the close; returns the received text and the elapsed time.
fn exchange_timed(address: SocketAddr, bytes: &[u8]) -> (String, Duration) {
    let watch = Stopwatch::start();
    let response = raw::exchange(address, bytes, false);
    assert!(response.closed, "{response:?}");
    (response.text, watch.elapsed())
}

#[test]
fn header_timeout_closes_incomplete_and_idle_connections() {
    let timeout = ("SUPERHERO_HEADER_TIMEOUT", "500ms".to_owned());
    let tls_cluster =
        Cluster::start_encrypted(Options { environment: vec![timeout], ..Options::default() });
    // Silence, and the beginning of a TLS handshake without its rest.
    for bytes in [&b""[..], &[0x16, 0x03, 0x01]] {
        let (text, took) = exchange_timed(tls_cluster.address("gotham"), bytes);
        assert!(text.is_empty() && took >= Duration::from_millis(400), "{text:?} {took:?}");
    }
    drop(tls_cluster);
    let cluster = cluster(&[("SUPERHERO_HEADER_TIMEOUT", "500ms")], &[]);
    for node in ["gotham", "dispatch"] {
        let address = cluster.address(node);
        let keep_alive = format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\n\r\n");
        for bytes in [&b""[..], b"GET / HT", keep_alive.as_bytes()] {
            let (text, took) = exchange_timed(address, bytes);
            assert!(bytes.len() < 10 || text.starts_with("HTTP/1.1 200"), "{text}");
            assert!(
                took >= Duration::from_millis(400),
                "{node} closed the connection too early: {took:?}"
            );
        }
    }
}

#[test]
fn idle_timeout_closes_connections_that_read_nothing() {
    let cluster = cluster(&[("SUPERHERO_IDLE_TIMEOUT", "500ms")], &[]);
    let _ = cluster.api.create(5_000);
    let address = cluster.address("dispatch");
    let mut unread = TcpStream::connect(address).expect("dispatch listens");
    // Far more responses than the system's buffers hold, requested and not read.
    let request = format!("GET /api/v1/heroes HTTP/1.1\r\nhost: {address}\r\n\r\n");
    for _ in 0..40 {
        unread.write_all(request.as_bytes()).expect("the socket buffer has room for a request");
    }
    wait_until("dispatch has closed the connection", HANG_TIMEOUT, || {
        // Writing to a closed connection fails after some attempts.
        ensure(unread.write_all(request.as_bytes()).is_err(), || "the connection is open".into())
    });
    assert_eq!(Api::new(address).get("/healthz").status, 200);
}

#[test]
fn drift_limit_accepts_a_clock_within_it() {
    let cluster = cluster(&[("SUPERHERO_MAX_DRIFT", "10s")], &[]);
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(1));
    cluster.wait_until_held(&heroes, &CITIES);
    // Refused with the default drift of two seconds.
    cluster.api.inject(
        &json!({ "kind": "skew", "from": "gotham", "skew_ms": 5_000, "heal_after_s": 300 }),
    );
    let id = heroes.live.keys().next().expect("there is one hero").clone();
    cluster.api.assign(&id, "gotham").expect(200);
    heroes.assigned(&id, "gotham");
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn delta_is_split_into_chunks_of_the_configured_size() {
    let cluster = cluster(
        &[("SUPERHERO_MAX_DELTA_BYTES", "1024"), ("SUPERHERO_MAX_FRAME_BYTES", "262144")],
        &[],
    );
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(500));
    cluster.wait_until_held(&heroes, &CITIES);
    // A hero takes about 36 bytes: one city that pulls all of them gets 18 chunks, and the others may
    // pull from that one. With the default size all of them fit into one chunk.
    let chunks = cluster
        .metrics("dispatch")
        .sum("superhero_link_frames_total", &[("direction", "out"), ("kind", "chunk")]);
    assert!(chunks >= 12.0, "expected at least 12 chunks, got {chunks}");
}

/// The head of a request to create heroes, without the end of its headers.
fn creation(address: SocketAddr) -> String {
    format!("POST /api/v1/heroes HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n")
}

#[test]
fn request_is_refused_by_its_headers_before_its_body_arrives() {
    let cluster = cluster(&[], &[]);
    let address = cluster.address("dispatch");
    for (headers, status, code) in [
        ("content-type: text/plain\r\ncontent-length: 1000", 415, "not_json"),
        ("content-length: 1000", 415, "not_json"),
        ("content-type: application/json\r\ncontent-length: 65537", 413, "too_large"),
        (
            "content-type: application/json\r\ncontent-length: 1000\r\norigin: http://a.example",
            403,
            "foreign_origin",
        ),
    ] {
        let head = format!("{}{headers}\r\n\r\n", creation(address));
        let response = raw::exchange(address, head.as_bytes(), false);
        assert_eq!(response.status(), Some(status), "{headers}: {response:?}");
        assert!(response.body().contains(code), "{headers}: {response:?}");
    }
}

#[test]
fn headers_are_limited_to_16_kib() {
    let cluster = cluster(&[], &[]);
    let address = cluster.address("dispatch");
    let get = |bytes: usize| {
        let head = format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
        raw::exchange(address, format!("{head}x: {}\r\n\r\n", "y".repeat(bytes)).as_bytes(), false)
    };
    assert_eq!(get(15 * 1024).status(), Some(200));
    assert_eq!(get(17 * 1024).status(), Some(431));
}

#[test]
fn limits_follow_from_the_memory_budget() {
    let mut cluster =
        cluster(&[("SUPERHERO_MEMORY_MAX", "128MiB"), ("SUPERHERO_MAX_TOMBSTONES", "900000")], &[]);
    for (node, heroes) in [("gotham", 45_875), ("dispatch", 15_291)] {
        let log = cluster.process(node).log();
        assert!(
            log.contains("memory budget 128MiB (--memory-max)")
                && log.contains(&format!("at most {heroes} heroes, 900000 tombstones")),
            "{log}"
        );
        assert!(
            log.contains("--max-tombstones 900000 may exceed the memory budget 128MiB"),
            "{log}"
        );
    }
    let too_many = json!({ "count": 10_000 });
    let _ = cluster.api.post("/api/v1/heroes", &too_many).expect(201);
    let detail = cluster.api.post("/api/v1/heroes", &too_many).problem(409, "too_many_heroes");
    assert!(detail.contains("--max-heroes"), "{detail}");
}
