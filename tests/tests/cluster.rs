//! Convergence of the whole cluster: all cities come to hold the same heroes, under every command,
//! crash and restart.

use std::collections::{BTreeMap, BTreeSet};

use cluster_tests::{
    CITIES, Cluster, Disconnect, HANG_TIMEOUT, Hero, Heroes, Link, NODES, Options, Signal, ensure,
    incarnation_now, wait_until,
};

use gossip::UnixMillis;
use shared::hero::{HeroId, Location};
use shared::message::{Command, Done};
use shared::{Frame, Observation};

#[test]
fn cities_hold_the_same_heroes_after_each_is_bombed() {
    let cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();

    let named: Vec<String> =
        ["Superman", "Batman", "Wonder Woman"].map(|name| cluster.api.create_named(name).id).into();
    heroes.created(named);
    heroes.created(cluster.api.create(47));
    cluster.wait_until_held(&heroes, &CITIES);

    let ids: Vec<String> = heroes.live.keys().cloned().collect();
    for (id, place) in ids.iter().zip(CITIES.into_iter().chain(["home"]).cycle()) {
        assert_eq!(cluster.api.assign(id, place).expect(200).json()["location"], place);
        heroes.assigned(id, place);
    }
    cluster.wait_until_held(&heroes, &CITIES);

    for id in &ids[..5] {
        let _ = cluster.api.terminate(id).expect(204);
        heroes.deleted(id);
    }
    cluster.wait_until_held(&heroes, &CITIES);

    for city in CITIES {
        cluster.bomb(city);
        cluster.wait_until_held(&heroes, &CITIES);
        assert_eq!(cluster.node(city).crashes, 1);
        for id in &heroes.deleted {
            let _ = cluster.api.hero(id).problem(410, "terminated");
        }
    }
    let verdict = cluster.api.get("/api/v1/verdict").expect(200).json();
    assert_eq!(verdict["lost_writes"], 0, "{verdict}");
}

#[test]
fn writes_just_before_bombs_survive_at_dispatch() {
    let cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    // Created at dispatch; the cities are bombed before the next gossip round.
    heroes.created(cluster.api.create(50));
    for city in CITIES {
        assert_eq!(cluster.api.bomb(city).status, 202);
    }
    wait_until("all cities are up again", HANG_TIMEOUT, || {
        let nodes = cluster.api.nodes();
        ensure(
            CITIES.iter().all(|city| nodes[*city].crashes == 1 && nodes[*city].status == "up"),
            || format!("{nodes:?}"),
        )
    });
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn killed_city_catches_up_after_restart() {
    let mut cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(20));
    cluster.wait_until_held(&heroes, &CITIES);

    cluster.kill9("metropolis");
    let before: Vec<String> = heroes.live.keys().cloned().collect();
    heroes.created(cluster.api.create(10));
    for (id, place) in before[..10].iter().zip(["gotham", "capitol"].into_iter().cycle()) {
        let _ = cluster.api.assign(id, place).expect(200);
        heroes.assigned(id, place);
    }
    for id in &before[8..12] {
        let _ = cluster.api.terminate(id).expect(204);
        heroes.deleted(id);
    }
    cluster.wait_until_held(&heroes, &["gotham", "capitol"]);

    cluster.restart("metropolis");
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn restarted_dispatch_receives_all_heroes_from_the_cities() {
    let mut cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(20));
    let deleted: Vec<String> = heroes.live.keys().take(3).cloned().collect();
    for id in &deleted {
        let _ = cluster.api.terminate(id).expect(204);
        heroes.deleted(id);
    }
    cluster.wait_until_held(&heroes, &CITIES);
    cluster.kill9("dispatch");
    cluster.restart("dispatch");
    cluster.wait_until_held(&heroes, &CITIES);
    for id in &deleted {
        // A dispatch that started after the tombstone was collected has never seen the hero.
        let reply = cluster.api.assign(id, "gotham");
        let _ = if reply.status == 404 {
            reply.problem(404, "unknown_hero")
        } else {
            reply.problem(410, "terminated")
        };
    }
    cluster.wait_until_held(&heroes, &CITIES);
}

/// The test takes the place of the killed dispatch: it sends a command to one city, and then only
/// observes the others. It neither answers nor relays gossip, so the others receive the write from
/// each other.
#[test]
fn cities_converge_without_dispatch() {
    let mut cluster = Cluster::start(Options::default());
    let hero = cluster.api.create_named("Batman").id;
    let mut heroes = Heroes::default();
    heroes.created([hero.clone()]);
    cluster.wait_until_held(&heroes, &CITIES);
    cluster.kill9("dispatch");

    let me = incarnation_now();
    let id: HeroId = hero.parse().expect("an id as the API writes it");
    let gotham = cluster.address("gotham");
    let mut link = wait_until("gotham accepts the next dispatch", HANG_TIMEOUT, || {
        Link::as_member(gotham, "dispatch", me).map_err(|disconnect| format!("{disconnect:?}"))
    });
    let to = Location::City("gotham".parse().expect("a valid node name"));
    let expires = UnixMillis(me + 3_600_000);
    link.send_frame(&Frame::Command {
        request: 1,
        expires,
        trace: None,
        command: Command::Assign { hero: id, to, copy: None },
    });
    let answer = link.receive_frame(|frame| {
        if let Frame::Answer { request: 1, result } = frame { Some(result) } else { None }
    });
    let Ok(Ok(Done::Assigned(written))) = answer else { panic!("gotham answered {answer:?}") };
    link.close();

    for city in ["metropolis", "capitol"] {
        wait_until(&format!("{city} holds what gotham wrote"), HANG_TIMEOUT, || {
            let observation =
                observe(&cluster, city, me).map_err(|disconnect| format!("{disconnect:?}"))?;
            let held = observation
                .changes
                .iter()
                .find(|change| change.key == id)
                .map(|change| change.entry);
            ensure(held.as_ref() == Some(&written), || format!("{held:?}"))
        });
    }
    cluster.restart("dispatch");
    heroes.assigned(&hero, "gotham");
    cluster.wait_until_held(&heroes, &CITIES);
}

/// Reads the complete state of a small city, as dispatch would.
fn observe(cluster: &Cluster, city: &str, me: u64) -> Result<Observation, Disconnect> {
    let mut link = Link::as_member(cluster.address(city), "dispatch", me)?;
    link.send_frame(&Frame::Observe { since: 0, pulls: 0 });
    let observation = link.receive_frame(|frame| {
        if let Frame::Observation(observation) = frame { Some(observation) } else { None }
    });
    link.close();
    observation
}

#[test]
fn dispatch_gossip_alone_makes_cities_converge() {
    let cluster = Cluster::start(Options { city_gossip: "0", ..Options::default() });
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(30));
    cluster.wait_until_held(&heroes, &CITIES);
    let ids: Vec<String> = heroes.live.keys().cloned().collect();
    for (id, place) in ids.iter().zip(CITIES.into_iter().cycle()) {
        let _ = cluster.api.assign(id, place).expect(200);
        heroes.assigned(id, place);
    }
    let _ = cluster.api.terminate(&ids[0]).expect(204);
    heroes.deleted(&ids[0]);
    cluster.wait_until_held(&heroes, &CITIES);
    cluster.bomb("capitol");
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn city_gossip_alone_delivers_everything() {
    let cluster = Cluster::start(Options { dispatch_gossip: "0", poll: "0", ..Options::default() });
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(30));
    cluster.wait_until_held(&heroes, &CITIES);
    cluster.bomb("gotham");
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn bombed_city_recovers_ten_thousand_heroes() {
    let cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(10_000));
    cluster.wait_until_held(&heroes, &CITIES);
    cluster.bomb("metropolis");
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn heroes_patrol_lose_health_and_die_for_good() {
    let cluster = Cluster::start(Options { patrol: "50ms", fight: "50ms", ..Options::default() });
    let ids = cluster.api.create(9);
    for (id, place) in ids.iter().zip(CITIES.into_iter().cycle()) {
        let _ = cluster.api.assign(id, place).expect(200);
    }
    let mut patrolled = BTreeSet::new();
    let mut wounded = BTreeSet::new();
    // Per city: cities see a death at different times, but it must be final in each.
    let mut deleted: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    // A hero that is missing before a city has received all heroes has not died there.
    let mut joined: BTreeSet<&str> = BTreeSet::new();
    wait_until("all heroes have died", HANG_TIMEOUT, || {
        for city in CITIES {
            let observation = cluster.api.city(city);
            for hero in &observation.heroes {
                assert!((1..=100).contains(&hero.health), "{city}: {hero:?}");
                if hero.is_patrolling {
                    patrolled.insert(hero.id.clone());
                }
                if hero.health < 100 {
                    wounded.insert(hero.id.clone());
                }
                let returned = deleted.get(city).is_some_and(|deleted| deleted.contains(&hero.id));
                assert!(!returned, "{city} holds {hero:?}, which had died");
            }
            let present: BTreeSet<String> =
                observation.heroes.into_iter().map(|hero| hero.id).collect();
            if present.len() < ids.len() && joined.contains(city) {
                deleted
                    .entry(city)
                    .or_default()
                    .extend(ids.iter().filter(|id| !present.contains(*id)).cloned());
            } else if present.len() == ids.len() {
                joined.insert(city);
            }
        }
        ensure(
            CITIES
                .iter()
                .all(|city| deleted.get(city).is_some_and(|deleted| deleted.len() == ids.len())),
            || format!("{deleted:?}"),
        )
    });
    assert_eq!(
        (patrolled.len(), wounded.len()),
        (ids.len(), ids.len()),
        "every hero patrolled and was wounded before its death"
    );

    let heroes = Heroes { live: BTreeMap::new(), deleted: ids.iter().cloned().collect() };
    cluster.wait_until_held(&heroes, &CITIES);
    // A city without memory of the deaths receives the tombstones again, and not the heroes.
    cluster.bomb("gotham");
    cluster.wait_until_held(&heroes, &CITIES);
    for id in &ids {
        let _ = cluster.api.assign(id, "gotham").problem(410, "terminated");
    }
}

#[test]
fn tombstones_are_collected_only_when_all_cities_have_seen_them() {
    let mut cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    let ids = cluster.api.create(30);
    heroes.created(ids.clone());
    cluster.wait_until_held(&heroes, &CITIES);
    for id in &ids[..10] {
        let _ = cluster.api.terminate(id).expect(204);
        heroes.deleted(id);
    }
    cluster.wait_until_held(&heroes, &CITIES);
    let tombstones = |cluster: &Cluster, nodes: &[&str]| -> Vec<u64> {
        nodes.iter().map(|node| cluster.node(node).tombstones).collect()
    };
    wait_until("all tombstones are collected", HANG_TIMEOUT, || {
        let left = tombstones(&cluster, &NODES);
        ensure(left.iter().all(|left| *left == 0), || format!("{left:?}"))
    });
    cluster.wait_until_held(&heroes, &CITIES);

    cluster.process("capitol").signal(Signal::SIGSTOP);
    for id in &ids[10..15] {
        let _ = cluster.api.terminate(id).expect(204);
        heroes.deleted(id);
    }
    cluster.wait_until_held(&heroes, &["gotham", "metropolis"]);
    // Many gossip rounds later, after the links to capitol have timed out.
    wait_until("capitol has been silent for over five seconds", HANG_TIMEOUT, || {
        let capitol = cluster.node("capitol");
        ensure(capitol.age_ms.is_some_and(|age| age > 5_000), || format!("{capitol:?}"))
    });
    assert_eq!(tombstones(&cluster, &["gotham", "metropolis", "dispatch"]), [5, 5, 5]);
    cluster.process("capitol").signal(Signal::SIGCONT);
    cluster.wait_until_held(&heroes, &CITIES);
    for id in &ids[..15] {
        let _ = cluster.api.assign(id, "capitol").problem(410, "terminated");
    }
    wait_until("all tombstones are collected", HANG_TIMEOUT, || {
        let left = tombstones(&cluster, &NODES);
        ensure(left.iter().all(|left| *left == 0), || format!("{left:?}"))
    });
    // Heroes whose tombstones were collected stay deleted in a city that restarts without memory.
    cluster.bomb("gotham");
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn assignment_restores_20_health_up_to_100_and_ends_patrol() {
    // Fights are far enough apart for the other cities to receive each one, and for a command to
    // arrive between two.
    let cluster = Cluster::start(Options { patrol: "100ms", fight: "1s", ..Options::default() });
    let id = cluster.api.create_named("Batman").id;
    let _ = cluster.api.assign(&id, "gotham").expect(200);
    wait_until("Batman is badly hurt", HANG_TIMEOUT, || {
        let observation = cluster.api.city("gotham").heroes;
        ensure(observation.iter().any(|hero| hero.health < 50 && hero.is_patrolling), || {
            format!("{observation:?}")
        })
    });
    // Heroes at home lose no health. A concurrent fight in gotham may win over the first command to
    // go home.
    let mut health = wait_until("Batman is at home", HANG_TIMEOUT, || {
        let _ = cluster.api.assign(&id, "home").expect(200);
        cluster.wait_converged();
        let everywhere = cluster.api.hero(&id).expect(200).json();
        let hero = everywhere["hero"].clone();
        let settled = hero["location"] == "home"
            && CITIES.iter().all(|city| everywhere["cities"][*city] == hero);
        ensure(settled, || everywhere.to_string())
            .map(|()| hero["health"].as_u64().expect("a number"))
    });
    assert!(health < 100, "the hero was healed too often for this test");
    while health < 100 {
        let hero: Hero = cluster.api.assign(&id, "home").expect(200).parse();
        health = (health + 20).min(100);
        assert_eq!(
            (u64::from(hero.health), hero.is_patrolling, hero.location.as_str()),
            (health, false, "home")
        );
    }
    let hero: Hero = cluster.api.assign(&id, "home").expect(200).parse();
    assert_eq!(hero.health, 100);
}

#[test]
fn incarnation_before_a_bomb_is_closed_at_all_nodes() {
    let cluster = Cluster::start(Options::default());
    let ids = cluster.api.create(3);
    cluster.wait_converged();
    let _ = cluster.api.assign(&ids[0], "gotham").expect(200);
    assert_eq!(cluster.node("dispatch").closed_before, BTreeMap::new(), "no incarnation has ended");
    cluster.bomb("gotham");
    let current = cluster.node("gotham").incarnation.expect("gotham has just been observed");
    wait_until("all four have closed the incarnation before the bomb", HANG_TIMEOUT, || {
        let nodes = cluster.api.nodes();
        let closed = nodes.values().all(|node| {
            let open: Vec<&String> = node
                .version_vector
                .keys()
                .filter(|incarnation| incarnation.starts_with("gotham/"))
                .collect();
            node.closed_before == BTreeMap::from([("gotham".into(), current)])
                && open == [&format!("gotham/{current}")]
        });
        ensure(closed, || format!("{nodes:?}"))
    });
}

#[test]
fn quiescent_cluster_does_not_change() {
    let cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(10));
    cluster.wait_until_held(&heroes, &CITIES);
    // Equal fingerprints are not quiescence: the first stamp of an incarnation may still be in
    // flight.
    let before = wait_until("all nodes have equal version vectors", HANG_TIMEOUT, || {
        let nodes = cluster.api.nodes();
        let vectors = NODES.map(|node| &nodes[node].version_vector);
        ensure(
            vectors.iter().all(|vector| vector.len() == NODES.len() && *vector == vectors[0]),
            || format!("{vectors:?}"),
        )?;
        Ok(nodes)
    });
    // A later observation of each city must show the same vector.
    for city in CITIES {
        let vector = before[city].version_vector.clone();
        wait_until(&format!("{city} is observed again"), HANG_TIMEOUT, || {
            let age = cluster.node(city).age_ms.unwrap_or(u64::MAX);
            ensure(age < 100, || format!("{age} ms ago"))
        });
        assert_eq!(cluster.node(city).version_vector, vector, "{city}");
    }
    assert_eq!(
        NODES.map(|node| cluster.node(node).fingerprint.clone()),
        NODES.map(|node| before[node].fingerprint.clone())
    );
}
