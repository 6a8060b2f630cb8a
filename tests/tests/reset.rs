//! The reset of a cluster with faults, heroes, a running scenario and a stopped city.

use cluster_tests::{CITIES, HANG_TIMEOUT, Launched, ensure, wait_until};
use serde_json::json;

#[test]
fn reset_cluster_is_empty_and_healthy_and_keeps_its_records() {
    let launched = Launched::start();
    let api = &launched.cluster.api;
    let _ = api.post("/api/v1/counters/visits", &json!({ "add": 3 })).expect(200);
    // A scenario that waits before its third step: gotham is cut off, and gossip goes on.
    let stepwise = json!({ "pause_at_each_step": true });
    let _ = api.post("/api/v1/scenarios/split-brain/play", &stepwise).expect(202);
    let playing = || api.get("/api/v1/scenarios").expect(200).json()["playing"].clone();
    for step in [1, 2] {
        wait_until(&format!("step {step} waits"), HANG_TIMEOUT, || {
            let playing = playing();
            ensure(playing["waits_at"] == step, || playing.to_string())
        });
        let _ = api.post("/api/v1/scenarios/continue", &json!({})).expect(202);
    }
    wait_until("step 3 waits", HANG_TIMEOUT, || {
        ensure(playing()["waits_at"] == 3, || playing().to_string())
    });
    let ids = api.create(1_500);
    let _ = api.assign(&ids[0], "metropolis").expect(200);
    let _ = api.post("/api/v1/gossip/speed", &json!({ "percent": 50 })).expect(200);
    launched.kill9("capitol");
    launched.cluster.wait_status("capitol", "down", HANG_TIMEOUT);
    let events = api.events(0).len();

    let key = [("Idempotency-Key", "reset-1"), ("Content-Type", "application/json")];
    let reset = || api.request("POST", "/api/v1/reset", &key, b"{}").expect(200).json();
    let done = reset();
    assert_eq!(done["scenario"], "split-brain", "{done}");
    // The scenario has undone its cut and its quiet, and terminated its heroes.
    assert_eq!((&done["healed"], &done["resumed"]), (&json!(1), &json!(true)), "{done}");
    assert_eq!((&done["terminated"], &done["left"]), (&json!(1_500), &json!(0)), "{done}");
    assert_eq!(done["rebuilt"], json!(["capitol"]), "{done}");
    assert_eq!(done["problems"], json!([]), "{done}");
    assert_eq!(reset(), done, "a repetition returns the same");

    wait_until("all cities are up, empty and agree", HANG_TIMEOUT, || {
        let (nodes, verdict) = (api.nodes(), api.get("/api/v1/verdict").expect(200).json());
        let is_empty = |city: &str| nodes[city].status == "up" && nodes[city].heroes == 0;
        let is_reset = CITIES.iter().all(|city| is_empty(city)) && verdict["converged"] == true;
        ensure(is_reset, || format!("{verdict} {nodes:?}"))
    });
    assert_eq!(playing()["outcome"], "failed");
    assert_eq!(api.get("/api/v1/faults").expect(200).json()["faults"], json!([]));
    let gossip = api.get("/api/v1/gossip").expect(200).json();
    assert_eq!(gossip, json!({ "paused": false, "percent": 100 }));
    assert_eq!(api.get("/api/v1/cluster").expect(200).json()["quiet"], false);
    assert_eq!(api.get("/api/v1/counters/visits").expect(200).json()["total"], 3, "it is kept");
    let log = api.events(0);
    assert!(log.len() > events, "earlier events are kept");
    assert_eq!(log.iter().filter(|event| event.kind == "reset").count(), 1);
}
