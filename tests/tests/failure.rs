//! What breaks is told as what it is, within the promised time, and the rest goes on.

use std::thread;
use std::time::Duration;

use cluster_tests::{
    CITIES, Cluster, Ending, HANG_TIMEOUT, Heroes, Link, NODES, Options, Reply, Signal, Stopwatch,
    ensure, wait_until,
};

/// Within this time every command has its answer.
const PROMISED: Duration = Duration::from_secs(2);

fn with_heroes(count: u32) -> (Cluster, Heroes, Vec<String>) {
    let cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(count));
    cluster.wait_until_held(&heroes, &CITIES);
    let ids = heroes.living.keys().cloned().collect();
    (cluster, heroes, ids)
}

fn promptly(ask: impl FnOnce() -> Reply) -> Reply {
    let watch = Stopwatch::start();
    let reply = ask();
    let took = watch.elapsed();
    assert!(took < PROMISED, "the answer {} took {took:?}", reply.status);
    reply
}

/// A command that a city did not answer: it was not done, or nobody can say whether it was.
#[track_caller]
fn without_answer(reply: &Reply) {
    let code = reply.json()["type"].as_str().unwrap_or_default().to_owned();
    assert!(matches!(code.as_str(), "no_answer" | "outcome_unknown"), "{reply:?}");
    let _ = reply.problem(503, &code);
}

#[test]
fn assigning_to_a_killed_city_is_refused_and_changes_nothing() {
    let (mut cluster, mut heroes, ids) = with_heroes(3);
    let _ = cluster.api.assign(&ids[0], "gotham").expect(200);
    heroes.assigned(&ids[0], "gotham");
    cluster.wait_until_held(&heroes, &CITIES);
    let before = cluster.api.hero(&ids[0]).expect(200).json();

    cluster.kill9("capitol");
    // At once, when dispatch may not know yet what became of what it sends, and again when it does.
    without_answer(&promptly(|| cluster.api.assign(&ids[0], "capitol")));
    cluster.wait_status("capitol", "down", HANG_TIMEOUT);
    let refused = promptly(|| cluster.api.assign(&ids[0], "capitol"));
    let detail = refused.problem(503, "no_answer");
    assert!(detail.contains("capitol") && detail.contains("nothing was changed"), "{detail}");
    assert!(refused.headers.contains_key("retry-after"), "{refused:?}");
    let _ = promptly(|| cluster.api.bomb("capitol")).problem(503, "no_answer");

    cluster.restart("capitol");
    cluster.wait_until_held(&heroes, &CITIES);
    assert_eq!(cluster.api.hero(&ids[0]).expect(200).json(), before, "not even the stamp");
}

#[test]
fn a_command_that_a_frozen_city_finds_later_does_not_happen() {
    let (mut cluster, mut heroes, ids) = with_heroes(3);
    for city in ["gotham", "metropolis"] {
        cluster.process(city).signal(Signal::SIGSTOP);
    }
    // Both at the same time: while cities are frozen for less than their links bear, what is sent
    // waits in their buffers.
    thread::scope(|scope| {
        let bomb = scope.spawn(|| promptly(|| cluster.api.bomb("metropolis")));
        without_answer(&promptly(|| cluster.api.assign(&ids[0], "gotham")));
        without_answer(&bomb.join().expect("no panic"));
    });
    for city in ["gotham", "metropolis"] {
        cluster.process(city).signal(Signal::SIGCONT);
    }

    // Whatever waited in their buffers is read before a command that comes after it.
    for (city, id) in [("gotham", &ids[1]), ("metropolis", &ids[2])] {
        wait_until(&format!("{city} obeys again"), HANG_TIMEOUT, || {
            let reply = cluster.api.assign(id, city);
            ensure(reply.status == 200, || reply.body)
        });
        heroes.assigned(id, city);
    }
    cluster.wait_until_held(&heroes, &CITIES);
    assert_eq!(cluster.node("metropolis").crashes, 0, "the bomb had expired too");
}

#[test]
fn a_dead_hero_is_gone_and_an_unknown_one_not_found() {
    let (cluster, mut heroes, ids) = with_heroes(2);
    let _ = cluster.api.terminate(&ids[0]).expect(204);
    heroes.died(&ids[0]);
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
fn the_fourth_bomb_within_five_seconds_ends_the_process_and_the_others_go_on() {
    let (mut cluster, mut heroes, ids) = with_heroes(20);
    let watch = Stopwatch::start();
    // Counted by what they hit, not by what they were answered.
    for crashes in 1..=3 {
        let _ = cluster.api.bomb("metropolis");
        wait_until(&format!("metropolis is back after crash {crashes}"), HANG_TIMEOUT, || {
            let node = cluster.node("metropolis");
            ensure(node.crashes == crashes && node.status == "up", || format!("{node:?}"))
        });
    }
    assert!(!cluster.process("metropolis").has_ended(), "three are survived");
    let _ = cluster.api.bomb("metropolis");
    assert!(
        watch.elapsed() < Duration::from_secs(5),
        "the bombs took {:?}: too long to be too many",
        watch.elapsed()
    );
    assert_eq!(cluster.process("metropolis").exit_code(HANG_TIMEOUT), Some(1));
    let log = cluster.process("metropolis").log();
    let last_words: Vec<&str> = log.lines().filter(|line| line.contains("ERROR")).collect();
    assert!(
        last_words.len() == 1
            && last_words[0].contains("crashed too often")
            && last_words[0].contains("bombed"),
        "{log}"
    );
    cluster.wait_status("metropolis", "down", HANG_TIMEOUT);

    heroes.created(cluster.api.create(5));
    let _ = cluster.api.assign(&ids[0], "gotham").expect(200);
    heroes.assigned(&ids[0], "gotham");
    let _ = cluster.api.terminate(&ids[1]).expect(204);
    heroes.died(&ids[1]);
    cluster.wait_until_held(&heroes, &["gotham", "capitol"]);
    let verdict = cluster.api.get("/api/v1/verdict").expect(200).json();
    assert_eq!(verdict["converged"], false, "{verdict}");
    assert!(
        verdict["sentence"].as_str().is_some_and(|said| said.contains("Metropolis has stopped")),
        "{verdict}"
    );

    cluster.restart("metropolis");
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn three_bombs_within_five_seconds_are_survived() {
    let (mut cluster, heroes, _) = with_heroes(20);
    for _ in 0..3 {
        cluster.bomb("capitol");
    }
    cluster.wait_until_held(&heroes, &CITIES);
    assert_eq!(cluster.node("capitol").crashes, 3);
    assert!(!cluster.process("capitol").has_ended());
}

#[test]
fn a_frozen_city_is_unreachable_not_down_and_comes_back() {
    let (mut cluster, heroes, _) = with_heroes(5);
    cluster.process("gotham").signal(Signal::SIGSTOP);
    // Long enough for its links to fall silent and for a few attempts to make new ones.
    wait_until("gotham has given no answer for a while", HANG_TIMEOUT, || {
        let gotham = cluster.node("gotham");
        assert_ne!(gotham.status, "down", "whether it runs cannot be known");
        let for_a_while = gotham.age_ms.is_some_and(|age| age > 7_000);
        ensure(for_a_while && gotham.status == "unreachable", || format!("{gotham:?}"))
    });
    cluster.process("gotham").signal(Signal::SIGCONT);
    cluster.wait_status("gotham", "up", HANG_TIMEOUT);
    cluster.wait_until_held(&heroes, &CITIES);
    assert_eq!(cluster.node("gotham").crashes, 0);
}

#[test]
fn ctrl_c_stops_every_process_while_pages_are_open() {
    stops_everything(Signal::SIGINT);
}

#[test]
fn sigterm_stops_every_process_while_pages_are_open() {
    stops_everything(Signal::SIGTERM);
}

#[track_caller]
fn stops_everything(signal: Signal) {
    let (mut cluster, _, _) = with_heroes(100);
    let origin = format!("http://{}", cluster.address("dispatch"));
    let mut page = Link::open(cluster.address("dispatch"), "/live", &[("origin", &origin)])
        .expect("the page's own socket");
    page.receive().expect("a first frame");
    // One that never reads, and one that never finished asking.
    let _deaf = Link::open(cluster.address("dispatch"), "/live", &[("origin", &origin)])
        .expect("the page's own socket");
    let mut stuck =
        std::net::TcpStream::connect(cluster.address("dispatch")).expect("dispatch listens");
    std::io::Write::write_all(
        &mut stuck,
        b"POST /api/v1/heroes HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n",
    )
    .expect("a beginning is sent");

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
    assert_eq!(page.ending(), Ending::Closed(1001, "dispatch is stopping".into()));
}
