//! The clients' operations and the faults, drawn from a seed.
//!
//! Equal seeds draw equal faults in the same order. The operations also depend on the heroes that a
//! client knows, and so on timing.

use std::collections::{BTreeSet, VecDeque};

use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::audit::Audit;
use crate::history::record::{Operation, Outcome, Request};
use crate::nodes::{CITIES, NODES};

/// The approximate number of live heroes.
const HEROES: usize = 40;
/// The number of deleted heroes that are still read and assigned.
const DELETED: usize = 30;
/// The faults that stay in force at most, before all are healed.
const STAYING: usize = 3;

/// The heroes that the clients know.
#[derive(Clone, Debug, Default)]
pub struct Heroes {
    live: BTreeSet<String>,
    deleted: VecDeque<String>,
}

impl Heroes {
    /// Notes the outcome of an operation.
    pub fn note(&mut self, operation: &Operation) {
        match &operation.outcome {
            Outcome::Written { hero } if !self.deleted.contains(&hero.id) => {
                self.live.insert(hero.id.clone());
            }
            Outcome::Refused { status: 404 | 410, .. } => {
                let hero = operation.request.hero().unwrap_or_default().to_owned();
                self.delete(&hero);
            }
            Outcome::Written { .. }
            | Outcome::Deleted
            | Outcome::Shown { .. }
            | Outcome::Refused { .. }
            | Outcome::Unknown { .. } => {}
        }
    }

    fn delete(&mut self, hero: &str) {
        if self.live.remove(hero) {
            self.deleted.push_back(hero.to_owned());
            if self.deleted.len() > DELETED {
                self.deleted.pop_front();
            }
        }
    }
}

/// Draws the operations of one client.
#[derive(Debug)]
pub struct Operations {
    rng: ChaCha8Rng,
    prefix: String,
    drawn: u64,
}

impl Operations {
    /// Returns the operations of this client in a run with this seed.
    #[must_use]
    pub fn new(seed: u64, client: usize) -> Self {
        let rng = ChaCha8Rng::seed_from_u64(seed.wrapping_add(1 + client as u64));
        Self { rng, prefix: format!("{seed:x}-{client}"), drawn: 0 }
    }

    /// Draws a request and its idempotency key.
    pub fn draw(&mut self, heroes: &mut Heroes) -> (Option<String>, Request) {
        self.drawn += 1;
        let key = format!("{}-{}", self.prefix, self.drawn);
        let rng = &mut self.rng;
        let live: Vec<String> = heroes.live.iter().cloned().collect();
        let all: Vec<&String> = heroes.live.iter().chain(&heroes.deleted).collect();
        let create = |key: &str| Request::Create { name: format!("Hero {key}") };
        let (Some(hero), Some(any)) = (live.choose(rng), all.choose(rng)) else {
            return (Some(key.clone()), create(&key));
        };
        let any = any.to_string();
        let request = match rng.random_range(0..20) {
            0..3 if live.len() < HEROES => create(&key),
            0..3 if !Audit::lasts(hero.parse().expect("a UUID")) => {
                // At once, so that the other clients write to it at most a few more times.
                heroes.delete(hero);
                Request::Delete { hero: hero.clone() }
            }
            3..9 => return (None, Request::Read { hero: any }),
            9 => Request::Assign { hero: any, to: place(rng) },
            _ => Request::Assign { hero: hero.clone(), to: place(rng) },
        };
        (Some(key), request)
    }

    /// Draws whether an operation is sent again with its key.
    pub fn repeats(&mut self, operation: &Operation) -> bool {
        let is_unknown = matches!(operation.outcome, Outcome::Unknown { .. });
        operation.key.is_some() && self.rng.random_ratio(1, if is_unknown { 2 } else { 10 })
    }
}

fn place(rng: &mut ChaCha8Rng) -> String {
    let places = ["home", "gotham", "metropolis", "capitol"];
    (*places.choose(rng).expect("there are four")).to_owned()
}

/// A fault.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Injected over the API.
    Inject {
        /// The request.
        fault: Value,
        /// Whether it stays in force during later steps.
        stays: bool,
    },
    /// Heals all injected faults.
    HealAll,
    /// Pauses gossip during the step.
    Pause,
    /// Sets the speed of gossip during the step, in percent.
    Speed(u32),
    /// Bombs a city.
    Bomb(&'static str),
    /// Asks a city's process to exit (`stop` or `kill`), and starts it after the step.
    Exit(&'static str, &'static str),
    /// Kills a process with SIGKILL, and starts it after the step; dispatch at once.
    Kill(&'static str),
    /// Stops a process with SIGSTOP during the step.
    Suspend(&'static str),
}

/// A fault, and the numbers of operations that complete before and during it.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The fault.
    pub fault: Fault,
    /// Completed operations before it.
    pub before: u64,
    /// Completed operations during it.
    pub during: u64,
}

/// The endless sequence of steps of a seed: first each kind of fault once, then random ones.
#[derive(Debug)]
pub struct Plan {
    rng: ChaCha8Rng,
    first: Vec<usize>,
    staying: usize,
}

/// The number of kinds of fault.
const KINDS: usize = 18;
/// The kind that kills dispatch. It is rare later: the lost writes are those since its start.
const KILL_DISPATCH: usize = 0;

impl Plan {
    /// Returns the plan of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut first: Vec<usize> = (1..KINDS).collect();
        first.shuffle(&mut rng);
        // Early, so that most of a short run has one dispatch.
        first.insert(rng.random_range(0..4), KILL_DISPATCH);
        first.reverse();
        Self { rng, first, staying: 0 }
    }

    fn fault(&mut self, kind: usize) -> Fault {
        let rng = &mut self.rng;
        let mut cities = CITIES;
        cities.shuffle(rng);
        let [city, other, _] = cities;
        let mut nodes = NODES;
        nodes.shuffle(rng);
        let [from, to, ..] = nodes;
        let to = if rng.random_ratio(1, 2) { "*" } else { to };
        let stays = rng.random_ratio(1, 2);
        let inject = |mut fault: Value| {
            fault["heal_after_s"] = json!(300);
            Fault::Inject { fault, stays }
        };
        let percent = rng.random_range(5..60);
        match kind {
            KILL_DISPATCH => Fault::Kill("dispatch"),
            1 => Fault::Kill(city),
            2 => Fault::Suspend("dispatch"),
            3 => Fault::Suspend(city),
            4 => Fault::Exit(city, "stop"),
            5 => Fault::Exit(city, "kill"),
            6 => Fault::Bomb(city),
            7 => Fault::Pause,
            8 => Fault::Speed(*[10, 300, 1000].choose(rng).expect("there are three")),
            9 => inject(json!({"kind": "cut", "from": city, "to": "*"})),
            10 => inject(json!({"kind": "cut", "from": city, "to": other})),
            11 => inject(json!({"kind": "cut", "from": from, "to": to, "both": false})),
            12 => inject(json!({"kind": "loss", "from": from, "to": to, "percent": percent})),
            13 => {
                let delay = rng.random_range(20..800);
                let jitter = rng.random_range(0..=delay);
                let mut fault = json!({"kind": "delay", "from": from, "to": to});
                (fault["delay_ms"], fault["jitter_ms"]) = (json!(delay), json!(jitter));
                inject(fault)
            }
            14 => {
                let kind = *["duplicate", "reorder"].choose(rng).expect("there are two");
                inject(json!({"kind": kind, "from": from, "to": to, "percent": percent}))
            }
            15 => {
                let rate = rng.random_range(1_000..20_000);
                inject(json!({"kind": "throttle", "from": from, "to": to, "bytes_per_s": rate}))
            }
            16 => inject(json!({"kind": "freeze", "from": city})),
            _ => {
                let ahead = rng.random_range(500..4_000);
                let skew = if rng.random_ratio(1, 2) { ahead } else { -ahead };
                inject(json!({"kind": "skew", "from": from, "skew_ms": skew}))
            }
        }
    }
}

impl Iterator for Plan {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let (before, during) = (self.rng.random_range(5..60), self.rng.random_range(10..120));
        if self.staying == STAYING {
            self.staying = 0;
            return Some(Step { fault: Fault::HealAll, before, during });
        }
        let kind = self.first.pop().unwrap_or_else(|| {
            let is_kill_of_dispatch = self.rng.random_ratio(1, 150);
            if is_kill_of_dispatch { KILL_DISPATCH } else { self.rng.random_range(1..KINDS) }
        });
        let fault = self.fault(kind);
        self.staying += usize::from(matches!(fault, Fault::Inject { stays: true, .. }));
        Some(Step { fault, before, during })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plan_of_a_seed_is_repeatable_and_has_each_kind_first() {
        let steps: Vec<Step> = Plan::new(7).take(100).collect();
        assert_eq!(steps, Plan::new(7).take(100).collect::<Vec<_>>());
        assert_ne!(steps, Plan::new(8).take(100).collect::<Vec<_>>());
        let first: Vec<&Step> =
            steps.iter().filter(|step| step.fault != Fault::HealAll).take(KINDS).collect();
        let kinds: BTreeSet<String> = first
            .iter()
            .map(|step| {
                if let Fault::Inject { fault, .. } = &step.fault {
                    fault["kind"].to_string()
                } else {
                    format!("{:?}", step.fault)
                }
            })
            .collect();
        assert!(kinds.len() >= KINDS - 3, "three kinds are cuts: {kinds:?}");
        assert!(first.iter().take(4).any(|step| step.fault == Fault::Kill("dispatch")));
    }
}
