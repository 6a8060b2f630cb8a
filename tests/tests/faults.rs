//! Every injectable fault on real processes: its effect and its healing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cluster_tests::{
    Api, CITIES, Cluster, Fault, Frames, HANG_TIMEOUT, Heroes, NODES, Options, Signal, Stamp,
    Stopwatch, ensure, raw, wait_until,
};
use serde_json::{Value, json};

/// The time to wait for a response of a frozen node. A running one answers within milliseconds.
const SILENCE: Duration = Duration::from_secs(3);

/// Starts a cluster that agrees on this many heroes.
fn start_with_heroes(count: u32) -> (Cluster, Heroes, Vec<String>) {
    start_with_heroes_and_options(count, Options::default())
}

fn start_with_heroes_and_options(count: u32, options: Options) -> (Cluster, Heroes, Vec<String>) {
    let cluster = Cluster::start(options);
    let mut heroes = Heroes::default();
    let ids = cluster.api.create(count);
    heroes.created(ids.clone());
    cluster.wait_until_held(&heroes, &CITIES);
    (cluster, heroes, ids)
}

fn isolating_cut(city: &str) -> Value {
    json!({"kind": "cut", "from": city, "to": "*", "heal_after_s": 120})
}

/// Waits until the fault with this id has seen at least this many frames, and returns its counts.
fn frames_seen(api: &Api, id: &str, seen: u64) -> Frames {
    wait_until(&format!("the fault has seen {seen} frames"), HANG_TIMEOUT, || {
        let fault = api
            .faults()
            .into_iter()
            .find(|fault| fault.id == id)
            .ok_or("the fault is not in force")?;
        ensure(fault.frames.seen >= seen, || format!("{:?}", fault.frames))?;
        Ok(fault.frames)
    })
}

/// Raises the gossip speed to ten times the configured one.
fn speed_up(api: &Api) {
    api.post("/api/v1/gossip/speed", &json!({"percent": 1000})).expect(200);
}

fn city_holds(api: &Api, city: &str, id: &str) -> bool {
    api.city(city).heroes.iter().any(|hero| hero.id == id)
}

fn place(api: &Api, city: &str, id: &str) -> Option<String> {
    api.city(city).heroes.into_iter().find(|hero| hero.id == id).map(|hero| hero.location)
}

fn fingerprint(cluster: &Cluster, node: &str) -> String {
    cluster.node(node).fingerprint
}

#[test]
fn cut_off_city_diverges_while_the_others_agree() {
    let (cluster, mut heroes, ids) = start_with_heroes(5);
    let fault = cluster.api.inject(&isolating_cut("gotham"));
    assert_eq!(
        fault.in_force_at.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        BTreeSet::from(NODES)
    );
    let new_heroes = cluster.api.create(3);
    cluster.api.assign(&ids[0], "gotham").expect(200);
    heroes.created(new_heroes.clone());
    wait_until("the others agree", HANG_TIMEOUT, || {
        let fingerprints =
            ["metropolis", "capitol", "dispatch"].map(|node| fingerprint(&cluster, node));
        ensure(fingerprints.iter().all(|fingerprint| *fingerprint == fingerprints[0]), || {
            format!("{fingerprints:?}")
        })?;
        ensure(new_heroes.iter().all(|id| city_holds(&cluster.api, "capitol", id)), || {
            "capitol lacks some heroes".into()
        })
    });
    // The cut also holds for retries.
    let frames = frames_seen(&cluster.api, &fault.id, 16);
    assert_eq!(frames.dropped, frames.seen);
    assert!(new_heroes.iter().all(|id| !city_holds(&cluster.api, "gotham", id)));
    assert_eq!(place(&cluster.api, "gotham", &ids[0]).as_deref(), Some("gotham"));
    assert_eq!(place(&cluster.api, "capitol", &ids[0]).as_deref(), Some("home"));
    cluster.api.assign(&new_heroes[0], "gotham").problem(409, "not_heard_of");
    cluster.api.delete(&format!("/api/v1/faults/{}", fault.id)).expect(204);
    heroes.assigned(&ids[0], "gotham");
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn cut_pair_converges_through_a_third_node() {
    let (cluster, mut heroes, ids) = start_with_heroes(1);
    let fault = cluster
        .api
        .inject(&json!({"kind": "cut", "from": "gotham", "to": "metropolis", "heal_after_s": 120}));
    assert_eq!(fault.in_force_at, ["gotham", "metropolis"]);
    cluster.api.assign(&ids[0], "gotham").expect(200);
    heroes.assigned(&ids[0], "gotham");
    cluster.wait_until_held(&heroes, &CITIES);
    let frames = frames_seen(&cluster.api, &fault.id, 4);
    assert_eq!(
        frames.dropped, frames.seen,
        "no frame may pass between the two, dispatch's rounds included"
    );
}

#[test]
fn one_way_cut_drops_frames_of_one_direction() {
    let (cluster, mut heroes, ids) = start_with_heroes(2);
    let fault = cluster.api.inject(
        &json!({"kind": "cut", "from": "gotham", "to": "*", "both": false, "heal_after_s": 120}),
    );
    assert_eq!(fault.in_force_at, ["gotham"]);
    cluster.api.assign(&ids[0], "gotham").expect(200);
    heroes.assigned(&ids[0], "gotham");
    frames_seen(&cluster.api, &fault.id, 8);
    assert_eq!(
        place(&cluster.api, "capitol", &ids[0]).as_deref(),
        Some("home"),
        "no node receives anything from gotham"
    );
    // A pull needs both directions, for request and response, so gotham receives nothing either
    // until the cut is healed.
    cluster.api.assign(&ids[1], "capitol").expect(200);
    heroes.assigned(&ids[1], "capitol");
    cluster.api.heal_all();
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn delay_has_the_requested_length() {
    let (cluster, heroes, _) = start_with_heroes(1);
    cluster.api.post("/api/v1/gossip/pause", &json!({})).expect(200);
    let exchange = || {
        let watch = Stopwatch::start();
        let done = cluster
            .api
            .post("/api/v1/gossip/step", &json!({"from": "gotham", "to": "metropolis"}))
            .expect(200)
            .json();
        assert_eq!(done["completed"], true, "{done}");
        watch.elapsed()
    };
    exchange();
    let fault = cluster
        .api
        .inject(&json!({"kind": "delay", "from": "gotham", "to": "metropolis", "delay_ms": 300, "jitter_ms": 10, "heal_after_s": 120}));
    let slow = exchange();
    assert!(slow >= Duration::from_millis(2 * 290), "a request and its response took {slow:?}");
    let frames = frames_seen(&cluster.api, &fault.id, 2);
    assert_eq!((frames.delayed, frames.dropped), (frames.seen, 0));
    cluster.api.heal_all();
    cluster.api.post("/api/v1/gossip/resume", &json!({})).expect(200);
    cluster.wait_until_held(&heroes, &CITIES);
}

/// Injects a fault, works until it has seen a number of frames, and heals it; the cluster must
/// converge meanwhile.
fn run_with_fault(fault: &Value, seen: u64) -> Frames {
    let (cluster, mut heroes, ids) = start_with_heroes(10);
    speed_up(&cluster.api);
    let fault = cluster.api.inject(fault);
    for (id, city) in ids.iter().zip(CITIES.iter().cycle()) {
        cluster.api.assign(id, city).expect(200);
        heroes.assigned(id, city);
    }
    let frames = frames_seen(&cluster.api, &fault.id, seen);
    cluster.wait_until_held(&heroes, &CITIES);
    cluster.api.heal_all();
    assert!(cluster.api.faults().is_empty());
    frames
}

#[test]
fn loss_of_five_percent_drops_about_five_percent() {
    let Frames { seen, dropped, .. } = run_with_fault(
        &json!({"kind": "loss", "from": "gotham", "to": "*", "percent": 5, "heal_after_s": 120}),
        600,
    );
    assert!((seen / 60..=seen / 10).contains(&dropped), "{dropped} of {seen}");
}

#[test]
fn duplicated_frames_do_no_harm() {
    let Frames { seen, duplicated, .. } = run_with_fault(
        &json!({"kind": "duplicate", "from": "gotham", "to": "*", "percent": 50, "heal_after_s": 120}),
        200,
    );
    assert!((seen / 4..=seen * 3 / 4).contains(&duplicated), "{duplicated} of {seen}");
}

#[test]
fn reordered_frames_do_no_harm() {
    let Frames { seen, delayed, dropped, .. } = run_with_fault(
        &json!({"kind": "reorder", "from": "gotham", "to": "*", "percent": 30, "heal_after_s": 120}),
        200,
    );
    assert!((seen / 8..=seen * 2 / 3).contains(&delayed) && dropped == 0, "{delayed} of {seen}");
}

#[test]
fn throttled_city_is_slow_and_converges() {
    let frames = run_with_fault(
        &json!({"kind": "throttle", "from": "gotham", "to": "*", "bytes_per_s": 20_000, "heal_after_s": 120}),
        50,
    );
    assert!(frames.delayed > 0, "{frames:?}");
}

/// Asserts that a city is unreachable and does not respond.
fn assert_unresponsive(cluster: &Cluster, hero: &str, state: &str) {
    cluster.wait_status("capitol", "unreachable", HANG_TIMEOUT);
    cluster.api.assign(hero, "capitol").problem(503, "no_answer");
    let silent = raw::Connection::open(cluster.address("capitol"), SILENCE)
        .and_then(|mut connection| connection.request("GET", "/healthz", ""));
    assert!(silent.is_err(), "a frozen city must not respond: {silent:?}");
    let verdict = cluster.api.get("/api/v1/verdict").expect(200).json();
    assert!(
        verdict["sentence"]
            .as_str()
            .is_some_and(|sentence| sentence.contains(&format!("Capitol is {state}"))),
        "{verdict}"
    );
}

#[test]
fn frozen_city_looks_like_a_stopped_process_and_resumes() {
    let (mut cluster, mut heroes, ids) = start_with_heroes(3);
    let before = cluster.node("capitol");
    for by_signal in [false, true] {
        if by_signal {
            cluster.process("capitol").signal(Signal::SIGSTOP);
        } else {
            let fault = cluster
                .api
                .inject(&json!({"kind": "freeze", "from": "capitol", "heal_after_s": 300}));
            assert_eq!(fault.in_force_at, ["capitol"]);
        }
        assert_unresponsive(&cluster, &ids[0], if by_signal { "unreachable" } else { "frozen" });
        assert_eq!(
            cluster.node("capitol").frozen,
            !by_signal,
            "dispatch must report only freezes that it injected"
        );
        heroes.created(cluster.api.create(2));
        cluster.wait_until_held(&heroes, &["gotham", "metropolis"]);
        if by_signal {
            cluster.process("capitol").signal(Signal::SIGCONT);
        } else {
            cluster.api.heal_all();
        }
        cluster.wait_status("capitol", "up", HANG_TIMEOUT);
        cluster.wait_until_held(&heroes, &CITIES);
        let after = cluster.node("capitol");
        assert_eq!(
            (after.incarnation, after.crashes, after.frozen),
            (before.incarnation, 0, false),
            "the incarnation must be unchanged"
        );
    }
}

#[test]
fn freeze_expires() {
    let (cluster, heroes, _) = start_with_heroes(3);
    cluster.api.inject(&json!({"kind": "freeze", "from": "capitol", "heal_after_s": 4}));
    cluster.wait_status("capitol", "unreachable", HANG_TIMEOUT);
    cluster.wait_status("capitol", "up", HANG_TIMEOUT);
    cluster.wait_until_held(&heroes, &CITIES);
    assert!(cluster.api.faults().is_empty());
}

#[test]
fn thaw_requires_the_cookie() {
    let cluster = Cluster::start(Options::default());
    let city = Api::new(cluster.address("gotham"));
    city.post("/thaw/00000001", &json!({})).expect(401);
    city.request(
        "POST",
        "/thaw/00000001",
        &[("authorization", "Bearer superhero-cluster-developmen")],
        &[],
    )
    .expect(401);
}

#[test]
fn fast_clock_within_the_drift_wins_over_a_later_write() {
    let (cluster, mut heroes, ids) = start_with_heroes(1);
    cluster
        .api
        .inject(&json!({"kind": "skew", "from": "gotham", "skew_ms": 1500, "heal_after_s": 120}));
    cluster.api.inject(&isolating_cut("gotham"));
    cluster.api.assign(&ids[0], "gotham").expect(200);
    cluster.api.assign(&ids[0], "metropolis").expect(200);
    heroes.assigned(&ids[0], "gotham");
    cluster.api.heal_all();
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn clock_beyond_the_drift_raises_an_alarm_and_loses_nothing() {
    let (cluster, mut heroes, ids) = start_with_heroes(2);
    for (skew_ms, direction, writer) in
        [(4_000, "ahead", "gotham"), (-4_000, "behind", "metropolis")]
    {
        let before = cluster.api.events(0).last().map_or(0, |event| event.number);
        let fault = cluster.api.inject(
            &json!({"kind": "skew", "from": "gotham", "skew_ms": skew_ms, "heal_after_s": 120}),
        );
        let ahead_ms = cluster.node("gotham").clock_ahead_ms.unwrap_or(0);
        assert!((ahead_ms - skew_ms).abs() < 500, "{ahead_ms}");
        let alarm = format!(
            "the clock of gotham is {} {direction}",
            Duration::from_millis(skew_ms.unsigned_abs()).as_secs()
        );
        wait_until("an alarm is logged", HANG_TIMEOUT, || {
            let events = cluster.api.events(before);
            let reported = events.iter().any(|event| {
                event.kind == "alarm"
                    && event.text.contains(&alarm[..20])
                    && event.text.contains(direction)
            });
            ensure(reported, || format!("{events:?}"))
        });
        let _ = cluster.api.create_named("Not yet replicated");
        // A city whose clock was set back accepts the others' writes for as long as the step.
        wait_until("writes are refused", HANG_TIMEOUT, || {
            cluster.api.assign(&ids[0], writer).expect(200);
            let nodes = cluster.api.nodes();
            ensure(nodes.values().any(|node| !node.refuses.is_empty()), || format!("{nodes:?}"))
        });
        cluster.api.assign(&ids[0], writer).expect(200);
        cluster.api.delete(&format!("/api/v1/faults/{}", fault.id)).expect(204);
        heroes.assigned(&ids[0], writer);
        let new_heroes = cluster.api.get("/api/v1/heroes").expect(200).json();
        let new_heroes = new_heroes["heroes"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(|hero| hero["name"] == "Not yet replicated");
        heroes.created(new_heroes.filter_map(|hero| hero["id"].as_str()).map(str::to_owned));
        cluster.wait_until_held(&heroes, &CITIES);
        assert!(cluster.node("gotham").clock_ahead_ms.is_some_and(|ahead_ms| ahead_ms.abs() < 500));
    }
    assert_eq!(cluster.api.get("/api/v1/verdict").expect(200).json()["lost_writes"], 0);
}

#[test]
fn cut_outlasts_a_bomb_and_delays_recovery() {
    let (cluster, heroes, ids) = start_with_heroes(5);
    let fault = cluster.api.inject(&isolating_cut("gotham"));
    cluster.bomb("gotham");
    cluster.wait_status("gotham", "up", HANG_TIMEOUT);
    frames_seen(&cluster.api, &fault.id, 12);
    assert_eq!(cluster.node("gotham").heroes, 0);
    cluster.api.assign(&ids[0], "gotham").problem(503, "joining");
    cluster.api.heal_all();
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn faults_expire_at_nodes_without_dispatch() {
    let (mut cluster, mut heroes, ids) = start_with_heroes(3);
    cluster.api.inject(&json!({"kind": "cut", "from": "gotham", "to": "*", "heal_after_s": 6}));
    cluster.api.assign(&ids[0], "gotham").expect(200);
    heroes.assigned(&ids[0], "gotham");
    assert_eq!(place(&cluster.api, "capitol", &ids[0]).as_deref(), Some("home"));
    cluster.kill9("dispatch");
    cluster.restart("dispatch");
    // A new dispatch receives the faults in force from the affected nodes.
    wait_until("the new dispatch lists the cut", HANG_TIMEOUT, || {
        let faults = cluster.api.faults();
        ensure(
            faults.iter().any(|fault: &Fault| fault.kind == "cut" && fault.in_force_at.len() >= 3),
            || format!("{faults:?}"),
        )
    });
    cluster.kill9("dispatch");
    wait_until("gotham has healed", HANG_TIMEOUT, || {
        let log = cluster.process("gotham").log();
        ensure(log.contains("fault expired"), || "the log does not contain it".into())
    });
    cluster.restart("dispatch");
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn frozen_city_is_thawed_by_a_dispatch_that_was_restarted_meanwhile() {
    let (mut cluster, heroes, _) = start_with_heroes(2);
    let freeze = json!({"kind": "freeze", "from": "gotham", "heal_after_s": 300});
    let id = cluster.api.post("/api/v1/faults", &freeze).expect(201).json()["id"].clone();
    cluster.wait_status("gotham", "unreachable", HANG_TIMEOUT);
    cluster.kill9("dispatch");
    cluster.restart("dispatch");
    let fault = wait_until("dispatch knows the freeze", HANG_TIMEOUT, || {
        let faults = cluster.api.faults();
        let found = faults.iter().find(|fault| id == fault.id).cloned();
        found.ok_or_else(|| format!("{faults:?}"))
    });
    assert_eq!(fault.in_force_at, ["gotham"]);
    let healed = cluster.api.request("DELETE", &format!("/api/v1/faults/{}", fault.id), &[], &[]);
    let _ = healed.expect(204);
    cluster.wait_status("gotham", "up", HANG_TIMEOUT);
    assert_eq!(cluster.node("gotham").crashes, 0, "it kept its memory");
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn paused_gossip_allows_single_exchanges_only() {
    let (cluster, mut heroes, _) = start_with_heroes(2);
    let gossip = |verb: &str| {
        cluster.api.post(&format!("/api/v1/gossip/{verb}"), &json!({})).expect(200).json()
    };
    let step = |from: &str, to: &str| {
        cluster.api.post("/api/v1/gossip/step", &json!({"from": from, "to": to})).expect(200).json()
    };
    assert_eq!(gossip("pause"), json!({"paused": true, "percent": 0}));
    // A round that a city has begun before it hears of the pause ends before one that is requested.
    for city in CITIES {
        assert_eq!(step("dispatch", city)["completed"], true, "{city}");
    }
    let id = cluster.api.create_named("Still").id;
    heroes.created([id.clone()]);
    cluster.bomb("capitol");
    wait_until("capitol is up and empty", HANG_TIMEOUT, || {
        let capitol = cluster.node("capitol");
        ensure(capitol.crashes == 1 && capitol.status == "up" && capitol.heroes == 0, || {
            format!("{capitol:?}")
        })
    });
    // Longer than a pause lasts at a city without renewal: dispatch renews it.
    let until = Stopwatch::start();
    wait_until("four seconds have passed", HANG_TIMEOUT, || {
        assert!(!city_holds(&cluster.api, "gotham", &id) && cluster.node("capitol").heroes == 0);
        ensure(until.elapsed() > Duration::from_secs(4), || "four seconds have not passed".into())
    });
    let done = step("dispatch", "gotham");
    assert_eq!((&done["completed"], &done["entries"]), (&json!(true), &json!(1)), "{done}");
    assert!(done["bytes"].as_u64().is_some_and(|bytes| (100..2_000).contains(&bytes)), "{done}");
    wait_until("gotham holds the hero", HANG_TIMEOUT, || {
        ensure(city_holds(&cluster.api, "gotham", &id), || "gotham lacks the hero".into())
    });
    let done = step("gotham", "capitol");
    assert_eq!(
        (&done["from"], &done["to"], &done["entries"]),
        (&json!("gotham"), &json!("capitol"), &json!(3)),
        "{done}"
    );
    wait_until("capitol holds all heroes", HANG_TIMEOUT, || {
        ensure(cluster.node("capitol").heroes == 3, || "capitol lacks heroes".into())
    });
    assert!(!city_holds(&cluster.api, "metropolis", &id));
    let any = cluster.api.request("POST", "/api/v1/gossip/step", &[], &[]).expect(200).json();
    assert_ne!(any["from"], any["to"]);
    assert_eq!(gossip("resume"), json!({"paused": false, "percent": 100}));
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn paused_gossip_resumes_without_dispatch() {
    let (mut cluster, mut heroes, ids) = start_with_heroes(2);
    cluster.api.post("/api/v1/gossip/pause", &json!({})).expect(200);
    cluster.api.assign(&ids[0], "gotham").expect(200);
    heroes.assigned(&ids[0], "gotham");
    cluster.kill9("dispatch");
    let watch = Stopwatch::start();
    wait_until("capitol has pulled", HANG_TIMEOUT, || {
        let log = cluster.process("capitol").log();
        ensure(log.matches("pulled").count() > 1, || log)
    });
    assert!(watch.elapsed() < Duration::from_secs(5), "the documented limit is five seconds");
    cluster.restart("dispatch");
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn cut_exchange_is_reported_as_incomplete() {
    let (cluster, ..) = start_with_heroes(1);
    cluster.api.inject(&isolating_cut("gotham"));
    let done = cluster
        .api
        .post("/api/v1/gossip/step", &json!({"from": "gotham", "to": "capitol"}))
        .expect(200)
        .json();
    assert_eq!((&done["completed"], &done["entries"]), (&json!(false), &json!(0)), "{done}");
}

#[test]
fn stopped_or_killed_city_is_down_and_can_be_restarted() {
    let (mut cluster, heroes, _) = start_with_heroes(3);
    for (verb, code) in [("stop", 0), ("kill", 137)] {
        cluster.api.post(&format!("/api/v1/cities/gotham/{verb}"), &json!({})).expect(202);
        assert_eq!(cluster.process("gotham").exit_code(HANG_TIMEOUT), Some(code), "{verb}");
        cluster.wait_status("gotham", "down", HANG_TIMEOUT);
        cluster
            .api
            .post(&format!("/api/v1/cities/gotham/{verb}"), &json!({}))
            .problem(503, "no_answer");
        cluster.restart("gotham");
        cluster.wait_until_held(&heroes, &CITIES);
    }
}

#[test]
fn invalid_faults_are_refused_without_effect() {
    let cluster = Cluster::start(Options::default());
    let cases = [
        (json!({"kind": "cut", "from": "gotham", "to": "gotham"}), 422, "same_node"),
        (json!({"kind": "cut", "from": "gotham", "to": "riverdale"}), 422, "unknown_node"),
        (json!({"kind": "cut", "from": "*", "to": "gotham"}), 422, "unknown_node"),
        (json!({"kind": "cut", "from": "gotham"}), 422, "missing_field"),
        (json!({"kind": "flood", "from": "gotham", "to": "*"}), 422, "unknown_kind"),
        (json!({"kind": "loss", "from": "gotham", "to": "*", "percent": 101}), 422, "out_of_range"),
        (json!({"kind": "loss", "from": "gotham", "to": "*", "percent": -5}), 422, "out_of_range"),
        (json!({"kind": "loss", "from": "gotham", "to": "*"}), 422, "missing_field"),
        (
            json!({"kind": "delay", "from": "gotham", "to": "*", "delay_ms": -300}),
            422,
            "out_of_range",
        ),
        (
            json!({"kind": "delay", "from": "gotham", "to": "*", "delay_ms": 300, "jitter_ms": 301}),
            422,
            "out_of_range",
        ),
        (
            json!({"kind": "delay", "from": "gotham", "to": "*", "delay_ms": 1e300}),
            422,
            "out_of_range",
        ),
        (
            json!({"kind": "throttle", "from": "gotham", "to": "*", "bytes_per_s": 1}),
            422,
            "out_of_range",
        ),
        (json!({"kind": "skew", "from": "gotham", "skew_ms": 0}), 422, "out_of_range"),
        (json!({"kind": "skew", "from": "gotham", "skew_ms": 1e18}), 422, "out_of_range"),
        (json!({"kind": "freeze", "from": "dispatch"}), 422, "not_allowed"),
        (json!({"kind": "freeze", "from": "gotham", "heal_after_s": 0}), 422, "out_of_range"),
        (json!({"kind": "freeze", "from": "gotham", "heal_after_s": 1e9}), 422, "out_of_range"),
        (json!({"kind": "freeze", "from": "gotham", "for": 3}), 422, "invalid_field"),
        (json!({"kind": "freeze"}), 422, "invalid_field"),
        (json!(["cut"]), 422, "invalid_field"),
    ];
    for (fault, status, code) in cases {
        let detail = cluster.api.post("/api/v1/faults", &fault).problem(status, code);
        assert!(!detail.is_empty(), "{fault}");
    }
    cluster.api.post("/api/v1/gossip/speed", &json!({"percent": 9})).problem(422, "out_of_range");
    cluster
        .api
        .post("/api/v1/gossip/step", &json!({"from": "gotham", "to": "gotham"}))
        .problem(422, "same_node");
    cluster.api.delete("/api/v1/faults/no-such").problem(404, "unknown_fault");
    cluster.api.delete("/api/v1/faults/00000000").problem(404, "unknown_fault");
    assert!(cluster.api.faults().is_empty());
    let fault = cluster.api.inject(&isolating_cut("gotham"));
    cluster.api.delete(&format!("/api/v1/faults/{}", fault.id)).expect(204);
    cluster.api.delete(&format!("/api/v1/faults/{}", fault.id)).problem(410, "healed");
    cluster.api.heal_all();
}

#[test]
fn fault_limit_is_enforced() {
    let cluster = Cluster::start(Options::default());
    for _ in 0..64 {
        cluster.api.inject(&isolating_cut("gotham"));
    }
    cluster.api.post("/api/v1/faults", &isolating_cut("gotham")).problem(409, "too_many_faults");
    cluster.api.heal_all();
    assert!(cluster.api.faults().is_empty());
}

/// Counts the assignments in the event log that lost to a write whose author had not seen them,
/// from the log and the final stamps only.
fn recount(api: &Api, outcome: &BTreeMap<String, Stamp>, since: u64) -> u64 {
    let mut writes: BTreeMap<String, Vec<(Stamp, Option<Stamp>)>> = BTreeMap::new();
    let mut last = since;
    loop {
        let events = api.events(last);
        let Some(newest) = events.last() else { break };
        last = newest.number;
        for event in events.into_iter().filter(|event| event.kind == "assigned") {
            let (hero, stamp) = (
                event.hero.expect("an assignment event has a hero"),
                event.stamp.expect("an assignment event has a stamp"),
            );
            writes.entry(hero).or_default().push((stamp, event.over));
        }
    }
    let mut lost = 0;
    for (hero, writes) in writes {
        // The chain of writes that the winner was based on, back to the creation.
        let mut seen = BTreeSet::new();
        let mut next = Some(outcome[&hero].clone());
        while let Some(stamp) = next {
            next = writes
                .iter()
                .find(|(written, _)| *written == stamp)
                .and_then(|(_, over)| over.clone());
            seen.insert(stamp);
        }
        lost += writes.iter().filter(|(stamp, _)| !seen.contains(stamp)).count() as u64;
    }
    lost
}

#[test]
fn lost_writes_of_a_thousand_conflicts_are_counted() {
    // At the default intervals, for which convergence within ten is promised.
    let (cluster, mut heroes, ids) = start_with_heroes_and_options(
        1_000,
        Options { city_gossip: "1s", dispatch_gossip: "1s", poll: "2s", ..Options::default() },
    );
    let first_event = cluster.api.events(0).last().map_or(0, |event| event.number);
    for (from, to) in [
        ("gotham", "metropolis"),
        ("gotham", "capitol"),
        ("metropolis", "capitol"),
        ("dispatch", "*"),
    ] {
        cluster.api.inject(&json!({"kind": "cut", "from": from, "to": to, "heal_after_s": 600}));
    }
    std::thread::scope(|scope| {
        for (city, ids) in ["gotham", "metropolis"].map(|city| (city, &ids)) {
            let api = cluster.api.clone();
            scope.spawn(move || ids.iter().for_each(|id| drop(api.assign(id, city).expect(200))));
        }
    });
    // Some are written twice: the first write is not lost, because the second is based on it.
    for id in &ids[..100] {
        cluster.api.assign(id, "metropolis").expect(200);
    }
    assert_eq!(
        fingerprint(&cluster, "capitol"),
        fingerprint(&cluster, "dispatch"),
        "no write may pass the cuts"
    );
    assert_ne!(fingerprint(&cluster, "gotham"), fingerprint(&cluster, "metropolis"));
    cluster.api.heal_all();
    let watch = Stopwatch::start();
    cluster.wait_converged();
    assert!(
        watch.elapsed() < Duration::from_secs(10),
        "convergence took {:?}, over ten gossip intervals",
        watch.elapsed()
    );
    let outcome: BTreeMap<String, Stamp> =
        cluster.api.city("capitol").heroes.into_iter().map(|hero| (hero.id, hero.stamp)).collect();
    for hero in cluster.api.city("capitol").heroes {
        heroes.assigned(&hero.id, &hero.location);
    }
    cluster.wait_until_held(&heroes, &CITIES);
    assert_eq!(heroes.live.len(), 1_000);
    let expected = recount(&cluster.api, &outcome, first_event);
    assert!((1_000..=1_100).contains(&expected), "{expected}");
    wait_until("the verdict counts the same lost writes", HANG_TIMEOUT, || {
        let verdict = cluster.api.get("/api/v1/verdict").expect(200).json();
        ensure(verdict["lost_writes"] == expected, || format!("{verdict}, expected {expected}"))
    });
}
