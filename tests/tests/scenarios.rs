//! The shipped scenarios on real processes: each passes; and each of its expectations, turned
//! around, fails, so that none of them is one that cannot fail.

use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use cluster_tests::{Cluster, Options, run};
use scenario::{Outcome, Report, Scenario, play, shipped_by_name};
use superhero::Api;

/// How many clusters run at once. They wait more than they work.
const AT_ONCE: usize = 4;
/// The limit of one scenario: ten times what the longest one takes.
const LIMIT: Duration = Duration::from_secs(300);

fn played(cluster: &Cluster, scenario: &Scenario) -> Report {
    let api = Api::new(&format!("http://{}", cluster.address("dispatch")))
        .expect("the address of a dispatch");
    play(&api, scenario, &AtomicBool::new(false), &mut |_| {})
}

#[track_caller]
fn passes_and_can_fail(name: &str) {
    let scenario = shipped_by_name(name).expect("a shipped scenario");
    // Twice on the same cluster: what it leaves behind does not matter to it.
    let cluster = Cluster::start(Options::default());
    for _ in 0..2 {
        let report = played(&cluster, &scenario);
        assert!(report.passed(), "{report:#?}");
    }
    drop(cluster);
    for some in scenario.expectations().chunks(AT_ONCE) {
        thread::scope(|scope| {
            for step in some {
                let inverted = scenario.inverted(*step).expect("the step expects something");
                scope.spawn(move || fails_at(&inverted, *step));
            }
        });
    }
}

#[track_caller]
fn fails_at(inverted: &Scenario, step: usize) {
    let cluster = Cluster::start(Options::default());
    let report = played(&cluster, inverted);
    let failed = report.steps.iter().position(|step| step.outcome == Outcome::Failed);
    assert_eq!(failed, Some(step), "{report:#?}");
    assert!(report.steps[step].detail.contains("should not have"), "{report:#?}");
    assert!(report.failure.is_none() && !report.passed(), "it was cleaned up after: {report:#?}");
    let left = cluster.api.get("/api/v1/faults").expect(200).json();
    assert_eq!(left["faults"].as_array().map(Vec::len), Some(0), "{left}");
    let gossip = cluster.api.get("/api/v1/gossip").expect(200).json();
    assert_eq!(gossip["paused"], false, "{gossip}");
}

#[test]
fn split_brain() {
    passes_and_can_fail("split-brain");
}

#[test]
fn fast_clock() {
    passes_and_can_fail("fast-clock");
}

#[test]
fn delete_against_a_cut() {
    passes_and_can_fail("delete-against-a-cut");
}

#[test]
fn only_copy() {
    passes_and_can_fail("only-copy");
}

#[test]
fn same_millisecond() {
    passes_and_can_fail("same-millisecond");
}

#[test]
fn one_way_street() {
    passes_and_can_fail("one-way-street");
}

#[test]
fn a_scenario_is_played_from_a_terminal_and_reported() {
    let cluster = Cluster::start(Options::default());
    let url = format!("http://{}", cluster.address("dispatch"));
    let directory = tempfile::tempdir().expect("a temporary directory");
    let report = directory.path().join("report.xml");
    let file = directory.path().join("wrong.toml");
    std::fs::write(
        &file,
        "title = \"Wrong\"\n[setup]\nheroes = 1\n[[step]]\nbomb = \"gotham\"\n[[step]]\nexpect = { lost_writes = 9, within = \"100ms\" }\n",
    )
    .expect("a file of our own");
    let (report, file) =
        (report.to_str().expect("a path in UTF-8"), file.to_str().expect("a path in UTF-8"));
    let played = run(
        "superhero",
        &["--url", &url, "play", "only-copy", file, "--junit", report],
        &[],
        LIMIT,
    );
    assert_eq!(played.code, Some(1), "{played:?}");
    assert!(
        played.stdout.contains("only-copy: passed") && played.stdout.contains("wrong: failed"),
        "{}",
        played.stdout
    );
    assert!(
        played.stdout.contains("FAILED  2/2  expect: 9 writes are lost  [seen instead: 0 lost]"),
        "{}",
        played.stdout
    );
    let xml = std::fs::read_to_string(report).expect("a report was written");
    assert!(
        xml.contains(r#"<testsuite name="only-copy""#) && xml.contains(r#"failures="1""#),
        "{xml}"
    );
    let json = run("superhero", &["--url", &url, "--json", "play", "only-copy"], &[], LIMIT);
    let json: serde_json::Value =
        serde_json::from_str(&json.stdout).unwrap_or_else(|error| panic!("{error} in {json:?}"));
    assert_eq!((&json["name"], &json["outcome"]), (&"only-copy".into(), &"passed".into()));
}
