//! The shipped scenarios on real processes: each one passes, and each of its expectations fails
//! when inverted, so that no expectation is vacuous.

use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use cluster_tests::{Cluster, Options, run};
use scenario::{Outcome, Report, Scenario, play, shipped_by_name};
use superhero::Api;

/// The number of clusters that run in parallel. They wait more than they compute.
const PARALLEL: usize = 4;
/// The limit of one scenario: ten times the longest run.
const LIMIT: Duration = Duration::from_secs(300);

fn play_on(cluster: &Cluster, scenario: &Scenario) -> Report {
    let api = Api::new(&format!("http://{}", cluster.address("dispatch")))
        .expect("the address of a dispatch");
    play(&api, scenario, &AtomicBool::new(false), &mut |_| {})
}

#[track_caller]
fn assert_passes_and_can_fail(name: &str) {
    let scenario = shipped_by_name(name).expect("a shipped scenario");
    // Twice on the same cluster: a scenario must not depend on the state that a previous one
    // leaves.
    let cluster = Cluster::start(Options::default());
    for _ in 0..2 {
        let report = play_on(&cluster, &scenario);
        assert!(report.passed(), "{report:#?}");
    }
    drop(cluster);
    for steps in scenario.expectations().chunks(PARALLEL) {
        thread::scope(|scope| {
            for step in steps {
                let inverted = scenario.inverted(*step).expect("the step has an expectation");
                scope.spawn(move || assert_fails_at(&inverted, *step));
            }
        });
    }
}

#[track_caller]
fn assert_fails_at(inverted: &Scenario, step: usize) {
    let cluster = Cluster::start(Options::default());
    let report = play_on(&cluster, inverted);
    let failed = report.steps.iter().position(|step| step.outcome == Outcome::Failed);
    assert_eq!(failed, Some(step), "{report:#?}");
    assert!(report.steps[step].detail.contains("should not have"), "{report:#?}");
    assert!(
        report.failure.is_none() && !report.passed(),
        "the failed scenario must have been cleaned up: {report:#?}"
    );
    let remaining = cluster.api.get("/api/v1/faults").expect(200).json();
    assert_eq!(remaining["faults"].as_array().map(Vec::len), Some(0), "{remaining}");
    let gossip = cluster.api.get("/api/v1/gossip").expect(200).json();
    assert_eq!(gossip["paused"], false, "{gossip}");
}

#[test]
fn split_brain() {
    assert_passes_and_can_fail("split-brain");
}

#[test]
fn fast_clock() {
    assert_passes_and_can_fail("fast-clock");
}

#[test]
fn delete_against_a_cut() {
    assert_passes_and_can_fail("delete-against-a-cut");
}

#[test]
fn only_copy() {
    assert_passes_and_can_fail("only-copy");
}

#[test]
fn same_millisecond() {
    assert_passes_and_can_fail("same-millisecond");
}

#[test]
fn one_way_street() {
    assert_passes_and_can_fail("one-way-street");
}

#[test]
fn scenario_is_played_by_the_client_and_reported() {
    let cluster = Cluster::start(Options::default());
    let url = format!("http://{}", cluster.address("dispatch"));
    let directory = tempfile::tempdir().expect("a temporary directory");
    let report = directory.path().join("report.xml");
    let file = directory.path().join("wrong.toml");
    std::fs::write(
        &file,
        "title = \"Wrong\"\n[setup]\nheroes = 1\n[[step]]\nbomb = \"gotham\"\n\
         [[step]]\nexpect = { lost_writes = 9, within = \"100ms\" }\n",
    )
    .expect("a temporary file");
    let (report, file) =
        (report.to_str().expect("a path in UTF-8"), file.to_str().expect("a path in UTF-8"));
    let finished = run(
        "superhero",
        &["--url", &url, "play", "only-copy", file, "--junit", report],
        &[],
        LIMIT,
    );
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished.stdout.contains("only-copy: passed") && finished.stdout.contains("wrong: failed"),
        "{}",
        finished.stdout
    );
    assert!(
        finished.stdout.contains("FAILED  2/2  expect: 9 writes are lost  [observed: 0 lost]"),
        "{}",
        finished.stdout
    );
    let xml = std::fs::read_to_string(report).expect("the report was written");
    assert!(
        xml.contains(r#"<testsuite name="only-copy""#) && xml.contains(r#"failures="1""#),
        "{xml}"
    );
    let json = run("superhero", &["--url", &url, "--json", "play", "only-copy"], &[], LIMIT);
    let json: serde_json::Value =
        serde_json::from_str(&json.stdout).unwrap_or_else(|error| panic!("{error} in {json:?}"));
    assert_eq!((&json["name"], &json["outcome"]), (&"only-copy".into(), &"passed".into()));
}
