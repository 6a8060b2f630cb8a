//! The API's description of itself: that it is OpenAPI, that dispatch keeps to it whatever it is
//! asked, and the page on which to try it.

use std::process::Command;

use cluster_tests::{
    Browser, Cluster, HANG_TIMEOUT, Launched, Options, ensure, no_complaints, python_tool,
    wait_until,
};
use serde_json::Value;

/// The same requests in every run.
const SEED: &str = "--seed=20";
/// How many are made up for each call, beside those at its bounds.
const EXAMPLES: &str = "--max-examples=10";

/// Has schemathesis ask everything that the description of `cluster` says can be asked, but for
/// what `filters` leave out.
#[track_caller]
fn hold_to_its_description(cluster: &Cluster, filters: &[&str]) {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let config =
        concat!("--config-file=", env!("CARGO_MANIFEST_DIR"), "/described/schemathesis.toml");
    let url = format!("{}api/openapi.json", cluster.api.url());
    let output = Command::new(python_tool("schemathesis"))
        .args([config, "run", &url, SEED, EXAMPLES, "--generation-database=none"])
        .args(["--no-shrink", "--continue-on-failure", "--no-color", "--request-timeout=120"])
        .args(filters)
        .current_dir(&directory)
        .output()
        .expect("schemathesis can be started");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let asked = said
        .lines()
        .find_map(|line| line.trim().split_once(" generated, "))
        .and_then(|(count, _)| count.parse::<u32>().ok());
    assert!(asked.is_some_and(|count| count > 100), "{said}");
}

#[test]
fn the_description_is_openapi() {
    let cluster = Cluster::start(Options::default());
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let written = directory.path().join("openapi.json");
    let description = cluster.api.get("/api/openapi.json").expect(200);
    assert_eq!(
        description.headers.get("content-type").map(String::as_str),
        Some("application/json")
    );
    std::fs::write(&written, &description.body)
        .expect("a file in a directory of our own can be written");
    let judged = Command::new(python_tool("openapi-spec-validator"))
        .arg(&written)
        .output()
        .expect("the validator can be started");
    assert!(
        judged.status.success(),
        "{}{}",
        String::from_utf8_lossy(&judged.stdout),
        String::from_utf8_lossy(&judged.stderr)
    );
    assert_eq!(description.json()["openapi"], "3.1.0");
}

#[test]
fn every_call_says_in_words_what_it_does_and_what_it_may_answer() {
    let cluster = Cluster::start(Options::default());
    let description = cluster.api.get("/api/openapi.json").expect(200).json();
    let paths = description["paths"].as_object().expect("paths");
    let calls: Vec<(String, &Value)> = paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object()
                .expect("calls")
                .iter()
                .map(move |(method, call)| (format!("{method} {path}"), call))
        })
        .collect();
    assert!(calls.len() > 30, "{}", calls.len());
    for (name, call) in calls {
        assert!(
            call["summary"].as_str().is_some_and(|words| !words.is_empty()),
            "{name} has no summary"
        );
        assert!(
            call["tags"].as_array().is_some_and(|tags| tags.len() == 1),
            "{name} has not one tag"
        );
        for (status, answer) in call["responses"].as_object().expect("answers") {
            assert!(
                answer["description"].as_str().is_some_and(|words| !words.is_empty()),
                "{name} {status} says nothing"
            );
            let is_problem = answer["content"].get("application/problem+json").is_some();
            assert_eq!(
                is_problem,
                status.as_str() >= "400" && name != "get /readyz",
                "{name} {status}"
            );
        }
        let changes = !name.starts_with("get ");
        assert_eq!(call["responses"].get("403").is_some(), changes, "{name}");
    }
}

#[test]
fn dispatch_keeps_to_its_description_whatever_it_is_asked() {
    // Cities are bombed all the time, and should not give up.
    let mut cluster = Cluster::start(Options { max_restarts: "100000", ..Options::default() });
    let ends = [
        "--exclude-operation-id=stop",
        "--exclude-operation-id=kill",
        "--exclude-operation-id=forget",
        "--exclude-operation-id=rebuild",
    ];
    // A scenario asks for things by itself, and the metrics are held to their format elsewhere.
    let filters =
        [&ends[..], &["--exclude-operation-id=play_scenario", "--exclude-operation-id=metrics"]]
            .concat();
    hold_to_its_description(&cluster, &filters);
    assert!(!cluster.process("dispatch").has_ended());
    let log = cluster.process("dispatch").log();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn cities_are_ended_and_started_again_as_described() {
    let launched = Launched::start();
    let only = ["stop", "kill", "forget", "rebuild", "play_scenario", "cluster"]
        .map(|call| format!("--include-operation-id={call}"));
    hold_to_its_description(&launched.cluster, &only.each_ref().map(String::as_str));
    assert_eq!(launched.cluster.api.get("/healthz").status, 200);
}

#[test]
fn the_api_is_read_and_tried_on_its_page() {
    let cluster = Cluster::start(Options::default());
    let browser = Browser::start();
    browser.open(&format!("{}help", cluster.api.url()));
    browser.click("link", "the API");
    let click = |what: &str, selector: &str| {
        wait_until(what, HANG_TIMEOUT, || {
            let clicked = browser.evaluate(&format!(
                "const it = document.querySelector('{selector}'); it?.click(); return !!it"
            ));
            ensure(clicked == true, || "it is not there".into())
        });
    };
    click("the call is listed", "#operations-cluster-verdict .opblock-summary-control");
    click("it can be tried", "#operations-cluster-verdict .try-out__btn");
    click("it can be sent", "#operations-cluster-verdict .execute");
    browser.wait_text(
        "#operations-cluster-verdict .live-responses-table .response .response-col_status",
        "200",
        |text| text.starts_with("200"),
    );
    browser.wait_text(
        "#operations-cluster-verdict .live-responses-table .microlight",
        "the verdict",
        |text| text.contains("\"converged\""),
    );
    no_complaints(&browser, &[]);
}
