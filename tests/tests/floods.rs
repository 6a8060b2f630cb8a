//! Floods of connections, requests and frames: meanwhile the cluster converges and other clients
//! are answered, and afterwards it uses no more memory.
//!
//! Each flood runs twice for the same time; the second may leave no more behind than the first. The
//! response times of others are printed, and asserted only for long floods, which
//! `SUPERHERO_FLOOD_SECONDS` requests (`make floods`): a short test shares its machine with others.

#![cfg(target_os = "linux")]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use cluster_tests::raw::Connection;
use cluster_tests::{
    CITIES, Cluster, HANG_TIMEOUT, Heroes, Link, NODES, Options, Prober, Stopwatch,
    incarnation_now, resources, wait_until,
};
use gossip::{Hlc, Horizon, Incarnation, Origin, Stamp, UnixMillis, VersionVector};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use shared::hero::{Hero, HeroId};
use shared::{Batch, Entry, Envelope, Frame, Step, Value};

/// The duration of a flood in `make test`.
const SECONDS: u64 = 3;
/// The limit of the 99th percentile of other clients' response times during long floods.
const P99_MAX: Duration = Duration::from_millis(250);
/// The limit in bytes of memory growth from the end of the first flood to the end of the second.
const LEFT_BEHIND_MAX: u64 = 16 << 20;

fn long_seconds() -> Option<u64> {
    let seconds = std::env::var("SUPERHERO_FLOOD_SECONDS").ok()?;
    Some(
        seconds
            .parse()
            .unwrap_or_else(|error| panic!("SUPERHERO_FLOOD_SECONDS={seconds}: {error}")),
    )
}

/// A running flood, with its time limit.
struct Flood {
    watch: Stopwatch,
    duration: Duration,
    /// The number of operations so far.
    count: AtomicU64,
}

impl Flood {
    fn running(&self) -> bool {
        self.watch.elapsed() < self.duration
    }

    fn add(&self, times: u64) {
        self.count.fetch_add(times, Ordering::Relaxed);
    }
}

/// Floods the cluster twice, while others use it. The cities `held` must converge meanwhile on
/// `heroes` and the ones created here.
#[track_caller]
fn assert_survives(
    name: &str,
    mut cluster: Cluster,
    mut heroes: Heroes,
    held: &[&'static str],
    flood: impl Fn(&Cluster, &Flood) + Sync,
) {
    heroes.created(cluster.api.create(20));
    cluster.wait_until_held(&heroes, held);
    let nodes: Vec<&str> = held.iter().copied().chain(["dispatch"]).collect();
    let memory = |cluster: &mut Cluster| -> Vec<u64> {
        nodes.iter().map(|node| resources::resident_bytes(cluster.process(node))).collect()
    };
    let mut memory_used = vec![memory(&mut cluster)];
    for round in 1..=2 {
        let duration = Duration::from_secs(long_seconds().unwrap_or(SECONDS));
        let running_flood = Flood { watch: Stopwatch::start(), duration, count: AtomicU64::new(0) };
        let ((), latencies) = Prober::at(cluster.address("dispatch")).during(|| {
            thread::scope(|scope| {
                scope.spawn(|| flood(&cluster, &running_flood));
                // During the flood, new writes must reach all these cities.
                heroes.created([cluster.api.create_named(&format!("In flood {round}")).id]);
                cluster.wait_until_held(&heroes, held);
                while running_flood.running() {
                    let _ = cluster.api.get("/").expect(200);
                }
            });
        });
        memory_used.push(memory(&mut cluster));
        let count = running_flood.count.load(Ordering::Relaxed);
        assert!(count > 0, "{name}: the flood performed no operation");
        let ms = |percent| latencies.percentile(percent).as_secs_f64() * 1_000.0;
        println!(
            "{name} {round}: {count} in {duration:?}; {} responses to others, p50 {:.1} ms, \
             p99 {:.1} ms, max {:.1} ms; resident {:?} MiB",
            latencies.count(),
            ms(50),
            ms(99),
            ms(100),
            memory_used
                .iter()
                .map(|bytes| bytes.iter().map(|bytes| bytes >> 20).collect::<Vec<_>>())
                .collect::<Vec<_>>()
        );
        assert!(
            long_seconds().is_none() || latencies.percentile(99) < P99_MAX,
            "{name}: the 99th percentile of others is {:?}",
            latencies.percentile(99)
        );
    }
    for ((node, first), second) in nodes.iter().zip(&memory_used[1]).zip(&memory_used[2]) {
        assert!(
            second.saturating_sub(*first) <= LEFT_BEHIND_MAX,
            "{name}: {node} uses {first} bytes after one flood and {second} after two"
        );
    }
    for node in NODES.into_iter().filter(|node| nodes.contains(node)) {
        let process = cluster.process(node);
        assert!(
            !process.has_ended() && !process.log().contains("panicked"),
            "{name}: {node}: {}",
            process.log()
        );
    }
    cluster.wait_until_held(&heroes, held);
}

fn cluster() -> Cluster {
    resources::allow_files(5_000);
    Cluster::start(Options::default())
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address)
        .unwrap_or_else(|error| panic!("connecting to {address}: {error}"));
    stream.set_read_timeout(Some(HANG_TIMEOUT)).expect("a timeout above zero");
    stream.set_write_timeout(Some(HANG_TIMEOUT)).expect("a timeout above zero");
    stream
}

/// Pauses a flood.
fn pause(ms: u64) {
    thread::sleep(Duration::from_millis(ms));
}

#[test]
fn flood_of_idle_sockets_is_harmless() {
    assert_survives("idle sockets", cluster(), Heroes::default(), &CITIES, |cluster, flood| {
        let addresses = [cluster.address("dispatch"), cluster.address("gotham")];
        let idle: Vec<TcpStream> = (0..2_000).map(|n| connect(addresses[n % 2])).collect();
        flood.add(idle.len() as u64);
        while flood.running() {
            pause(20);
        }
    });
}

#[test]
fn flood_of_slow_headers_is_harmless() {
    assert_survives("slow loris", cluster(), Heroes::default(), &CITIES, |cluster, flood| {
        let dispatch = cluster.address("dispatch");
        let mut clients: Vec<TcpStream> = (0..200).map(|_| connect(dispatch)).collect();
        for client in &mut clients {
            client
                .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nx-slow: ")
                .expect("a new connection accepts some bytes");
        }
        while flood.running() {
            for client in &mut clients {
                // One byte of a header that never ends; closed connections are replaced.
                if client.write_all(b"x").is_err() {
                    *client = connect(dispatch);
                }
                flood.add(1);
            }
            pause(100);
        }
    });
}

#[test]
fn flood_of_garbage_is_harmless() {
    assert_survives("garbage", cluster(), Heroes::default(), &CITIES, |cluster, flood| {
        let addresses = NODES.map(|node| cluster.address(node));
        thread::scope(|scope| {
            for client in 0..50_usize {
                scope.spawn(move || {
                    let mut rng = ChaCha8Rng::seed_from_u64(client as u64);
                    while flood.running() {
                        let mut stream = connect(addresses[client % addresses.len()]);
                        let garbage: Vec<u8> =
                            (0..rng.random_range(1..8_192)).map(|_| rng.random()).collect();
                        // Errors are ignored: the server may close the connection early.
                        let _ = stream.write_all(&garbage);
                        let _ = stream.shutdown(Shutdown::Write);
                        let _ = stream.read_to_end(&mut Vec::new());
                        flood.add(1);
                    }
                });
            }
        });
    });
}

#[test]
fn flood_of_requests_is_harmless() {
    const CLIENTS: u64 = 10;
    const PIPELINED: u64 = 50;
    /// The period at which all clients together send 10,000 requests per second, if the machine
    /// can.
    const PERIOD: Duration = Duration::from_millis(1_000 * CLIENTS * PIPELINED / 10_000);
    assert_survives("requests", cluster(), Heroes::default(), &CITIES, |cluster, flood| {
        let dispatch = cluster.address("dispatch");
        let request =
            format!("GET /healthz HTTP/1.1\r\nhost: {dispatch}\r\n\r\n").repeat(PIPELINED as usize);
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    let mut client = Connection::open(dispatch, HANG_TIMEOUT)
                        .expect("dispatch accepts connections");
                    while flood.running() {
                        let watch = Stopwatch::start();
                        client.send(request.as_bytes()).expect("dispatch reads requests");
                        for _ in 0..PIPELINED {
                            assert_eq!(
                                client.read_response().expect("each request is answered").0,
                                200
                            );
                        }
                        flood.add(PIPELINED);
                        thread::sleep(PERIOD.saturating_sub(watch.elapsed()));
                    }
                });
            }
        });
    });
}

/// A simulated capitol: it responds to each pull of gotham with the batch and vector that `serve`
/// returns for its incarnation.
fn serve_gotham(
    cluster: &Cluster,
    flood: &Flood,
    serve: impl Fn(Origin, u64) -> (Batch, VersionVector),
) {
    let me = Origin {
        node: "capitol".parse().expect("a name"),
        incarnation: Incarnation::at(incarnation_now() & !1),
    };
    let mut link = wait_until("capitol can link again", HANG_TIMEOUT, || {
        Link::as_member(cluster.address("gotham"), "capitol", me.incarnation.number())
            .map_err(|disconnect| format!("{disconnect:?}"))
    });
    let mut serving = 0;
    while flood.running() {
        let pull = link.receive_frame(|frame| {
            if let Frame::Round(envelope @ Envelope { step: Step::Pull(_), .. }) = frame {
                Some(envelope)
            } else {
                None
            }
        });
        let Envelope { from, to, round, .. } =
            pull.expect("gotham keeps the link of a well-behaved member");
        let (entries, vector) = serve(me, serving);
        let envelope = |step| Frame::Round(Envelope { from: to, to: from, round, step });
        link.send_frame(&envelope(Step::Chunk { serving, number: 0, entries }));
        link.send_frame(&envelope(Step::End {
            serving,
            chunks: 1,
            vector,
            horizon: Horizon::new(),
            full: false,
            joined: true,
        }));
        serving += 1;
        flood.add(1);
    }
    link.close();
}

/// Returns the id of a hero that a flood creates.
fn forged_id(number: u64) -> HeroId {
    HeroId::from_u128(u128::from(number) + 1)
}

/// Returns a hero written by `writer`, stamped `ahead_ms` milliseconds in the future.
fn forged_hero(writer: Origin, number: u64, ahead_ms: u64) -> (HeroId, Entry, Stamp) {
    let hlc = Hlc { wall: UnixMillis(incarnation_now() + ahead_ms), logical: 0 };
    let stamp = Stamp { hlc, origin: writer };
    let hero = Hero::new(format!("Forged {number}").into());
    (forged_id(number), Entry::written(Value::Live(hero), stamp, None), stamp)
}

#[test]
fn flood_of_future_stamps_moves_no_clock() {
    const TEN_YEARS_MS: u64 = 10 * 365 * 24 * 3_600 * 1_000;
    let mut cluster = cluster();
    cluster.kill9("capitol");
    assert_survives(
        "ten years ahead",
        cluster,
        Heroes::default(),
        &["gotham", "metropolis"],
        |cluster, flood| {
            serve_gotham(cluster, flood, |me, serving| {
                let (key, entry, stamp) = forged_hero(me, serving, TEN_YEARS_MS);
                ([(key, entry)].into_iter().collect(), [stamp].into_iter().collect())
            });
        },
    );
}

#[test]
fn flood_of_replayed_deltas_changes_nothing() {
    const OLD: u64 = 100;
    let mut cluster = cluster();
    cluster.kill9("capitol");
    let previous = Origin {
        node: "capitol".parse().expect("a name"),
        incarnation: Incarnation::at((incarnation_now() - 60_000) & !1),
    };
    let mut heroes = Heroes::default();
    (0..OLD).for_each(|number| heroes.deleted(&forged_id(number).to_string()));
    assert_survives("old deltas", cluster, heroes, &["gotham", "metropolis"], |cluster, flood| {
        // The same hundred deletions of an earlier incarnation each time, with a vector that covers
        // nothing else.
        let old: Batch = (0..OLD)
            .map(|number| {
                let (key, created, mut stamp) = forged_hero(previous, number, 0);
                stamp.hlc =
                    Hlc { wall: UnixMillis(previous.incarnation.number() + number), logical: 0 };
                let (created, mut deletion) = (Entry { stamp, born: stamp, ..created }, stamp);
                deletion.hlc.logical = 1;
                (key, Entry::written(Value::Tombstone, deletion, Some(&created)))
            })
            .collect();
        let vector: VersionVector = old.iter().map(|(_, entry)| entry.stamp).collect();
        serve_gotham(cluster, flood, |_, _| (old.clone(), vector.clone()));
    });
}
