//! Every limit of a node, each at its bound: the newcomer is told so, and those who are there go
//! on.

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
fn no_more_heroes_are_created_than_may_live_and_of_too_many_none() {
    let cluster = cluster(&[("SUPERHERO_MAX_HEROES", "5")], &[]);
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(4));
    let detail =
        cluster.api.post("/api/v1/heroes", &json!({ "count": 2 })).problem(409, "too_many_heroes");
    assert!(detail.contains("--max-heroes") && detail.contains("nothing was created"), "{detail}");
    heroes.created([cluster.api.create_named("Last").id]);
    let _ = cluster.api.post("/api/v1/heroes", &json!({})).problem(409, "too_many_heroes");
    cluster.wait_until_held(&heroes, &CITIES);
    // Who dies makes room, and a hero there may be moved.
    let id = heroes.living.keys().next().expect("five live").clone();
    cluster.api.assign(&id, "gotham").expect(200);
    heroes.assigned(&id, "gotham");
    let other = heroes.living.keys().nth(1).expect("five live").clone();
    cluster.api.terminate(&other).expect(204);
    heroes.died(&other);
    heroes.created([cluster.api.create_named("Another").id]);
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn nobody_is_terminated_while_too_many_tombstones_wait() {
    let mut cluster = cluster(&[("SUPERHERO_MAX_TOMBSTONES", "2")], &[]);
    let mut heroes = Heroes::default();
    let ids = cluster.api.create(3);
    heroes.created(ids.clone());
    cluster.wait_until_held(&heroes, &CITIES);
    // Tombstones wait for a city that is gone.
    cluster.kill9("capitol");
    for id in &ids[..2] {
        cluster.api.terminate(id).expect(204);
        heroes.died(id);
    }
    let detail = cluster.api.terminate(&ids[2]).problem(503, "too_many_tombstones");
    assert!(detail.contains("--max-tombstones"), "{detail}");
    cluster.restart("capitol");
    // When it has heard of them they are collected, and there is room.
    wait_until("there is room for a tombstone", HANG_TIMEOUT, || {
        let reply = cluster.api.terminate(&ids[2]);
        ensure(reply.status == 204, || reply.body)
    });
    heroes.died(&ids[2]);
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn a_name_is_no_longer_than_it_may_be() {
    let cluster = cluster(&[], &["--max-name-chars=5"]);
    let named = |name: &str| cluster.api.post("/api/v1/heroes", &json!({ "name": name }));
    let detail = named("Batman").problem(422, "invalid_name");
    assert!(detail.contains("1 to 5 characters"), "{detail}");
    named("Robin").expect(201);
    named("Ümläu").expect(201);
}

#[test]
fn only_so_many_events_are_kept() {
    let cluster = cluster(&[], &["--max-events=20"]);
    for number in 0..30 {
        let _ = cluster.api.create_named(&format!("Number {number}"));
    }
    let events = cluster.api.events(0);
    assert_eq!(events.len(), 20);
    assert!(events.last().is_some_and(|event| event.text.contains("Number 29")), "the newest stay");
}

#[test]
fn pages_beyond_the_limit_are_refused_and_those_open_go_on() {
    let cluster = cluster(&[], &["--max-browsers=3"]);
    let address = cluster.address("dispatch");
    let open = || Link::open(address, "/live?as=data", &[]);
    let mut pages: Vec<Link> = (0..3).map(|_| open().expect("there are three places")).collect();
    assert_eq!(open().err(), Some(503));
    for page in &mut pages {
        page.receive().expect("an open page goes on");
    }
    pages.pop().expect("three are open").close();
    wait_until("the place is given back", HANG_TIMEOUT, || {
        open().map(drop).map_err(|status| status.to_string())
    });
}

#[test]
fn one_address_gets_no_more_places_than_it_may() {
    let cluster = cluster(&[], &["--max-browsers-per-address=2"]);
    let address = cluster.address("dispatch");
    let open = || Link::open(address, "/live?as=data", &[]);
    let _pages: Vec<Link> = (0..2).map(|_| open().expect("there are two places")).collect();
    assert_eq!(open().err(), Some(429));
}

#[test]
fn one_address_gets_no_more_connections_than_it_may() {
    let cluster = cluster(&[("SUPERHERO_MAX_CONNECTIONS_PER_ADDRESS", "16")], &[]);
    let address = cluster.address("dispatch");
    let mut silent = Vec::new();
    wait_until("no place is left for this address", HANG_TIMEOUT, || {
        silent.push(TcpStream::connect(address).expect("dispatch listens"));
        let answer =
            raw::exchange(address, &raw::request(address, "GET", b"/healthz", &[], b""), false);
        ensure(answer.status() == Some(503), || format!("{answer:?}"))
    });
    assert!(silent.len() <= 16, "{}", silent.len());
}

#[test]
fn connections_beyond_the_limit_are_told_so_and_those_open_go_on() {
    let cluster = cluster(&[], &["--max-connections=16"]);
    let address = cluster.address("dispatch");
    let mut page = Link::open(address, "/live?as=data", &[]).expect("there are places");
    // The links to the cities count, too.
    let mut silent = Vec::new();
    wait_until("no place is left", HANG_TIMEOUT, || {
        silent.push(TcpStream::connect(address).expect("dispatch listens"));
        let answer =
            raw::exchange(address, &raw::request(address, "GET", b"/healthz", &[], b""), false);
        ensure(answer.status() == Some(503) && answer.body().contains("no_place"), || {
            format!("{answer:?}")
        })
    });
    assert!(silent.len() < 16, "links and pages have places too: {}", silent.len());
    page.receive().expect("an open page goes on");
    drop(silent);
    wait_until("there are places again", HANG_TIMEOUT, || {
        let reply = cluster.api.try_request("GET", "/healthz", &[], &[])?;
        ensure(reply.status == 200, || reply.body)
    });
}

/// How a connection ends that says no more than this: what came, and after how long.
fn ends(address: SocketAddr, says: &[u8]) -> (String, Duration) {
    let began = Stopwatch::start();
    let answer = raw::exchange(address, says, false);
    assert!(answer.closed, "{answer:?}");
    (answer.text, began.elapsed())
}

#[test]
fn who_does_not_finish_its_headers_or_asks_nothing_more_is_let_go() {
    let timeout = ("SUPERHERO_HEADER_TIMEOUT", "500ms".to_owned());
    let encrypted =
        Cluster::start_encrypted(Options { environment: vec![timeout], ..Options::default() });
    // Silence, and the beginning of TLS that does not go on.
    for says in [&b""[..], &[0x16, 0x03, 0x01]] {
        let (text, took) = ends(encrypted.address("gotham"), says);
        assert!(text.is_empty() && took >= Duration::from_millis(400), "{text:?} {took:?}");
    }
    drop(encrypted);
    let cluster = cluster(&[("SUPERHERO_HEADER_TIMEOUT", "500ms")], &[]);
    for node in ["gotham", "dispatch"] {
        let address = cluster.address(node);
        let keep_alive = format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\n\r\n");
        for says in [&b""[..], b"GET / HT", keep_alive.as_bytes()] {
            let (text, took) = ends(address, says);
            assert!(says.len() < 10 || text.starts_with("HTTP/1.1 200"), "{text}");
            assert!(took >= Duration::from_millis(400), "{node} was not patient: {took:?}");
        }
    }
}

#[test]
fn who_takes_nothing_of_what_it_is_sent_is_let_go() {
    let cluster = cluster(&[("SUPERHERO_IDLE_TIMEOUT", "500ms")], &[]);
    let _ = cluster.api.create(5_000);
    let address = cluster.address("dispatch");
    let mut greedy = TcpStream::connect(address).expect("dispatch listens");
    // Far more than the system's buffers hold, asked for and not read.
    let request = format!("GET /api/v1/heroes HTTP/1.1\r\nhost: {address}\r\n\r\n");
    for _ in 0..40 {
        greedy.write_all(request.as_bytes()).expect("a request fits into a buffer");
    }
    wait_until("dispatch has let go", HANG_TIMEOUT, || {
        // What is written to a connection that is gone fails, sooner or later.
        ensure(greedy.write_all(request.as_bytes()).is_err(), || "still open".into())
    });
    assert_eq!(Api::new(address).get("/healthz").status, 200);
}

#[test]
fn a_clock_may_be_as_far_ahead_as_was_said_and_no_further() {
    let cluster = cluster(&[("SUPERHERO_MAX_DRIFT", "10s")], &[]);
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(1));
    cluster.wait_until_held(&heroes, &CITIES);
    // With the usual two seconds this would be refused.
    cluster.api.inject(
        &json!({ "kind": "skew", "from": "gotham", "skew_ms": 5_000, "heal_after_s": 300 }),
    );
    let id = heroes.living.keys().next().expect("one lives").clone();
    cluster.api.assign(&id, "gotham").expect(200);
    heroes.assigned(&id, "gotham");
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn a_delta_comes_in_pieces_of_the_size_that_was_said() {
    let cluster = cluster(
        &[("SUPERHERO_MAX_DELTA_BYTES", "1024"), ("SUPERHERO_MAX_FRAME_BYTES", "262144")],
        &[],
    );
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(500));
    cluster.wait_until_held(&heroes, &CITIES);
    // Each hero is some fifty bytes: usually all of them are one piece.
    let pieces = cluster
        .metrics("dispatch")
        .sum("superhero_link_frames_total", &[("direction", "out"), ("kind", "chunk")]);
    assert!(pieces >= 20.0, "{pieces} pieces");
}
