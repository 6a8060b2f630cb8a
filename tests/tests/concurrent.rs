//! Concurrent commands: in any order, all nodes converge to the same state, which is the effect of
//! one of the commands.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use cluster_tests::{CITIES, Cluster, HANG_TIMEOUT, Heroes, Options, Reply, ensure, wait_until};

/// Runs both requests as simultaneously as two threads can.
fn concurrently(
    one: impl FnOnce() -> Reply + Send,
    other: impl FnOnce() -> Reply + Send,
) -> (Reply, Reply) {
    let start = Barrier::new(2);
    thread::scope(|scope| {
        let one = scope.spawn(|| {
            start.wait();
            one()
        });
        let other = scope.spawn(|| {
            start.wait();
            other()
        });
        (one.join().expect("no panic"), other.join().expect("no panic"))
    })
}

/// Returns a stamp in comparison order: wall time, counter, and origin.
fn stamp(reply: &Reply) -> (u64, u64, String) {
    let stamp = &reply.json()["stamp"];
    let number = |field: &str| stamp[field].as_u64().expect("a number");
    (number("wall_ms"), number("logical"), stamp["origin"].as_str().expect("a text").to_owned())
}

#[test]
fn concurrent_assignments_converge_to_the_later_stamp() {
    let cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    let ids = cluster.api.create(45);
    heroes.created(ids.clone());
    let mut winners = BTreeSet::new();
    for (id, first) in ids.iter().zip([0, 1, 2].into_iter().cycle()) {
        let (one, other) = (CITIES[first], CITIES[(first + 1) % 3]);
        let (to_one, to_other) =
            concurrently(|| cluster.api.assign(id, one), || cluster.api.assign(id, other));
        let (to_one, to_other) = (to_one.expect(200), to_other.expect(200));
        assert_ne!(stamp(&to_one), stamp(&to_other), "no two writes may share a stamp");
        // The write with the later stamp wins, not the later response.
        let winner = if stamp(&to_one) > stamp(&to_other) { one } else { other };
        winners.insert(winner);
        heroes.assigned(id, winner);
    }
    assert!(winners.len() > 1, "the winner must not depend on the name only: {winners:?}");
    cluster.wait_until_held(&heroes, &CITIES);
    for id in &ids {
        let everywhere = cluster.api.hero(id).expect(200).json();
        for city in CITIES {
            assert_eq!(everywhere["cities"][city], everywhere["hero"], "{city}");
        }
    }
}

#[test]
fn concurrent_deletion_beats_assignment() {
    let cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    let ids = cluster.api.create(40);
    heroes.created(ids.clone());
    // A new incarnation's clock starts ahead of any stamp of its predecessor, and so ahead of
    // dispatch's clock: after these bombs the cities' stamps are later, and a deletion that loses
    // to a later stamp would be detected.
    for city in CITIES {
        cluster.bomb(city);
    }
    cluster.wait_until_held(&heroes, &CITIES);
    let mut assigned_count = 0;
    for (id, city) in ids.iter().zip(CITIES.into_iter().cycle()) {
        let (deleted, assigned) =
            concurrently(|| cluster.api.terminate(id), || cluster.api.assign(id, city));
        let _ = deleted.expect(204);
        if assigned.status == 200 {
            assigned_count += 1;
        } else {
            let _ = assigned.problem(410, "terminated");
        }
        heroes.deleted(id);
    }
    assert!(assigned_count > 0, "no assignment was concurrent with a deletion");
    cluster.wait_until_held(&heroes, &CITIES);
    for id in &ids {
        let _ = cluster.api.hero(id).problem(410, "terminated");
        let _ = cluster.api.assign(id, "gotham").problem(410, "terminated");
    }
}

#[test]
fn concurrent_deletions_succeed_once() {
    let cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    let ids = cluster.api.create(20);
    heroes.created(ids.clone());
    for id in &ids {
        let (one, other) = concurrently(|| cluster.api.terminate(id), || cluster.api.terminate(id));
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 410]);
        heroes.deleted(id);
    }
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn concurrent_creations_are_all_stored() {
    let cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    let created: Vec<Vec<String>> = thread::scope(|scope| {
        let creators: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| (0..10).flat_map(|_| cluster.api.create(3)).collect()))
            .collect();
        creators.into_iter().map(|creator| creator.join().expect("no panic")).collect()
    });
    heroes.created(created.into_iter().flatten());
    assert_eq!(heroes.live.len(), 240, "ids must be unique");
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn concurrent_moves_home_and_to_a_city_converge() {
    let cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    let ids = cluster.api.create(20);
    heroes.created(ids.clone());
    for id in &ids {
        // A move home is written by dispatch itself, a move to a city by the city.
        let (home, city) =
            concurrently(|| cluster.api.assign(id, "home"), || cluster.api.assign(id, "capitol"));
        let (home, city) = (home.expect(200), city.expect(200));
        heroes.assigned(id, if stamp(&home) > stamp(&city) { "home" } else { "capitol" });
    }
    cluster.wait_until_held(&heroes, &CITIES);
}

/// Bombs each city `bombs` times, while two threads keep assigning heroes to the same city: each
/// request makes dispatch send a command there, often while the incarnation ends. Returns the
/// responses to the bombs.
fn bombs_among_assignments(cluster: &Cluster, ids: &[String], bombs: u32) -> Vec<Reply> {
    let mut responses = Vec::new();
    for (city, crashes) in (1..=bombs).flat_map(|crashes| CITIES.map(|city| (city, crashes))) {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for ids in ids.chunks(ids.len().div_ceil(2)) {
                let stop = &stop;
                scope.spawn(move || {
                    for id in ids.iter().cycle().take_while(|_| !stop.load(Ordering::Relaxed)) {
                        let _ = cluster.api.assign(id, city);
                    }
                });
            }
            responses.push(cluster.api.bomb(city));
            stop.store(true, Ordering::Relaxed);
        });
        wait_until("the bombed city is up again", HANG_TIMEOUT, || {
            let node = cluster.node(city);
            ensure(node.status == "up" && node.crashes == crashes, || {
                format!("{node:?}, and the response to the last bomb was {:?}", responses.last())
            })
        });
    }
    responses
}

#[test]
fn bomb_returns_202_among_concurrent_assignments() {
    let cluster = Cluster::start(Options { max_restarts: "1000", ..Options::default() });
    let ids = cluster.api.create(20);
    cluster.wait_converged();
    let responses = bombs_among_assignments(&cluster, &ids, 20);
    let failures: Vec<&Reply> =
        responses.iter().filter(|response| response.status != 202).collect();
    assert!(
        failures.is_empty(),
        "{} of {} bombs had an effect but another response: {:?}",
        failures.len(),
        responses.len(),
        failures[0]
    );
}

#[test]
fn bombs_during_creation_lose_no_acknowledged_hero() {
    let cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(30));
    cluster.wait_until_held(&heroes, &CITIES);
    let created: Vec<String> = thread::scope(|scope| {
        let creator = scope
            .spawn(|| (0..50).map(|n| cluster.api.create_named(&format!("Hero {n}")).id).collect());
        for city in CITIES {
            cluster.bomb(city);
        }
        creator.join().expect("no panic")
    });
    heroes.created(created);
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn refused_assignment_to_a_bombed_city_has_no_effect() {
    let cluster = Cluster::start(Options { max_restarts: "1000", ..Options::default() });
    let mut heroes = Heroes::default();
    let ids = cluster.api.create(300);
    heroes.created(ids.clone());
    cluster.wait_until_held(&heroes, &CITIES);
    let mut refused = Vec::new();
    for (ids, city) in ids.chunks(10).zip(CITIES.into_iter().cycle()) {
        let start = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                // Its response is covered by another test.
                let _ = cluster.api.bomb(city);
            });
            start.wait();
            for id in ids {
                let reply = cluster.api.assign(id, city);
                if reply.status != 200 {
                    // The city is unreachable, is still joining, or ended before it could respond.
                    let code = reply.json()["type"].as_str().unwrap_or_default().to_owned();
                    let detail = reply.problem(503, &code);
                    if detail.contains("nothing was changed") {
                        refused.push((id.clone(), detail));
                    }
                }
            }
        });
        cluster.wait_status(city, "up", HANG_TIMEOUT);
    }
    assert!(!refused.is_empty(), "no assignment was concurrent with a bomb");
    cluster.wait_converged();
    // A write that a city acknowledged may have been lost with its memory, so only definite
    // refusals are checked.
    for (id, detail) in refused {
        assert_eq!(
            cluster.api.hero(&id).expect(200).json()["hero"]["location"],
            "home",
            "{detail}"
        );
    }
}
