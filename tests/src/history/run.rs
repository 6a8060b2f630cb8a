//! One run: clients, an observer and a nemesis at once, then the end of all faults and the reads of
//! the cluster at rest.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::api::Api;
use crate::audit::read_quiescent;
use crate::cluster::{Cluster, Options};
use crate::history::checker::{Rule, check};
use crate::history::generator::{Heroes, Operations, Plan};
use crate::history::nemesis::Nemesis;
use crate::history::record::{Effect, End, Event, History, Outcome, Request};
use crate::history::recorder::{Recorder, Transport};
use crate::load::{lock, wait_for_answers};
use crate::wait::{HANG_TIMEOUT, ensure, wait_until};
use superhero::Stopwatch;

/// The number of clients.
const CLIENTS: usize = 4;
/// The time that a client waits for a response; longer than dispatch waits for a city.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// The operations that complete between two observations, so that a long history fits into memory.
const BETWEEN_OBSERVATIONS: u64 = 25;
/// The number of the client that reads at the end.
const FINAL_READER: usize = CLIENTS;
/// The time in which the last lost writes are counted at rest. It only bounds the wait before a
/// failure is reported.
const SETTLING_MAX: Duration = Duration::from_secs(15);
/// The tombstones that may be left for each killed dispatch: those of heroes whose creation no
/// running node has seen.
const TOMBSTONES_PER_KILL: u64 = 20;

/// Returns the options of a cluster whose histories are recorded: its event log is complete.
#[must_use]
pub fn options() -> Options {
    Options {
        max_restarts: "1000000",
        dispatch: vec!["--max-events=1000000".to_owned()],
        ..Options::default()
    }
}

/// Runs clients and the plan of `seed` for `length`, and returns the history.
///
/// # Panics
/// If the cluster does not come to rest.
#[must_use]
pub fn run(cluster: &mut Cluster, seed: u64, length: Duration) -> History {
    let recorder = Recorder::default();
    let watch = Stopwatch::start();
    let api = Api::impatient(cluster.address("dispatch"), PATIENCE);
    during(&recorder, &api, &api, seed, || {
        let mut nemesis = Nemesis { cluster, recorder: &recorder };
        Plan::new(seed).take_while(|_| watch.elapsed() < length).for_each(|step| {
            nemesis.step(step);
        });
        nemesis.end_all();
    });
    finish(&recorder, cluster, seed)
}

/// Runs clients and an observer while `scenario` runs. `transport` carries the clients' requests.
pub fn during(
    recorder: &Recorder,
    transport: &dyn Transport,
    api: &Api,
    seed: u64,
    scenario: impl FnOnce(),
) {
    let (stopped, heroes) = (AtomicBool::new(false), Mutex::new(Heroes::default()));
    let running = || !stopped.load(Ordering::SeqCst);
    thread::scope(|scope| {
        let _stop = StopOnDrop(&stopped);
        for client in 0..CLIENTS {
            let (heroes, running) = (&heroes, &running);
            scope.spawn(move || {
                let mut operations = Operations::new(seed, client);
                while running() {
                    let (mut key, mut request) = operations.draw(&mut lock(heroes));
                    loop {
                        let operation = recorder.perform(transport, client, key, request);
                        lock(heroes).note(&operation);
                        if matches!(operation.outcome, Outcome::Unknown { .. }) {
                            wait_for_answers(api, running);
                        }
                        if !running() || !operations.repeats(&operation) {
                            break;
                        }
                        (key, request) = (operation.key, operation.request);
                    }
                }
            });
        }
        scope.spawn(|| {
            while running() {
                match recorder.observe(api) {
                    Ok(observation) => recorder.note(observation),
                    Err(_) => wait_for_answers(api, running),
                }
                let next = recorder.completed() + BETWEEN_OBSERVATIONS;
                wait_until("clients continue", HANG_TIMEOUT, || {
                    let completed = recorder.completed();
                    ensure(completed >= next || !running(), || format!("{completed} of {next}"))
                });
            }
        });
        scenario();
    });
}

/// Waits until the cluster is at rest, reads it, and returns the history.
///
/// # Panics
/// If the cluster does not come to rest.
#[must_use]
pub fn finish(recorder: &Recorder, cluster: &Cluster, seed: u64) -> History {
    let api = &cluster.api;
    let mut events = recorder.take_events();
    let kills = events.iter().filter(|event| event.is_effect(&Effect::DispatchEnded)).count();
    wait_until("the cluster is at rest", HANG_TIMEOUT, || {
        read_quiescent(api, kills as u64 * TOMBSTONES_PER_KILL).map(drop)
    });
    recorder.note(recorder.observe(api).expect("a cluster at rest answers"));
    let began = recorder.now();
    for hero in heroes(&events) {
        recorder.perform(api, FINAL_READER, None, Request::Read { hero });
    }
    events.extend(recorder.take_events());
    let mut history = History { seed, events, end: read_end(recorder, api, began) };
    // The last writes are counted as lost once every city has been read.
    let settling = Stopwatch::start();
    while settling.elapsed() < SETTLING_MAX && check(&history).names(Rule::LedgerTooLow) {
        history.end = read_end(recorder, api, began);
    }
    history
}

/// Reads the verdict and the ledger of lost writes of one moment. Writes are still counted as lost
/// for a while after a crash, so the ledger is read between two verdicts that count the same.
fn read_end(recorder: &Recorder, api: &Api, began: u64) -> End {
    let answered = "a cluster at rest answers";
    let mut before = recorder.observe(api).expect(answered);
    let settling = Stopwatch::start();
    loop {
        let lost = recorder.lost_writes(api).expect(answered);
        let last = recorder.observe(api).expect(answered);
        let is_settled = before.verdict.lost_writes == last.verdict.lost_writes;
        if is_settled || settling.elapsed() >= SETTLING_MAX {
            return End { began, last, lost, log: api.events(0) };
        }
        before = last;
    }
}

/// Returns the ids of all heroes in these events.
fn heroes(events: &[Event]) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for event in events {
        match event {
            Event::Operation(operation) => {
                ids.extend(operation.request.hero().map(str::to_owned));
                if let Outcome::Written { hero } = &operation.outcome {
                    ids.insert(hero.id.clone());
                }
            }
            Event::Observation(observation) => {
                let lists = observation.nodes.lists.values();
                ids.extend(lists.flat_map(|list| &list.heroes).map(|hero| hero.id.clone()));
            }
            Event::Action(_) => {}
        }
    }
    ids
}

/// Stops the clients when dropped, also during a panic: the scope would wait forever for them.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
