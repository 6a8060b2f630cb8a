//! Whoever floods the cluster harms nobody else: it converges meanwhile, other users are answered,
//! and afterwards it holds no more memory.
//!
//! Each flood runs twice for the same time; the second may leave nothing behind that the first had
//! not. How long others wait is printed, and asserted only where `SUPERHERO_FLOOD_SECONDS` makes
//! the floods long (`make floods`): a short test shares its machine with others.

#![cfg(target_os = "linux")]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use cluster_tests::raw::Held;
use cluster_tests::{
    CITIES, Cluster, HANG_TIMEOUT, Heroes, Link, NODES, Onlooker, Options, Stopwatch,
    incarnation_now, resources, wait_until,
};
use gossip::{Hlc, Incarnation, Origin, Stamp, UnixMillis, VersionVector};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use shared::hero::{Hero, HeroId};
use shared::{Batch, Entry, Envelope, Frame, Step, Value};

/// How long a flood lasts in `make test`.
const SECONDS: u64 = 3;
/// What other users wait at most, 99 times of a hundred, where floods are long.
const P99_MAX: Duration = Duration::from_millis(250);
/// How much more memory a process may hold after the second flood than after the first, in bytes.
const LEFT_BEHIND_MAX: u64 = 16 << 20;

fn long() -> Option<u64> {
    let seconds = std::env::var("SUPERHERO_FLOOD_SECONDS").ok()?;
    Some(
        seconds
            .parse()
            .unwrap_or_else(|error| panic!("SUPERHERO_FLOOD_SECONDS={seconds}: {error}")),
    )
}

/// How long this flood has to go on.
struct Flood {
    watch: Stopwatch,
    lasts: Duration,
    /// How often something was done to the cluster.
    count: AtomicU64,
}

impl Flood {
    fn goes_on(&self) -> bool {
        self.watch.elapsed() < self.lasts
    }

    fn done(&self, times: u64) {
        self.count.fetch_add(times, Ordering::Relaxed);
    }
}

/// Floods the cluster twice, while others use it. `held` are the cities that must converge
/// meanwhile, on `heroes` and those made here.
#[track_caller]
fn survives(
    name: &str,
    mut cluster: Cluster,
    mut heroes: Heroes,
    held: &[&'static str],
    flood: impl Fn(&Cluster, &Flood) + Sync,
) {
    heroes.created(cluster.api.create(20));
    cluster.wait_until_held(&heroes, held);
    let there: Vec<&str> = held.iter().copied().chain(["dispatch"]).collect();
    let memory = |cluster: &mut Cluster| -> Vec<u64> {
        there.iter().map(|node| resources::resident_bytes(cluster.process(node))).collect()
    };
    let mut left = vec![memory(&mut cluster)];
    for round in 1..=2 {
        let lasts = Duration::from_secs(long().unwrap_or(SECONDS));
        let under_way = Flood { watch: Stopwatch::start(), lasts, count: AtomicU64::new(0) };
        let ((), waits) = Onlooker::at(cluster.address("dispatch")).during(|| {
            thread::scope(|scope| {
                scope.spawn(|| flood(&cluster, &under_way));
                // While it goes on, what somebody writes comes to everybody.
                heroes.created([cluster.api.create_named(&format!("In flood {round}")).id]);
                cluster.wait_until_held(&heroes, held);
                while under_way.goes_on() {
                    let _ = cluster.api.get("/").expect(200);
                }
            });
        });
        left.push(memory(&mut cluster));
        let count = under_way.count.load(Ordering::Relaxed);
        assert!(count > 0, "{name}: nothing was done");
        let ms = |percent| waits.percentile(percent).as_secs_f64() * 1_000.0;
        println!(
            "{name} {round}: {count} in {lasts:?}; {} answers to others, p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms; resident {:?} MiB",
            waits.count(),
            ms(50),
            ms(99),
            ms(100),
            left.iter()
                .map(|bytes| bytes.iter().map(|bytes| bytes >> 20).collect::<Vec<_>>())
                .collect::<Vec<_>>()
        );
        assert!(
            long().is_none() || waits.percentile(99) < P99_MAX,
            "{name}: others waited {:?}",
            waits.percentile(99)
        );
    }
    for ((node, first), second) in there.iter().zip(&left[1]).zip(&left[2]) {
        assert!(
            second.saturating_sub(*first) <= LEFT_BEHIND_MAX,
            "{name}: {node} held {first} bytes after one flood and {second} after two"
        );
    }
    for node in NODES.into_iter().filter(|node| there.contains(node)) {
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

/// Waits for a while in which a flood does nothing.
fn pause(ms: u64) {
    thread::sleep(Duration::from_millis(ms));
}

#[test]
fn two_thousand_idle_sockets_cost_nobody_anything() {
    survives("idle sockets", cluster(), Heroes::default(), &CITIES, |cluster, flood| {
        let addresses = [cluster.address("dispatch"), cluster.address("gotham")];
        let idle: Vec<TcpStream> = (0..2_000).map(|n| connect(addresses[n % 2])).collect();
        flood.done(idle.len() as u64);
        while flood.goes_on() {
            pause(20);
        }
    });
}

#[test]
fn slow_loris_clients_keep_nobody_out() {
    survives("slow loris", cluster(), Heroes::default(), &CITIES, |cluster, flood| {
        let dispatch = cluster.address("dispatch");
        let mut clients: Vec<TcpStream> = (0..200).map(|_| connect(dispatch)).collect();
        for client in &mut clients {
            client
                .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nx-slow: ")
                .expect("a new connection takes some bytes");
        }
        while flood.goes_on() {
            for client in &mut clients {
                // One byte of a header that never ends; who was cut off comes again.
                if client.write_all(b"x").is_err() {
                    *client = connect(dispatch);
                }
                flood.done(1);
            }
            pause(100);
        }
    });
}

#[test]
fn clients_that_send_garbage_are_turned_away() {
    survives("garbage", cluster(), Heroes::default(), &CITIES, |cluster, flood| {
        let addresses = NODES.map(|node| cluster.address(node));
        thread::scope(|scope| {
            for client in 0..50_usize {
                scope.spawn(move || {
                    let mut rng = ChaCha8Rng::seed_from_u64(client as u64);
                    while flood.goes_on() {
                        let mut stream = connect(addresses[client % addresses.len()]);
                        let garbage: Vec<u8> =
                            (0..rng.random_range(1..8_192)).map(|_| rng.random()).collect();
                        // It may be cut off before it has said all.
                        let _ = stream.write_all(&garbage);
                        let _ = stream.shutdown(Shutdown::Write);
                        let _ = stream.read_to_end(&mut Vec::new());
                        flood.done(1);
                    }
                });
            }
        });
    });
}

#[test]
fn ten_thousand_requests_a_second_leave_room_for_others() {
    const CLIENTS: u64 = 10;
    const AT_ONCE: u64 = 50;
    /// So that all clients together ask 10,000 times a second, where the machine has it in it.
    const PERIOD: Duration = Duration::from_millis(1_000 * CLIENTS * AT_ONCE / 10_000);
    survives("requests", cluster(), Heroes::default(), &CITIES, |cluster, flood| {
        let dispatch = cluster.address("dispatch");
        let request =
            format!("GET /healthz HTTP/1.1\r\nhost: {dispatch}\r\n\r\n").repeat(AT_ONCE as usize);
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    let mut client = Held::open(dispatch, HANG_TIMEOUT).expect("dispatch listens");
                    while flood.goes_on() {
                        let watch = Stopwatch::start();
                        client.say(request.as_bytes()).expect("dispatch reads");
                        for _ in 0..AT_ONCE {
                            assert_eq!(client.answer().expect("each request is answered").0, 200);
                        }
                        flood.done(AT_ONCE);
                        thread::sleep(PERIOD.saturating_sub(watch.elapsed()));
                    }
                });
            }
        });
    });
}

/// A capitol that is not: it answers each pull of gotham with what `serve` says, which is served in
/// the name of `me`.
fn serve_gotham(
    cluster: &Cluster,
    flood: &Flood,
    serve: impl Fn(Origin, u64) -> (Batch, VersionVector),
) {
    let me = Origin {
        node: "capitol".parse().expect("a name"),
        incarnation: Incarnation(incarnation_now() & !1),
    };
    let mut link = wait_until("capitol's place is free", HANG_TIMEOUT, || {
        Link::as_member(cluster.address("gotham"), "capitol", me.incarnation.0)
            .map_err(|ending| format!("{ending:?}"))
    });
    let mut serving = 0;
    while flood.goes_on() {
        let asked = link.receive_frame(|frame| {
            if let Frame::Round(envelope @ Envelope { step: Step::Pull(_), .. }) = frame {
                Some(envelope)
            } else {
                None
            }
        });
        let Envelope { from, to, round, .. } =
            asked.expect("gotham holds on to a member that speaks properly");
        let (entries, vector) = serve(me, serving);
        let said = |step| Frame::Round(Envelope { from: to, to: from, round, step });
        link.send_frame(&said(Step::Chunk { serving, number: 0, entries }));
        link.send_frame(&said(Step::End {
            serving,
            chunks: 1,
            vector,
            horizon: VersionVector::new(),
            full: false,
            joined: true,
        }));
        serving += 1;
        flood.done(1);
    }
    link.close();
}

/// The id of a hero that a flood makes.
fn from_afar(number: u64) -> HeroId {
    HeroId::from_u128(u128::from(number) + 1)
}

/// A hero that `writer` made, stamped so many milliseconds after now.
fn made(writer: Origin, number: u64, ahead_ms: u64) -> (HeroId, Entry, Stamp) {
    let hlc = Hlc { wall: UnixMillis(incarnation_now() + ahead_ms), logical: 0 };
    let stamp = Stamp { hlc, origin: writer };
    let hero = Hero::new(format!("From afar {number}").into());
    (from_afar(number), Entry::written(Value::Live(hero), stamp, None), stamp)
}

#[test]
fn a_member_whose_stamps_are_ten_years_ahead_moves_nobodys_clock() {
    const TEN_YEARS_MS: u64 = 10 * 365 * 24 * 3_600 * 1_000;
    let mut cluster = cluster();
    cluster.kill9("capitol");
    survives(
        "ten years ahead",
        cluster,
        Heroes::default(),
        &["gotham", "metropolis"],
        |cluster, flood| {
            serve_gotham(cluster, flood, |me, serving| {
                let (key, entry, stamp) = made(me, serving, TEN_YEARS_MS);
                ([(key, entry)].into_iter().collect(), [stamp].into_iter().collect())
            });
        },
    );
}

#[test]
fn a_member_that_replays_old_deltas_changes_nothing() {
    const OLD: u64 = 100;
    let mut cluster = cluster();
    cluster.kill9("capitol");
    let dead = Origin {
        node: "capitol".parse().expect("a name"),
        incarnation: Incarnation((incarnation_now() - 60_000) & !1),
    };
    let mut heroes = Heroes::default();
    (0..OLD).for_each(|number| heroes.died(&from_afar(number).to_string()));
    survives("old deltas", cluster, heroes, &["gotham", "metropolis"], |cluster, flood| {
        // The same hundred deaths in an earlier life each time, and a vector that says it never
        // heard of anything else.
        let old: Batch = (0..OLD)
            .map(|number| {
                let (key, born, mut stamp) = made(dead, number, 0);
                stamp.hlc = Hlc { wall: UnixMillis(dead.incarnation.0 + number), logical: 0 };
                let (born, mut death) = (Entry { stamp, born: stamp, ..born }, stamp);
                death.hlc.logical = 1;
                (key, Entry::written(Value::Tombstone, death, Some(&born)))
            })
            .collect();
        let vector: VersionVector = old.iter().map(|(_, entry)| entry.stamp).collect();
        serve_gotham(cluster, flood, |_, _| (old.clone(), vector.clone()));
    });
}
