//! `recovery`: the time until a bombed city holds every hero again, and the latency of other
//! requests in the two seconds after the bomb. It measures real processes over real sockets.
//!
//! The time runs from the response to the bomb request until the city, polled on its own port,
//! holds as many heroes as before. Meanwhile requests are due at a fixed interval: reads that
//! dispatch answers, and writes at another city. Each is timed from when it was due, so waiting
//! behind a slow request counts too.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use benches::fixtures::{quiet_cluster, wait_agreed};
use benches::http::Http;
use benches::process::{Use, machine_load, percent, resident_mb};
use benches::table::{Spread, budgeted, in_ms, line, part};
use cluster_tests::wait_until;
use tokio::runtime::Runtime;
use tokio::time::{Instant, interval, sleep_until};

/// The maximum number of heroes in one create request.
const CREATE_MAX: u32 = 10_000;
/// The timeout for agreement of all nodes on all heroes.
const AGREEMENT_TIMEOUT: Duration = Duration::from_secs(180);
/// The interval at which the city is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// The interval at which other requests are due.
const PROBE_INTERVAL: Duration = Duration::from_millis(10);
/// The number of bombs, in sequence.
const BOMBS: usize = 5;
/// The time between two bombs for each 100,000 heroes, so that the effects of one bomb end before
/// the next. A city that crashes more than three times within five seconds stays down.
const BETWEEN_BOMBS: Duration = Duration::from_secs(2);

fn main() {
    let heroes: Vec<u32> = std::env::args()
        .skip(1)
        .map(|heroes| heroes.parse().expect("arguments are numbers of heroes"))
        .collect();
    let heroes = if heroes.is_empty() { vec![100_000] } else { heroes };
    println!("load average: {}", machine_load());
    for heroes in heroes {
        measure(heroes);
    }
    println!("\nload average at the end: {}", machine_load());
}

fn measure(heroes: u32) {
    let mut cluster = quiet_cluster();
    let marker = cluster.api.create_named("Marker").id;
    let mut left = heroes - 1;
    while left > 0 {
        let _ = cluster.api.create(left.min(CREATE_MAX));
        left -= left.min(CREATE_MAX);
    }
    wait_agreed(&cluster, AGREEMENT_TIMEOUT);
    part(&format!("{heroes} heroes"));
    for node in ["gotham", "dispatch"] {
        let process = cluster.process(node).id();
        let used = Use::of(&process.to_string());
        std::thread::sleep(Duration::from_secs(3));
        line(
            &format!("{node}, idle"),
            &format!("{}, {}", percent(used.share()), resident_mb(process)),
        );
    }
    let runtime = Runtime::new().expect("the runtime starts");
    let (dispatch, gotham) = (cluster.address("dispatch"), cluster.address("gotham"));
    let [mut whole, mut shown, mut writes_ms, mut reads_ms] = [const { Vec::new() }; 4];
    let mut refused = 0;
    for bombs in 1..=BOMBS {
        let over = Arc::new(AtomicBool::new(false));
        let probes = [
            runtime.spawn(probe(dispatch, Arc::clone(&over), Some(marker.clone()))),
            runtime.spawn(probe(dispatch, Arc::clone(&over), None)),
        ];
        assert_eq!(cluster.api.bomb("gotham").expect(202).json()["city"], "gotham");
        let bombed_at = Instant::now();
        let took = runtime.block_on(wait_whole(gotham, heroes, bombs, bombed_at));
        whole.push(in_ms(took));
        // Dispatch must apply the changes too, and the work delays other requests.
        wait_until("dispatch shows the city with all heroes", AGREEMENT_TIMEOUT, || {
            let reply = cluster.api.get("/api/v1/cluster");
            let nodes =
                if reply.status == 200 { reply.json()["nodes"].as_array().cloned() } else { None };
            let gotham = nodes.iter().flatten().find(|city| city["name"] == "gotham");
            if gotham.is_some_and(|gotham| gotham["heroes"] == heroes) {
                Ok(())
            } else {
                Err(format!("{gotham:?}"))
            }
        });
        shown.push(in_ms(bombed_at.elapsed()));
        // The probes continue while dispatch processes the remaining changes, which delays other
        // requests too.
        std::thread::sleep(
            (BETWEEN_BOMBS * heroes.div_ceil(100_000)).saturating_sub(bombed_at.elapsed()),
        );
        over.store(true, Ordering::Relaxed);
        let [writes, reads] =
            probes.map(|probe| runtime.block_on(probe).expect("a probe task does not panic"));
        refused += writes.refused + reads.refused;
        writes_ms.extend(writes.waited);
        reads_ms.extend(reads.waited);
    }
    let budget = if heroes > 100_000 { 6_000.0 } else { 500.0 };
    let whole = Spread::of(whole);
    budgeted(
        "from the bomb until the city holds all heroes",
        &whole.ms(),
        &format!("{budget} ms"),
        whole.at(1.0) <= budget,
    );
    line("from the bomb until dispatch shows all heroes", &Spread::of(shown).ms());
    for (what, waited) in [("write at another city", writes_ms), ("read of the verdict", reads_ms)]
    {
        let waited = Spread::of(waited);
        // A refused request has no latency, so any refusal fails the budget.
        let is_kept = waited.at(0.99) <= 50.0 && refused == 0;
        budgeted(
            &format!("{what} meanwhile ({} requests)", waited.count()),
            &waited.ms(),
            "p99 50 ms",
            is_kept,
        );
    }
    line("refused requests meanwhile", &refused.to_string());
    for node in ["gotham", "dispatch"] {
        line(&format!("{node}, memory at the end"), &resident_mb(cluster.process(node).id()));
    }
}

/// The latencies of answered requests, in milliseconds, and the number of refused ones.
struct Probed {
    waited: Vec<f64>,
    refused: usize,
}

/// Polls the city until this many bombs have hit it and it holds all heroes again. A poll must
/// first show fewer heroes, because the gauges keep the values of the previous incarnation until
/// their next update.
async fn wait_whole(city: SocketAddr, heroes: u32, bombs: usize, since: Instant) -> Duration {
    let hit = format!("superhero_crashes_total{{node=\"gotham\",cause=\"bomb\"}} {bombs}");
    let whole = format!("superhero_heroes{{node=\"gotham\"}} {heroes}");
    let mut has_lost_heroes = false;
    let mut polls = interval(POLL_INTERVAL);
    loop {
        polls.tick().await;
        assert!(
            since.elapsed() < AGREEMENT_TIMEOUT,
            "the city does not hold all heroes again; seen with fewer: {has_lost_heroes}"
        );
        let Ok(mut http) = Http::connect(city).await else { continue };
        let Ok(reply) = http.get("/metrics", "identity").await else { continue };
        let body = String::from_utf8_lossy(&reply.body);
        let contains = |what: &str| body.lines().any(|line| line == what);
        has_lost_heroes |= contains(&hit) && !contains(&whole);
        if has_lost_heroes && contains(&whole) {
            return since.elapsed();
        }
    }
}

/// Returns the latencies of periodic requests, in milliseconds, each measured from when it was due:
/// assignments of `hero`, or reads of the verdict if it is `None`.
async fn probe(dispatch: SocketAddr, over: Arc<AtomicBool>, hero: Option<String>) -> Probed {
    let mut http = Http::connect(dispatch).await.expect("dispatch is reachable");
    let (mut waited, mut refused, mut turn, mut due) = (Vec::new(), 0, 0_usize, Instant::now());
    while !over.load(Ordering::Relaxed) {
        sleep_until(due).await;
        match &hero {
            Some(hero) => match http.assign(hero, ["metropolis", "capitol"][turn % 2]).await {
                Ok(()) => waited.push(in_ms(due.elapsed())),
                Err(why) => {
                    println!("  write refused: {why}");
                    refused += 1;
                }
            },
            None => {
                let reply =
                    http.get("/api/v1/verdict", "identity").await.expect("dispatch responds");
                if reply.status.is_success() {
                    waited.push(in_ms(due.elapsed()));
                } else {
                    println!("  read refused: {}", reply.status);
                    refused += 1;
                }
            }
        }
        turn += 1;
        due += PROBE_INTERVAL;
    }
    // Requests that were due but not sent count with the time they have waited so far.
    while due < Instant::now() {
        waited.push(in_ms(due.elapsed()));
        due += PROBE_INTERVAL;
    }
    Probed { waited, refused }
}
