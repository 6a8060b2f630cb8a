//! Failures of processes: each is reported correctly and within the promised time, and the other
//! nodes continue.

use std::thread;
use std::time::Duration;

use cluster_tests::{
    Api, CITIES, Cluster, Disconnect, HANG_TIMEOUT, Heroes, Link, NODES, Options, Reply, Signal,
    Stopwatch, ensure, wait_until,
};
use serde_json::json;

/// The promised response time of every command.
const PROMISED: Duration = Duration::from_secs(2);

fn start_with_heroes(count: u32) -> (Cluster, Heroes, Vec<String>) {
    let cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(count));
    cluster.wait_until_held(&heroes, &CITIES);
    let ids = heroes.live.keys().cloned().collect();
    (cluster, heroes, ids)
}

fn within_promise(send: impl FnOnce() -> Reply) -> Reply {
    let watch = Stopwatch::start();
    let reply = send();
    let took = watch.elapsed();
    assert!(took < PROMISED, "the response {} took {took:?}", reply.status);
    reply
}

/// Asserts that a command failed because a city did not answer, with its effect excluded or
/// unknown.
#[track_caller]
fn assert_no_answer(reply: &Reply) {
    let code = reply.json()["type"].as_str().unwrap_or_default().to_owned();
    assert!(matches!(code.as_str(), "no_answer" | "outcome_unknown"), "{reply:?}");
    let _ = reply.problem(503, &code);
}

#[test]
fn assignment_to_a_killed_city_is_refused_without_effect() {
    let (mut cluster, mut heroes, ids) = start_with_heroes(3);
    let _ = cluster.api.assign(&ids[0], "gotham").expect(200);
    heroes.assigned(&ids[0], "gotham");
    cluster.wait_until_held(&heroes, &CITIES);
    let before = cluster.api.hero(&ids[0]).expect(200).json();

    cluster.kill9("capitol");
    // At once, before dispatch has noticed the failure, and again afterwards.
    assert_no_answer(&within_promise(|| cluster.api.assign(&ids[0], "capitol")));
    cluster.wait_status("capitol", "down", HANG_TIMEOUT);
    let refused = within_promise(|| cluster.api.assign(&ids[0], "capitol"));
    let detail = refused.problem(503, "no_answer");
    assert!(detail.contains("capitol") && detail.contains("nothing was changed"), "{detail}");
    assert!(refused.headers.contains_key("retry-after"), "{refused:?}");
    let _ = within_promise(|| cluster.api.bomb("capitol")).problem(503, "no_answer");

    cluster.restart("capitol");
    cluster.wait_until_held(&heroes, &CITIES);
    assert_eq!(
        cluster.api.hero(&ids[0]).expect(200).json(),
        before,
        "the hero must be unchanged, including its stamp"
    );
}

#[test]
fn command_read_late_by_a_frozen_city_has_no_effect() {
    let (mut cluster, mut heroes, ids) = start_with_heroes(3);
    for city in ["gotham", "metropolis"] {
        cluster.process(city).signal(Signal::SIGSTOP);
    }
    // Both at the same time: the cities are frozen for less than the timeout of their links, so
    // sent frames wait in their buffers.
    thread::scope(|scope| {
        let bomb = scope.spawn(|| within_promise(|| cluster.api.bomb("metropolis")));
        assert_no_answer(&within_promise(|| cluster.api.assign(&ids[0], "gotham")));
        assert_no_answer(&bomb.join().expect("no panic"));
    });
    for city in ["gotham", "metropolis"] {
        cluster.process(city).signal(Signal::SIGCONT);
    }

    // Buffered frames are read before later commands.
    for (city, id) in [("gotham", &ids[1]), ("metropolis", &ids[2])] {
        wait_until(&format!("{city} executes commands again"), HANG_TIMEOUT, || {
            let reply = cluster.api.assign(id, city);
            ensure(reply.status == 200, || reply.body)
        });
        heroes.assigned(id, city);
    }
    cluster.wait_until_held(&heroes, &CITIES);
    assert_eq!(cluster.node("metropolis").crashes, 0, "the bomb had expired too");
}

#[test]
fn deleted_hero_returns_410_and_an_unknown_one_404() {
    let (cluster, mut heroes, ids) = start_with_heroes(2);
    let _ = cluster.api.terminate(&ids[0]).expect(204);
    heroes.deleted(&ids[0]);
    for place in CITIES.into_iter().chain(["home"]) {
        let _ = cluster.api.assign(&ids[0], place).problem(410, "terminated");
    }
    let _ = cluster.api.terminate(&ids[0]).problem(410, "terminated");
    let _ = cluster.api.hero(&ids[0]).problem(410, "terminated");

    let unknown = "00000000-0000-4000-8000-000000000000";
    for place in CITIES.into_iter().chain(["home"]) {
        let _ = cluster.api.assign(unknown, place).problem(404, "unknown_hero");
    }
    let _ = cluster.api.terminate(unknown).problem(404, "unknown_hero");
    let _ = cluster.api.hero(unknown).problem(404, "unknown_hero");
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn fourth_bomb_within_five_seconds_ends_the_process() {
    let (mut cluster, mut heroes, ids) = start_with_heroes(20);
    let watch = Stopwatch::start();
    // Counted by the crashes, not by the responses.
    for crashes in 1..=3 {
        let _ = cluster.api.bomb("metropolis");
        wait_until(&format!("metropolis is up after crash {crashes}"), HANG_TIMEOUT, || {
            let node = cluster.node("metropolis");
            ensure(node.crashes == crashes && node.status == "up", || format!("{node:?}"))
        });
    }
    assert!(!cluster.process("metropolis").has_ended(), "three crashes must not end the process");
    let _ = cluster.api.bomb("metropolis");
    assert!(
        watch.elapsed() < Duration::from_secs(5),
        "the bombs took {:?}, which is outside the window",
        watch.elapsed()
    );
    assert_eq!(cluster.process("metropolis").exit_code(HANG_TIMEOUT), Some(1));
    let log = cluster.process("metropolis").log();
    let errors: Vec<&str> = log.lines().filter(|line| line.contains("ERROR")).collect();
    assert!(
        errors.len() == 1
            && errors[0].contains("crashed too often")
            && errors[0].contains("bombed"),
        "{log}"
    );
    cluster.wait_status("metropolis", "down", HANG_TIMEOUT);

    heroes.created(cluster.api.create(5));
    let _ = cluster.api.assign(&ids[0], "gotham").expect(200);
    heroes.assigned(&ids[0], "gotham");
    let _ = cluster.api.terminate(&ids[1]).expect(204);
    heroes.deleted(&ids[1]);
    cluster.wait_until_held(&heroes, &["gotham", "capitol"]);
    let verdict = cluster.api.get("/api/v1/verdict").expect(200).json();
    assert_eq!(verdict["converged"], false, "{verdict}");
    assert!(
        verdict["sentence"]
            .as_str()
            .is_some_and(|sentence| sentence.contains("Metropolis has stopped")),
        "{verdict}"
    );

    cluster.restart("metropolis");
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn three_bombs_within_five_seconds_do_not_end_the_process() {
    let (mut cluster, heroes, _) = start_with_heroes(20);
    for _ in 0..3 {
        cluster.bomb("capitol");
    }
    cluster.wait_until_held(&heroes, &CITIES);
    assert_eq!(cluster.node("capitol").crashes, 3);
    assert!(!cluster.process("capitol").has_ended());
}

#[test]
fn frozen_city_is_unreachable_and_recovers() {
    let (mut cluster, heroes, _) = start_with_heroes(5);
    cluster.process("gotham").signal(Signal::SIGSTOP);
    // Long enough for its links to time out and for a few attempts to reconnect.
    wait_until("gotham has been unreachable for over seven seconds", HANG_TIMEOUT, || {
        let gotham = cluster.node("gotham");
        assert_ne!(gotham.status, "down", "a frozen process must not be reported as down");
        let long_silent = gotham.age_ms.is_some_and(|age| age > 7_000);
        ensure(long_silent && gotham.status == "unreachable", || format!("{gotham:?}"))
    });
    cluster.process("gotham").signal(Signal::SIGCONT);
    cluster.wait_status("gotham", "up", HANG_TIMEOUT);
    cluster.wait_until_held(&heroes, &CITIES);
    assert_eq!(cluster.node("gotham").crashes, 0);
}

#[test]
fn sigint_stops_every_process_with_open_pages() {
    assert_all_stop(Signal::SIGINT);
}

#[test]
fn sigterm_stops_every_process_with_open_pages() {
    assert_all_stop(Signal::SIGTERM);
}

#[track_caller]
fn assert_all_stop(signal: Signal) {
    let (mut cluster, _, _) = start_with_heroes(100);
    let origin = format!("http://{}", cluster.address("dispatch"));
    let mut page = Link::open(cluster.address("dispatch"), "/live", &[("origin", &origin)])
        .expect("the page's own socket");
    page.receive().expect("a first frame");
    // A page that never reads, and a request that is never completed.
    let _unread = Link::open(cluster.address("dispatch"), "/live", &[("origin", &origin)])
        .expect("the page's own socket");
    let mut incomplete =
        std::net::TcpStream::connect(cluster.address("dispatch")).expect("dispatch listens");
    std::io::Write::write_all(
        &mut incomplete,
        b"POST /api/v1/heroes HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n",
    )
    .expect("the first part is sent");

    for node in NODES {
        cluster.process(node).signal(signal);
    }
    let watch = Stopwatch::start();
    for node in NODES {
        assert_eq!(
            cluster.process(node).exit_code(PROMISED.saturating_sub(watch.elapsed())),
            Some(0),
            "{node}"
        );
    }
    assert_eq!(page.read_to_close(), Disconnect::Closed(1001, "dispatch is stopping".into()));
}

/// Returns the texts of the events of these kinds.
fn told(api: &Api, kinds: &[&str]) -> Vec<String> {
    let events = api.events(0).into_iter();
    events.filter(|event| kinds.contains(&event.kind.as_str())).map(|event| event.text).collect()
}

#[test]
fn end_of_a_stopped_process_is_not_confirmed_and_does_not_happen_later() {
    let (mut cluster, mut heroes, ids) = start_with_heroes(3);
    let before = cluster.node("gotham").incarnation;
    for (verb, id) in [("kill", &ids[0]), ("stop", &ids[1])] {
        cluster.process("gotham").signal(Signal::SIGSTOP);
        assert_no_answer(&within_promise(|| {
            cluster.api.post(&format!("/api/v1/cities/gotham/{verb}"), &json!({}))
        }));
        assert_eq!(told(&cluster.api, &["killed", "stopped"]), [""; 0], "{verb}");
        cluster.process("gotham").signal(Signal::SIGCONT);
        // Buffered frames are read before later commands.
        wait_until("gotham executes commands again", HANG_TIMEOUT, || {
            let reply = cluster.api.assign(id, "gotham");
            ensure(reply.status == 200, || reply.body)
        });
        heroes.assigned(id, "gotham");
        assert_eq!(cluster.node("gotham").incarnation, before, "{verb}");
    }
    cluster.wait_until_held(&heroes, &CITIES);
}

/// Waits until gotham executes commands again.
#[track_caller]
fn wait_until_gotham_executes(cluster: &Cluster, hero: &str) {
    wait_until("gotham executes commands again", HANG_TIMEOUT, || {
        let reply = cluster.api.assign(hero, "gotham");
        ensure(reply.status == 200, || reply.body)
    });
}

#[test]
fn fault_that_no_node_confirms_is_withdrawn() {
    let (mut cluster, heroes, ids) = start_with_heroes(3);
    cluster.process("gotham").signal(Signal::SIGSTOP);
    for fault in [
        json!({"kind": "skew", "from": "gotham", "skew_ms": 1_000, "heal_after_s": 60}),
        json!({"kind": "freeze", "from": "gotham", "heal_after_s": 60}),
        json!({"kind": "cut", "from": "gotham", "to": "capitol", "both": false,
            "heal_after_s": 60}),
    ] {
        let reply = within_promise(|| cluster.api.post("/api/v1/faults", &fault));
        let is_refused = reply.status == 503
            && ["unconfirmed", "no_answer"].contains(&reply.json()["type"].as_str().unwrap_or(""));
        assert!(is_refused, "{fault}: {} {}", reply.status, reply.body);
        assert!(cluster.api.faults().is_empty(), "{fault}");
    }
    assert_eq!(told(&cluster.api, &["injected", "healed"]), [""; 0]);
    cluster.process("gotham").signal(Signal::SIGCONT);
    wait_until_gotham_executes(&cluster, &ids[0]);
    assert!(cluster.api.faults().is_empty());
    drop(heroes);
}

#[test]
fn heal_that_a_stopped_process_does_not_confirm_is_not_called_done() {
    let (mut cluster, heroes, ids) = start_with_heroes(3);
    let fault = cluster.api.inject(&json!({
        "kind": "skew", "from": "gotham", "skew_ms": 500, "heal_after_s": 300,
    }));
    cluster.process("gotham").signal(Signal::SIGSTOP);
    let reply = within_promise(|| cluster.api.delete(&format!("/api/v1/faults/{}", fault.id)));
    let detail = reply.problem(503, "unconfirmed");
    assert!(detail.contains("gotham"), "{detail}");
    cluster.process("gotham").signal(Signal::SIGCONT);
    wait_until_gotham_executes(&cluster, &ids[0]);
    assert!(cluster.api.faults().is_empty());
    drop(heroes);
}
