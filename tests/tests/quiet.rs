//! Patrols and fights are switched off and on while the cluster runs.

use std::time::Duration;

use cluster_tests::{CITIES, Cluster, HANG_TIMEOUT, Options, Stopwatch, ensure, wait_until};
use serde_json::json;

#[test]
fn quiet_cities_neither_patrol_nor_fight_across_a_cut_and_a_bomb_until_dispatch_is_gone() {
    let mut cluster =
        Cluster::start(Options { patrol: "100ms", fight: "100ms", ..Options::default() });
    let api = cluster.api.clone();
    let is_quiet = || api.get("/api/v1/cluster").expect(200).json()["quiet"].clone();
    assert_eq!(is_quiet(), false);
    let quiet = |path: &str| api.post(path, &json!({})).expect(200).json();
    assert_eq!(quiet("/api/v1/quiet"), json!({ "quiet": true }));
    assert_eq!(is_quiet(), true);

    // Commands are executed, and so are those at a city that is cut off or was bombed.
    let id = api.create_named("Night Heron").id;
    cluster.wait_converged();
    let _ = api.inject(&json!({ "kind": "cut", "from": "gotham", "to": "*", "heal_after_s": 60 }));
    let _ = api.assign(&id, "gotham").expect(200);
    cluster.bomb("capitol");
    wait_until("capitol is back", HANG_TIMEOUT, || {
        let capitol = cluster.node("capitol");
        ensure(capitol.crashes == 1 && capitol.status == "up", || format!("{capitol:?}"))
    });
    let _ = api.assign(&id, "capitol").expect(200);
    let written = |city: &str| {
        let heroes = api.city(city).heroes;
        heroes.into_iter().find(|hero| hero.id == id).map(|hero| (hero.stamp, hero.is_patrolling))
    };
    let before = wait_until("both writes are observed", HANG_TIMEOUT, || {
        let written = ["gotham", "capitol"].map(written);
        let are_observed = written.iter().zip(["gotham/", "capitol/"]).all(|(written, origin)| {
            written.as_ref().is_some_and(|(stamp, _)| stamp.origin.starts_with(origin))
        });
        if are_observed { Ok(written) } else { Err(format!("{written:?}")) }
    });
    // Longer than a quiet lasts without renewal.
    let watch = Stopwatch::start();
    wait_until("four seconds have passed", HANG_TIMEOUT, || {
        assert_eq!(["gotham", "capitol"].map(written), before);
        ensure(watch.elapsed() > Duration::from_secs(4), || "four seconds have not passed".into())
    });

    let fights = |city: &str| {
        ensure(written(city) != before[0] && written(city) != before[1], || {
            format!("{:?}", written(city))
        })
    };
    assert_eq!(quiet("/api/v1/quiet/end"), json!({ "quiet": false }));
    assert_eq!(is_quiet(), false);
    wait_until("gotham patrols", HANG_TIMEOUT, || fights("gotham"));
    let quiets = api.events(0).into_iter().filter(|event| event.kind == "quiet");
    assert_eq!(quiets.count(), 2, "one event each way");

    // Without dispatch the lease ends.
    api.heal_all();
    cluster.wait_converged();
    let _ = quiet("/api/v1/quiet");
    let others = api.create(30);
    cluster.wait_converged();
    for (id, city) in others.iter().zip(CITIES.iter().cycle()) {
        let _ = api.assign(id, city).expect(200);
    }
    cluster.kill9("dispatch");
    let watch = Stopwatch::start();
    wait_until("the lease has ended", HANG_TIMEOUT, || {
        ensure(watch.elapsed() > Duration::from_secs(4), || "four seconds have not passed".into())
    });
    cluster.restart("dispatch");
    wait_until("the cities patrol", HANG_TIMEOUT, || {
        let heroes = cluster.api.city("gotham").heroes;
        ensure(heroes.iter().any(|hero| hero.is_patrolling), || format!("{heroes:?}"))
    });
}
