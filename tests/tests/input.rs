//! Malformed and hostile input: every request is answered or refused with a reason, and none
//! crashes a process or loses a hero.

use std::net::SocketAddr;

use cluster_tests::{
    CITIES, Cluster, DEVELOPMENT_COOKIE, Disconnect, HANG_TIMEOUT, Heroes, Link, NODES, Options,
    Reply, ensure, hello, incarnation_now, raw, wait_until,
};
use serde_json::json;

use gossip::link::{Purpose, Secret};
use gossip::wire::{FRAME_BYTES_MAX, Hello, PROTOCOL_VERSION};
use shared::Frame;

/// Starts a cluster with heroes that must not be lost.
fn cluster() -> (Cluster, Heroes) {
    let cluster = Cluster::start(Options::closed());
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(5));
    cluster.wait_until_held(&heroes, &CITIES);
    (cluster, heroes)
}

/// Asserts that nothing crashed, nothing was lost, and new heroes still reach all cities.
#[track_caller]
fn assert_still_works(cluster: &mut Cluster, mut heroes: Heroes) {
    heroes.created([cluster.api.create_named("After all that").id]);
    cluster.wait_until_held(&heroes, &CITIES);
    for node in NODES {
        let process = cluster.process(node);
        assert!(!process.has_ended(), "{node} has exited");
        let log = process.log();
        assert!(!log.contains("panicked"), "{node}: {log}");
    }
    for city in CITIES {
        assert_eq!(cluster.node(city).crashes, 0, "{city}");
    }
}

/// A row of the table: a request, and the problem expected in response.
struct Bad<'a> {
    method: &'a str,
    path: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: &'a str,
    status: u16,
    code: &'a str,
}

#[test]
fn bad_requests_get_problem_documents_with_a_reason() {
    let (mut cluster, heroes) = cluster();
    let id = heroes.live.keys().next().expect("there are heroes").clone();
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
        bad("GET", "/api/v1/events?limit=0", &[], "", 400, "invalid_query"),
        bad("GET", "/api/v1/heroes?limit=0", &[], "", 400, "invalid_query"),
        bad("GET", "/api/v1/heroes?limit=-1", &[], "", 400, "invalid_query"),
        bad("GET", "/api/v1/heroes?limit=10001", &[], "", 400, "invalid_query"),
        bad("GET", "/api/v1/heroes?limit=5&limit=5", &[], "", 400, "invalid_query"),
        bad("GET", "/api/v1/heroes?after=batman", &[], "", 400, "invalid_query"),
        bad("GET", "/api/v1/heroes?name=", &[], "", 400, "invalid_query"),
        bad("GET", "/api/v1/heroes?name=a&id=b", &[], "", 400, "invalid_query"),
        bad("GET", "/api/v1/cities/gotham/heroes?limit=x", &[], "", 400, "invalid_query"),
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
        // Origins.
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
        // Idempotency keys.
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
        // All rows are tried before any failure is reported.
        let checked = std::panic::catch_unwind(|| {
            let _ = reply.problem(*status, code);
            assert!(
                *status != 405 || reply.headers.get("allow").is_some_and(|allow| !allow.is_empty()),
                "the Allow header is missing"
            );
        });
        if checked.is_err() {
            wrong.push(format!(
                "{method} {} {:?}: expected {status} {code}, got {reply:?}",
                clip(path),
                clip(body)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_still_works(&mut cluster, heroes);
}

fn clip(text: &str) -> &str {
    text.get(..80).unwrap_or(text)
}

#[test]
fn malformed_targets_methods_and_bodies_are_answered() {
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
        let response =
            raw::exchange(dispatch, &raw::request(dispatch, "GET", target, &[], b""), false);
        assert!(
            response.closed && response.status().is_some_and(|status| statuses.contains(&status)),
            "{target:?}: {response:?}"
        );
    }
    let response = raw::exchange(
        dispatch,
        &raw::request(dispatch, "POST", b"/api/v1/heroes", &json, b"{\"name\":\"\xff\"}"),
        false,
    );
    assert_eq!(response.status(), Some(400), "{response:?}");
    let response =
        raw::exchange(dispatch, &raw::request(dispatch, &"X".repeat(5_000), b"/", &[], b""), false);
    assert!(
        response.closed && response.status().is_some_and(|status| (400..500).contains(&status)),
        "{response:?}"
    );
    let many: Vec<(String, &str)> = (0..1_000).map(|n| (format!("x-{n}"), "y")).collect();
    let many: Vec<(&str, &str)> =
        many.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let response = raw::exchange(dispatch, &raw::request(dispatch, "GET", b"/", &many, b""), false);
    assert_eq!(response.status(), Some(431), "{response:?}");
    assert_still_works(&mut cluster, heroes);
}

#[test]
fn body_over_the_limit_is_refused_and_one_at_the_limit_is_read() {
    let (mut cluster, heroes) = cluster();
    let dispatch = cluster.address("dispatch");
    let body = |bytes: usize| format!(r#"{{"name":"{}"}}"#, "x".repeat(bytes - 11));
    let json = [("content-type", "application/json")];
    let at_the_limit =
        cluster.api.request("POST", "/api/v1/heroes", &json, body(64 * 1024).as_bytes());
    let _ = at_the_limit.problem(422, "invalid_name");
    for bytes in [64 * 1024 + 1, 1024 * 1024] {
        // The server may respond and close before it has read the whole body, and an HTTP client
        // may miss the response then.
        let response = raw::exchange(
            dispatch,
            &raw::request(dispatch, "POST", b"/api/v1/heroes", &json, body(bytes).as_bytes()),
            false,
        );
        assert!(response.closed, "{response:?}");
        if response.text.is_empty() {
            continue; // a reset during sending: refused too, but the response was lost
        }
        assert_eq!(response.status(), Some(413), "{response:?}");
        let problem: serde_json::Value =
            serde_json::from_str(response.body()).expect("a problem document");
        assert_eq!((&problem["type"], &problem["status"]), (&json!("too_large"), &json!(413)));
    }
    // The limit also holds without a content length.
    let head = format!(
        "POST /api/v1/heroes HTTP/1.1\r\nhost: {dispatch}\r\nconnection: close\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let mut chunked = head.into_bytes();
    for _ in 0..32 {
        chunked.extend(b"1000\r\n");
        chunked.extend([b' '; 0x1000]);
        chunked.extend(b"\r\n");
    }
    chunked.extend(b"0\r\n\r\n");
    let response = raw::exchange(dispatch, &chunked, false);
    assert!(
        response.closed && (response.text.is_empty() || response.status() == Some(413)),
        "{response:?}"
    );
    assert_still_works(&mut cluster, heroes);
}

#[test]
fn markup_in_names_is_returned_verbatim_and_escaped_in_html() {
    let (mut cluster, mut heroes) = cluster();
    for name in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' OR 1=1 --",
        "\u{200f}Батман 🦇",
        "{{7*7}}",
    ] {
        let hero = cluster.api.create_named(name);
        heroes.created([hero.id.clone()]);
        assert_eq!(cluster.api.hero(&hero.id).expect(200).json()["hero"]["name"], name);
    }
    // Through the form as well, which browsers use.
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
    heroes.created([by_form.expect("the hero created by the form")["id"]
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
    assert_still_works(&mut cluster, heroes);
}

#[test]
fn idempotency_key_creates_once_and_fits_one_request_only() {
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
    // A key may be used again after a refusal.
    let _ = with_key("/api/v1/heroes", "c", r#"{"name":""}"#).problem(422, "invalid_name");
    heroes.created([
        with_key("/api/v1/heroes", "c", r#"{"name":"Robin"}"#).expect(201).json()["id"]
            .as_str()
            .expect("an id")
            .to_owned(),
    ]);
    cluster.wait_until_held(&heroes, &CITIES);
    assert_still_works(&mut cluster, heroes);
}

#[test]
fn created_hero_is_found_at_its_location_header() {
    let (cluster, _) = cluster();
    let created = cluster.api.post("/api/v1/heroes", &json!({})).expect(201);
    let found = cluster.api.get(&created.headers["location"]).expect(200).json();
    assert_eq!(found["hero"], created.json());
    assert!(
        found["hero"]["name"].as_str().is_some_and(|name| !name.is_empty()),
        "expected a generated name: {found}"
    );
}

#[test]
fn responses_carry_the_security_headers() {
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
fn live_socket_accepts_no_commands() {
    let (mut cluster, heroes) = cluster();
    let dispatch = cluster.address("dispatch");
    let live = |headers: &[(&str, &str)]| Link::open(dispatch, "/live", headers);
    assert_eq!(live(&[("origin", "http://evil.example")]).err(), Some(403));
    assert_eq!(live(&[("origin", "null")]).err(), Some(403));

    let mut sending = live(&[]).expect("a socket");
    sending.receive().expect("a first frame");
    sending.send("bomb gotham");
    assert!(matches!(sending.read_to_close(), Disconnect::Closed(1008, _)));

    let mut binary = live(&[]).expect("a socket");
    binary.send(vec![0; 16]);
    assert!(matches!(binary.read_to_close(), Disconnect::Closed(1003, _)));

    // The server stops reading in the middle of it, so its close frame may be lost.
    let mut flooding = live(&[]).expect("a socket");
    flooding.send("x".repeat(1 << 20));
    let _ = flooding.read_to_close();

    let plain = cluster.api.get("/live");
    assert!((400..500).contains(&plain.status), "{plain:?}");
    let _ = cluster.api.get("/live?q=%ff&show=nonsense&page=99999999999999999999");
    assert!(live(&[]).expect("a socket").receive().is_ok());
    assert_still_works(&mut cluster, heroes);
}

/// Returns the addresses of a city and of dispatch, which accept connections alike.
fn nodes(cluster: &Cluster) -> [SocketAddr; 2] {
    [cluster.address("gotham"), cluster.address("dispatch")]
}

#[track_caller]
fn assert_closed(link: Link, code: u16) -> String {
    match link.read_to_close() {
        Disconnect::Closed(seen, reason) if seen == code => reason,
        other @ (Disconnect::Closed(..) | Disconnect::Dropped) => {
            panic!("expected close code {code}, got {other:?}")
        }
    }
}

#[test]
fn unauthenticated_peers_are_refused_with_a_reason() {
    let (mut cluster, heroes) = cluster();
    let now = incarnation_now();
    for (node, name) in nodes(&cluster).into_iter().zip(["gotham", "dispatch"]) {
        assert_eq!(cluster_tests::Api::new(node).get("/cluster").status, 426);
        assert_eq!(
            Link::open(node, "/cluster", &[("origin", "http://evil.example")]).err(),
            Some(403)
        );
        let connect_and_send = |bytes: Vec<u8>| {
            let mut link = Link::to_node(node);
            link.send(bytes);
            link
        };
        assert_closed(connect_and_send(b"GET / HTTP/1.1\r\n\r\n".to_vec()), 4000);
        assert_closed(connect_and_send(Vec::new()), 4000);
        assert_closed(connect_and_send(b"SHC1".to_vec()), 4000);

        let mut other_version = hello("capitol", now);
        other_version[4..6].copy_from_slice(&999_u16.to_le_bytes());
        let reason = assert_closed(connect_and_send(other_version), 4001);
        assert!(
            reason.contains("999") && reason.contains(&PROTOCOL_VERSION.to_string()),
            "{reason}"
        );

        let mut other_cluster = Hello::decode(&hello("capitol", now)).expect("a hello");
        other_cluster.cluster = "villains".parse().expect("a valid name");
        let reason = assert_closed(connect_and_send(other_cluster.encode()), 4007);
        assert_eq!(reason, "belongs to the cluster villains");

        let refused = |code: u16, name: &str, incarnation: u64, cookie: &str| {
            let mut link = Link::to_node(node);
            match link.handshake(&hello(name, incarnation), cookie) {
                Err(Disconnect::Closed(seen, reason)) if seen == code => reason,
                Err(other) => panic!("expected close code {code}, got {other:?}"),
                // The name of a running member is refused by the welcome, and then closed.
                Ok(welcome) => {
                    assert!(code == 4004 && welcome.running_elsewhere.is_some(), "{welcome:?}");
                    assert_closed(link, code)
                }
            }
        };
        let reason = refused(4002, "capitol", now, "wrong cookie");
        assert!(!reason.contains(DEVELOPMENT_COOKIE), "{reason}");
        refused(4002, "capitol", now, "");
        // Connections learn nothing about names before they have proved the cookie.
        refused(4002, name, now, "wrong cookie");
        refused(4002, "riverdale", now, "wrong cookie");
        let reason = refused(4003, name, now, DEVELOPMENT_COOKIE);
        assert!(reason.contains(name), "{reason}");
        // A later incarnation of a city that is up.
        let reason = refused(4004, "capitol", now + 1_000, DEVELOPMENT_COOKIE);
        assert!(reason.contains("capitol is already running"), "{reason}");
        refused(4005, "riverdale", now, DEVELOPMENT_COOKIE);

        // A proof for one connection is invalid for another.
        let (mut first, mut second) = (Link::to_node(node), Link::to_node(node));
        let ours = hello("capitol", now);
        let nonces = [&mut first, &mut second].map(|link| {
            link.send(ours.clone());
            link.receive().expect("a node responds to a hello with its own")
        });
        assert_ne!(nonces[0], nonces[1], "each hello has a new nonce");
        let proof = Secret::new(shared::well_known::SECRET_DOMAIN, DEVELOPMENT_COOKIE)
            .prove(Purpose::DIALLING, &[&ours, &nonces[0]]);
        second.send(proof.to_vec());
        assert_closed(second, 4002);
        // A listener's proof is invalid as a dialler's proof.
        first.send(
            Secret::new(shared::well_known::SECRET_DOMAIN, DEVELOPMENT_COOKIE)
                .prove(Purpose::LISTENING, &[&ours, &nonces[0]])
                .to_vec(),
        );
        assert_closed(first, 4002);
        // A frame in place of the proof is refused.
        let mut early = Link::to_node(node);
        early.send(hello("capitol", now));
        early.send_frame(&Frame::Observe { since: 0, pulls: 0 });
        early.receive().expect("a hello");
        assert_closed(early, 4002);

        // A hello that is truncated or too long.
        let mut cut = hello("capitol", now);
        cut.truncate(12);
        assert_closed(connect_and_send(cut), 4006);
        let mut longer = hello("capitol", now);
        longer.push(0);
        assert_closed(connect_and_send(longer), 4006);

        let mut sending_text = Link::to_node(node);
        sending_text.send("hello");
        assert_closed(sending_text, 4000);

        let mut oversized = Link::to_node(node);
        oversized.send(vec![0; FRAME_BYTES_MAX + 1]);
        let disconnect = oversized.read_to_close();
        // The connection is closed during sending, so the close frame may be lost.
        assert!(
            matches!(disconnect, Disconnect::Closed(1009, _) | Disconnect::Dropped),
            "{disconnect:?}"
        );
    }
    assert_still_works(&mut cluster, heroes);
    let log = cluster.process("gotham").log();
    for reason in [
        "expected a hello",
        "speaks protocol version 999",
        "wrong cookie",
        "own name",
        "is already running",
        "riverdale is not a member",
    ] {
        assert!(log.contains(reason), "gotham's log does not contain {reason:?}");
    }
}

#[test]
fn member_that_sends_malformed_frames_is_disconnected() {
    let (mut cluster, heroes) = cluster();
    cluster.kill9("capitol");
    for node in nodes(&cluster) {
        let member = || {
            // The node may still hold the previous link of that name.
            wait_until("the absent member can link again", HANG_TIMEOUT, || {
                Link::as_member(node, "capitol", incarnation_now())
                    .map_err(|disconnect| format!("{disconnect:?}"))
            })
        };
        let mut nonsense = member();
        nonsense.send(vec![0xff; 64]);
        assert_closed(nonsense, 4006);
        let mut nothing = member();
        nothing.send(Vec::new());
        assert_closed(nothing, 4006);
        // An observation that claims 2^60 entries in a few bytes.
        let mut forged = member();
        forged.send(vec![4, 0, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]);
        assert_closed(forged, 4006);
        let mut sending_text = member();
        sending_text.send("{}");
        assert_closed(sending_text, 1003);
        let mut oversized = member();
        oversized.send(vec![0; FRAME_BYTES_MAX + 1]);
        let disconnect = oversized.read_to_close();
        assert!(
            matches!(disconnect, Disconnect::Closed(1009, _) | Disconnect::Dropped),
            "{disconnect:?}"
        );
    }
    cluster.restart("capitol");
    assert_still_works(&mut cluster, heroes);
}

#[test]
fn non_http_bytes_are_answered_or_closed_without_harm() {
    let (mut cluster, heroes) = cluster();
    // The beginning of a TLS handshake, as a browser sends it for an https URL.
    let tls =
        [&[0x16, 0x03, 0x01, 0x00, 0xf4, 0x01, 0x00, 0x00, 0xf0, 0x03, 0x03][..], &[0x5a; 233]]
            .concat();
    for node in nodes(&cluster) {
        for (bytes, then_stop) in [
            (&tls[..], false),
            (b"GET / HT", true),
            (b"\r\n\r\n\r\n", true),
            (b"", true),
            (&[0; 100_000], false),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", false),
        ] {
            let response = raw::exchange(node, bytes, then_stop);
            let refused = response.text.is_empty()
                || response.status().is_some_and(|status| (400..600).contains(&status));
            assert!(
                response.closed && refused,
                "{:?}: {response:?}",
                &bytes[..bytes.len().min(20)]
            );
        }
    }
    // Half a request line, followed by silence: closed within the time limit.
    let response = raw::exchange(cluster.address("dispatch"), b"GET / HT", false);
    assert!(response.closed, "{response:?}");
    assert_still_works(&mut cluster, heroes);
}

#[test]
fn silent_connections_by_the_hundred_do_not_block_others() {
    let (mut cluster, heroes) = cluster();
    let silent: Vec<_> = (0..500)
        .map(|_| {
            std::net::TcpStream::connect(cluster.address("dispatch")).expect("dispatch listens")
        })
        .collect();
    wait_until("dispatch answers next to them", HANG_TIMEOUT, || {
        ensure(cluster.api.get("/healthz").status == 200, || "the status is not 200".into())
    });
    assert_still_works(&mut cluster, heroes);
    drop(silent);
}
