//! Clients that write and a reader that observes every node, continuously, with an [`Audit`] of the
//! acknowledged writes and the observations.
//!
//! Only clients delete heroes: fights must be disabled in a cluster under load.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use shared::hero::HeroId;

use crate::api::{Api, Hero, Reply};
use crate::audit::{Audit, AuditCounts, NodeSnapshot, entry, read_nodes, read_quiescent};
use crate::cluster::Cluster;
use crate::wait::{HANG_TIMEOUT, ensure, wait_until};

/// The number of writing clients.
const CLIENTS: u64 = 2;

/// The state shared by the clients and the reader.
#[derive(Debug)]
pub struct Load {
    audit: Mutex<Audit>,
    /// Heroes whose deletion has not been requested.
    heroes: Mutex<Vec<HeroId>>,
    /// The approximate number of them that may be deleted.
    deletable: usize,
    /// The number of times dispatch was killed.
    dispatch: AtomicU32,
    stopped: AtomicBool,
    violation: Mutex<Option<String>>,
    saved_count: AtomicU64,
    refused_count: AtomicU64,
    unknown_count: AtomicU64,
}

/// The outcomes of the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requests {
    /// Acknowledged as saved.
    pub saved: u64,
    /// Refused without effect.
    pub refused: u64,
    /// Not answered, or answered with an unknown outcome.
    pub unknown: u64,
}

/// Stops a load when dropped, also during a panic: the scope would wait forever for the clients.
struct StopOnDrop<'a>(&'a Load);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.stopped.store(true, Ordering::Relaxed);
    }
}

/// Waits for an unreachable dispatch to answer again, while `running`; returns at once if it is up.
pub(crate) fn wait_for_answers(api: &Api, running: impl Fn() -> bool) {
    wait_until("dispatch answers", HANG_TIMEOUT, || {
        match api.try_request("GET", "/healthz", &[], &[]) {
            Err(error) if running() => Err(error),
            Err(_) | Ok(_) => Ok(()),
        }
    });
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The outcome of one request.
enum Outcome {
    Saved(Reply),
    Refused,
    Unknown,
}

impl Load {
    /// Creates a load on these heroes and those that clients create; their number stays about the
    /// same.
    ///
    /// # Panics
    /// If an id is not a UUID.
    #[must_use]
    pub fn on(heroes: &[String]) -> Self {
        Self {
            audit: Mutex::default(),
            heroes: Mutex::new(heroes.iter().map(|id| id.parse().expect("a UUID")).collect()),
            deletable: heroes.len(),
            dispatch: AtomicU32::new(0),
            stopped: AtomicBool::new(false),
            violation: Mutex::default(),
            saved_count: AtomicU64::new(0),
            refused_count: AtomicU64::new(0),
            unknown_count: AtomicU64::new(0),
        }
    }

    /// Runs the clients and the reader while `scenario` runs.
    ///
    /// # Panics
    /// If a contradiction was observed.
    pub fn during<T>(&self, api: &Api, seed: u64, scenario: impl FnOnce() -> T) -> T {
        self.stopped.store(false, Ordering::Relaxed);
        let result = thread::scope(|scope| {
            let _stop = StopOnDrop(self);
            for client in 0..CLIENTS {
                let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_add(1 + client));
                scope.spawn(move || self.write(api, &mut rng));
            }
            scope.spawn(|| self.watch(api));
            scenario()
        });
        self.no_violation();
        result
    }

    /// Waits until clients have received this many further acknowledgements.
    ///
    /// # Panics
    /// If they do not, or a contradiction was observed.
    #[track_caller]
    pub fn wait_for_writes(&self, writes: u64) {
        let until = self.saved_count.load(Ordering::Relaxed) + writes;
        wait_until("clients continue to write", HANG_TIMEOUT, || {
            self.no_violation();
            let saved = self.saved_count.load(Ordering::Relaxed);
            ensure(saved >= until, || format!("{saved} of {until} writes saved"))
        });
    }

    /// Records that dispatch was killed: the old process no longer answers, and the new one does
    /// not answer yet.
    pub fn dispatch_was_killed(&self) {
        self.dispatch.fetch_add(1, Ordering::SeqCst);
    }

    /// Returns the outcomes of all requests so far.
    #[must_use]
    pub fn requests(&self) -> Requests {
        let [saved, refused, unknown] =
            [&self.saved_count, &self.refused_count, &self.unknown_count]
                .map(|count| count.load(Ordering::Relaxed));
        Requests { saved, refused, unknown }
    }

    /// Moves every hero home, where none patrols: patrolling heroes keep the cluster from becoming
    /// quiescent.
    ///
    /// # Panics
    /// If a response is a contradiction.
    pub fn move_all_home(&self, api: &Api) {
        let heroes = lock(&self.heroes).clone();
        for hero in heroes {
            self.move_to(api, hero, "home");
        }
        self.no_violation();
    }

    /// Waits until no changes are in flight, and returns the snapshots of all four nodes.
    ///
    /// # Panics
    /// If the cluster does not become quiescent.
    #[track_caller]
    #[must_use]
    pub fn wait_for_quiescence(&self, cluster: &Cluster) -> Vec<NodeSnapshot> {
        // A killed dispatch may take with it the creation of heroes that a city holds only as a
        // copy; their tombstones stay.
        let tombstones_max = 5 * u64::from(self.dispatch.load(Ordering::SeqCst));
        wait_until("the cluster is quiescent", HANG_TIMEOUT, || {
            read_quiescent(&cluster.api, tombstones_max).map(|reads| reads.snapshots())
        })
    }

    /// Checks the quiescent cluster against all observations and acknowledgements.
    ///
    /// # Panics
    /// If there is a contradiction.
    #[must_use]
    pub fn audit(&self, quiescent: &[NodeSnapshot]) -> AuditCounts {
        let mut audit = lock(&self.audit);
        let counts = audit
            .observe(quiescent)
            .and_then(|()| audit.check_quiescent(quiescent, self.dispatch.load(Ordering::SeqCst)));
        counts.unwrap_or_else(|text| panic!("{text}"))
    }

    fn running(&self) -> bool {
        !self.stopped.load(Ordering::Relaxed)
    }

    fn record(&self, verdict: Result<(), String>) {
        if let Err(text) = verdict {
            lock(&self.violation).get_or_insert(text);
        }
    }

    #[track_caller]
    fn no_violation(&self) {
        let violation = lock(&self.violation).clone();
        assert!(violation.is_none(), "{}", violation.unwrap_or_default());
    }

    fn request(&self, api: &Api, method: &str, path: &str, body: &serde_json::Value) -> Outcome {
        let reply = api.try_request(
            method,
            path,
            &[("content-type", "application/json")],
            body.to_string().as_bytes(),
        );
        let outcome = match reply {
            Err(_) => Outcome::Unknown,
            Ok(reply) if matches!(reply.status, 200 | 201 | 204) => Outcome::Saved(reply),
            Ok(reply) => {
                let problem = reply.json();
                let detail = problem["detail"].as_str().unwrap_or_default();
                match (reply.status, problem["type"].as_str().unwrap_or_default()) {
                    (503, "outcome_unknown" | "no_answer") if detail.contains("not known") => {
                        Outcome::Unknown
                    }
                    (503, "no_answer" | "joining")
                    | (404, "unknown_hero")
                    | (409, "not_heard_of")
                    | (410, "terminated") => Outcome::Refused,
                    _ => {
                        self.record(Err(format!("{method} {path}: {reply:?}")));
                        Outcome::Refused
                    }
                }
            }
        };
        let count = match &outcome {
            Outcome::Saved(_) => &self.saved_count,
            Outcome::Refused => &self.refused_count,
            Outcome::Unknown => &self.unknown_count,
        };
        count.fetch_add(1, Ordering::Relaxed);
        outcome
    }

    fn saved(&self, reply: &Reply) -> HeroId {
        let (key, entry) = entry(&reply.parse::<Hero>());
        let verdict = lock(&self.audit).note_acknowledged(key, &entry);
        self.record(verdict);
        key
    }

    /// Runs one client: creates, moves and deletes heroes, one request after the other.
    fn write(&self, api: &Api, rng: &mut ChaCha8Rng) {
        while self.running() {
            let deletable = lock(&self.heroes).iter().filter(|hero| !Audit::lasts(**hero)).count();
            let hero = lock(&self.heroes).choose(rng).copied();
            let outcome = match (rng.random_range(0..10), hero) {
                (0..2, Some(hero)) if deletable >= self.deletable && !Audit::lasts(hero) => {
                    self.delete(api, hero)
                }
                (0..2, _) if deletable < self.deletable => self.create(api, rng),
                (_, Some(hero)) => self.assign(api, hero, rng),
                (_, None) => self.create(api, rng),
            };
            if matches!(outcome, Outcome::Unknown) {
                self.wait_for_dispatch(api);
            }
        }
    }

    fn wait_for_dispatch(&self, api: &Api) {
        wait_for_answers(api, || self.running());
    }

    fn create(&self, api: &Api, rng: &mut ChaCha8Rng) -> Outcome {
        let outcome = self.request(
            api,
            "POST",
            "/api/v1/heroes",
            &json!({ "name": format!("Hero {}", rng.random::<u32>()) }),
        );
        if let Outcome::Saved(reply) = &outcome {
            let key = self.saved(reply);
            lock(&self.heroes).push(key);
        }
        outcome
    }

    fn assign(&self, api: &Api, hero: HeroId, rng: &mut ChaCha8Rng) -> Outcome {
        self.move_to(
            api,
            hero,
            ["home", "gotham", "metropolis", "capitol"].choose(rng).expect("there are four"),
        )
    }

    fn move_to(&self, api: &Api, hero: HeroId, place: &str) -> Outcome {
        let outcome = self.request(
            api,
            "PUT",
            &format!("/api/v1/heroes/{hero}/location"),
            &json!({ "location": place }),
        );
        if let Outcome::Saved(reply) = &outcome {
            self.saved(reply);
        }
        outcome
    }

    fn delete(&self, api: &Api, hero: HeroId) -> Outcome {
        // Before the request, so that the other client does not choose this hero any more.
        lock(&self.heroes).retain(|other| *other != hero);
        lock(&self.audit).note_deletion_request(hero);
        // Read before the request: the dispatch that answers has this number or a later one, and a
        // reappearing hero is a contradiction only if it is the current one.
        let dispatch = self.dispatch.load(Ordering::SeqCst);
        let outcome = self.request(api, "DELETE", &format!("/api/v1/heroes/{hero}"), &json!({}));
        if let Outcome::Saved(_) = &outcome {
            lock(&self.audit).note_acknowledged_deletion(hero, dispatch);
        }
        outcome
    }

    /// Runs the reader: observes every node, again and again.
    fn watch(&self, api: &Api) {
        while self.running() {
            match read_nodes(api) {
                Ok(snapshots) => {
                    let verdict = lock(&self.audit).observe(&snapshots);
                    self.record(verdict);
                }
                Err(_) => self.wait_for_dispatch(api),
            }
        }
    }
}
