//! The API's description: it is valid OpenAPI, dispatch conforms to it for any request, and the
//! page to try it works.

use std::process::Command;

use cluster_tests::{
    Browser, Cluster, HANG_TIMEOUT, Launched, Options, assert_no_problems, ensure, python_tool,
    wait_until,
};
use serde_json::Value;

/// Equal requests in every run.
const SEED: &str = "--seed=20";
/// The number of random requests per operation, in addition to those at the bounds.
const EXAMPLES: &str = "--max-examples=10";

/// Runs schemathesis on every operation in the description of `cluster`, except those that
/// `filters` exclude.
#[track_caller]
fn assert_conforms(cluster: &Cluster, filters: &[&str]) {
    let directory = tempfile::tempdir().expect("a temporary directory can be created");
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
    let output_text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output_text}{}", String::from_utf8_lossy(&output.stderr));
    let requests = output_text
        .lines()
        .find_map(|line| line.trim().split_once(" generated, "))
        .and_then(|(count, _)| count.parse::<u32>().ok());
    assert!(requests.is_some_and(|count| count > 100), "{output_text}");
}

#[test]
fn description_is_valid_openapi() {
    let cluster = Cluster::start(Options::default());
    let directory = tempfile::tempdir().expect("a temporary directory can be created");
    let file = directory.path().join("openapi.json");
    let description = cluster.api.get("/api/openapi.json").expect(200);
    assert_eq!(
        description.headers.get("content-type").map(String::as_str),
        Some("application/json")
    );
    std::fs::write(&file, &description.body)
        .expect("a file in a temporary directory can be written");
    let validation = Command::new(python_tool("openapi-spec-validator"))
        .arg(&file)
        .output()
        .expect("the validator can be started");
    assert!(
        validation.status.success(),
        "{}{}",
        String::from_utf8_lossy(&validation.stdout),
        String::from_utf8_lossy(&validation.stderr)
    );
    assert_eq!(description.json()["openapi"], "3.1.0");
}

#[test]
fn operations_and_responses_have_descriptions() {
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
            "{name} must have a summary"
        );
        assert!(
            call["tags"].as_array().is_some_and(|tags| tags.len() == 1),
            "{name} must have exactly one tag"
        );
        for (status, response) in call["responses"].as_object().expect("responses") {
            assert!(
                response["description"].as_str().is_some_and(|words| !words.is_empty()),
                "{name} {status} must have a description"
            );
            let is_problem = response["content"].get("application/problem+json").is_some();
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
fn dispatch_conforms_to_its_description() {
    // Cities are bombed continuously, and must not reach their restart limit.
    let mut cluster = Cluster::start(Options { max_restarts: "100000", ..Options::default() });
    let stopping = [
        "--exclude-operation-id=stop",
        "--exclude-operation-id=kill",
        "--exclude-operation-id=forget",
        "--exclude-operation-id=rebuild",
    ];
    // A played scenario sends requests of its own, and the format of the metrics is tested
    // elsewhere.
    let filters = [
        &stopping[..],
        &["--exclude-operation-id=play_scenario", "--exclude-operation-id=metrics"],
    ]
    .concat();
    assert_conforms(&cluster, &filters);
    assert!(!cluster.process("dispatch").has_ended());
    let log = cluster.process("dispatch").log();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn process_operations_conform_to_the_description() {
    let launched = Launched::start();
    let included = ["stop", "kill", "forget", "rebuild", "play_scenario", "cluster"]
        .map(|call| format!("--include-operation-id={call}"));
    assert_conforms(&launched.cluster, &included.each_ref().map(String::as_str));
    assert_eq!(launched.cluster.api.get("/healthz").status, 200);
}

#[test]
fn api_page_lists_and_sends_requests() {
    let cluster = Cluster::start(Options::default());
    let browser = Browser::start();
    browser.open(&format!("{}help", cluster.api.url()));
    browser.click("link", "the API");
    let click = |what: &str, selector: &str| {
        wait_until(what, HANG_TIMEOUT, || {
            let clicked = browser.evaluate(&format!(
                "const it = document.querySelector('{selector}'); it?.click(); return !!it"
            ));
            ensure(clicked == true, || "there is no such element".into())
        });
    };
    click("the operation is listed", "#operations-cluster-verdict .opblock-summary-control");
    click("the operation can be tried", "#operations-cluster-verdict .try-out__btn");
    click("the request can be sent", "#operations-cluster-verdict .execute");
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
    assert_no_problems(&browser, &[]);
}
