//! Cities that are founded while the cluster runs: they join, take heroes, are bombed, killed and
//! removed, and leave nothing behind.

use std::net::SocketAddr;

use cluster_tests::{Api, CITIES, HANG_TIMEOUT, Heroes, Launched, ensure, wait_until};
use serde_json::{Value, json};

fn found(launched: &Launched, name: &str) {
    let founded = launched.cluster.api.post("/api/v1/cities", &json!({ "name": name }));
    assert_eq!(founded.expect(201).json(), json!({ "city": name }));
    wait_until("the city is a member", HANG_TIMEOUT, || {
        let nodes = launched.cluster.api.nodes();
        ensure(nodes.get(name).is_some_and(|node| node.status == "up"), || format!("{nodes:?}"))
    });
    // Readable once it has joined.
    let api = Api::new(founded_address(launched, name));
    wait_until("the city may write", HANG_TIMEOUT, || {
        let reply = api.post("/api/v1/counters/visits", &json!({ "add": 1 }));
        ensure(reply.status == 200, || format!("{reply:?}"))
    });
}

/// The address of a founded city, from its own log. Dispatch knows it once the city has joined.
fn founded_address(launched: &Launched, name: &str) -> SocketAddr {
    let log = launched.launcher.log();
    let (_, after) = log.split_once(&format!("{name} listens on http://")).expect("it runs");
    after.split_whitespace().next().and_then(|text| text.parse().ok()).expect("an address")
}

fn remove(launched: &Launched, name: &str) {
    let _ = launched.cluster.api.delete(&format!("/api/v1/cities/{name}")).expect(204);
}

/// The names in the version vector and among the marks of a node.
fn names_in_vector(launched: &Launched, node: &str) -> Vec<String> {
    let cluster = launched.cluster.api.get("/api/v1/cluster").expect(200).json();
    let nodes = cluster["nodes"].as_array().expect("a list").clone();
    let node = nodes.into_iter().find(|it| it["name"] == node).expect("a node");
    let of = |part: &str| -> Vec<String> {
        let part: &Value = &node[part];
        part.as_object().expect("an object").keys().cloned().collect()
    };
    [of("version_vector"), of("closed_before")].concat()
}

#[test]
fn founded_cities_take_heroes_are_bombed_killed_and_removed() {
    let launched = Launched::start();
    let api = &launched.cluster.api;
    let mut heroes = Heroes::default();
    heroes.created(api.create(30));
    launched.cluster.wait_until_held(&heroes, &CITIES);
    found(&launched, "star-city");
    found(&launched, "riverdale");
    let all = ["gotham", "metropolis", "capitol", "star-city", "riverdale"];
    launched.cluster.wait_until_held(&heroes, &all);

    let ids = api.create(10);
    heroes.created(ids.clone());
    for id in &ids {
        wait_until("the hero is assigned", HANG_TIMEOUT, || {
            let reply = api.assign(id, "star-city");
            ensure(reply.status == 200, || format!("{reply:?}"))
        });
        heroes.assigned(id, "star-city");
    }
    launched.cluster.wait_until_held(&heroes, &all);

    // Bombed, it recovers, although another city has stopped meanwhile.
    launched.kill9("capitol");
    launched.cluster.wait_status("capitol", "down", HANG_TIMEOUT);
    launched.cluster.bomb("star-city");
    launched.cluster.wait_until_held(&heroes, &["gotham", "metropolis", "star-city", "riverdale"]);
    let _ = api.post("/api/v1/cities/capitol/rebuild", &json!({})).expect(202);
    launched.cluster.wait_until_held(&heroes, &all);

    // Killed, it is rebuilt at its address.
    let _ = api.post("/api/v1/cities/riverdale/kill", &json!({})).expect(202);
    launched.cluster.wait_status("riverdale", "down", HANG_TIMEOUT);
    let _ = api.post("/api/v1/cities/riverdale/rebuild", &json!({})).expect(202);
    launched.cluster.wait_until_held(&heroes, &all);

    for city in ["star-city", "riverdale"] {
        remove(&launched, city);
    }
    wait_until("the columns are gone", HANG_TIMEOUT, || {
        let nodes = api.nodes();
        ensure(nodes.len() == 4, || format!("{:?}", nodes.keys()))
    });
    for id in &ids {
        wait_until("the hero is terminated", HANG_TIMEOUT, || {
            let reply = api.terminate(id);
            ensure(reply.status == 204, || format!("{reply:?}"))
        });
        heroes.deleted(id);
    }
    launched.cluster.wait_until_held(&heroes, &CITIES);
    // Nothing waits for the removed cities: the tombstones are collected, and each of them has left
    // one slot and one mark.
    wait_until("everything is collected", HANG_TIMEOUT, || {
        for (name, node) in api.nodes() {
            ensure(node.tombstones == 0, || format!("{name} has {} tombstones", node.tombstones))?;
            let names = names_in_vector(&launched, &name);
            let of_removed = names.iter().filter(|name| name.starts_with("star-city"));
            let of_removed = of_removed.count();
            ensure(of_removed == 2, || format!("{name}: {names:?}"))?;
        }
        Ok(())
    });
}

/// The members from the start that run, and further ones that know each other's addresses, join within
/// seconds although they start at once.
#[test]
fn cities_founded_together_join_and_one_waits_for_a_stopped_member() {
    let launched = Launched::start();
    let api = &launched.cluster.api;
    for name in ["a1", "b2", "c3", "d4"] {
        let _ = api.post("/api/v1/cities", &json!({ "name": name })).expect(201);
    }
    let mut heroes = Heroes::default();
    heroes.created(api.create(3));
    for name in ["a1", "b2", "c3", "d4"] {
        wait_until("the city has joined", HANG_TIMEOUT, || {
            let nodes = api.nodes();
            ensure(nodes.contains_key(name), || format!("{:?}", nodes.keys()))?;
            let api = Api::new(founded_address(&launched, name));
            let reply = api.post("/api/v1/counters/visits", &json!({ "add": 1 }));
            ensure(reply.status == 200, || format!("{reply:?}"))
        });
    }
    // Until every member knows it, a city reads and does not write.
    launched.kill9("capitol");
    launched.cluster.wait_status("capitol", "down", HANG_TIMEOUT);
    let _ = api.post("/api/v1/cities", &json!({ "name": "e5" })).expect(201);
    launched.wait_log("it waits", |log| {
        log.lines().any(|line| line.starts_with("e5 ") && line.contains("announced"))
    });
    wait_until("dispatch knows it", HANG_TIMEOUT, || {
        let nodes = api.nodes();
        ensure(nodes.contains_key("e5"), || format!("{:?}", nodes.keys()))
    });
    launched.cluster.wait_until_held(&heroes, &["e5"]);
    let e5 = Api::new(founded_address(&launched, "e5"));
    let refused = e5.post("/api/v1/counters/visits", &json!({ "add": 1 }));
    let _ = refused.problem(503, "joining");
    let _ = api.post("/api/v1/cities/capitol/forget", &json!({})).expect(202);
    wait_until("the city has joined", HANG_TIMEOUT, || {
        let reply = e5.post("/api/v1/counters/visits", &json!({ "add": 1 }));
        ensure(reply.status == 200, || format!("{reply:?}"))
    });
}

#[test]
fn removed_city_can_be_founded_again() {
    let launched = Launched::start();
    let mut heroes = Heroes::default();
    heroes.created(launched.cluster.api.create(5));
    for _ in 0..2 {
        found(&launched, "star-city");
        launched.cluster.wait_until_held(&heroes, &["star-city"]);
        remove(&launched, "star-city");
    }
    let log = launched.launcher.log();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn unusable_names_are_refused_and_nothing_is_started() {
    let launched = Launched::start();
    let api = &launched.cluster.api;
    launched.cluster.wait_ready(&CITIES);
    let before = launched.processes();
    let long = "x".repeat(17);
    for name in ["dispatch", "home", "", "Star City", "-x", "9x", "a/b", "\u{202e}", &long] {
        let refused = api.post("/api/v1/cities", &json!({ "name": name }));
        let detail = refused.problem(422, "invalid_city_name");
        assert!(detail.contains("nothing was founded"), "{detail}");
    }
    let exists = api.post("/api/v1/cities", &json!({ "name": "gotham" }));
    let _ = exists.problem(409, "city_exists");
    let unknown = api.delete("/api/v1/cities/riverdale");
    let _ = unknown.problem(404, "unknown_city");
    assert_eq!(launched.processes(), before);
}
