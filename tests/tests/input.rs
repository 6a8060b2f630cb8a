//! Whatever comes in is answered or turned away, with a reason; nothing of it crashes a process or
//! loses a hero.

use std::net::SocketAddr;

use cluster_tests::{
    CITIES, Cluster, DEVELOPMENT_COOKIE, Ending, HANG_TIMEOUT, Heroes, Link, NODES, Options, Reply,
    ensure, hello, incarnation_now, raw, wait_until,
};
use serde_json::json;

use gossip::link::{Purpose, Secret};
use gossip::wire::{FRAME_BYTES_MAX, PROTOCOL_VERSION};
use shared::Frame;

/// A cluster with something to lose.
fn cluster() -> (Cluster, Heroes) {
    let cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(5));
    cluster.wait_until_held(&heroes, &CITIES);
    (cluster, heroes)
}

/// Nothing crashed, nothing was lost, and new heroes still come to all cities.
#[track_caller]
fn still_works(cluster: &mut Cluster, mut heroes: Heroes) {
    heroes.created([cluster.api.create_named("After all that").id]);
    cluster.wait_until_held(&heroes, &CITIES);
    for node in NODES {
        let process = cluster.process(node);
        assert!(!process.has_ended(), "{node} has ended");
        let log = process.log();
        assert!(!log.contains("panicked"), "{node}: {log}");
    }
    for city in CITIES {
        assert_eq!(cluster.node(city).crashes, 0, "{city}");
    }
}

/// A line of the table: a request, and the problem that is its answer.
struct Bad<'a> {
    method: &'a str,
    path: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: &'a str,
    status: u16,
    code: &'a str,
}

#[test]
fn every_bad_request_gets_a_problem_document_that_says_what_was_wrong() {
    let (mut cluster, heroes) = cluster();
    let id = heroes.living.keys().next().expect("there are heroes").clone();
    let (hero, location, assign) = (
        format!("/api/v1/heroes/{id}"),
        format!("/api/v1/heroes/{id}/location"),
        format!("/heroes/{id}"),
    );
    let (long_name, deep, long_path) = (
        format!(r#"{{"name":"{}"}}"#, "x".repeat(10_000)),
        "[".repeat(10_000),
        format!("/{}", "x".repeat(5_000)),
    );
    let long_key = "k".repeat(201);
    let long_key = [("content-type", "application/json"), ("idempotency-key", long_key.as_str())];
    const HEROES: &str = "/api/v1/heroes";
    let json: &[(&str, &str)] = &[("content-type", "application/json")];
    let form: &[(&str, &str)] =
        &[("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json")];
    let bad = |method, path, headers, body, status, code| Bad {
        method,
        path,
        headers,
        body,
        status,
        code,
    };

    let table = [
        // Paths.
        bad("GET", "/nothing/here", &[], "", 404, "unknown_path"),
        bad("GET", "/api/v1", &[], "", 404, "unknown_path"),
        bad("GET", "/api/v2/heroes", &[], "", 404, "unknown_path"),
        bad("GET", "/static/../Cargo.toml", &[], "", 404, "unknown_file"),
        bad("GET", "/static/%2e%2e%2fCargo.toml", &[], "", 404, "unknown_file"),
        bad("GET", "/static/nothing.js", &[], "", 404, "unknown_file"),
        bad("GET", &long_path, &[], "", 404, "unknown_path"),
        bad("GET", "/api/v1/cities/riverdale/heroes", &[], "", 404, "unknown_city"),
        bad("GET", "/api/v1/cities/Gotham/heroes", &[], "", 404, "unknown_city"),
        bad("GET", "/api/v1/cities/dispatch/heroes", &[], "", 404, "unknown_city"),
        bad("POST", "/api/v1/cities/riverdale/bomb", json, "{}", 404, "unknown_city"),
        bad("POST", "/cities/riverdale/bomb", form, "", 404, "unknown_city"),
        bad("GET", "/api/v1/heroes/not-an-id", &[], "", 400, "invalid_id"),
        bad("DELETE", "/api/v1/heroes/not-an-id", &[], "", 400, "invalid_id"),
        bad(
            "PUT",
            "/api/v1/heroes/123/location",
            json,
            r#"{"location":"gotham"}"#,
            400,
            "invalid_id",
        ),
        bad("POST", "/heroes/123", form, "", 400, "invalid_id"),
        bad("GET", "/api/v1/heroes/%ff%fe", &[], "", 400, "invalid_path"),
        bad("GET", "/api/v1/heroes/%zz", &[], "", 400, "invalid_id"),
        bad("GET", "/api/v1/cities/%00/heroes", &[], "", 404, "unknown_city"),
        bad("GET", "/api/v1/events?since=yesterday", &[], "", 400, "invalid_since"),
        bad("GET", "/api/v1/events?since=-1", &[], "", 400, "invalid_since"),
        // Methods.
        bad("DELETE", HEROES, &[], "", 405, "wrong_method"),
        bad("POST", &hero, json, "{}", 405, "wrong_method"),
        bad("GET", &location, &[], "", 405, "wrong_method"),
        bad("GET", "/api/v1/bomb", &[], "", 405, "wrong_method"),
        bad("PUT", "/", json, "{}", 405, "wrong_method"),
        bad("PATCH", "/api/v1/cluster", json, "{}", 405, "wrong_method"),
        // Bodies.
        bad("POST", HEROES, json, "", 400, "body_required"),
        bad("POST", HEROES, &[], "", 400, "body_required"),
        bad("PUT", &location, json, "", 400, "body_required"),
        bad("POST", HEROES, json, "{", 400, "invalid_json"),
        bad("POST", HEROES, json, "name=Batman", 400, "invalid_json"),
        bad("POST", HEROES, json, r#"{"name":"Batman"} {"name":"Robin"}"#, 400, "invalid_json"),
        bad("POST", HEROES, json, r#"{"name":"\ud800"}"#, 400, "invalid_json"),
        bad("POST", HEROES, json, &deep, 422, "invalid_field"),
        bad("POST", HEROES, &[("content-type", "text/plain")], "{}", 415, "not_json"),
        bad(
            "POST",
            HEROES,
            &[("content-type", "application/x-www-form-urlencoded")],
            "name=Batman",
            415,
            "not_json",
        ),
        bad(
            "PUT",
            &location,
            &[("content-type", "application/xml")],
            "<location/>",
            415,
            "not_json",
        ),
        bad(
            "POST",
            "/heroes",
            &[("content-type", "application/json"), ("accept", "application/json")],
            "{}",
            415,
            "not_a_form",
        ),
        bad("POST", HEROES, json, r#"{"title":"Batman"}"#, 422, "invalid_field"),
        bad("POST", HEROES, json, r#"{"name":7}"#, 422, "invalid_field"),
        bad("POST", HEROES, json, r#"{"name":["Batman"]}"#, 422, "invalid_field"),
        bad("POST", HEROES, json, r#"{"count":"ten"}"#, 422, "invalid_field"),
        bad("POST", HEROES, json, r#"{"count":-1}"#, 422, "invalid_field"),
        bad("POST", HEROES, json, r#"{"count":1.5}"#, 422, "invalid_field"),
        bad("POST", HEROES, json, r#"{"count":99999999999999999999}"#, 422, "invalid_field"),
        bad("POST", HEROES, json, r#"{"name":"Batman","name":"Robin"}"#, 422, "invalid_field"),
        bad("POST", HEROES, json, "7", 422, "invalid_field"),
        bad("POST", HEROES, json, r#"["Batman",null]"#, 422, "invalid_field"),
        bad("PUT", &location, json, r#"["gotham"]"#, 422, "invalid_field"),
        bad("PUT", &location, json, "{}", 422, "invalid_field"),
        bad("PUT", &location, json, r#"{"location":null}"#, 422, "invalid_field"),
        bad("PUT", &location, json, r#"{"location":"gotham","health":100}"#, 422, "invalid_field"),
        // Values.
        bad("POST", HEROES, json, &long_name, 422, "invalid_name"),
        bad("POST", HEROES, json, r#"{"name":""}"#, 422, "invalid_name"),
        bad("POST", HEROES, json, r#"{"name":" \t\n "}"#, 422, "invalid_name"),
        bad("POST", HEROES, json, r#"{"name":"Bat\u0007man"}"#, 422, "invalid_name"),
        bad("POST", HEROES, json, r#"{"name":"Bat\u0000man"}"#, 422, "invalid_name"),
        bad("POST", HEROES, json, r#"{"count":0}"#, 422, "count_out_of_range"),
        bad("POST", HEROES, json, r#"{"count":10001}"#, 422, "count_out_of_range"),
        bad("POST", HEROES, json, r#"{"count":4294967295}"#, 422, "count_out_of_range"),
        bad("POST", HEROES, json, r#"{"name":"Batman","count":2}"#, 422, "name_and_count"),
        bad("PUT", &location, json, r#"{"location":"riverdale"}"#, 422, "unknown_location"),
        bad("PUT", &location, json, r#"{"location":"dispatch"}"#, 422, "unknown_location"),
        bad("PUT", &location, json, r#"{"location":""}"#, 422, "unknown_location"),
        bad("PUT", &location, json, r#"{"location":"Gotham"}"#, 422, "unknown_location"),
        bad("POST", &assign, form, "location=riverdale", 422, "unknown_location"),
        bad("POST", &assign, form, "", 422, "no_location"),
        bad("POST", "/heroes", form, "count=10001", 422, "count_out_of_range"),
        bad("POST", "/heroes", form, "count=ten", 422, "count_out_of_range"),
        bad("POST", "/heroes", form, "name=%07", 422, "invalid_name"),
        // Who asks.
        bad(
            "POST",
            HEROES,
            &[("content-type", "application/json"), ("origin", "http://evil.example")],
            "{}",
            403,
            "foreign_origin",
        ),
        bad(
            "POST",
            HEROES,
            &[("content-type", "application/json"), ("origin", "null")],
            "{}",
            403,
            "foreign_origin",
        ),
        bad("POST", "/bomb", &[("origin", "http://evil.example")], "", 403, "foreign_origin"),
        bad("DELETE", &hero, &[("origin", "http://evil.example")], "", 403, "foreign_origin"),
        bad(
            "PUT",
            &location,
            &[("content-type", "application/json"), ("origin", "http://evil.example")],
            r#"{"location":"gotham"}"#,
            403,
            "foreign_origin",
        ),
        // Keys.
        bad(
            "POST",
            HEROES,
            &[("content-type", "application/json"), ("idempotency-key", "")],
            "{}",
            400,
            "invalid_idempotency_key",
        ),
        bad("POST", HEROES, &long_key, "{}", 400, "invalid_idempotency_key"),
    ];
    let mut wrong = Vec::new();
    for Bad { method, path, headers, body, status, code } in &table {
        let reply = cluster.api.request(method, path, headers, body.as_bytes());
        // All lines of the table are tried before any is complained about.
        let judged = std::panic::catch_unwind(|| {
            let _ = reply.problem(*status, code);
            assert!(
                *status != 405 || reply.headers.get("allow").is_some_and(|allow| !allow.is_empty()),
                "no Allow"
            );
        });
        if judged.is_err() {
            wrong.push(format!(
                "{method} {} {:?}: expected {status} {code}, got {reply:?}",
                clip(path),
                clip(body)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    still_works(&mut cluster, heroes);
}

fn clip(text: &str) -> &str {
    text.get(..80).unwrap_or(text)
}

#[test]
fn a_path_or_a_body_that_no_client_would_send_is_answered() {
    let (mut cluster, heroes) = cluster();
    let dispatch = cluster.address("dispatch");
    let json = [("content-type", "application/json")];
    for (target, statuses) in [
        (&b"/api/v1/heroes/\xff\xfe"[..], &[400][..]),
        (b"/api/v1/heroes/%", &[400]),
        (b"/api/v1/heroes/a b", &[400]),
        (b"*", &[400, 404]),
        (b"http://[", &[400]),
        (b"//", &[404]),
    ] {
        let answer =
            raw::exchange(dispatch, &raw::request(dispatch, "GET", target, &[], b""), false);
        assert!(
            answer.closed && answer.status().is_some_and(|status| statuses.contains(&status)),
            "{target:?}: {answer:?}"
        );
    }
    let answer = raw::exchange(
        dispatch,
        &raw::request(dispatch, "POST", b"/api/v1/heroes", &json, b"{\"name\":\"\xff\"}"),
        false,
    );
    assert_eq!(answer.status(), Some(400), "{answer:?}");
    let answer =
        raw::exchange(dispatch, &raw::request(dispatch, &"X".repeat(5_000), b"/", &[], b""), false);
    assert!(
        answer.closed && answer.status().is_some_and(|status| (400..500).contains(&status)),
        "{answer:?}"
    );
    let many: Vec<(String, &str)> = (0..1_000).map(|n| (format!("x-{n}"), "y")).collect();
    let many: Vec<(&str, &str)> =
        many.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let answer = raw::exchange(dispatch, &raw::request(dispatch, "GET", b"/", &many, b""), false);
    assert_eq!(answer.status(), Some(431), "{answer:?}");
    still_works(&mut cluster, heroes);
}

#[test]
fn a_body_over_the_limit_is_refused_and_one_at_the_limit_is_read() {
    let (mut cluster, heroes) = cluster();
    let dispatch = cluster.address("dispatch");
    let body = |bytes: usize| format!(r#"{{"name":"{}"}}"#, "x".repeat(bytes - 11));
    let json = [("content-type", "application/json")];
    let at_the_limit =
        cluster.api.request("POST", "/api/v1/heroes", &json, body(64 * 1024).as_bytes());
    let _ = at_the_limit.problem(422, "invalid_name");
    for bytes in [64 * 1024 + 1, 1024 * 1024] {
        // The server may answer and close before all is sent, and an HTTP client may miss the
        // answer then.
        let answer = raw::exchange(
            dispatch,
            &raw::request(dispatch, "POST", b"/api/v1/heroes", &json, body(bytes).as_bytes()),
            false,
        );
        assert!(answer.closed, "{answer:?}");
        if answer.text.is_empty() {
            continue; // reset while we were still sending: refused all the same, and the answer was lost on the way
        }
        assert_eq!(answer.status(), Some(413), "{answer:?}");
        let problem: serde_json::Value =
            serde_json::from_str(answer.body()).expect("a problem document");
        assert_eq!((&problem["type"], &problem["status"]), (&json!("too_large"), &json!(413)));
    }
    // Without a length the limit holds as well.
    let head = format!(
        "POST /api/v1/heroes HTTP/1.1\r\nhost: {dispatch}\r\nconnection: close\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let mut chunked = head.into_bytes();
    for _ in 0..32 {
        chunked.extend(b"1000\r\n");
        chunked.extend([b' '; 0x1000]);
        chunked.extend(b"\r\n");
    }
    chunked.extend(b"0\r\n\r\n");
    let answer = raw::exchange(dispatch, &chunked, false);
    assert!(
        answer.closed && (answer.text.is_empty() || answer.status() == Some(413)),
        "{answer:?}"
    );
    still_works(&mut cluster, heroes);
}

#[test]
fn a_name_of_markup_comes_back_verbatim_and_never_as_markup() {
    let (mut cluster, mut heroes) = cluster();
    for name in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' OR 1=1 --",
        "\u{202e}Батман 🦇",
        "{{7*7}}",
    ] {
        let hero = cluster.api.create_named(name);
        heroes.created([hero.id.clone()]);
        assert_eq!(cluster.api.hero(&hero.id).expect(200).json()["hero"]["name"], name);
    }
    // Through the form, too, which is where browsers come in.
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let created = cluster
        .api
        .request("POST", "/heroes", &form, b"name=%3Cscript%3Ealert(2)%3C%2Fscript%3E")
        .expect(303);
    assert_eq!(created.headers["location"], "/");
    let by_form = cluster.api.get("/api/v1/heroes").expect(200).json();
    let by_form = by_form["heroes"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|hero| hero["name"] == "<script>alert(2)</script>")
        .cloned();
    heroes.created([by_form.expect("the hero of the form")["id"]
        .as_str()
        .expect("an id")
        .to_owned()]);
    cluster.wait_until_held(&heroes, &CITIES);

    let mut live = Link::open(cluster.address("dispatch"), "/live", &[]).expect("a socket");
    let frame = String::from_utf8(live.receive().expect("a first frame")).expect("text");
    let searched = cluster
        .api
        .get("/?q=%3Cscript%3Ealert(3)%3C/script%3E&show=%22%3E%3Cimg&destroyed=%3Cscript%3E")
        .expect(200)
        .body;
    let page = cluster.api.get("/").expect(200).body;
    for html in [&page, &frame, &searched] {
        assert!(!html.contains("<script>alert") && !html.contains("<img"), "{html}");
    }
    assert!(
        page.contains("&#60;script&#62;alert(1)") || page.contains("&lt;script&gt;alert(1)"),
        "{page}"
    );
    drop(live);
    still_works(&mut cluster, heroes);
}

#[test]
fn a_repeated_idempotency_key_creates_once_and_is_good_for_one_request_only() {
    let (mut cluster, mut heroes) = cluster();
    let with_key = |path: &str, key: &str, body: &str| -> Reply {
        cluster.api.request(
            "POST",
            path,
            &[("content-type", "application/json"), ("idempotency-key", key)],
            body.as_bytes(),
        )
    };
    let first = with_key("/api/v1/heroes", "a", r#"{"count":3}"#).expect(201);
    let again = with_key("/api/v1/heroes", "a", r#"{"count":3}"#).expect(201);
    assert_eq!(first.json(), again.json());
    heroes
        .created(serde_json::from_value::<Vec<String>>(first.json()["ids"].clone()).expect("ids"));

    let one = with_key("/api/v1/heroes", "b", r#"{"name":"Batman"}"#).expect(201);
    let same = with_key("/api/v1/heroes", "b", r#"{"name":"Batman"}"#).expect(201);
    assert_eq!((one.json(), &one.headers["location"]), (same.json(), &same.headers["location"]));
    heroes.created([one.json()["id"].as_str().expect("an id").to_owned()]);

    let _ =
        with_key("/api/v1/heroes", "a", r#"{"count":4}"#).problem(422, "idempotency_key_reused");
    let _ = with_key("/api/v1/heroes", "b", r#"{"name":"Robin"}"#)
        .problem(422, "idempotency_key_reused");
    let _ =
        with_key("/api/v1/cities/gotham/bomb", "a", "{}").problem(422, "idempotency_key_reused");
    // What was refused may be tried again with the same key.
    let _ = with_key("/api/v1/heroes", "c", r#"{"name":""}"#).problem(422, "invalid_name");
    heroes.created([
        with_key("/api/v1/heroes", "c", r#"{"name":"Robin"}"#).expect(201).json()["id"]
            .as_str()
            .expect("an id")
            .to_owned(),
    ]);
    cluster.wait_until_held(&heroes, &CITIES);
    still_works(&mut cluster, heroes);
}

#[test]
fn a_created_hero_is_found_where_its_location_header_says() {
    let (cluster, _) = cluster();
    let created = cluster.api.post("/api/v1/heroes", &json!({})).expect(201);
    let found = cluster.api.get(&created.headers["location"]).expect(200).json();
    assert_eq!(found["hero"], created.json());
    assert!(
        found["hero"]["name"].as_str().is_some_and(|name| !name.is_empty()),
        "a name was invented: {found}"
    );
}

#[test]
fn every_answer_carries_the_security_headers() {
    let (cluster, _) = cluster();
    for path in ["/", "/api/v1/cluster", "/static/main.js", "/nothing"] {
        let headers = cluster.api.get(path).headers;
        let csp = headers.get("content-security-policy").map(String::as_str).unwrap_or_default();
        assert!(csp.contains("default-src 'none'") && !csp.contains("unsafe"), "{path}: {csp}");
        assert_eq!(
            headers.get("x-content-type-options").map(String::as_str),
            Some("nosniff"),
            "{path}"
        );
    }
}

#[test]
fn the_live_socket_only_shows() {
    let (mut cluster, heroes) = cluster();
    let dispatch = cluster.address("dispatch");
    let live = |headers: &[(&str, &str)]| Link::open(dispatch, "/live", headers);
    assert_eq!(live(&[("origin", "http://evil.example")]).err(), Some(403));
    assert_eq!(live(&[("origin", "null")]).err(), Some(403));

    let mut talking = live(&[]).expect("a socket");
    talking.receive().expect("a first frame");
    talking.send("bomb gotham");
    assert!(matches!(talking.ending(), Ending::Closed(1008, _)));

    let mut binary = live(&[]).expect("a socket");
    binary.send(vec![0; 16]);
    assert!(matches!(binary.ending(), Ending::Closed(1003, _)));

    // The server stops reading in the middle of it, so its last words may be lost.
    let mut shouting = live(&[]).expect("a socket");
    shouting.send("x".repeat(1 << 20));
    let _ = shouting.ending();

    let plain = cluster.api.get("/live");
    assert!((400..500).contains(&plain.status), "{plain:?}");
    let _ = cluster.api.get("/live?q=%ff&show=nonsense&page=99999999999999999999");
    assert!(live(&[]).expect("a socket").receive().is_ok());
    still_works(&mut cluster, heroes);
}

/// The doors of a city and of dispatch are the same one.
fn doors(cluster: &Cluster) -> [SocketAddr; 2] {
    [cluster.address("gotham"), cluster.address("dispatch")]
}

#[track_caller]
fn closed(link: Link, code: u16) -> String {
    match link.ending() {
        Ending::Closed(seen, reason) if seen == code => reason,
        other @ (Ending::Closed(..) | Ending::Gone) => {
            panic!("expected close code {code}, got {other:?}")
        }
    }
}

#[test]
fn strangers_at_a_nodes_door_are_told_why_they_may_not_enter() {
    let (mut cluster, heroes) = cluster();
    let now = incarnation_now();
    for (door, own_name) in doors(&cluster).into_iter().zip(["gotham", "dispatch"]) {
        assert_eq!(cluster_tests::Api::new(door).get("/cluster").status, 426);
        assert_eq!(
            Link::open(door, "/cluster", &[("origin", "http://evil.example")]).err(),
            Some(403)
        );
        let says = |bytes: Vec<u8>| {
            let mut link = Link::to_node(door);
            link.send(bytes);
            link
        };
        closed(says(b"GET / HTTP/1.1\r\n\r\n".to_vec()), 4000);
        closed(says(Vec::new()), 4000);
        closed(says(b"SHC1".to_vec()), 4000);

        let mut other_version = hello("capitol", now);
        other_version[4..6].copy_from_slice(&999_u16.to_le_bytes());
        let reason = closed(says(other_version), 4001);
        assert!(
            reason.contains("999") && reason.contains(&PROTOCOL_VERSION.to_string()),
            "{reason}"
        );

        let refused = |code: u16, name: &str, incarnation: u64, cookie: &str| {
            let mut link = Link::to_node(door);
            match link.introduce(&hello(name, incarnation), cookie) {
                Err(Ending::Closed(seen, reason)) if seen == code => reason,
                Err(other) => panic!("expected close code {code}, got {other:?}"),
                // Who carries a name that is taken is told so by a member, and then closed on.
                Ok(welcome) => {
                    assert!(code == 4004 && welcome.running_elsewhere.is_some(), "{welcome:?}");
                    closed(link, code)
                }
            }
        };
        let reason = refused(4002, "capitol", now, "another cookie");
        assert!(!reason.contains(DEVELOPMENT_COOKIE), "{reason}");
        refused(4002, "capitol", now, "");
        // Whoever asks from outside learns nothing about names before it has proved that it belongs
        // here.
        refused(4002, own_name, now, "another cookie");
        refused(4002, "riverdale", now, "another cookie");
        let reason = refused(4003, own_name, now, DEVELOPMENT_COOKIE);
        assert!(reason.contains(own_name), "{reason}");
        // A later life of a city that is up.
        let reason = refused(4004, "capitol", now + 1_000, DEVELOPMENT_COOKIE);
        assert!(reason.contains("capitol is alive elsewhere"), "{reason}");
        refused(4005, "riverdale", now, DEVELOPMENT_COOKIE);

        // A proof for one connection is none for another, whoever overheard it.
        let (mut first, mut second) = (Link::to_node(door), Link::to_node(door));
        let ours = hello("capitol", now);
        let overheard = [&mut first, &mut second].map(|link| {
            link.send(ours.clone());
            link.receive().expect("a node answers a hello with its own")
        });
        assert_ne!(overheard[0], overheard[1], "each hello is another one");
        let proof = Secret::new(shared::well_known::SECRET_DOMAIN, DEVELOPMENT_COOKIE)
            .prove(Purpose::DIALLING, &[&ours, &overheard[0]]);
        second.send(proof.to_vec());
        closed(second, 4002);
        // Nor is the listener's own kind of proof one of a dialler.
        first.send(
            Secret::new(shared::well_known::SECRET_DOMAIN, DEVELOPMENT_COOKIE)
                .prove(Purpose::LISTENING, &[&ours, &overheard[0]])
                .to_vec(),
        );
        closed(first, 4002);
        // A frame before the proof is none.
        let mut early = Link::to_node(door);
        early.send(hello("capitol", now));
        early.send_frame(&Frame::Observe { since: 0, pulls: 0 });
        early.receive().expect("a hello");
        closed(early, 4002);

        // A hello whose rest is cut off or goes on too long.
        let mut cut = hello("capitol", now);
        cut.truncate(12);
        closed(says(cut), 4006);
        let mut longer = hello("capitol", now);
        longer.push(0);
        closed(says(longer), 4006);

        let mut texting = Link::to_node(door);
        texting.send("hello");
        closed(texting, 4000);

        let mut oversized = Link::to_node(door);
        oversized.send(vec![0; FRAME_BYTES_MAX + 1]);
        let ending = oversized.ending();
        // It is cut off while we send, so its last words may be lost.
        assert!(matches!(ending, Ending::Closed(1009, _) | Ending::Gone), "{ending:?}");
    }
    still_works(&mut cluster, heroes);
    let log = cluster.process("gotham").log();
    for reason in [
        "expected a hello",
        "speaks protocol version 999",
        "has another cookie",
        "own name",
        "alive elsewhere",
        "riverdale is not a member",
    ] {
        assert!(log.contains(reason), "gotham's log does not say {reason:?}");
    }
}

#[test]
fn a_member_that_sends_nonsense_is_cut_off() {
    let (mut cluster, heroes) = cluster();
    cluster.kill9("capitol");
    for door in doors(&cluster) {
        let member = || {
            // The last link of that name may not be forgotten yet.
            wait_until("the absent member's place is free", HANG_TIMEOUT, || {
                Link::as_member(door, "capitol", incarnation_now())
                    .map_err(|ending| format!("{ending:?}"))
            })
        };
        let mut nonsense = member();
        nonsense.send(vec![0xff; 64]);
        closed(nonsense, 4006);
        let mut nothing = member();
        nothing.send(Vec::new());
        closed(nothing, 4006);
        // An answer to an observation that claims 2^60 entries in a few bytes.
        let mut lying = member();
        lying.send(vec![4, 0, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]);
        closed(lying, 4006);
        let mut texting = member();
        texting.send("{}");
        closed(texting, 1003);
        let mut oversized = member();
        oversized.send(vec![0; FRAME_BYTES_MAX + 1]);
        let ending = oversized.ending();
        assert!(matches!(ending, Ending::Closed(1009, _) | Ending::Gone), "{ending:?}");
    }
    cluster.restart("capitol");
    still_works(&mut cluster, heroes);
}

#[test]
fn bytes_that_are_no_http_are_answered_or_closed_and_the_server_goes_on() {
    let (mut cluster, heroes) = cluster();
    // The beginning of a TLS handshake: what a browser sends that was told https.
    let tls =
        [&[0x16, 0x03, 0x01, 0x00, 0xf4, 0x01, 0x00, 0x00, 0xf0, 0x03, 0x03][..], &[0x5a; 233]]
            .concat();
    for door in doors(&cluster) {
        for (bytes, then_stop) in [
            (&tls[..], false),
            (b"GET / HT", true),
            (b"\r\n\r\n\r\n", true),
            (b"", true),
            (&[0; 100_000], false),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", false),
        ] {
            let answer = raw::exchange(door, bytes, then_stop);
            let refused = answer.text.is_empty()
                || answer.status().is_some_and(|status| (400..600).contains(&status));
            assert!(answer.closed && refused, "{:?}: {answer:?}", &bytes[..bytes.len().min(20)]);
        }
    }
    // Half a request line, and then silence: closed in time, whatever else goes on.
    let answer = raw::exchange(cluster.address("dispatch"), b"GET / HT", false);
    assert!(answer.closed, "{answer:?}");
    still_works(&mut cluster, heroes);
}

#[test]
fn hundreds_of_silent_connections_do_not_keep_anybody_out() {
    let (mut cluster, heroes) = cluster();
    let silent: Vec<_> = (0..500)
        .map(|_| {
            std::net::TcpStream::connect(cluster.address("dispatch")).expect("dispatch listens")
        })
        .collect();
    wait_until("dispatch answers beside them", HANG_TIMEOUT, || {
        ensure(cluster.api.get("/healthz").status == 200, || "no answer".into())
    });
    still_works(&mut cluster, heroes);
    drop(silent);
}
