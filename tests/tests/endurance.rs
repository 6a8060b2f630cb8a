//! Real processes under trouble: kill -9 and bombs at random moments, while clients write all the time and somebody looks at every node all
//! the time. What must hold is what must hold in the simulator, by the same checkers.
//!
//! Nothing patrols or fights, so that only clients write, and every death is one that a client asked for. The moments are counted in saved
//! writes, so that there is never trouble without load. `SUPERHERO_CYCLES` makes the run longer than the short form, and
//! `SUPERHERO_CYCLES_SEED` repeats the choices of a run, though not its timing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use cluster_tests::{
    Api, Audit, CITIES, Cluster, Hero, Look, NODES, Options, Reply, Stopwatch, ensure, entry, incarnation_now, look, wait_until,
};
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use shared::id::HeroId;

/// How many cycles the short form has.
const CYCLES: usize = 28;
/// How many clients write.
const CLIENTS: u64 = 2;
/// How many heroes there are at first, and about how many there are later beside those that last.
const HEROES: u32 = 120;
/// Saved writes from one trouble to the next, and while a killed city is away.
const WRITES_BETWEEN: std::ops::RangeInclusive<u64> = 1..=100;
/// How long anything that must go on may take: a dispatch that was killed must come up and join.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long coming to rest may take.
const REST_PATIENCE: Duration = Duration::from_secs(60);

/// What is done to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    Kill(&'static str),
    Bomb(&'static str),
}

/// Each once in some order, and then whatever comes: never fewer than there are kinds.
fn troubles(cycles: usize, rng: &mut ChaCha8Rng) -> Vec<Trouble> {
    let each: Vec<Trouble> = NODES.map(Trouble::Kill).into_iter().chain(CITIES.map(Trouble::Bomb)).collect();
    let mut troubles = each.clone();
    troubles.shuffle(rng);
    troubles.extend((each.len()..cycles).filter_map(|_| each.choose(rng)));
    troubles
}

/// What clients and onlookers share.
#[derive(Default)]
struct Run {
    audit: Mutex<Audit>,
    /// Heroes that clients know and have not asked to end.
    heroes: Mutex<Vec<HeroId>>,
    /// How often dispatch was killed.
    dispatch: AtomicU32,
    done: AtomicBool,
    violation: Mutex<Option<String>>,
    told: AtomicU64,
    refused: AtomicU64,
    unknown: AtomicU64,
}

/// Ends a run when it goes out of scope, also by a panic: nobody must wait for clients that write for ever.
struct Ends<'a>(&'a Run);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.done.store(true, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a client was told.
enum Told {
    Saved(Reply),
    Refused,
    Unknown,
}

impl Run {
    fn goes_on(&self) -> bool {
        !self.done.load(Ordering::Relaxed)
    }

    fn claim(&self, verdict: Result<(), String>) {
        if let Err(text) = verdict {
            lock(&self.violation).get_or_insert(text);
        }
    }

    fn no_violation(&self) {
        let violation = lock(&self.violation).clone();
        assert!(violation.is_none(), "{}", violation.unwrap_or_default());
    }

    /// Waits until clients were told of so many more saved writes.
    fn wait_for_writes(&self, writes: u64) {
        let until = self.told.load(Ordering::Relaxed) + writes;
        wait_until("clients go on writing", PATIENCE, || {
            self.no_violation();
            let told = self.told.load(Ordering::Relaxed);
            ensure(told >= until, || format!("{told} saved of {until}"))
        });
    }

    fn ask(&self, api: &Api, method: &str, path: &str, body: &serde_json::Value) -> Told {
        let reply = api.try_request(method, path, &[("content-type", "application/json")], body.to_string().as_bytes());
        let told = match reply {
            Err(_) => Told::Unknown,
            Ok(reply) if matches!(reply.status, 200 | 201 | 204) => Told::Saved(reply),
            Ok(reply) => {
                let problem = reply.json();
                let detail = problem["detail"].as_str().unwrap_or_default();
                match (reply.status, problem["type"].as_str().unwrap_or_default()) {
                    (503, "outcome_unknown" | "no_answer") if detail.contains("not known") => Told::Unknown,
                    (503, "no_answer" | "joining") | (404, "unknown_hero") | (409, "not_heard_of") | (410, "terminated") => Told::Refused,
                    _ => {
                        self.claim(Err(format!("{method} {path}: {reply:?}")));
                        Told::Refused
                    }
                }
            }
        };
        let count = match &told {
            Told::Saved(_) => &self.told,
            Told::Refused => &self.refused,
            Told::Unknown => &self.unknown,
        };
        count.fetch_add(1, Ordering::Relaxed);
        told
    }

    fn saved(&self, reply: &Reply) -> HeroId {
        let (key, entry) = entry(&reply.parse::<Hero>());
        let verdict = lock(&self.audit).told(key, &entry);
        self.claim(verdict);
        key
    }

    /// A client: creates, moves and ends heroes, one request after the other.
    fn write(&self, api: &Api, rng: &mut ChaCha8Rng) {
        while self.goes_on() {
            let mortals = lock(&self.heroes).iter().filter(|hero| !Audit::lasts(**hero)).count();
            let hero = lock(&self.heroes).choose(rng).copied();
            let told = match (rng.random_range(0..10), hero) {
                (0..2, Some(hero)) if mortals >= HEROES as usize && !Audit::lasts(hero) => self.end(api, hero),
                (0..2, _) if mortals < HEROES as usize => self.create(api, rng),
                (_, Some(hero)) => self.assign(api, hero, rng),
                (_, None) => self.create(api, rng),
            };
            if matches!(told, Told::Unknown) {
                self.wait_for_dispatch(api);
            }
        }
    }

    /// Nothing is known of a dispatch that is not there; one that is answers at once.
    fn wait_for_dispatch(&self, api: &Api) {
        wait_until("dispatch answers", PATIENCE, || match api.try_request("GET", "/healthz", &[], &[]) {
            Err(error) if self.goes_on() => Err(error),
            Err(_) | Ok(_) => Ok(()),
        });
    }

    fn create(&self, api: &Api, rng: &mut ChaCha8Rng) -> Told {
        let told = self.ask(api, "POST", "/api/v1/heroes", &json!({ "name": format!("Hero {}", rng.random::<u32>()) }));
        if let Told::Saved(reply) = &told {
            let key = self.saved(reply);
            lock(&self.heroes).push(key);
        }
        told
    }

    fn assign(&self, api: &Api, hero: HeroId, rng: &mut ChaCha8Rng) -> Told {
        let place = ["home", "gotham", "metropolis", "capitol"].choose(rng).expect("there are four");
        let told = self.ask(api, "PUT", &format!("/api/v1/heroes/{hero}/location"), &json!({ "location": place }));
        if let Told::Saved(reply) = &told {
            self.saved(reply);
        }
        told
    }

    fn end(&self, api: &Api, hero: HeroId) -> Told {
        lock(&self.heroes).retain(|other| *other != hero);
        lock(&self.audit).doom(hero);
        // Asked for before the next one starts, it may have been this one that answers, and is only blamed if it is the last.
        let dispatch = self.dispatch.load(Ordering::SeqCst);
        let told = self.ask(api, "DELETE", &format!("/api/v1/heroes/{hero}"), &json!({}));
        if let Told::Saved(_) = &told {
            lock(&self.audit).told_end(hero, dispatch);
        }
        told
    }

    /// An onlooker: reads every node, one time after the other.
    fn watch(&self, api: &Api) {
        while self.goes_on() {
            match look(api) {
                Ok(looks) => {
                    let verdict = lock(&self.audit).look(&looks);
                    self.claim(verdict);
                }
                Err(_) => self.wait_for_dispatch(api),
            }
        }
    }
}

/// Does it, and undoes what a person would undo: a killed process is started again.
fn strike(trouble: Trouble, cluster: &mut Cluster, run: &Run, rng: &mut ChaCha8Rng) {
    match trouble {
        Trouble::Kill("dispatch") => {
            cluster.kill9("dispatch");
            // The old one answers nobody any more, and the new one nobody yet.
            run.dispatch.fetch_add(1, Ordering::SeqCst);
            cluster.restart("dispatch");
        }
        Trouble::Kill(city) => {
            cluster.kill9(city);
            run.wait_for_writes(rng.random_range(WRITES_BETWEEN));
            cluster.start_again(city);
        }
        // A city that has just come back may not be linked yet.
        Trouble::Bomb(city) => wait_until(&format!("a bomb hits {city}"), PATIENCE, || {
            let reply = cluster.api.bomb(city);
            ensure(reply.status == 202, || reply.body)
        }),
    }
}

/// What all four show when nothing is under way any more.
fn wait_for_rest(cluster: &Cluster, kills_of_dispatch: usize) -> Vec<Look> {
    wait_until("all is at rest", REST_PATIENCE, || {
        let looks = look(&cluster.api)?;
        let nodes = cluster.api.nodes();
        let up = nodes.values().all(|node| node.status == "up");
        ensure(up && looks.len() == NODES.len(), || format!("{nodes:?}"))?;
        for Look { life, map, vector, tombstones } in &looks {
            ensure(vector.is_some(), || format!("{life} changes"))?;
            ensure(map.fingerprint() == looks[0].map.fingerprint(), || format!("{life} holds other heroes"))?;
            // A killed dispatch may take the births of some heroes with it that a city had heard of by a copy; their tombstones stay.
            ensure(*tombstones <= 5 * kills_of_dispatch as u64, || format!("{life} holds {tombstones} tombstones"))?;
        }
        for node in nodes.values() {
            let small = node.version_vector.len() <= NODES.len() && node.closed_before.len() <= NODES.len();
            ensure(small, || format!("{} covers {:?}, {:?}", node.name, node.version_vector, node.closed_before))?;
        }
        let verdict = cluster.api.get("/api/v1/verdict").expect(200).json();
        ensure(verdict["converged"] == true, || verdict.to_string()).map(|()| looks)
    })
}

fn chosen(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number, not {text:?}")))
}

#[test]
fn kills_and_bombs_under_load_break_no_promise() {
    let cycles = chosen("SUPERHERO_CYCLES").map_or(CYCLES, |cycles| usize::try_from(cycles).expect("so many"));
    let seed = chosen("SUPERHERO_CYCLES_SEED").unwrap_or_else(incarnation_now);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let troubles = troubles(cycles, &mut rng);
    let cycles = troubles.len();
    println!("{cycles} cycles of SUPERHERO_CYCLES_SEED={seed}");
    let watch = Stopwatch::start();
    let mut cluster = Cluster::start(Options { max_restarts: "1000000", ..Options::default() });
    let run = Run::default();
    lock(&run.heroes).extend(cluster.api.create(HEROES).iter().map(|id| id.parse::<HeroId>().expect("a UUID")));

    let mut struck: BTreeMap<Trouble, usize> = BTreeMap::new();
    let api = cluster.api.clone();
    thread::scope(|scope| {
        let (run, api, ends) = (&run, &api, Ends(&run));
        for client in 0..CLIENTS {
            let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_add(1 + client));
            scope.spawn(move || run.write(api, &mut rng));
        }
        scope.spawn(|| run.watch(api));
        for trouble in troubles {
            run.wait_for_writes(rng.random_range(WRITES_BETWEEN));
            strike(trouble, &mut cluster, run, &mut rng);
            *struck.entry(trouble).or_default() += 1;
        }
        run.wait_for_writes(*WRITES_BETWEEN.end());
        drop(ends);
    });
    let troubled = watch.elapsed();
    run.no_violation();

    let looks = wait_for_rest(&cluster, struck.get(&Trouble::Kill("dispatch")).copied().unwrap_or_default());
    let mut audit = lock(&run.audit);
    let fates = audit.look(&looks).and_then(|()| audit.rest(&looks, run.dispatch.load(Ordering::SeqCst)));
    let fates = fates.unwrap_or_else(|text| panic!("{text}"));
    for node in NODES {
        let log = cluster.process(node).log();
        assert!(!log.contains("panicked") && !log.contains("ERROR"), "{node}");
    }

    // Trouble that never struck, and load that nobody answered, prove nothing.
    assert_eq!(struck.values().sum::<usize>(), cycles);
    assert!(struck.len() == NODES.len() + CITIES.len(), "{struck:?}");
    let [told, refused, unknown] = [&run.told, &run.refused, &run.unknown].map(|count| count.load(Ordering::Relaxed));
    assert!(fates.told > 10 * cycles && fates.ended > cycles / 2 && refused > 0, "{told} {refused} {unknown} {fates:?}");
    assert!(fates.lives >= NODES.len() + cycles / 2 && fates.whole > cycles as u64, "{fates:?}");

    let kills = |node| struck.get(&Trouble::Kill(node)).copied().unwrap_or_default();
    let of_cities: usize = CITIES.map(kills).iter().sum();
    println!(
        "{cycles} cycles in {:.1} s, at rest after {:.1} s: {struck:?}",
        troubled.as_secs_f64(),
        (watch.elapsed() - troubled).as_secs_f64()
    );
    println!("{of_cities} kills of cities, {} of dispatch, {} bombs", kills("dispatch"), cycles - of_cities - kills("dispatch"));
    println!("{} requests: {told} saved, {refused} refused, {unknown} unknown", told + refused + unknown);
    println!("{fates:?}");
    for look in &looks {
        println!("{} holds {} heroes, and covers {:?}", look.life, look.map.live(), look.vector.as_ref().expect("at rest"));
    }
}
