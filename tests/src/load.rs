//! Clients that write and an onlooker who looks at every node, all the time, and an [`Audit`] of
//! what they were told and saw.
//!
//! Only clients end heroes: nothing may fight in a cluster under load.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use shared::hero::HeroId;

use crate::api::{Api, Hero, Reply};
use crate::audit::{Audit, Fates, Look, entry, look};
use crate::cluster::Cluster;
use crate::nodes::NODES;
use crate::wait::{HANG_TIMEOUT, ensure, wait_until};

/// How many clients write.
const CLIENTS: u64 = 2;

/// What clients and the onlooker share.
#[derive(Debug)]
pub struct Load {
    audit: Mutex<Audit>,
    /// Heroes that clients know and have not asked to end.
    heroes: Mutex<Vec<HeroId>>,
    /// About how many of them there are beside those that last.
    mortals: usize,
    /// How often dispatch was killed.
    dispatch: AtomicU32,
    done: AtomicBool,
    violation: Mutex<Option<String>>,
    told: AtomicU64,
    refused: AtomicU64,
    unknown: AtomicU64,
}

/// What became of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requests {
    /// Answered as saved.
    pub saved: u64,
    /// Answered as not done.
    pub refused: u64,
    /// Answered by nobody, or that nobody knows.
    pub unknown: u64,
}

/// Ends a load when it goes out of scope, also by a panic: nobody must wait for clients that write
/// for ever.
struct Ends<'a>(&'a Load);

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

impl Load {
    /// A load on these heroes and those that clients will create; about so many there will be.
    ///
    /// # Panics
    /// When these are no ids.
    #[must_use]
    pub fn on(heroes: &[String]) -> Self {
        Self {
            audit: Mutex::default(),
            heroes: Mutex::new(heroes.iter().map(|id| id.parse().expect("a UUID")).collect()),
            mortals: heroes.len(),
            dispatch: AtomicU32::new(0),
            done: AtomicBool::new(false),
            violation: Mutex::default(),
            told: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
        }
    }

    /// Clients write and the onlooker looks for as long as `trouble` lasts.
    ///
    /// # Panics
    /// When something was seen that cannot be true.
    pub fn during<T>(&self, api: &Api, seed: u64, trouble: impl FnOnce() -> T) -> T {
        self.done.store(false, Ordering::Relaxed);
        let result = thread::scope(|scope| {
            let _ends = Ends(self);
            for client in 0..CLIENTS {
                let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_add(1 + client));
                scope.spawn(move || self.write(api, &mut rng));
            }
            scope.spawn(|| self.watch(api));
            trouble()
        });
        self.no_violation();
        result
    }

    /// Waits until clients were told of so many more saved writes.
    ///
    /// # Panics
    /// When they are not, or something was seen that cannot be true.
    #[track_caller]
    pub fn wait_for_writes(&self, writes: u64) {
        let until = self.told.load(Ordering::Relaxed) + writes;
        wait_until("clients go on writing", HANG_TIMEOUT, || {
            self.no_violation();
            let told = self.told.load(Ordering::Relaxed);
            ensure(told >= until, || format!("{told} saved of {until}"))
        });
    }

    /// Dispatch was killed: the old one answers nobody any more, and the new one nobody yet.
    pub fn dispatch_was_killed(&self) {
        self.dispatch.fetch_add(1, Ordering::SeqCst);
    }

    /// What became of all requests so far.
    #[must_use]
    pub fn requests(&self) -> Requests {
        let [saved, refused, unknown] =
            [&self.told, &self.refused, &self.unknown].map(|count| count.load(Ordering::Relaxed));
        Requests { saved, refused, unknown }
    }

    /// Asks every hero to go home, where none patrols: without that there is no rest among heroes
    /// who patrol.
    ///
    /// # Panics
    /// When something was answered that cannot be true.
    pub fn call_home(&self, api: &Api) {
        let heroes = lock(&self.heroes).clone();
        for hero in heroes {
            self.move_to(api, hero, "home");
        }
        self.no_violation();
    }

    /// Waits until nothing is under way any more, and returns what all four show then.
    ///
    /// # Panics
    /// When they do not come to rest.
    #[track_caller]
    #[must_use]
    pub fn wait_for_rest(&self, cluster: &Cluster) -> Vec<Look> {
        // A killed dispatch may take the births of some heroes with it that a city had heard of by
        // a copy; their tombstones stay.
        let tombstones_max = 5 * u64::from(self.dispatch.load(Ordering::SeqCst));
        wait_until("all is at rest", HANG_TIMEOUT, || {
            let looks = look(&cluster.api)?;
            let nodes = cluster.api.nodes();
            let up = nodes.values().all(|node| node.status == "up");
            ensure(up && looks.len() == NODES.len(), || format!("{nodes:?}"))?;
            for Look { incarnation, map, vector, tombstones } in &looks {
                ensure(vector.is_some(), || format!("{incarnation} changes"))?;
                ensure(map.fingerprint() == looks[0].map.fingerprint(), || {
                    format!("{incarnation} holds other heroes")
                })?;
                ensure(*tombstones <= tombstones_max, || {
                    format!("{incarnation} holds {tombstones} tombstones")
                })?;
            }
            for node in nodes.values() {
                let small = node.version_vector.len() <= NODES.len()
                    && node.closed_before.len() <= NODES.len();
                ensure(small, || {
                    format!(
                        "{} covers {:?}, {:?}",
                        node.name, node.version_vector, node.closed_before
                    )
                })?;
            }
            let verdict = cluster.api.get("/api/v1/verdict").expect(200).json();
            ensure(verdict["converged"] == true, || verdict.to_string()).map(|()| looks)
        })
    }

    /// Holds what all show at rest against all that was seen and told.
    ///
    /// # Panics
    /// When it cannot be true.
    #[must_use]
    pub fn fates(&self, at_rest: &[Look]) -> Fates {
        let mut audit = lock(&self.audit);
        let fates = audit
            .look(at_rest)
            .and_then(|()| audit.rest(at_rest, self.dispatch.load(Ordering::SeqCst)));
        fates.unwrap_or_else(|text| panic!("{text}"))
    }

    fn goes_on(&self) -> bool {
        !self.done.load(Ordering::Relaxed)
    }

    fn claim(&self, verdict: Result<(), String>) {
        if let Err(text) = verdict {
            lock(&self.violation).get_or_insert(text);
        }
    }

    #[track_caller]
    fn no_violation(&self) {
        let violation = lock(&self.violation).clone();
        assert!(violation.is_none(), "{}", violation.unwrap_or_default());
    }

    fn ask(&self, api: &Api, method: &str, path: &str, body: &serde_json::Value) -> Told {
        let reply = api.try_request(
            method,
            path,
            &[("content-type", "application/json")],
            body.to_string().as_bytes(),
        );
        let told = match reply {
            Err(_) => Told::Unknown,
            Ok(reply) if matches!(reply.status, 200 | 201 | 204) => Told::Saved(reply),
            Ok(reply) => {
                let problem = reply.json();
                let detail = problem["detail"].as_str().unwrap_or_default();
                match (reply.status, problem["type"].as_str().unwrap_or_default()) {
                    (503, "outcome_unknown" | "no_answer") if detail.contains("not known") => {
                        Told::Unknown
                    }
                    (503, "no_answer" | "joining")
                    | (404, "unknown_hero")
                    | (409, "not_heard_of")
                    | (410, "terminated") => Told::Refused,
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
                (0..2, Some(hero)) if mortals >= self.mortals && !Audit::lasts(hero) => {
                    self.end(api, hero)
                }
                (0..2, _) if mortals < self.mortals => self.create(api, rng),
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
        wait_until("dispatch answers", HANG_TIMEOUT, || {
            match api.try_request("GET", "/healthz", &[], &[]) {
                Err(error) if self.goes_on() => Err(error),
                Err(_) | Ok(_) => Ok(()),
            }
        });
    }

    fn create(&self, api: &Api, rng: &mut ChaCha8Rng) -> Told {
        let told = self.ask(
            api,
            "POST",
            "/api/v1/heroes",
            &json!({ "name": format!("Hero {}", rng.random::<u32>()) }),
        );
        if let Told::Saved(reply) = &told {
            let key = self.saved(reply);
            lock(&self.heroes).push(key);
        }
        told
    }

    fn assign(&self, api: &Api, hero: HeroId, rng: &mut ChaCha8Rng) -> Told {
        self.move_to(
            api,
            hero,
            ["home", "gotham", "metropolis", "capitol"].choose(rng).expect("there are four"),
        )
    }

    fn move_to(&self, api: &Api, hero: HeroId, place: &str) -> Told {
        let told = self.ask(
            api,
            "PUT",
            &format!("/api/v1/heroes/{hero}/location"),
            &json!({ "location": place }),
        );
        if let Told::Saved(reply) = &told {
            self.saved(reply);
        }
        told
    }

    fn end(&self, api: &Api, hero: HeroId) -> Told {
        lock(&self.heroes).retain(|other| *other != hero);
        lock(&self.audit).doom(hero);
        // Asked for before the next one starts, it may have been this one that answers, and is only
        // blamed if it is the last.
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
