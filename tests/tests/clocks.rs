//! Wall clocks that are set ahead and back while the cluster runs.

use cluster_tests::{CITIES, Cluster, HANG_TIMEOUT, Heroes, NODES, Options, ensure, wait_until};
use serde_json::json;

const HOUR_MS: i64 = 3_600_000;

/// Sets the clocks of these nodes, until all faults are healed.
fn set_clocks(cluster: &Cluster, nodes: &[&str], ahead_ms: i64) {
    for node in nodes {
        let skew =
            json!({ "kind": "skew", "from": node, "skew_ms": ahead_ms, "heal_after_s": 3_600 });
        cluster.api.inject(&skew);
    }
}

/// Waits until the verdict names nodes that refuse writes, and checks that it claims no agreement.
fn wait_refused(cluster: &Cluster, refusal: &str) {
    wait_until(&format!("the verdict says {refusal:?}"), HANG_TIMEOUT, || {
        let verdict = cluster.api.get("/api/v1/verdict").expect(200).json();
        let sentence = verdict["sentence"].as_str().unwrap_or_default();
        ensure(sentence.contains(refusal), || verdict.to_string())?;
        assert!(!sentence.contains("agree") && verdict["converged"] == false, "{verdict}");
        Ok(())
    });
}

#[test]
fn clocks_that_were_all_ahead_are_set_right_without_an_operator() {
    for step_ms in [HOUR_MS, 30_000, -30_000] {
        let cluster = Cluster::start(Options::default());
        let mut heroes = Heroes::default();
        set_clocks(&cluster, &NODES, step_ms);
        let ids = cluster.api.create(5);
        cluster.api.assign(&ids[0], "gotham").expect(200);
        heroes.created(ids.clone());
        heroes.assigned(&ids[0], "gotham");
        cluster.wait_until_held(&heroes, &CITIES);
        cluster.api.heal_all();
        cluster.api.assign(&ids[1], "capitol").expect(200);
        heroes.assigned(&ids[1], "capitol");
        heroes.created([cluster.api.create_named("After the step").id]);
        cluster.wait_until_held(&heroes, &CITIES);
        cluster.wait_converged();
        for city in CITIES {
            cluster.bomb(city);
            cluster.wait_until_held(&heroes, &CITIES);
        }
        let events = cluster.api.events(0);
        let is_named = |node: &str| {
            let text = format!("the clock of {node} was set");
            events.iter().any(|event| event.kind == "alarm" && event.text.starts_with(&text))
        };
        assert!(NODES.iter().all(|node| is_named(node)), "{events:#?}");
    }
}

#[test]
fn process_started_after_the_correction_joins_once_stamps_are_accepted() {
    let mut cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    set_clocks(&cluster, &NODES, HOUR_MS);
    let ids = cluster.api.create(5);
    heroes.created(ids.clone());
    cluster.wait_until_held(&heroes, &CITIES);
    cluster.api.heal_all();
    cluster.kill9("capitol");
    cluster.start_again("capitol");
    wait_refused(&cluster, "Capitol refuses the writes of ");
    assert!(cluster.node("gotham").stamps_ahead_ms > 3_000_000);
    let accepted = cluster.api.post("/api/v1/stamps/accept", &json!({ "ahead_ms": HOUR_MS }));
    assert_eq!(accepted.expect(200).json()["nodes"].as_array().map(Vec::len), Some(4));
    cluster.wait_until_held(&heroes, &CITIES);
    cluster.wait_converged();
    // It holds for a process that starts later, too.
    cluster.kill9("gotham");
    cluster.restart("gotham");
    cluster.wait_until_held(&heroes, &CITIES);
    cluster.wait_converged();
}

#[test]
fn writes_of_one_fast_clock_reach_the_others_once_accepted() {
    let cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    let ids = cluster.api.create(3);
    heroes.created(ids.clone());
    cluster.wait_until_held(&heroes, &CITIES);
    set_clocks(&cluster, &["metropolis"], HOUR_MS);
    cluster.api.assign(&ids[0], "metropolis").expect(200);
    heroes.assigned(&ids[0], "metropolis");
    cluster.api.heal_all();
    wait_refused(&cluster, "refuses the writes of Metropolis");
    for (body, status) in [
        (json!({}), 422),
        (json!({ "ahead_ms": 0 }), 422),
        (json!({ "ahead_ms": 1e13 }), 422),
        (json!({ "ahead_ms": "1h" }), 422),
    ] {
        cluster.api.post("/api/v1/stamps/accept", &body).expect(status);
    }
    cluster.api.post("/api/v1/stamps/accept", &json!({ "ahead_ms": HOUR_MS })).expect(200);
    cluster.wait_until_held(&heroes, &CITIES);
    cluster.wait_converged();
    assert_eq!(cluster.api.get("/api/v1/verdict").expect(200).json()["lost_writes"], 0);
}
