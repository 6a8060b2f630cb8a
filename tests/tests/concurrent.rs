//! Two commands at the same moment: whatever the order, everybody ends with the same, and it is
//! what one of them asked for.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use cluster_tests::{CITIES, Cluster, HANG_TIMEOUT, Heroes, Options, Reply, ensure, wait_until};

/// Does both at the same moment, as nearly as two threads can.
fn at_once(
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

/// Stamps as they are compared: wall time, counter, and at last who wrote.
fn stamp(reply: &Reply) -> (u64, u64, String) {
    let stamp = &reply.json()["stamp"];
    let number = |field: &str| stamp[field].as_u64().expect("a number");
    (number("wall_ms"), number("logical"), stamp["origin"].as_str().expect("a text").to_owned())
}

#[test]
fn of_two_cities_that_get_a_hero_at_once_one_has_it_everywhere() {
    let cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    let ids = cluster.api.create(45);
    heroes.created(ids.clone());
    let mut winners = BTreeSet::new();
    for (id, first) in ids.iter().zip([0, 1, 2].into_iter().cycle()) {
        let (one, other) = (CITIES[first], CITIES[(first + 1) % 3]);
        let (to_one, to_other) =
            at_once(|| cluster.api.assign(id, one), || cluster.api.assign(id, other));
        let (to_one, to_other) = (to_one.expect(200), to_other.expect(200));
        assert_ne!(stamp(&to_one), stamp(&to_other), "no two writes share a stamp");
        // The later write by stamp wins, not the later answer.
        let winner = if stamp(&to_one) > stamp(&to_other) { one } else { other };
        winners.insert(winner);
        heroes.assigned(id, winner);
    }
    assert!(winners.len() > 1, "it is not the name that decides: {winners:?}");
    cluster.wait_until_held(&heroes, &CITIES);
    for id in &ids {
        let everywhere = cluster.api.hero(id).expect(200).json();
        for city in CITIES {
            assert_eq!(everywhere["cities"][city], everywhere["hero"], "{city}");
        }
    }
}

#[test]
fn a_hero_deleted_and_assigned_at_once_ends_deleted() {
    let cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    let ids = cluster.api.create(40);
    heroes.created(ids.clone());
    // A new life's clock starts ahead of what its dead self may have written, and so ahead of
    // dispatch's: from now on the cities' stamps are the later ones, and a deletion that is beaten
    // by a later stamp would show.
    for city in CITIES {
        cluster.bomb(city);
    }
    cluster.wait_until_held(&heroes, &CITIES);
    let mut assigned_too = 0;
    for (id, city) in ids.iter().zip(CITIES.into_iter().cycle()) {
        let (deleted, assigned) =
            at_once(|| cluster.api.terminate(id), || cluster.api.assign(id, city));
        let _ = deleted.expect(204);
        if assigned.status == 200 {
            assigned_too += 1;
        } else {
            let _ = assigned.problem(410, "terminated");
        }
        heroes.died(id);
    }
    assert!(assigned_too > 0, "no assignment was in time to meet a deletion");
    cluster.wait_until_held(&heroes, &CITIES);
    for id in &ids {
        let _ = cluster.api.hero(id).problem(410, "terminated");
        let _ = cluster.api.assign(id, "gotham").problem(410, "terminated");
    }
}

#[test]
fn a_hero_deleted_twice_at_once_is_deleted_once() {
    let cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    let ids = cluster.api.create(20);
    heroes.created(ids.clone());
    for id in &ids {
        let (one, other) = at_once(|| cluster.api.terminate(id), || cluster.api.terminate(id));
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 410]);
        heroes.died(id);
    }
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn heroes_created_by_many_at_once_are_all_there() {
    let cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    let created: Vec<Vec<String>> = thread::scope(|scope| {
        let creators: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| (0..10).flat_map(|_| cluster.api.create(3)).collect()))
            .collect();
        creators.into_iter().map(|creator| creator.join().expect("no panic")).collect()
    });
    heroes.created(created.into_iter().flatten());
    assert_eq!(heroes.living.len(), 240, "no id twice");
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn a_hero_sent_home_and_to_a_city_at_once_is_at_one_of_them_everywhere() {
    let cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    let ids = cluster.api.create(20);
    heroes.created(ids.clone());
    for id in &ids {
        // Home is written by dispatch itself, the city's by the city.
        let (home, city) =
            at_once(|| cluster.api.assign(id, "home"), || cluster.api.assign(id, "capitol"));
        let (home, city) = (home.expect(200), city.expect(200));
        heroes.assigned(id, if stamp(&home) > stamp(&city) { "home" } else { "capitol" });
    }
    cluster.wait_until_held(&heroes, &CITIES);
}

/// Bombs each city `bombs` times, while two threads keep assigning heroes to the same city: every
/// one of them makes dispatch send something there, often in the middle of the city's end. Returns
/// what the bombs were answered.
fn bombs_among_assignments(cluster: &Cluster, ids: &[String], bombs: u32) -> Vec<Reply> {
    let mut bombed = Vec::new();
    for (city, crashes) in (1..=bombs).flat_map(|crashes| CITIES.map(|city| (city, crashes))) {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for ids in ids.chunks(ids.len().div_ceil(2)) {
                let done = &done;
                scope.spawn(move || {
                    for id in ids.iter().cycle().take_while(|_| !done.load(Ordering::Relaxed)) {
                        let _ = cluster.api.assign(id, city);
                    }
                });
            }
            bombed.push(cluster.api.bomb(city));
            done.store(true, Ordering::Relaxed);
        });
        wait_until("the bombed city is back", HANG_TIMEOUT, || {
            let node = cluster.node(city);
            ensure(node.status == "up" && node.crashes == crashes, || {
                format!("{node:?}, and the last bomb was answered {:?}", bombed.last())
            })
        });
    }
    bombed
}

#[test]
fn a_bomb_that_hits_is_answered_as_a_hit_whatever_else_is_asked() {
    let cluster = Cluster::start(Options { max_restarts: "1000", ..Options::default() });
    let ids = cluster.api.create(20);
    cluster.wait_converged();
    let bombed = bombs_among_assignments(&cluster, &ids, 20);
    let wrong: Vec<&Reply> = bombed.iter().filter(|answer| answer.status != 202).collect();
    assert!(
        wrong.is_empty(),
        "{} of {} bombs hit and were answered otherwise: {:?}",
        wrong.len(),
        bombed.len(),
        wrong[0]
    );
}

#[test]
fn bombs_on_all_cities_while_heroes_are_created_lose_nothing_that_was_answered() {
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
fn a_refused_assignment_to_a_city_that_is_bombed_meanwhile_changed_nothing() {
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
                // Its own answer is the matter of another test.
                let _ = cluster.api.bomb(city);
            });
            start.wait();
            for id in ids {
                let reply = cluster.api.assign(id, city);
                if reply.status != 200 {
                    // The city does not answer, has not caught up yet, or went before it could
                    // tell.
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
    assert!(!refused.is_empty(), "no assignment met a bomb, so this tested nothing");
    cluster.wait_converged();
    // A write that a city answered and then lost with its memory may be gone, so only who was
    // surely refused is looked at.
    for (id, detail) in refused {
        assert_eq!(
            cluster.api.hero(&id).expect(200).json()["hero"]["location"],
            "home",
            "{detail}"
        );
    }
}
