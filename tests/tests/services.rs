//! Members, calls, lists of work, rate limits, the cache and frequent events over HTTP, on real processes.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use cluster_tests::{
    Api, Browser, CITIES, Cluster, HANG_TIMEOUT, NODES, Options, Signal, assert_no_problems, axe,
    ensure, wait_until,
};
use gossip::owners::order;
use serde_json::{Value, json};

const EXIT_LIMIT: Duration = Duration::from_secs(20);

fn api(cluster: &Cluster, node: &str) -> Api {
    Api::new(cluster.address(node))
}

/// Starts a cluster, and waits until each node reaches all.
fn start(options: Options) -> Cluster {
    let cluster = Cluster::start(options);
    for node in NODES {
        wait_until(&format!("{node} reaches all nodes"), HANG_TIMEOUT, || {
            let owner = api(&cluster, node).get("/api/v1/owners/key").expect(200).json();
            ensure(owner["order"].as_array().is_some_and(|all| all.len() == 4), || {
                owner.to_string()
            })
        });
    }
    cluster
}

fn owner(cluster: &Cluster, key: &str) -> String {
    let owner = api(cluster, "dispatch").get(&format!("/api/v1/owners/{key}")).expect(200).json();
    owner["owner"].as_str().expect("a name").to_owned()
}

#[test]
fn members_are_up_and_down_with_reasons() {
    let mut cluster = start(Options::default());
    let state = |cluster: &Cluster, node: &str| {
        let members = api(cluster, "gotham").get("/api/v1/members").expect(200).json();
        let members = members["members"].as_array().expect("a list").clone();
        assert_eq!(members.len(), 4);
        members.into_iter().find(|member| member["name"] == node).expect("a member")
    };
    for node in NODES {
        let member = state(&cluster, node);
        let role = if node == "dispatch" { "dispatch" } else { "city" };
        assert_eq!((&member["state"], &member["role"]), (&json!("up"), &json!(role)));
        assert_eq!(member["address"].is_null(), node == "gotham");
        assert_eq!(member["cause"], Value::Null);
    }
    let before = state(&cluster, "capitol")["incarnation"].as_u64().expect("a number");
    assert_eq!(cluster.stop("capitol", Signal::SIGTERM, EXIT_LIMIT), Some(0));
    wait_until("capitol is down", HANG_TIMEOUT, || {
        let member = state(&cluster, "capitol");
        let cause = member["cause"].as_str().unwrap_or_default();
        ensure(member["state"] == "down" && cause.contains("the process has stopped"), || {
            member.to_string()
        })
    });
    cluster.restart("capitol");
    wait_until("capitol is up in a later incarnation", HANG_TIMEOUT, || {
        let member = state(&cluster, "capitol");
        let is_later = member["incarnation"].as_u64().is_some_and(|number| number > before);
        ensure(member["state"] == "up" && is_later, || member.to_string())
    });
}

#[test]
fn calls_are_executed_at_the_chosen_node() {
    let cluster = start(Options::default());
    let prime = |at: &str, to: &str| {
        let call = json!({ "to": to, "args": { "above": 100 } });
        let done = api(&cluster, at).post("/api/v1/calls/prime", &call).expect(200).json();
        assert_eq!(done["result"], json!({ "prime": 101 }));
        done["from"].as_str().expect("a name").to_owned()
    };
    for at in NODES {
        for city in CITIES {
            assert_eq!(prime(at, city), city);
        }
        assert!(CITIES.contains(&&*prime(at, "any")));
        assert!(CITIES.contains(&&*prime(at, "least_loaded")));
        assert_eq!(prime(at, "owner:joker"), "gotham");
    }
    let dispatch = api(&cluster, "dispatch");
    let hash = json!({ "to": "capitol", "args": { "password": "joker", "salt": "x" } });
    let done = dispatch.post("/api/v1/calls/hash", &hash).expect(200).json();
    assert_eq!(done["result"]["hash"].as_str().map(str::len), Some(64));
    // A list is answered in order, and an item that fails does not stop the others.
    let mut items: Vec<Value> = (0..99).map(|above| json!({ "above": above })).collect();
    items.push(json!({ "below": 1 }));
    let done = dispatch.post("/api/v1/maps/prime", &json!({ "items": items })).expect(200).json();
    let results = done["results"].as_array().expect("a list");
    let mut executed: BTreeMap<&str, u32> = BTreeMap::new();
    for (above, result) in results[..99].iter().enumerate() {
        let prime = result["result"]["prime"].as_u64().expect("a prime");
        assert!(prime > above as u64 && prime <= 101, "{above}: {result}");
        *executed.entry(result["from"].as_str().expect("a name")).or_default() += 1;
    }
    assert_eq!(executed.len(), 3, "{executed:?}");
    assert!(results[99]["problem"].as_str().is_some_and(|text| text.contains("`below`")));
    let least = json!({ "items": [{ "above": 1 }], "spread": "least_loaded", "attempts": 1 });
    dispatch.post("/api/v1/maps/prime", &least).expect(200);
}

/// A list of work is finished although two of three cities are killed meanwhile.
#[test]
fn work_is_finished_although_cities_are_killed() {
    let mut cluster = start(Options::default());
    let address = cluster.address("dispatch");
    let working = thread::spawn(move || {
        // Each item takes some milliseconds.
        let items: Vec<Value> =
            (0..1_000_u64).map(|item| json!({ "above": 40_000_000_000_000 + item })).collect();
        let request = json!({ "items": items, "timeout_ms": 20_000 });
        Api::new(address).post("/api/v1/maps/prime", &request).expect(200).json()
    });
    for city in ["gotham", "metropolis"] {
        wait_until("the work has begun", HANG_TIMEOUT, || {
            let line = "direction=\"in\",kind=\"call\"}";
            let metrics = api(&cluster, city).get("/metrics").expect(200).body;
            ensure(metrics.contains(line), || metrics.clone())
        });
        cluster.kill9(city);
    }
    let done = working.join().expect("no panic");
    let results = done["results"].as_array().expect("a list");
    assert_eq!(results.len(), 1_000);
    let mut last = 0;
    for (item, result) in results.iter().enumerate() {
        let prime = result["result"]["prime"].as_u64();
        let prime = prime.unwrap_or_else(|| panic!("item {item}: {result}"));
        assert!(prime > 40_000_000_000_000 + item as u64 && prime >= last, "{item}: {result}");
        last = prime;
    }
}

#[test]
fn failed_and_refused_calls_say_what_was_executed() {
    let mut cluster = start(Options::default());
    let dispatch = api(&cluster, "dispatch");
    let call =
        |handler: &str, call: Value| dispatch.post(&format!("/api/v1/calls/{handler}"), &call);
    let failed = call("prime", json!({ "args": { "above": -1 } })).problem(502, "handler_failed");
    assert!(failed.contains("invalid arguments"), "{failed}");
    let none = call("nothing", json!({})).problem(404, "unknown_handler");
    assert!(none.ends_with("nothing was executed"), "{none}");
    call("prime", json!({ "to": "smallville" })).problem(422, "unknown_node");
    call("prime", json!({ "to": "Not A Name" })).problem(422, "invalid_field");
    call("prime", json!({ "to": "owner:" })).problem(422, "invalid_field");
    call("prime", json!({ "timeout_ms": 0 })).problem(422, "out_of_range");
    call("prime", json!({ "timeout_ms": 60_001 })).problem(422, "out_of_range");
    call(&"x".repeat(10_000), json!({})).problem(422, "invalid_name");
    let slow =
        json!({ "to": "gotham", "args": { "above": 9_007_199_254_740_000_u64 }, "timeout_ms": 5 });
    let unknown = call("prime", slow).problem(504, "outcome_unknown");
    assert!(unknown.contains("unknown"), "{unknown}");
    let many = json!({ "items": vec![1; 1_001] });
    dispatch.post("/api/v1/maps/prime", &many).problem(422, "out_of_range");
    let spread = json!({ "items": [1], "spread": "best" });
    dispatch.post("/api/v1/maps/prime", &spread).problem(422, "invalid_field");
    // The handlers of the services take no JSON.
    call("gossip%2Flimit", json!({ "args": 1 })).problem(404, "unknown_handler");
    cluster.kill9("capitol");
    wait_until("the link is lost", HANG_TIMEOUT, || {
        let reply = call("prime", json!({ "to": "capitol", "args": { "above": 1 } }));
        ensure(reply.status == 503, || reply.body.clone())
    });
    let dead = call("prime", json!({ "to": "capitol" })).problem(503, "unreachable");
    assert!(dead.ends_with("nothing was executed"), "{dead}");
    // Others are undisturbed.
    call("prime", json!({ "args": { "above": 1 } })).expect(200);
}

/// Hits a key from a hundred clients at all nodes, and returns the answers.
fn hit_from_hundred_clients(cluster: &Cluster, key: &str) -> Vec<(u16, Value)> {
    let path = format!("/api/v1/limits/login/{key}");
    let hits: Vec<_> = (0..100)
        .map(|client| {
            let (address, path) = (cluster.address(NODES[client % 4]), path.clone());
            thread::spawn(move || {
                let quota = json!({ "limit": 10, "per_s": 3_600 });
                let reply = Api::new(address).post(&path, &quota);
                if reply.status == 429 {
                    let seconds = &reply.headers["retry-after"];
                    assert!(seconds.parse::<u32>().is_ok_and(|seconds| seconds <= 360));
                }
                (reply.status, reply.json())
            })
        })
        .collect();
    hits.into_iter().map(|hit| hit.join().expect("no panic")).collect()
}

#[test]
fn limit_holds_in_the_whole_cluster_and_at_each_node_without_the_owner() {
    let cluster = start(Options::default());
    let answers = hit_from_hundred_clients(&cluster, "ada");
    let allowed: Vec<_> = answers.iter().filter(|(status, _)| *status == 200).collect();
    assert_eq!(allowed.len(), 10, "{answers:?}");
    let decided_by = &allowed[0].1["decided_by"];
    for (status, answer) in &answers {
        assert_eq!(answer["allowed"], json!(*status == 200));
        assert_eq!((&answer["decided_by"], &answer["local"]), (decided_by, &json!(false)));
    }
    // The owner of another key is frozen. Dispatch cannot be.
    let key = (0..).map(|number| number.to_string()).find(|key| {
        let nodes = NODES.map(|node| node.parse().expect("a valid name"));
        order(&format!("login\0{key}"), nodes)[0].as_str() == "capitol"
    });
    let key = key.expect("there are many keys");
    let path = format!("/api/v1/limits/login/{key}");
    cluster.api.inject(&json!({ "kind": "freeze", "from": "capitol", "heal_after_s": 60 }));
    let others = ["gotham", "metropolis", "dispatch"];
    for node in others {
        // With another quota, which counts by itself.
        wait_until(&format!("{node} decides for itself"), HANG_TIMEOUT, || {
            let probe = json!({ "limit": 1_000, "per_s": 1 });
            let answer = api(&cluster, node).post(&path, &probe).expect(200).json();
            ensure(answer["decided_by"] != "capitol", || answer.to_string())
        });
    }
    let mut allowed: BTreeMap<String, u32> = BTreeMap::new();
    for number in 0..60 {
        let quota = json!({ "limit": 10, "per_s": 3_600 });
        let answer = api(&cluster, others[number % 3]).post(&path, &quota).json();
        assert_ne!(answer["decided_by"], "capitol");
        let by = answer["decided_by"].as_str().expect("a name").to_owned();
        *allowed.entry(by).or_default() += u32::from(answer["allowed"] == true);
    }
    // Each node decides for itself, or the next owner, once the frozen one is not reachable any more.
    assert!((10..=30).contains(&allowed.values().sum::<u32>()), "{allowed:?}");
    assert!(allowed.values().all(|allowed| *allowed <= 10), "{allowed:?}");
    cluster.api.heal_all();
    for quota in [json!({ "limit": 0, "per_s": 1 }), json!({ "limit": 1, "per_s": 0 })] {
        cluster.api.post("/api/v1/limits/login/ada", &quota).problem(422, "out_of_range");
    }
}

#[test]
fn values_are_cached_at_their_owner() {
    let cluster = start(Options::default());
    let holder = owner(&cluster, "avatar");
    let put = json!({ "value": { "cape": true }, "ttl_ms": 60_000 });
    let entry = json!({ "key": "avatar", "value": { "cape": true }, "owner": holder });
    let held = api(&cluster, "metropolis").put("/api/v1/cache/avatar", &put).expect(200).json();
    assert_eq!(held, entry);
    for node in NODES {
        assert_eq!(api(&cluster, node).get("/api/v1/cache/avatar").expect(200).json(), entry);
    }
    api(&cluster, "capitol").delete("/api/v1/cache/avatar").expect(204);
    api(&cluster, "gotham").delete("/api/v1/cache/avatar").problem(404, "unknown_key");
    api(&cluster, "gotham").get("/api/v1/cache/avatar").problem(404, "unknown_key");
    let brief = json!({ "value": 1, "ttl_ms": 1 });
    cluster.api.put("/api/v1/cache/brief", &brief).expect(200);
    wait_until("the value has ended", HANG_TIMEOUT, || {
        let reply = cluster.api.get("/api/v1/cache/brief");
        ensure(reply.status == 404, || reply.body.clone())
    });
    let forever = json!({ "value": 1, "ttl_ms": 86_400_001 });
    cluster.api.put("/api/v1/cache/brief", &forever).problem(422, "out_of_range");
    let large = json!({ "value": "x".repeat(5_000) });
    cluster.api.put("/api/v1/cache/brief", &large).problem(413, "too_large");
}

#[test]
fn frequent_events_are_found() {
    let cluster = start(Options::default());
    for (event, count) in [("get", 6), ("put", 3)] {
        for number in 0..count {
            let event = json!({ "event": event });
            let node = api(&cluster, NODES[number % 4]);
            node.post("/api/v1/tracked/api", &event).expect(202);
        }
    }
    let expected = json!([{ "event": "get", "count": 6 }, { "event": "put", "count": 3 }]);
    wait_until("all are counted", HANG_TIMEOUT, || {
        let top = api(&cluster, "capitol").get("/api/v1/tracked/api").expect(200).json();
        ensure(top["top"] == expected && top["answered"] == 4 && top["of"] == 4, || top.to_string())
    });
    let top = cluster.api.get("/api/v1/tracked/api?top=1").expect(200).json();
    assert_eq!(top["top"], json!([expected[0]]));
    cluster.api.get("/api/v1/tracked/api?top=0").problem(400, "invalid_query");
    cluster.api.post("/api/v1/tracked/api", &json!({ "event": "" })).problem(422, "invalid_name");
    // What happens in the cluster is counted too.
    cluster.api.bomb("gotham").expect(202);
    wait_until("the bomb is counted", HANG_TIMEOUT, || {
        let top = cluster.api.get("/api/v1/tracked/events").expect(200).json();
        let top = top["top"].as_array().expect("a list").clone();
        ensure(top.contains(&json!({ "event": "gotham: destroyed", "count": 1 })), || {
            format!("{top:?}")
        })
    });
}

#[test]
fn commands_of_an_address_are_limited() {
    let dispatch = vec!["--max-commands".to_owned(), "3".to_owned()];
    let cluster = start(Options { dispatch, ..Options::default() });
    for _ in 0..3 {
        cluster.api.post("/api/v1/heroes", &json!({})).expect(201);
    }
    let refused = cluster.api.post("/api/v1/heroes", &json!({}));
    refused.problem(429, "limited");
    assert!(refused.headers["retry-after"].parse::<u32>().is_ok_and(|seconds| seconds <= 20));
    assert_eq!(refused.json()["remaining"], 0);
    // Reads are not limited.
    let heroes = cluster.api.get("/api/v1/heroes").expect(200).json();
    assert_eq!(heroes["heroes"].as_array().map(Vec::len), Some(3));
}

#[test]
fn picture_is_drawn_by_the_cities() {
    let cluster = start(Options::default());
    let browser = Browser::start();
    browser.open(&format!("{}work?view=1", cluster.api.url()));
    let loaded = "return [...document.querySelectorAll('.tiles img')] \
                  .filter((tile) => tile.complete && tile.naturalWidth === 128).length";
    let wait_loaded = || {
        wait_until("all tiles are drawn", HANG_TIMEOUT, || {
            let count = browser.evaluate(loaded);
            ensure(count == 40, || count.to_string())
        });
    };
    wait_loaded();
    for width in [390, 1280] {
        browser.resize(width, 720);
        assert_eq!(axe::violations(&browser), Vec::<String>::new(), "{width} px");
        let size = browser.evaluate(
            "const page = document.documentElement; return page.scrollWidth <= page.clientWidth",
        );
        assert_eq!(size, true, "{width} px");
    }
    browser.click("link", "Draw again");
    browser.wait_text("h1", "the page", |text| text == "Work of the cities");
    wait_loaded();
    browser.wait_text("main", "the members", |text| text.contains("Metropolis"));
    assert_no_problems(&browser, &[]);
    for path in ["/tiles/0/0/0/0", "/tiles/5/0/0/0", "/tiles/x/0/0/0"] {
        cluster.api.get(path).problem(404, "unknown_path");
    }
}
