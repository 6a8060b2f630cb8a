//! The library's types over HTTP: each node serves them, and answers with what it holds itself.

use std::collections::BTreeSet;

use cluster_tests::{
    Api, CITIES, Cluster, Disconnect, HANG_TIMEOUT, Link, NODES, Options, Reply, ensure, raw,
    wait_until,
};
use serde_json::{Value, json};

const HOST: &str = "the-token-of-the-host";
const VIEWER: &str = "the-token-of-viewers";

fn at(cluster: &Cluster, node: &str) -> Api {
    Api::new(cluster.address(node))
}

/// Sends a change with an idempotency key.
fn keyed(api: &Api, method: &str, path: &str, key: &str, body: &Value) -> Reply {
    let headers = [("content-type", "application/json"), ("idempotency-key", key)];
    api.request(method, path, &headers, body.to_string().as_bytes())
}

/// Waits until a node answers with this value at a JSON pointer.
#[track_caller]
fn wait_at(cluster: &Cluster, node: &str, path: &str, pointer: &str, value: &Value) {
    let api = at(cluster, node);
    wait_until(&format!("{node} shows {value} in {path}"), HANG_TIMEOUT, || {
        let reply = api.get(path);
        let found = reply.status == 200 && reply.json().pointer(pointer) == Some(value);
        ensure(found, || format!("{reply:?}"))
    });
}

#[test]
fn write_at_one_city_is_read_at_every_node() {
    let cluster = Cluster::start(Options::default());
    let gotham = at(&cluster, "gotham");
    let counted = gotham.post("/api/v1/counters/visits", &json!({ "add": 5 })).expect(200).json();
    let mut expected = json!({
        "name": "visits", "local": 5, "total": 5, "shares": { "gotham": 5 }, "unheard": 5,
    });
    assert_eq!(counted, expected);
    // A write is shown at once where it was made. Later, others are known to have it.
    expected["unheard"] = json!(0);
    wait_at(&cluster, "gotham", "/api/v1/counters/visits", "", &expected);
    assert_eq!(gotham.put("/api/v1/sets/villains/Joker", &Value::Null).status, 201);
    assert_eq!(gotham.put("/api/v1/sets/villains/Joker", &Value::Null).status, 200);
    let entry = gotham.put("/api/v1/tables/weather/now", &json!({ "value": { "c": 21 } }));
    let entry = entry.expect(201).json();
    assert_eq!(entry["stamp"]["origin"].as_str().map(|origin| &origin[..7]), Some("gotham/"));
    let sent = gotham.post("/api/v1/rooms/hq", &json!({ "sender": "Ada", "text": "Hello" }));
    let sent = sent.expect(201).json();
    let held = gotham.put("/api/v1/names/leader", &json!({ "value": "10.0.0.1" })).expect(201);
    for node in ["metropolis", "capitol", "dispatch"] {
        wait_at(&cluster, node, "/api/v1/counters/visits", "/total", &json!(5));
        wait_at(&cluster, node, "/api/v1/counters/visits", "/local", &json!(0));
        wait_at(&cluster, node, "/api/v1/counters", "/counters/0/name", &json!("visits"));
        wait_at(&cluster, node, "/api/v1/sets/villains", "/elements", &json!(["Joker"]));
        wait_at(&cluster, node, "/api/v1/sets", "/sets/0/elements", &json!(1));
        wait_at(&cluster, node, "/api/v1/tables/weather/now", "", &entry);
        wait_at(&cluster, node, "/api/v1/tables/weather?prefix=n", "/entries/0", &entry);
        wait_at(&cluster, node, "/api/v1/tables/weather?prefix=x", "/entries", &json!([]));
        wait_at(&cluster, node, "/api/v1/tables", "/tables/1/keys", &json!(1));
        wait_at(&cluster, node, "/api/v1/rooms/hq", "/messages/0", &sent);
        wait_at(&cluster, node, "/api/v1/rooms", "/rooms/0/messages", &json!(1));
        wait_at(&cluster, node, "/api/v1/names/leader", "", &held.json());
        wait_at(&cluster, node, "/api/v1/names", "/names/0/owner", &json!("gotham"));
    }
}

#[test]
fn counters_add_up_over_all_nodes_and_a_bombed_city_keeps_what_others_have() {
    let cluster = Cluster::start(Options::default());
    for (node, amount) in NODES.iter().zip([5, 7, -2, 11]) {
        let api = at(&cluster, node);
        api.post("/api/v1/counters/visits", &json!({ "add": amount })).expect(200);
    }
    for node in NODES {
        wait_at(&cluster, node, "/api/v1/counters/visits", "/total", &json!(21));
    }
    let local = at(&cluster, "gotham").get("/api/v1/counters/visits").json()["local"].clone();
    cluster.bomb("gotham");
    for node in NODES {
        wait_at(&cluster, node, "/api/v1/counters/visits", "/total", &json!(21));
    }
    // A new incarnation counts on, and the node's share is that of all its incarnations.
    wait_at(&cluster, "gotham", "/api/v1/counters/visits", "/local", &local);
    let gotham = at(&cluster, "gotham");
    let added = gotham.post("/api/v1/counters/visits", &json!({ "add": 1 })).expect(200).json();
    assert_eq!(added["total"], 22);
    assert_eq!(added["local"].as_i64(), local.as_i64().map(|local| local + 1));
}

#[test]
fn cluster_counts_what_happens_and_has_one_villain() {
    let options = Options { patrol: "100ms", fight: "200ms", ..Options::default() };
    let mut cluster = Cluster::start(options);
    let hero = cluster.api.create_named("Granite").id;
    wait_at(&cluster, "capitol", "/api/v1/counters/created", "/shares", &json!({ "dispatch": 1 }));
    cluster.bomb("capitol");
    wait_at(&cluster, "gotham", "/api/v1/counters/bombs", "/shares", &json!({ "capitol": 1 }));
    cluster.api.assign(&hero, "metropolis").expect(200);
    wait_until("metropolis counts fights", HANG_TIMEOUT, || {
        let fights = at(&cluster, "capitol").get("/api/v1/counters/fights");
        let found =
            fights.status == 200 && fights.json()["shares"]["metropolis"].as_u64() > Some(1);
        ensure(found, || format!("{fights:?}"))
    });
    let owner = |cluster: &Cluster, node: &str| {
        let name = at(cluster, node).get("/api/v1/names/villain");
        (name.status == 200).then(|| name.json()["owner"].as_str().expect("an owner").to_owned())
    };
    let agreed = |cluster: &Cluster, nodes: &[&str], besides: Option<&str>| {
        wait_until("all show one villain", HANG_TIMEOUT, || {
            let owners: BTreeSet<_> = nodes.iter().map(|node| owner(cluster, node)).collect();
            let one = owners.first().cloned().flatten().filter(|_| owners.len() == 1);
            let is_new = one.is_some() && one.as_deref() != besides;
            if is_new { Ok(one) } else { Err(format!("{owners:?}")) }
        })
    };
    let first = agreed(&cluster, &NODES, None).expect("an owner");
    let first = *CITIES.iter().find(|city| **city == first).expect("a city");
    cluster.kill9(first);
    let others: Vec<&str> = NODES.into_iter().filter(|node| *node != first).collect();
    agreed(&cluster, &others, Some(first));
}

#[test]
fn batch_is_seen_whole() {
    let cluster = Cluster::start(Options::default());
    let (gotham, capitol) = (at(&cluster, "gotham"), at(&cluster, "capitol"));
    let keys: Vec<String> = (0..200).map(|key| format!("key {key}")).collect();
    for round in 0..5 {
        let put: serde_json::Map<String, Value> =
            keys.iter().map(|key| (key.clone(), json!(round))).collect();
        let done = gotham.post("/api/v1/tables/orders", &json!({ "put": put })).expect(200);
        assert_eq!(done.json(), json!({ "put": 200, "deleted": 0 }));
        wait_until("capitol shows the batch", HANG_TIMEOUT, || {
            let entries = capitol.get("/api/v1/tables/orders").expect(200).json();
            let entries = entries["entries"].as_array().expect("a list").clone();
            let values: BTreeSet<u64> =
                entries.iter().map(|entry| entry["value"].as_u64().expect("a number")).collect();
            assert!(matches!(entries.len(), 0 | 200), "{}", entries.len());
            assert!(values.len() <= 1, "a part of a batch: {values:?}");
            ensure(values.first() == Some(&round), || format!("{values:?}"))
        });
    }
    let batch = json!({ "put": { "new": 1 }, "delete": ["key 0", "absent"] });
    let done = gotham.post("/api/v1/tables/orders", &batch).expect(200);
    assert_eq!(done.json(), json!({ "put": 1, "deleted": 2 }));
    gotham.get("/api/v1/tables/orders/key%200").problem(404, "unknown_key");
    assert_eq!(gotham.delete("/api/v1/tables/orders/new").status, 204);
    gotham.delete("/api/v1/tables/orders/new").problem(404, "unknown_key");
}

#[test]
fn repeated_request_with_its_key_counts_once() {
    let cluster = Cluster::start(Options::default());
    for node in ["gotham", "dispatch"] {
        let (api, path) = (at(&cluster, node), format!("/api/v1/counters/{node}"));
        let first = keyed(&api, "POST", &path, "one", &json!({ "add": 5 })).expect(200);
        let again = keyed(&api, "POST", &path, "one", &json!({ "add": 5 })).expect(200);
        assert_eq!((first.json()["total"].clone(), first.body), (json!(5), again.body));
        let other = keyed(&api, "POST", &path, "one", &json!({ "add": 6 }));
        other.problem(422, "idempotency_key_reused");
        keyed(&api, "POST", &path, "a b", &json!({ "add": 5 }))
            .problem(400, "invalid_idempotency_key");
        assert_eq!(api.get(&path).expect(200).json()["total"], 5);
        let message = json!({ "sender": "Ada", "text": "once" });
        let room = format!("/api/v1/rooms/{node}");
        let sent = keyed(&api, "POST", &room, "two", &message).expect(201);
        let again = keyed(&api, "POST", &room, "two", &message).expect(201);
        assert_eq!(sent.body, again.body);
        let messages = api.get(&room).expect(200).json()["messages"].clone();
        assert_eq!(messages.as_array().map(Vec::len), Some(1));
        // A refused request did nothing, and its key may be used again.
        let path = format!("/api/v1/sets/{node}/x");
        keyed(&api, "DELETE", &path, "three", &Value::Null).problem(404, "unknown_element");
        assert_eq!(keyed(&api, "PUT", &path, "three", &Value::Null).status, 201);
    }
    // The key of an increment outlives an incarnation.
    let gotham = at(&cluster, "gotham");
    wait_at(&cluster, "capitol", "/api/v1/counters/gotham", "/total", &json!(5));
    cluster.bomb("gotham");
    let again = keyed(&gotham, "POST", "/api/v1/counters/gotham", "one", &json!({ "add": 5 }));
    assert_eq!(again.expect(200).json()["total"], 5);
    wait_at(&cluster, "gotham", "/api/v1/counters/gotham", "/total", &json!(5));
}

#[test]
fn bad_input_is_refused_and_changes_nothing() {
    let cluster = Cluster::start(Options::default());
    for node in ["gotham", "dispatch"] {
        let api = at(&cluster, node);
        let long = "x".repeat(101);
        let counter = "/api/v1/counters/c";
        for (body, status, code) in [
            (r#"{"add":0}"#, 422, "out_of_range"),
            (r#"{"add":9007199254740993}"#, 422, "out_of_range"),
            (r#"{"add":-9007199254740993}"#, 422, "out_of_range"),
            (r#"{"add":9223372036854775808}"#, 422, "invalid_field"),
            (r#"{"add":1e300}"#, 422, "invalid_field"),
            (r#"{"add":1.5}"#, 422, "invalid_field"),
            (r#"{"add":"5"}"#, 422, "invalid_field"),
            (r#"{"add":null}"#, 422, "invalid_field"),
            (r#"{"add":1,"x":2}"#, 422, "invalid_field"),
            (r#"{}"#, 422, "invalid_field"),
            (r#"[5]"#, 422, "invalid_field"),
            (r#"{"add":"#, 400, "invalid_json"),
            ("", 400, "body_required"),
        ] {
            let headers = [("content-type", "application/json")];
            let reply = api.request("POST", counter, &headers, body.as_bytes());
            let detail = reply.problem(status, code);
            assert!(detail.contains("nothing was changed"), "{body}: {detail}");
        }
        api.request("POST", counter, &[], b"{\"add\":1}").problem(415, "not_json");
        api.get(counter).problem(404, "unknown_counter");
        let large = json!({ "value": "x".repeat(4_095) });
        for path in ["/api/v1/tables/t/k", "/api/v1/names/n"] {
            let detail = api.put(path, &large).problem(413, "too_large");
            assert!(detail.contains("nothing was changed"), "{detail}");
            api.put(path, &json!({})).problem(422, "invalid_field");
            assert_eq!(api.get(path).status, 404);
        }
        // The largest value, quotes included.
        let largest = json!({ "value": "x".repeat(4_094) });
        api.put(&format!("/api/v1/tables/t/{node}"), &largest).expect(201);
        for name in [long.as_str(), "a%0Ab", "%00", "%E2%80%8B", "%E2%80%AE", "%C2%85", "%20"] {
            for path in [
                format!("/api/v1/sets/{name}/x"),
                format!("/api/v1/sets/x/{name}"),
                format!("/api/v1/tables/{name}/x"),
                format!("/api/v1/tables/x/{name}"),
                format!("/api/v1/names/{name}"),
            ] {
                let detail = api.put(&path, &json!({ "value": 1 })).problem(422, "invalid_name");
                assert!(detail.contains("nothing was changed"), "{path}: {detail}");
                api.delete(&path).problem(422, "invalid_name");
            }
            api.post(&format!("/api/v1/counters/{name}"), &json!({ "add": 1 }))
                .problem(422, "invalid_name");
            api.get(&format!("/api/v1/presence/{name}")).problem(422, "invalid_name");
        }
        api.get("/api/v1/sets/%FF").problem(400, "invalid_path");
        for (batch, code) in [
            (json!({ "put": { "a": 1 }, "delete": ["a"] }), "invalid_field"),
            (json!({ "put": { "a": 1, "\n": 2 } }), "invalid_name"),
            (json!({ "put": { "e\u{301}": 1, "\u{e9}": 2 } }), "invalid_field"),
            (json!({ "delete": ["a", long] }), "invalid_name"),
            (json!({ "put": [1] }), "invalid_field"),
        ] {
            api.post("/api/v1/tables/batch", &batch).problem(422, code);
        }
        let part = json!({ "put": { "a": 1, "b": "x".repeat(5_000) } });
        api.post("/api/v1/tables/batch", &part).problem(413, "too_large");
        assert_eq!(api.get("/api/v1/tables/batch").expect(200).json()["entries"], json!([]));
        for query in ["limit=0", "limit=101", "limit=-1", "limit=x", "limit=", "limit=1&limit=2"] {
            api.get(&format!("/api/v1/rooms/r?{query}")).problem(400, "invalid_query");
        }
        for (message, status, code) in [
            (json!({ "sender": "a", "text": "" }), 422, "invalid_text"),
            (json!({ "sender": "a", "text": "x".repeat(1_025) }), 422, "invalid_text"),
            (json!({ "sender": "", "text": "x" }), 422, "invalid_name"),
            (json!({ "sender": long, "text": "x" }), 422, "invalid_name"),
            (
                json!({ "sender": "a", "text": "x", "reply_to": "1+0@gotham/1" }),
                422,
                "unknown_message",
            ),
            (json!({ "text": "x" }), 422, "invalid_field"),
        ] {
            api.post("/api/v1/rooms/r", &message).problem(status, code);
        }
        assert_eq!(api.get("/api/v1/rooms/r").expect(200).json()["messages"], json!([]));
        api.delete("/api/v1/sets/s/absent").problem(404, "unknown_element");
        api.delete("/api/v1/names/absent").problem(404, "unknown_name");
        for path in ["/api/v1/counters/", "/api/v1/nothing", "/api/v1/sets/a/b/c"] {
            api.get(path).problem(404, "unknown_path");
        }
        api.delete(counter).problem(405, "wrong_method");
    }
}

#[test]
fn counter_refuses_an_overflow_and_names_have_one_form() {
    let cluster = Cluster::start(Options::default());
    let gotham = at(&cluster, "gotham");
    let most = json!({ "add": 9_007_199_254_740_992_i64 });
    for _ in 0..1_023 {
        gotham.post("/api/v1/counters/c", &most).expect(200);
    }
    gotham.post("/api/v1/counters/c", &most).problem(422, "overflow");
    let total = gotham.get("/api/v1/counters/c").expect(200).json()["total"].clone();
    assert_eq!(total, json!(9_007_199_254_740_992_i64 * 1_023));
    gotham.put("/api/v1/sets/Zoe%CC%88/a%2Fb", &Value::Null).expect(201);
    let set = gotham.get("/api/v1/sets/Zo%C3%AB").expect(200).json();
    assert_eq!(set, json!({ "name": "Zo\u{eb}", "elements": ["a/b"] }));
}

#[test]
fn replies_follow_their_questions_and_floods_are_refused() {
    let cluster = Cluster::start(Options::default());
    let (gotham, capitol) = (at(&cluster, "gotham"), at(&cluster, "capitol"));
    let question = json!({ "sender": "Ada", "text": "Where?" });
    let question = gotham.post("/api/v1/rooms/hq", &question).expect(201).json();
    assert_eq!(question["reply_to"], Value::Null);
    wait_at(&cluster, "capitol", "/api/v1/rooms/hq", "/messages/0", &question);
    let answer = json!({ "sender": "Bob", "text": "Here", "reply_to": question["id"] });
    let answer = capitol.post("/api/v1/rooms/hq", &answer).expect(201).json();
    assert_eq!((&answer["reply_to"], &answer["node"]), (&question["id"], &json!("capitol")));
    wait_at(&cluster, "dispatch", "/api/v1/rooms/hq?limit=1", "/messages", &json!([answer]));
    wait_at(&cluster, "gotham", "/api/v1/rooms/hq", "/messages", &json!([question, answer]));
    let flood = json!({ "sender": "Eve", "text": "!" });
    let refused = wait_until("the flood is refused", HANG_TIMEOUT, || {
        let reply = gotham.post("/api/v1/rooms/hq", &flood);
        if reply.status == 429 { Ok(reply) } else { Err(format!("{reply:?}")) }
    });
    refused.problem(429, "too_fast");
    assert_eq!(refused.headers["retry-after"], "1");
}

#[test]
fn name_has_one_owner_who_alone_releases_it() {
    let cluster = Cluster::start(Options::default());
    let (gotham, capitol) = (at(&cluster, "gotham"), at(&cluster, "capitol"));
    gotham.put("/api/v1/names/leader", &json!({ "value": 1 })).expect(201);
    wait_at(&cluster, "capitol", "/api/v1/names/leader", "/owner", &json!("gotham"));
    let taken = capitol.put("/api/v1/names/leader", &json!({ "value": 2 }));
    taken.problem(409, "taken");
    assert_eq!(taken.json()["owner"], "gotham");
    capitol.delete("/api/v1/names/leader").problem(409, "not_held");
    assert_eq!(gotham.delete("/api/v1/names/leader").status, 204);
    gotham.get("/api/v1/names/leader").problem(404, "unknown_name");
    wait_until("the name is free at capitol", HANG_TIMEOUT, || {
        let reply = capitol.put("/api/v1/names/leader", &json!({ "value": 2 }));
        ensure(reply.status == 201, || format!("{reply:?}"))
    });
    // A bombed owner loses its names.
    wait_at(&cluster, "gotham", "/api/v1/names/leader", "/owner", &json!("capitol"));
    cluster.bomb("capitol");
    wait_until("the name is free again", HANG_TIMEOUT, || {
        let reply = gotham.get("/api/v1/names/leader");
        ensure(reply.status == 404, || format!("{reply:?}"))
    });
}

#[test]
fn room_beyond_the_limit_is_refused() {
    let cluster = Cluster::start(Options::default());
    let gotham = at(&cluster, "gotham");
    for room in 0..1_000 {
        let message = json!({ "sender": format!("sender {room}"), "text": "x" });
        gotham.post(&format!("/api/v1/rooms/room%20{room}"), &message).expect(201);
    }
    let message = json!({ "sender": "a", "text": "x" });
    gotham.post("/api/v1/rooms/another", &message).problem(409, "too_many_rooms");
    gotham.post("/api/v1/rooms/room%200", &message).expect(201);
    let rooms = gotham.get("/api/v1/rooms").expect(200).json();
    assert_eq!(rooms["rooms"].as_array().map(Vec::len), Some(1_000));
}

#[test]
fn tokens_hosts_and_origins_are_enforced_at_every_node() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("a temporary file");
        path.display().to_string()
    };
    let environment = vec![
        ("SUPERHERO_HOST_TOKEN_FILE", file("host", HOST)),
        ("SUPERHERO_VIEWER_TOKEN_FILE", file("viewer", VIEWER)),
        ("SUPERHERO_ALLOW_HOST", "heroes.example".to_owned()),
        ("SUPERHERO_ALLOW_ORIGIN", "https://class.example".to_owned()),
    ];
    let cluster = Cluster::start(Options { environment, ..Options::default() });
    let (admin, viewer) = (format!("Bearer {HOST}"), format!("Bearer {VIEWER}"));
    let path = "/api/v1/counters/c";
    for node in NODES {
        let (api, address) = (at(&cluster, node), cluster.address(node));
        let add = |headers: &[(&str, &str)]| {
            let headers = [&[("content-type", "application/json")], headers].concat();
            api.request("POST", path, &headers, b"{\"add\":1}")
        };
        let anonymous = api.get("/api/v1/counters");
        anonymous.problem(401, "sign_in");
        assert!(anonymous.headers.contains_key("www-authenticate"), "{anonymous:?}");
        add(&[]).problem(401, "sign_in");
        add(&[("authorization", "Bearer of-another-cluster")]).problem(401, "sign_in");
        add(&[("authorization", &viewer)]).problem(403, "viewer");
        let foreign = [("authorization", admin.as_str()), ("origin", "https://evil.example")];
        add(&foreign).problem(403, "foreign_origin");
        let other = [("authorization", admin.as_str()), ("sec-fetch-site", "cross-site")];
        add(&other).problem(403, "foreign_origin");
        let read = api.request("GET", path, &[("authorization", &viewer)], &[]);
        assert!(read.status == 404 || read.json()["local"] == 0, "{node}: {read:?}");
        let allowed = [("authorization", admin.as_str()), ("origin", "https://class.example")];
        let reply = add(&allowed).expect(200);
        assert_eq!(reply.headers["access-control-allow-origin"], "https://class.example");
        assert_eq!(reply.headers["x-content-type-options"], "nosniff");
        let as_host = |host: &str| {
            let request = format!(
                "GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: {admin}\r\n\
                 connection: close\r\n\r\n"
            );
            raw::exchange(address, request.as_bytes(), false).status()
        };
        assert_eq!(as_host("heroes.example"), Some(200));
        assert_eq!(as_host("evil.example"), Some(421));
        // Orchestrators have no tokens.
        for probe in ["/healthz", "/readyz", "/metrics"] {
            api.get(probe).expect(200);
        }
        let track = "/api/v1/presence/hq/track?key=ada";
        let socket = |headers: &[(&str, &str)]| Link::open(address, track, headers).map(drop);
        assert_eq!(socket(&[]), Err(401));
        assert_eq!(socket(&[("authorization", &viewer)]), Err(403));
        assert_eq!(socket(&foreign), Err(403));
        assert_eq!(socket(&[("authorization", &admin)]), Ok(()));
    }
}

/// A socket that tracks somebody.
struct Tracker(Link);

impl Tracker {
    #[track_caller]
    fn open(cluster: &Cluster, node: &str, query: &str) -> Self {
        let path = format!("/api/v1/presence/hq/track?{query}");
        Self(Link::open(cluster.address(node), &path, &[]).expect("a permit"))
    }

    #[track_caller]
    fn next(&mut self) -> Value {
        let bytes = self.0.receive().expect("a message");
        serde_json::from_slice(&bytes).expect("JSON")
    }

    /// Receives messages until one has these values.
    #[track_caller]
    fn wait(&mut self, t: &str, key: &str) -> Value {
        loop {
            let message = self.next();
            if message["t"] == t && message["key"] == key {
                return message;
            }
        }
    }
}

#[test]
fn presence_is_shown_while_the_socket_is_open() {
    let cluster = Cluster::start(Options::default());
    let mut ada = Tracker::open(&cluster, "gotham", "key=ada&meta=%7B%22mood%22%3A1%7D");
    let first = ada.next();
    assert_eq!((&first["t"], &first["present"][0]["key"]), (&json!("present"), &json!("ada")));
    assert_eq!(first["present"][0]["meta"], json!({ "mood": 1 }));
    assert_eq!(first["present"][0]["node"], "gotham");
    wait_at(&cluster, "capitol", "/api/v1/presence/hq", "/present/0/key", &json!("ada"));
    let mut bob = Tracker::open(&cluster, "capitol", "key=bob");
    let keys: Vec<Value> = bob.next()["present"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|present| present["key"].clone())
        .collect();
    assert_eq!(keys, ["ada", "bob"]);
    let joined = ada.wait("joined", "bob");
    assert_eq!(joined, json!({ "t": "joined", "key": "bob", "node": "capitol", "meta": null }));
    bob.0.send(json!({ "meta": "away" }).to_string());
    let updated = ada.wait("updated", "bob");
    assert_eq!(updated["meta"], "away");
    wait_at(&cluster, "dispatch", "/api/v1/presence", "/topics/0/tracked", &json!(2));
    drop(bob);
    let left = ada.wait("left", "bob");
    assert_eq!((&left["why"], &left["node"]), (&json!("untracked"), &json!("capitol")));
    for node in NODES {
        wait_at(&cluster, node, "/api/v1/presence/hq", "/present/0/key", &json!("ada"));
        wait_until("bob has left", HANG_TIMEOUT, || {
            let present = at(&cluster, node).get("/api/v1/presence/hq").expect(200).json();
            ensure(present["present"].as_array().map(Vec::len) == Some(1), || present.to_string())
        });
    }
}

#[test]
fn presence_returns_after_a_bomb_and_leaves_with_a_killed_city() {
    let mut cluster = Cluster::start(Options::default());
    let mut ada = Tracker::open(&cluster, "gotham", "key=ada");
    let mut bob = Tracker::open(&cluster, "capitol", "key=bob");
    assert_eq!(bob.next()["t"], "present");
    wait_at(&cluster, "capitol", "/api/v1/presence/hq", "/present/0/key", &json!("ada"));
    cluster.bomb("gotham");
    bob.wait("left", "ada");
    bob.wait("joined", "ada");
    wait_at(&cluster, "gotham", "/api/v1/presence/hq", "/present/1/key", &json!("bob"));
    cluster.kill9("gotham");
    let left = bob.wait("left", "ada");
    assert_eq!(left["why"], "silent");
    assert!(matches!(ada.0.receive(), Ok(_) | Err(Disconnect::Dropped)));
}

#[test]
fn bad_requests_of_sockets_are_refused() {
    let cluster = Cluster::start(Options::default());
    let address = cluster.address("gotham");
    let open = |query: &str| {
        Link::open(address, &format!("/api/v1/presence/hq/track?{query}"), &[]).map(drop)
    };
    let large = format!("key=a&meta=%22{}%22", "x".repeat(5_000));
    for (query, status) in [
        ("", 422),
        ("key=", 422),
        ("key=%0A", 422),
        ("key=a&key=b", 400),
        ("key=a&meta=%7B", 400),
        (large.as_str(), 413),
    ] {
        assert_eq!(open(query), Err(status), "{query}");
    }
    let api = at(&cluster, "gotham");
    api.get("/api/v1/presence/hq/track?key=a").problem(426, "not_a_websocket");
    assert_eq!(api.get("/api/v1/presence/hq").expect(200).json()["present"], json!([]));
    for bad in ["x", "{}", "{\"meta\":1,\"x\":2}"] {
        let mut ada = Tracker::open(&cluster, "gotham", "key=ada");
        assert_eq!(ada.next()["t"], "present");
        ada.0.send(bad);
        let closed = loop {
            match ada.0.receive() {
                Ok(_) => {}
                Err(closed) => break closed,
            }
        };
        assert!(matches!(closed, Disconnect::Closed(1007, _)), "{bad}: {closed:?}");
    }
}

#[test]
fn every_node_describes_the_types() {
    let cluster = Cluster::start(Options::default());
    let paths = |node: &str| {
        let described = at(&cluster, node).get("/api/openapi.json").expect(200).json();
        described["paths"].as_object().expect("paths").keys().cloned().collect::<BTreeSet<_>>()
    };
    let dispatch = paths("dispatch");
    for city in CITIES {
        let paths = paths(city);
        assert!(paths.contains("/api/v1/tables/{table}/{key}") && paths.is_subset(&dispatch));
    }
}
