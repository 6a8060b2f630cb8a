//! Two dispatches at once: what users ask of one is seen at the other, and a page goes on at the other
//! when its own ends.

use cluster_tests::{
    Api, CITIES, HANG_TIMEOUT, Heroes, Launched, ensure, open_page, run, wait_until,
};
use serde_json::{Value, json};

/// Waits until this part of a dispatch's state has this value.
#[track_caller]
fn wait_value(api: &Api, path: &str, pointer: &str, expected: &Value) {
    wait_until(&format!("{path} has {pointer} {expected}"), HANG_TIMEOUT, || {
        let state = api.get(path).expect(200).json();
        ensure(state.pointer(pointer) == Some(expected), || state.to_string())
    });
}

fn texts(api: &Api) -> Vec<String> {
    let events = api.get("/api/v1/events").expect(200).json();
    let events = events["events"].as_array().expect("a list").clone();
    events.iter().map(|event| event["text"].as_str().expect("a text").to_owned()).collect()
}

#[test]
fn what_users_ask_of_one_dispatch_is_seen_at_the_other() {
    let launched = Launched::start_with_two_dispatches();
    let (first, second) = (&launched.cluster.api, launched.second_dispatch());
    let mut heroes = Heroes::default();
    heroes.created(second.create(10));
    launched.cluster.wait_until_held(&heroes, &CITIES);
    wait_value(&second, "/api/v1/verdict", "/converged", &json!(true));
    wait_until("the creation is heard", HANG_TIMEOUT, || {
        let texts = texts(first);
        let is_heard =
            texts.iter().any(|text| text == "10 superheroes were created (at dispatch-2)");
        ensure(is_heard, || format!("{texts:?}"))
    });
    let own = "10 superheroes were created";
    assert_eq!(texts(&second).iter().filter(|text| text.starts_with(own)).count(), 1);

    // A fault of one is healed by the other, and stays healed.
    let cut = json!({ "kind": "cut", "from": "gotham", "to": "capitol", "heal_after_s": 60 });
    let fault = first.post("/api/v1/faults", &cut).expect(201).json()["id"].clone();
    wait_value(&second, "/api/v1/faults", "/faults/0/id", &fault);
    let id = fault.as_str().expect("an id");
    let _ = second.delete(&format!("/api/v1/faults/{id}")).expect(204);
    for api in [first, &second] {
        wait_value(api, "/api/v1/faults", "/faults", &json!([]));
    }
    // Whoever took it for missing would restore it with the next reports.
    for _ in 0..4 {
        let skew = json!({ "kind": "skew", "from": "metropolis", "skew_ms": 1, "heal_after_s": 1 });
        let id = second.post("/api/v1/faults", &skew).expect(201).json()["id"].clone();
        wait_value(first, "/api/v1/faults", "/faults/0/id", &id);
        wait_value(first, "/api/v1/faults", "/faults", &json!([]));
    }

    // The pace is that of the one that has set it last.
    let _ = first.post("/api/v1/gossip/pause", &json!({})).expect(200);
    wait_value(&second, "/api/v1/gossip", "/paused", &json!(true));
    let _ = second.post("/api/v1/gossip/resume", &json!({})).expect(200);
    wait_value(first, "/api/v1/gossip", "/paused", &json!(false));
    let _ = second.post("/api/v1/gossip/pause", &json!({})).expect(200);
    wait_value(first, "/api/v1/gossip", "/paused", &json!(true));
    // So is the quiet, a setting of its own.
    let _ = first.post("/api/v1/quiet", &json!({})).expect(200);
    wait_value(&second, "/api/v1/cluster", "/quiet", &json!(true));
    let _ = second.post("/api/v1/quiet/end", &json!({})).expect(200);
    wait_value(first, "/api/v1/cluster", "/quiet", &json!(false));
    wait_value(first, "/api/v1/gossip", "/paused", &json!(true));
    // Its lease ends with the dispatch that renews it, and so does what that one reported.
    let cut = json!({ "kind": "cut", "from": "gotham", "to": "*", "heal_after_s": 60 });
    let _ = first.post("/api/v1/faults", &cut).expect(201);
    launched.kill9("dispatch-2");
    wait_value(first, "/api/v1/gossip", "/paused", &json!(false));
    let _ = first.delete("/api/v1/faults").expect(204);
    heroes.created(first.create(5));
    launched.cluster.wait_until_held(&heroes, &CITIES);

    // Without it, deletions can be collected once it is forgotten.
    let id = heroes.live.keys().next().expect("there are heroes").clone();
    let _ = first.terminate(&id).expect(204);
    heroes.deleted(&id);
    let forgotten = first.post("/api/v1/cities/dispatch-2/forget", &json!({}));
    assert_eq!(forgotten.expect(202).json(), json!({ "city": "dispatch-2" }));
    wait_until("no tombstone is left", HANG_TIMEOUT, || {
        let nodes = first.nodes();
        ensure(nodes.values().all(|node| node.tombstones == 0), || format!("{nodes:?}"))
    });
    let _ = first.post("/api/v1/cities/dispatch-3/forget", &json!({})).problem(404, "unknown_city");
}

#[test]
fn page_goes_on_at_another_dispatch_and_cities_without_any() {
    let launched = Launched::start_with_two_dispatches();
    let second = launched.second_dispatch();
    let mut heroes = Heroes::default();
    heroes.created(launched.cluster.api.create(3));
    launched.cluster.wait_until_held(&heroes, &CITIES);
    let browser = open_page(&launched.cluster);
    browser.wait_text("#city-gotham .holds b", "3", |text| text == "3");
    let _ = browser.evaluate("window.isTheSamePage = true");

    launched.kill9("dispatch");
    browser.wait_text("#contact", "another dispatch", |text| text.ends_with(":4899"));
    heroes.created(second.create(2));
    browser.wait_text("#city-gotham .holds b", "5", |text| text == "5");
    browser.click("button", "Bomb Gotham");
    browser.wait_text("#notices", "the destruction", |text| text == "gotham has been destroyed");
    wait_until("the bomb is counted", HANG_TIMEOUT, || {
        let nodes = second.nodes();
        ensure(nodes["gotham"].crashes == 1, || format!("{nodes:?}"))
    });
    assert_eq!(browser.evaluate("return window.isTheSamePage"), json!(true));
    // Attempts at the dispatch that has ended are reported by the browser.
    let problems = browser.problems();
    assert!(
        problems.iter().all(|problem| problem.contains("ERR_CONNECTION_REFUSED")),
        "{problems:?}"
    );

    launched.kill9("dispatch-2");
    browser.wait_text("#contact", "the loss", |text| text == "Lost contact");
    let gotham = Api::new(launched.cluster.address("gotham"));
    let capitol = Api::new(launched.cluster.address("capitol"));
    wait_until("gotham may write", HANG_TIMEOUT, || {
        let reply = gotham.post("/api/v1/counters/visits", &json!({ "add": 7 }));
        ensure(reply.status == 200, || format!("{reply:?}"))
    });
    wait_until("capitol has the count", HANG_TIMEOUT, || {
        let reply = capitol.try_request("GET", "/api/v1/counters/visits", &[], &[])?;
        let is_counted = reply.status == 200 && reply.json()["total"] == 7;
        ensure(is_counted, || format!("{reply:?}"))
    });
}

#[test]
fn names_of_dispatches_are_those_of_dispatches() {
    for (program, arguments) in [
        ("dispatch", &["--name=star-city"][..]),
        ("location", &["dispatch-2"]),
        ("dispatch", &["--name=dispatch-"]),
    ] {
        let ended = run(program, arguments, &[], HANG_TIMEOUT);
        assert_eq!(ended.code, Some(2), "{program} {arguments:?}: {}", ended.stderr);
    }
}
