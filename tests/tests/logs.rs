//! The logs of real nodes, as a program parses them.

use std::collections::BTreeSet;

use cluster_tests::{Cluster, HANG_TIMEOUT, NODES, Options, ensure, wait_until};
use serde_json::Value;

#[test]
fn json_lines_contain_node_and_incarnation() {
    let environment =
        vec![("SUPERHERO_LOG_FORMAT", "json".to_owned()), ("RUST_LOG", "debug".to_owned())];
    let mut cluster = Cluster::start(Options { environment, ..Options::default() });
    let _ = cluster.api.create(3);
    cluster.wait_converged();
    cluster.bomb("gotham");
    cluster.wait_converged();
    let (mut link_lines, mut round_lines) = (0, 0);
    for node in NODES {
        let incarnations = if node == "gotham" { 2 } else { 1 };
        let lines: Vec<Value> =
            wait_until("the log ends with a complete line", HANG_TIMEOUT, || {
                let log = cluster.process(node).log();
                ensure(log.ends_with('\n'), || log.clone())?;
                log.lines()
                    .map(|line| {
                        serde_json::from_str(line).map_err(|error| format!("{error} in {line}"))
                    })
                    .collect()
            });
        let mut started = BTreeSet::new();
        for line in &lines {
            let text = |field: &str| {
                line[field].as_str().unwrap_or_else(|| panic!("{node} logs no {field}: {line}"))
            };
            assert_eq!(text("node"), node, "{line}");
            assert!(text("timestamp").ends_with('Z') && text("timestamp").len() >= 20, "{line}");
            assert!(
                ["ERROR", "WARN", "INFO", "DEBUG"].contains(&text("level"))
                    && !text("message").is_empty(),
                "{line}"
            );
            let incarnation = line
                .get("incarnation")
                .map(|incarnation| incarnation.as_u64().unwrap_or_else(|| panic!("{line}")));
            if text("message").contains("incarnation started") {
                assert!(
                    started.insert(incarnation.expect("the start of an incarnation has a number")),
                    "{line}"
                );
            }
            // Lines about an incarnation or its links.
            let of_an_incarnation = ["linked", "pulled", "joined", "link lost"]
                .contains(&text("message"))
                || text("message").starts_with("link ended");
            link_lines += usize::from(text("message") == "linked");
            round_lines += usize::from(text("message") == "pulled");
            assert!(!of_an_incarnation || incarnation.is_some(), "{line}");
            assert!(
                incarnation.is_none_or(|incarnation| started.contains(&incarnation)),
                "an incarnation that never started: {line}"
            );
        }
        assert_eq!(started.len(), incarnations, "{node}");
    }
    assert!(
        link_lines >= 8 && round_lines >= 3,
        "{link_lines} links and {round_lines} rounds were logged"
    );
}

#[test]
fn text_lines_contain_no_span_fields() {
    let mut cluster = Cluster::start(Options::default());
    for node in NODES {
        let log = cluster.process(node).log();
        assert!(log.contains("incarnation started") && log.contains("linked"), "{log}");
        assert!(log.lines().all(|line| !line.contains("life{")), "{log}");
    }
}
