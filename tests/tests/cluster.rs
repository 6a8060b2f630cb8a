//! What the cluster is for: every city comes to hold the same heroes, whatever is done and whatever
//! breaks.

use std::collections::{BTreeMap, BTreeSet};

use cluster_tests::{
    CITIES, Cluster, Ending, HANG_TIMEOUT, Hero, Heroes, Link, NODES, Options, Signal, ensure,
    incarnation_now, wait_until,
};

use gossip::UnixMillis;
use shared::hero::{HeroId, Location};
use shared::message::{Command, Done};
use shared::{Frame, Observation};

#[test]
fn every_city_comes_to_hold_the_same_heroes_whatever_is_bombed() {
    let cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();

    let named: Vec<String> =
        ["Superman", "Batman", "Wonder Woman"].map(|name| cluster.api.create_named(name).id).into();
    heroes.created(named);
    heroes.created(cluster.api.create(47));
    cluster.wait_until_held(&heroes, &CITIES);

    let ids: Vec<String> = heroes.living.keys().cloned().collect();
    for (id, place) in ids.iter().zip(CITIES.into_iter().chain(["home"]).cycle()) {
        assert_eq!(cluster.api.assign(id, place).expect(200).json()["location"], place);
        heroes.assigned(id, place);
    }
    cluster.wait_until_held(&heroes, &CITIES);

    for id in &ids[..5] {
        let _ = cluster.api.terminate(id).expect(204);
        heroes.died(id);
    }
    cluster.wait_until_held(&heroes, &CITIES);

    for city in CITIES {
        cluster.bomb(city);
        cluster.wait_until_held(&heroes, &CITIES);
        assert_eq!(cluster.node(city).crashes, 1);
        for id in &heroes.dead {
            let _ = cluster.api.hero(id).problem(410, "terminated");
        }
    }
    let verdict = cluster.api.get("/api/v1/verdict").expect(200).json();
    assert_eq!(verdict["lost_writes"], 0, "{verdict}");
}

#[test]
fn writes_made_just_before_a_bomb_survive_when_dispatch_or_another_city_holds_them() {
    let cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    // Created at dispatch, and the cities are bombed before gossip had a chance.
    heroes.created(cluster.api.create(50));
    for city in CITIES {
        assert_eq!(cluster.api.bomb(city).status, 202);
    }
    wait_until("all cities are back", HANG_TIMEOUT, || {
        let nodes = cluster.api.nodes();
        ensure(
            CITIES.iter().all(|city| nodes[*city].crashes == 1 && nodes[*city].status == "up"),
            || format!("{nodes:?}"),
        )
    });
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn a_killed_city_catches_up_when_it_is_started_again() {
    let mut cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(20));
    cluster.wait_until_held(&heroes, &CITIES);

    cluster.kill9("metropolis");
    let before: Vec<String> = heroes.living.keys().cloned().collect();
    heroes.created(cluster.api.create(10));
    for (id, place) in before[..10].iter().zip(["gotham", "capitol"].into_iter().cycle()) {
        let _ = cluster.api.assign(id, place).expect(200);
        heroes.assigned(id, place);
    }
    for id in &before[8..12] {
        let _ = cluster.api.terminate(id).expect(204);
        heroes.died(id);
    }
    cluster.wait_until_held(&heroes, &["gotham", "capitol"]);

    cluster.restart("metropolis");
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn a_restarted_dispatch_learns_everything_from_the_cities() {
    let mut cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(20));
    let dead: Vec<String> = heroes.living.keys().take(3).cloned().collect();
    for id in &dead {
        let _ = cluster.api.terminate(id).expect(204);
        heroes.died(id);
    }
    cluster.wait_until_held(&heroes, &CITIES);
    cluster.kill9("dispatch");
    cluster.restart("dispatch");
    cluster.wait_until_held(&heroes, &CITIES);
    for id in &dead {
        // A dispatch that came when even the tombstone was collected has never heard of the hero.
        let reply = cluster.api.assign(id, "gotham");
        let _ = if reply.status == 404 {
            reply.problem(404, "unknown_hero")
        } else {
            reply.problem(410, "terminated")
        };
    }
    cluster.wait_until_held(&heroes, &CITIES);
}

/// The test takes the place of the dead dispatch at the cities' doors: it commands one of them and
/// then only looks at the others. It answers no step of any round and passes none on, so what the
/// others come to hold they have from each other.
#[test]
fn with_dispatch_stopped_the_cities_converge_among_themselves() {
    let mut cluster = Cluster::start(Options::default());
    let hero = cluster.api.create_named("Batman").id;
    let mut heroes = Heroes::default();
    heroes.created([hero.clone()]);
    cluster.wait_until_held(&heroes, &CITIES);
    cluster.kill9("dispatch");

    let me = incarnation_now();
    let id: HeroId = hero.parse().expect("an id as the API writes it");
    let gotham = cluster.address("gotham");
    let mut link = wait_until("gotham lets the next dispatch in", HANG_TIMEOUT, || {
        Link::as_member(gotham, "dispatch", me).map_err(|ending| format!("{ending:?}"))
    });
    let to = Location::City("gotham".parse().expect("a valid node name"));
    let never = UnixMillis(me + 3_600_000);
    link.send_frame(&Frame::Command {
        request: 1,
        expires: never,
        trace: None,
        command: Command::Assign { hero: id, to, copy: None },
    });
    let answered = link.receive_frame(|frame| {
        if let Frame::Answer { request: 1, result } = frame { Some(result) } else { None }
    });
    let Ok(Ok(Done::Assigned(written))) = answered else { panic!("gotham answered {answered:?}") };
    link.close();

    for city in ["metropolis", "capitol"] {
        wait_until(&format!("{city} holds what gotham wrote"), HANG_TIMEOUT, || {
            let seen = observe(&cluster, city, me).map_err(|ending| format!("{ending:?}"))?;
            let held =
                seen.changes.iter().find(|change| change.key == id).map(|change| change.entry);
            ensure(held.as_ref() == Some(&written), || format!("{held:?}"))
        });
    }
    cluster.restart("dispatch");
    heroes.assigned(&hero, "gotham");
    cluster.wait_until_held(&heroes, &CITIES);
}

/// A small city's whole truth, as dispatch would read it.
fn observe(cluster: &Cluster, city: &str, me: u64) -> Result<Observation, Ending> {
    let mut link = Link::as_member(cluster.address(city), "dispatch", me)?;
    link.send_frame(&Frame::Observe { since: 0, pulls: 0 });
    let seen =
        link.receive_frame(
            |frame| if let Frame::Observation(seen) = frame { Some(seen) } else { None },
        );
    link.close();
    seen
}

#[test]
fn with_gossip_switched_off_in_the_cities_dispatch_alone_brings_them_together() {
    let cluster = Cluster::start(Options { city_gossip: "0", ..Options::default() });
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(30));
    cluster.wait_until_held(&heroes, &CITIES);
    let ids: Vec<String> = heroes.living.keys().cloned().collect();
    for (id, place) in ids.iter().zip(CITIES.into_iter().cycle()) {
        let _ = cluster.api.assign(id, place).expect(200);
        heroes.assigned(id, place);
    }
    let _ = cluster.api.terminate(&ids[0]).expect(204);
    heroes.died(&ids[0]);
    cluster.wait_until_held(&heroes, &CITIES);
    cluster.bomb("capitol");
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn with_gossip_switched_off_in_dispatch_the_cities_still_hear_of_everything() {
    let cluster = Cluster::start(Options { dispatch_gossip: "0", poll: "0", ..Options::default() });
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(30));
    cluster.wait_until_held(&heroes, &CITIES);
    cluster.bomb("gotham");
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn ten_thousand_heroes_come_back_to_a_bombed_city() {
    let cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(10_000));
    cluster.wait_until_held(&heroes, &CITIES);
    cluster.bomb("metropolis");
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn heroes_patrol_lose_health_and_die_and_nobody_who_died_returns() {
    let cluster = Cluster::start(Options { patrol: "50ms", fight: "50ms", ..Options::default() });
    let ids = cluster.api.create(9);
    for (id, place) in ids.iter().zip(CITIES.into_iter().cycle()) {
        let _ = cluster.api.assign(id, place).expect(200);
    }
    let mut patrolled = BTreeSet::new();
    let mut wounded = BTreeSet::new();
    // Each city by itself: the moment of a death differs from city to city, its finality does not.
    let mut dead: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    // Who is missing before a city has heard of everybody is not dead there.
    let mut joined: BTreeSet<&str> = BTreeSet::new();
    wait_until("everybody has fallen", HANG_TIMEOUT, || {
        for city in CITIES {
            let seen = cluster.api.city(city);
            for hero in &seen.heroes {
                assert!((1..=100).contains(&hero.health), "{city}: {hero:?}");
                if hero.is_patrolling {
                    patrolled.insert(hero.id.clone());
                }
                if hero.health < 100 {
                    wounded.insert(hero.id.clone());
                }
                let returned = dead.get(city).is_some_and(|dead| dead.contains(&hero.id));
                assert!(!returned, "{city} holds {hero:?}, who died");
            }
            let alive: BTreeSet<String> = seen.heroes.into_iter().map(|hero| hero.id).collect();
            if alive.len() < ids.len() && joined.contains(city) {
                dead.entry(city)
                    .or_default()
                    .extend(ids.iter().filter(|id| !alive.contains(*id)).cloned());
            } else if alive.len() == ids.len() {
                joined.insert(city);
            }
        }
        ensure(
            CITIES.iter().all(|city| dead.get(city).is_some_and(|dead| dead.len() == ids.len())),
            || format!("{dead:?}"),
        )
    });
    assert_eq!(
        (patrolled.len(), wounded.len()),
        (ids.len(), ids.len()),
        "nobody falls who was not on patrol, and nobody at once"
    );

    let heroes = Heroes { living: BTreeMap::new(), dead: ids.iter().cloned().collect() };
    cluster.wait_until_held(&heroes, &CITIES);
    // A city that has forgotten the deaths learns of them again, and not of the heroes.
    cluster.bomb("gotham");
    cluster.wait_until_held(&heroes, &CITIES);
    for id in &ids {
        let _ = cluster.api.assign(id, "gotham").problem(410, "terminated");
    }
}

#[test]
fn tombstones_are_collected_when_every_city_has_heard_and_stay_while_one_is_away() {
    let mut cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    let ids = cluster.api.create(30);
    heroes.created(ids.clone());
    cluster.wait_until_held(&heroes, &CITIES);
    for id in &ids[..10] {
        let _ = cluster.api.terminate(id).expect(204);
        heroes.died(id);
    }
    cluster.wait_until_held(&heroes, &CITIES);
    let tombstones = |cluster: &Cluster, nodes: &[&str]| -> Vec<u64> {
        nodes.iter().map(|node| cluster.node(node).tombstones).collect()
    };
    wait_until("no tombstone is left", HANG_TIMEOUT, || {
        let left = tombstones(&cluster, &NODES);
        ensure(left.iter().all(|left| *left == 0), || format!("{left:?}"))
    });
    cluster.wait_until_held(&heroes, &CITIES);

    cluster.process("capitol").signal(Signal::SIGSTOP);
    for id in &ids[10..15] {
        let _ = cluster.api.terminate(id).expect(204);
        heroes.died(id);
    }
    cluster.wait_until_held(&heroes, &["gotham", "metropolis"]);
    // Many rounds later, when capitol has long been given up.
    wait_until("capitol has given no answer for a while", HANG_TIMEOUT, || {
        let capitol = cluster.node("capitol");
        ensure(capitol.age_ms.is_some_and(|age| age > 5_000), || format!("{capitol:?}"))
    });
    assert_eq!(tombstones(&cluster, &["gotham", "metropolis", "dispatch"]), [5, 5, 5]);
    cluster.process("capitol").signal(Signal::SIGCONT);
    cluster.wait_until_held(&heroes, &CITIES);
    for id in &ids[..15] {
        let _ = cluster.api.assign(id, "capitol").problem(410, "terminated");
    }
    wait_until("no tombstone is left", HANG_TIMEOUT, || {
        let left = tombstones(&cluster, &NODES);
        ensure(left.iter().all(|left| *left == 0), || format!("{left:?}"))
    });
    // The collected stay dead in a city that begins anew.
    cluster.bomb("gotham");
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn an_assignment_restores_20_health_up_to_100_and_ends_the_patrol() {
    // Fights are far enough apart for the others to hear of each, and for an order to arrive
    // between two.
    let cluster = Cluster::start(Options { patrol: "100ms", fight: "1s", ..Options::default() });
    let id = cluster.api.create_named("Batman").id;
    let _ = cluster.api.assign(&id, "gotham").expect(200);
    wait_until("Batman is badly hurt", HANG_TIMEOUT, || {
        let seen = cluster.api.city("gotham").heroes;
        ensure(seen.iter().any(|hero| hero.health < 50 && hero.is_patrolling), || {
            format!("{seen:?}")
        })
    });
    // At home nobody is hurt. A fight that gotham had begun meanwhile may win over the first order
    // to go there.
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
    assert!(health < 100, "he was healed too often to tell");
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
fn the_lives_before_a_bomb_are_closed_by_all_and_the_api_names_the_first_that_is_not() {
    let cluster = Cluster::start(Options::default());
    let ids = cluster.api.create(3);
    cluster.wait_converged();
    let _ = cluster.api.assign(&ids[0], "gotham").expect(200);
    assert_eq!(cluster.node("dispatch").closed_before, BTreeMap::new(), "nobody has died");
    cluster.bomb("gotham");
    let alive = cluster.node("gotham").incarnation.expect("gotham has just been heard");
    wait_until("all four have closed what was before the bomb", HANG_TIMEOUT, || {
        let nodes = cluster.api.nodes();
        let closed = nodes.values().all(|node| {
            let open: Vec<&String> = node
                .version_vector
                .keys()
                .filter(|incarnation| incarnation.starts_with("gotham/"))
                .collect();
            node.closed_before == BTreeMap::from([("gotham".into(), alive)])
                && open == [&format!("gotham/{alive}")]
        });
        ensure(closed, || format!("{nodes:?}"))
    });
}

#[test]
fn a_cluster_at_rest_stays_as_it_is() {
    let cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(10));
    cluster.wait_until_held(&heroes, &CITIES);
    // Agreement on heroes is not rest yet: the stamp with which a life announces itself may still
    // be under way.
    let before = wait_until("all have heard the same of each other", HANG_TIMEOUT, || {
        let nodes = cluster.api.nodes();
        let vectors = NODES.map(|node| &nodes[node].version_vector);
        ensure(
            vectors.iter().all(|vector| vector.len() == NODES.len() && *vector == vectors[0]),
            || format!("{vectors:?}"),
        )?;
        Ok(nodes)
    });
    // A later observation of each city must show the very same.
    for city in CITIES {
        let vector = before[city].version_vector.clone();
        wait_until(&format!("{city} is looked at again"), HANG_TIMEOUT, || {
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
