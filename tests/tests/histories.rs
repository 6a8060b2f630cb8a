//! Histories of a real cluster under all faults, recorded over the HTTP API and checked against the
//! guarantees; and errors that the checker must find, planted in histories and in real traffic.
//!
//! `SUPERHERO_HISTORIES_MINUTES` sets the length of the run, and `SUPERHERO_HISTORIES_SEED` repeats
//! the faults of a run, though not its timing.

use std::collections::BTreeMap;
use std::io::BufWriter;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use cluster_tests::history::checker::{Report, Rule, check};
use cluster_tests::history::fixture;
use cluster_tests::history::planted::{PLANTED, Planted};
use cluster_tests::history::record::History;
use cluster_tests::history::recorder::{Recorder, Transport};
use cluster_tests::history::run::{PATIENCE, during, finish, options, run};
use cluster_tests::{
    Api, Cluster, HANG_TIMEOUT, NODES, Proxy, Reply, Treatment, ensure, incarnation_now, wait_until,
};
use serde_json::Value;

/// The length of the run in `make test`.
const LENGTH: Duration = Duration::from_secs(40);

fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| {
        text.parse().unwrap_or_else(|_| panic!("{variable} must be a number, not {text:?}"))
    })
}

/// Writes a history to a file that stays, and returns its path.
fn written(history: &History) -> PathBuf {
    let name = format!("superhero-history-{}-", history.seed);
    let (file, path) = tempfile::Builder::new()
        .prefix(&name)
        .suffix(".jsonl")
        .tempfile()
        .and_then(|file| file.keep().map_err(|error| error.error))
        .expect("a temporary file can be created");
    history.write(BufWriter::new(file)).expect("a temporary file can be written");
    path
}

/// Asserts that no rule is violated.
#[track_caller]
fn assert_passes(history: &History, report: &Report) {
    if !report.violations.is_empty() {
        panic!(
            "SUPERHERO_HISTORIES_SEED={} violates {:?}; the history is in {}\n{report}",
            history.seed,
            report.rules(),
            written(history).display()
        );
    }
}

/// Asserts that the checker finds each error that has a place in this history, and returns their
/// number.
#[track_caller]
fn assert_planted_errors_are_found(history: &History) -> usize {
    let mut found = 0;
    for Planted { name, rule, plant } in PLANTED {
        let mut altered = history.clone();
        if plant(&mut altered) {
            let report = check(&altered);
            assert!(
                report.names(rule),
                "the checker did not find {name:?}; the altered history is in {}\n{report}",
                written(&altered).display()
            );
            found += 1;
        } else {
            println!("no place for the error {name:?}");
        }
    }
    found
}

#[test]
fn histories_under_all_faults_satisfy_every_rule() {
    let length = number_from("SUPERHERO_HISTORIES_MINUTES")
        .map_or(LENGTH, |minutes| Duration::from_secs(60 * minutes));
    let seed = number_from("SUPERHERO_HISTORIES_SEED").unwrap_or_else(incarnation_now);
    println!("{} s of SUPERHERO_HISTORIES_SEED={seed}", length.as_secs());
    let mut cluster = Cluster::start(options());
    let history = run(&mut cluster, seed, length);
    let report = check(&history);
    println!("{report}");
    assert_passes(&history, &report);
    for node in NODES {
        let log = cluster.process(node).log();
        assert!(!log.contains("panicked"), "{node}");
    }
    // Faults without effect or load without answers would make the test vacuous.
    let counts = report.counts;
    assert!(counts.executed > 500 && counts.refused > 0 && counts.unknown > 0, "{counts:?}");
    assert!(counts.dispatches > 1 && counts.incarnations > NODES.len(), "{counts:?}");
    assert!(counts.repeated > 0 && counts.observations > 20, "{counts:?}");
    if length <= LENGTH {
        let found = assert_planted_errors_are_found(&history);
        assert!(found >= 12, "only {found} of {} errors had a place", PLANTED.len());
    }
}

#[test]
fn planted_errors_are_found_and_the_correct_history_passes() {
    let history = fixture::history();
    let report = check(&history);
    assert!(report.violations.is_empty(), "{report}");
    let counts = report.counts;
    assert_eq!((counts.lost_min, counts.lost_max, counts.lost), (1, 1, 1));
    assert_eq!(assert_planted_errors_are_found(&history), PLANTED.len());
}

#[test]
fn write_missing_in_a_shortened_ledger_is_no_error_to_plant() {
    let mut history = fixture::history();
    history.end.lost.count += 1_000;
    let is_planted = |name: &str| {
        let planted = PLANTED.into_iter().find(|planted| planted.name == name).expect("an error");
        (planted.plant)(&mut history.clone())
    };
    assert!(!is_planted("missing hero is not in the ledger"));
    assert!(is_planted("acknowledged hero is missing"));
}

/// A client that falsifies the traffic of one kind of request, once.
struct Falsifier {
    api: Api,
    state: Mutex<Falsified>,
}

#[derive(Default)]
struct Falsified {
    /// The number of creations so far.
    creations: usize,
    /// The first response to a read of each hero.
    reads: BTreeMap<String, Reply>,
    /// The read that returns its first response from now on.
    stale: Option<String>,
}

/// Returns the stamp of gotham's copy in the response to a read.
fn stamp_in_gotham(reply: &Reply) -> Option<Value> {
    Some(reply.json()["cities"]["gotham"]["stamp"].clone()).filter(Value::is_object)
}

impl Falsifier {
    /// Acknowledges a creation that is never sent.
    fn invented(body: &Value) -> Reply {
        let hero = serde_json::json!({
            "id": "00000000-0000-4000-8000-00000000000f",
            "name": body["name"],
            "location": "home",
            "is_patrolling": false,
            "health": 100,
            "stamp": {"wall_ms": 1, "logical": 0, "origin": "dispatch/1"},
        });
        Reply { status: 201, headers: BTreeMap::new(), body: hero.to_string() }
    }
}

impl Transport for Falsifier {
    fn send(
        &self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: &Value,
    ) -> Result<Reply, String> {
        let send = |key| Transport::send(&self.api, method, path, key, body);
        let mut state = self.state.lock().expect("no client panics");
        if method == "POST" {
            state.creations += 1;
            match state.creations {
                5 => return Ok(Self::invented(body)),
                // Executed twice: the repetition carries no key.
                6 => drop(send(None)?),
                _ => {}
            }
        }
        let reply = send(key)?;
        if method == "GET" && reply.status == 200 && stamp_in_gotham(&reply).is_some() {
            let first = state.reads.entry(path.to_owned()).or_insert_with(|| reply.clone()).clone();
            if stamp_in_gotham(&first) != stamp_in_gotham(&reply) {
                state.stale.get_or_insert_with(|| path.to_owned());
            }
            if state.stale.as_deref() == Some(path) {
                return Ok(first);
            }
        }
        Ok(reply)
    }
}

/// Runs clients with this transport until so many operations have completed, and checks them.
fn checked(cluster: &Cluster, transport: &dyn Transport, operations: u64) -> (History, Report) {
    let (recorder, seed) = (Recorder::default(), incarnation_now());
    let api = Api::impatient(cluster.address("dispatch"), PATIENCE);
    during(&recorder, transport, &api, seed, || {
        wait_until("clients continue", HANG_TIMEOUT, || {
            let completed = recorder.completed();
            ensure(completed >= operations, || format!("{completed} operations"))
        });
    });
    let history = finish(&recorder, cluster, seed);
    let report = check(&history);
    (history, report)
}

#[test]
fn falsified_client_is_found() {
    let cluster = Cluster::start(options());
    let api = Api::impatient(cluster.address("dispatch"), PATIENCE);
    let falsifier = Falsifier { api, state: Mutex::default() };
    let (_, report) = checked(&cluster, &falsifier, 600);
    // A creation that was never sent, a key that was executed twice, and a read of the past.
    for rule in [Rule::CreatedHeroExists, Rule::AtMostOnce, Rule::MonotonicReads] {
        assert!(report.names(rule), "{rule:?}: {report}");
    }
}

#[test]
fn proxy_that_swallows_deletions_is_found() {
    let cluster = Cluster::start(options());
    let proxy = Proxy::start(cluster.address("dispatch"), |head| {
        if head.starts_with("DELETE ") {
            Treatment::Respond("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".into())
        } else {
            Treatment::Pass
        }
    });
    let through = Api::impatient(proxy.address(), PATIENCE);
    let (_, report) = checked(&cluster, &through, 900);
    assert!(report.names(Rule::DeletedStaysDeleted), "{report}");
}

#[test]
fn proxy_that_loses_answers_violates_no_rule() {
    let cluster = Cluster::start(options());
    let requests = std::sync::atomic::AtomicU64::new(0);
    let proxy = Proxy::start(cluster.address("dispatch"), move |_| {
        let number = requests.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        if number.is_multiple_of(7) { Treatment::Reset } else { Treatment::Pass }
    });
    let through = Api::impatient(proxy.address(), PATIENCE);
    let (history, report) = checked(&cluster, &through, 600);
    assert!(report.counts.unknown > 20, "{report}");
    assert_passes(&history, &report);
}
