//! The metrics of real processes: they are well-formed, they change as documented, no outside input
//! becomes a label, and the documentation's table, the dashboard and the alerts mention only
//! metrics that are served.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use cluster_tests::{
    CITIES, Cluster, DEVELOPMENT_COOKIE, Disconnect, Exposition, Family, HANG_TIMEOUT, Link, NODES,
    Options, ensure, hello, promtool, raw, wait_until,
};
use serde_json::{Value, json};

/// Starts a cluster, and causes every kind of event that is counted.
fn start_with_activity() -> Cluster {
    let cluster = Cluster::start(Options::closed());
    let ids = cluster.api.create(5);
    cluster.wait_converged();
    cluster.api.assign(&ids[0], "gotham").expect(200);
    cluster.api.terminate(&ids[1]).expect(204);
    cluster.api.get("/api/v1/nothing/here").problem(404, "unknown_path");
    cluster.bomb("gotham");
    let cut = cluster.api.inject(&isolating_cut("capitol"));
    assert_eq!(cut.kind, "cut");
    cluster.api.heal_all();
    let page = Link::open(cluster.address("dispatch"), "/live?", &[]).expect("a permit for a page");
    page.close();
    assert_refused(&cluster, &hello("joker", 2), DEVELOPMENT_COOKIE);
    cluster.wait_converged();
    cluster
}

fn isolating_cut(city: &str) -> Value {
    json!({"kind": "cut", "from": city, "to": "*", "heal_after_s": 120})
}

/// Opens an unauthenticated connection to metropolis with this hello, which must be refused.
#[track_caller]
fn assert_refused(cluster: &Cluster, hello: &[u8], cookie: &str) {
    let result = Link::to_node(cluster.address("metropolis")).handshake(hello, cookie);
    assert!(matches!(result, Err(Disconnect::Closed(4000.., _))), "{result:?}");
}

/// Waits until this sample of that node satisfies `is`.
#[track_caller]
fn wait_value(
    cluster: &Cluster,
    node: &str,
    name: &str,
    labels: &[(&str, &str)],
    is: impl Fn(f64) -> bool,
) {
    wait_until(&format!("{name} {labels:?} of {node}"), HANG_TIMEOUT, || {
        let value = cluster.metrics(node).sum(name, labels);
        ensure(is(value), || value.to_string())
    });
}

fn project(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(project(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn promtool_accepts_the_metrics_of_every_node() {
    let cluster = start_with_activity();
    for node in NODES {
        let metrics = cluster.metrics(node);
        promtool(&["check", "metrics"], &metrics.text);
        for (name, Family { kind, help, samples }) in &metrics.families {
            assert!(!kind.is_empty() && help.ends_with('.'), "{name}: {kind} {help}");
            assert!(samples.iter().all(|sample| sample.labels["node"] == node), "{name}");
        }
        assert!(
            metrics.sum("superhero_build_info", &[("version", env!("CARGO_PKG_VERSION"))]) == 1.0
        );
        let costs =
            ["process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds"];
        assert!(
            !cfg!(target_os = "linux") || costs.iter().all(|cost| metrics.sum(cost, &[]) > 0.0),
            "{}",
            metrics.text
        );
    }
}

#[test]
fn bomb_counts_as_one_crash_and_restart_of_its_city() {
    let cluster = Cluster::start(Options::default());
    let counts = |node| {
        let metrics = cluster.metrics(node);
        [
            "superhero_restarts_total",
            "superhero_crashes_total",
            "superhero_incarnation_start_time_seconds",
        ]
        .map(|name| metrics.sum(name, &[]))
    };
    let before = NODES.map(counts);
    assert!(
        before.iter().all(|[restarts, crashes, began]| *restarts == 0.0
            && *crashes == 0.0
            && *began > 1.0e9),
        "{before:?}"
    );
    cluster.bomb("metropolis");
    for (node, before) in NODES.into_iter().zip(before) {
        let [restarts, crashes, began] = counts(node);
        let expected = f64::from(u8::from(node == "metropolis"));
        assert_eq!((restarts, crashes), (expected, expected), "{node}");
        assert_eq!(began > before[2], node == "metropolis", "{node}");
    }
    assert_eq!(
        cluster.metrics("metropolis").sum("superhero_crashes_total", &[("cause", "bomb")]),
        1.0
    );
}

#[test]
fn cut_counts_as_differences_and_convergence_lag() {
    let cluster = Cluster::start(Options::default());
    let _ = cluster.api.create(2);
    cluster.wait_converged();
    wait_value(&cluster, "dispatch", "superhero_convergence_lag_seconds_count", &[], |count| {
        count == 2.0
    });
    cluster.api.inject(&isolating_cut("gotham"));
    let _ = cluster.api.create(3);
    wait_value(&cluster, "dispatch", "superhero_differences", &[], |differences| {
        differences == 3.0
    });
    wait_value(&cluster, "dispatch", "superhero_oldest_difference_seconds", &[], |age| age > 1.0);
    let during = cluster.metrics("dispatch");
    let value = |name| during.sum(name, &[]);
    assert_eq!((value("superhero_faults"), value("superhero_converged")), (1.0, 0.0));
    assert_eq!(
        value("superhero_convergence_lag_seconds_count"),
        2.0,
        "writes that gotham misses must not count as arrived"
    );
    wait_value(
        &cluster,
        "gotham",
        "superhero_gossip_rounds_ended_total",
        &[("outcome", "unanswered")],
        |count| count > 0.0,
    );
    cluster.api.heal_all();
    cluster.wait_converged();
    wait_value(&cluster, "dispatch", "superhero_convergence_lag_seconds_count", &[], |count| {
        count == 5.0
    });
    let after = cluster.metrics("dispatch");
    let value = |name| after.sum(name, &[]);
    assert_eq!(
        (value("superhero_differences"), value("superhero_faults"), value("superhero_converged")),
        (0.0, 0.0, 1.0)
    );
    assert!(
        value("superhero_convergence_lag_seconds_sum") > 3.0,
        "three writes must have waited over a second each"
    );
}

#[test]
fn heroes_rounds_and_frames_are_counted() {
    let cluster = Cluster::start(Options::default());
    let ids = cluster.api.create(7);
    cluster.api.terminate(&ids[0]).expect(204);
    cluster.wait_converged();
    for node in NODES {
        wait_value(&cluster, node, "superhero_heroes", &[], |heroes| heroes == 6.0);
        // A scrape is not atomic: a round may end between two of its samples.
        let metrics =
            wait_until(&format!("the round counts of {node} are consistent"), HANG_TIMEOUT, || {
                let metrics = cluster.metrics(node);
                let ended = |outcome| {
                    metrics.sum("superhero_gossip_rounds_ended_total", &[("outcome", outcome)])
                };
                let answered = ended("same") + ended("merged");
                let timed = metrics.sum("superhero_gossip_round_duration_seconds_count", &[]);
                let started = metrics.sum("superhero_gossip_rounds_started_total", &[]);
                let adds_up = answered > 0.0 && timed == answered && started >= answered;
                ensure(adds_up, || {
                    format!("{started} started, {answered} answered, {timed} timed")
                })?;
                Ok(metrics)
            });
        for direction in ["in", "out"] {
            let frames = metrics
                .sum("superhero_link_frames_total", &[("direction", direction), ("kind", "pull")]);
            let bytes = metrics
                .sum("superhero_link_bytes_total", &[("direction", direction), ("kind", "pull")]);
            assert!(
                frames > 0.0 && bytes > 10.0 * frames,
                "{node}: {frames} frames of {bytes} bytes {direction}"
            );
        }
    }
    let out = cluster
        .metrics("dispatch")
        .sum("superhero_link_entries_total", &[("direction", "out"), ("kind", "chunk")]);
    let merged: f64 = CITIES
        .iter()
        .map(|city| cluster.metrics(city).sum("superhero_gossip_entries_merged_total", &[]))
        .sum();
    assert!(
        out >= 7.0 && merged >= 21.0,
        "dispatch sent {out} entries, and the cities merged {merged}"
    );
}

#[test]
fn refused_peers_are_counted_by_reason() {
    let cluster = Cluster::start(Options::closed());
    let count = |reason| {
        cluster.metrics("metropolis").sum("superhero_peers_refused_total", &[("reason", reason)])
    };
    let mut other_version = hello("capitol", 2);
    other_version[4] = 99;
    let peers = [
        ("not_a_hello", b"let me in".to_vec(), DEVELOPMENT_COOKIE),
        ("version", other_version, DEVELOPMENT_COOKIE),
        ("cookie", hello("capitol", 2), "guessed"),
        ("not_a_member", hello("joker", 2), DEVELOPMENT_COOKIE),
        ("own_name", hello("metropolis", 2), DEVELOPMENT_COOKIE),
    ];
    for (reason, hello, cookie) in peers {
        assert_eq!(count(reason), 0.0, "{reason}");
        assert_refused(&cluster, &hello, cookie);
        wait_value(
            &cluster,
            "metropolis",
            "superhero_peers_refused_total",
            &[("reason", reason)],
            |count| count == 1.0,
        );
    }
}

#[test]
fn links_and_browsers_are_gauged() {
    let mut cluster = Cluster::start(Options::default());
    let state = |state| [("peer", "capitol"), ("state", state)];
    wait_value(&cluster, "gotham", "superhero_link_state", &state("linked"), |is| is == 1.0);
    cluster.kill9("capitol");
    wait_value(&cluster, "gotham", "superhero_link_state", &state("down"), |is| is == 1.0);
    assert_eq!(cluster.metrics("gotham").sum("superhero_link_state", &state("linked")), 0.0);
    cluster.restart("capitol");
    wait_value(&cluster, "gotham", "superhero_link_state", &state("linked"), |is| is == 1.0);
    for (kind, path) in [("page", "/live?"), ("program", "/live?as=data")] {
        let mut socket = Link::open(cluster.address("dispatch"), path, &[]).expect("a permit");
        socket.receive().expect("the first message");
        wait_value(&cluster, "dispatch", "superhero_browsers", &[("kind", kind)], |open| {
            open == 1.0
        });
        wait_value(
            &cluster,
            "dispatch",
            "superhero_browser_frames_sent_total",
            &[("to", kind)],
            |sent| sent >= 1.0,
        );
        socket.close();
        wait_value(&cluster, "dispatch", "superhero_browsers", &[("kind", kind)], |open| {
            open == 0.0
        });
    }
}

#[test]
fn odd_paths_and_methods_create_no_series() {
    let cluster = Cluster::start(Options::default());
    let address = cluster.address("dispatch");
    let send = |method: &str, target: &[u8]| {
        drop(raw::exchange(address, &raw::request(address, method, target, &[], b""), false))
    };
    let send_odd_requests = |number: usize| {
        for path in
            ["/x%22%0a", "/heroes/%22%5c", "/api/v1/heroes/\"\\", "/static/\"}_1{x=\"", "/metrics?"]
        {
            send("GET", format!("{path}{number}").as_bytes());
        }
        send(&format!("BR'EW{number}"), b"/");
    };
    let series =
        || cluster.metrics("dispatch").families["superhero_http_requests_total"].samples.clone();
    send_odd_requests(0);
    let before = series();
    (1..30).for_each(send_odd_requests);
    let after = series();
    assert_eq!(after.len(), before.len(), "{after:#?}");
    for sample in &after {
        let (method, route) = (&sample.labels["method"], &sample.labels["route"]);
        assert!(method.bytes().all(|byte| byte.is_ascii_alphabetic()), "{sample:?}");
        assert!(
            !route.contains(['"', '%', '\\', '\'', '\n']) && !route.contains("x="),
            "{sample:?}"
        );
    }
    let metrics = cluster.metrics("dispatch");
    let count = |labels: &[(&str, &str)]| metrics.sum("superhero_http_requests_total", labels);
    assert_eq!(count(&[("method", "other")]), 30.0);
    assert!(count(&[("route", "none"), ("status", "404")]) >= 30.0, "{after:#?}");
    assert_eq!(
        count(&[("route", "/metrics"), ("status", "200")]),
        metrics.sum("superhero_http_request_duration_seconds_count", &[("route", "/metrics")])
    );
    promtool(&["check", "metrics"], &metrics.text);
}

#[test]
fn documentation_lists_exactly_the_served_metrics() {
    let cluster = start_with_activity();
    /// The nodes that serve a metric, its kind, help and labels.
    type Row<'a> = (BTreeSet<&'a str>, String, String, BTreeSet<String>);
    let mut rows: BTreeMap<String, Row<'_>> = BTreeMap::new();
    for node in NODES {
        for (name, family) in cluster.metrics(node).families {
            let row = rows
                .entry(name)
                .or_insert_with(|| (BTreeSet::new(), family.kind, family.help, BTreeSet::new()));
            row.0.insert(node);
            row.3.extend(
                family
                    .samples
                    .into_iter()
                    .flat_map(|sample| sample.labels.into_keys())
                    .filter(|label| label != "node" && label != "le"),
            );
        }
    }
    let mut table =
        "| Metric | Kind | Labels | Of | What it says |\n|---|---|---|---|---|\n".to_owned();
    for (name, (nodes, kind, help, labels)) in rows {
        let labels: Vec<String> = labels.into_iter().map(|label| format!("`{label}`")).collect();
        let of = if nodes.len() == NODES.len() { "every node" } else { "dispatch" };
        assert!(nodes.len() == NODES.len() || nodes.into_iter().eq(["dispatch"]), "{name}");
        table += &format!("| `{name}` | {kind} | {} | {of} | {help} |\n", labels.join(", "));
    }
    let documented = read("docs/metrics.md");
    assert!(documented.contains(&table), "docs/metrics.md must contain this table:\n{table}");
    assert_eq!(
        documented.lines().filter(|line| line.starts_with("| `")).count(),
        table.lines().count() - 2,
        "docs/metrics.md must contain no other rows"
    );
}

/// Returns the queries of a dashboard, as each panel's title with its queries.
fn queries(dashboard: &Value) -> Vec<(String, Vec<String>)> {
    let panels = dashboard["panels"].as_array().expect("panels");
    let of = |panel: &Value| {
        let targets = panel["targets"].as_array().cloned().unwrap_or_default();
        targets.iter().map(|target| target["expr"].as_str().expect("a query").to_owned()).collect()
    };
    panels
        .iter()
        .filter(|panel| panel["type"] != "row")
        .map(|panel| (panel["title"].to_string(), of(panel)))
        .collect()
}

/// Returns the metric names in a PromQL query: all words except functions, labels and strings.
fn metric_names(query: &str) -> BTreeSet<String> {
    const WORDS: [&str; 16] = [
        "sum",
        "rate",
        "increase",
        "by",
        "and",
        "on",
        "unless",
        "max",
        "min",
        "avg",
        "le",
        "or",
        "histogram_quantile",
        "changes",
        "time",
        "ignoring",
    ];
    let mut bare = String::new();
    let mut depth = 0;
    for character in query.chars() {
        match character {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            _ if depth > 0 => {}
            other => bare.push(other),
        }
        if depth == 0 && matches!(character, '}' | ']') {
            bare.push(' ');
        }
    }
    // Drops the labels of `by (…)` and `on (…)`.
    let parts = ["by (", "on (", "ignoring ("].iter().fold(bare, |bare, clause| {
        let mut parts = bare.split(clause);
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |text, part| text + part.split_once(')').map_or("", |(_, after)| after))
    });
    let words =
        parts.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    let names = words.filter(|word| {
        word.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && !WORDS.contains(word)
    });
    names.map(str::to_owned).collect()
}

/// Returns recording rules with these queries, so that promtool checks their syntax.
fn recording_rules(queries: &[String]) -> String {
    let rules: Vec<Value> = queries
        .iter()
        .enumerate()
        .map(|(number, query)| {
            let expr = query.replace("$__rate_interval", "1m").replace("$node", ".*");
            json!({"record": format!("superhero:query{number}"), "expr": expr})
        })
        .collect();
    json!({"groups": [{"name": "queries", "rules": rules}]}).to_string()
}

fn served_metrics() -> BTreeSet<String> {
    let cluster = start_with_activity();
    let all: Vec<Exposition> = NODES.iter().map(|node| cluster.metrics(node)).collect();
    all.iter().flat_map(|metrics| metrics.names()).map(str::to_owned).collect()
}

#[test]
fn dashboard_queries_parse_and_use_served_metrics() {
    let dashboard: Value =
        serde_json::from_str(&read("deploy/grafana/superhero.json")).expect("JSON");
    let served = served_metrics();
    let mut all = Vec::new();
    for (panel, queries) in queries(&dashboard) {
        assert!(!queries.is_empty(), "{panel} has no query");
        for query in queries {
            let names = metric_names(&query);
            assert!(
                !names.is_empty() && names.iter().all(|name| served.contains(name)),
                "{panel}: {query} uses {names:?}"
            );
            all.push(query);
        }
    }
    assert!(all.len() >= 15, "{all:?}");
    let directory = tempfile::tempdir().unwrap();
    let rules = directory.path().join("queries.json");
    fs::write(&rules, recording_rules(&all)).unwrap();
    promtool(&["check", "rules", "--lint=none", rules.to_str().unwrap()], "");
    // Grafana's requirements: a selectable data source, and panels that do not overlap.
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    assert!(variables.iter().any(|variable| variable["name"] == "datasource"
        && variable["type"] == "datasource"
        && variable["query"] == "prometheus"));
    assert!(
        dashboard["id"].is_null()
            && dashboard["uid"] == "superhero"
            && dashboard["schemaVersion"].as_u64() >= Some(39)
    );
    let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{panel}");
        let position = &panel["gridPos"];
        let [x, y, w, h] =
            ["x", "y", "w", "h"].map(|side| position[side].as_u64().expect("a place"));
        assert!(x + w <= 24 && w > 0 && h > 0, "{panel}");
        assert!(
            (x..x + w).all(|x| (y..y + h).all(|y| cells.insert((x, y)))),
            "{panel} overlaps another"
        );
        if panel["type"] != "row" {
            assert_eq!(
                panel["datasource"],
                json!({"type": "prometheus", "uid": "${datasource}"}),
                "{panel}"
            );
        }
    }
}

#[test]
fn alerts_use_served_metrics_and_pass_their_tests() {
    let served = served_metrics();
    let rules = read("deploy/prometheus/alerts.yml");
    let queries: Vec<&str> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).collect();
    assert!(queries.len() >= 8, "expected each alert's query on one line: {queries:?}");
    for query in queries {
        let mut names = metric_names(query);
        // A series that Prometheus itself adds to a scrape.
        names.remove("up");
        assert!(names.iter().all(|name| served.contains(name)), "{query} uses {names:?}");
    }
    let file = |name: &str| {
        project("deploy/prometheus").join(name).to_str().expect("a path in UTF-8").to_owned()
    };
    promtool(&["check", "config", &file("prometheus.yml")], "");
    promtool(&["check", "rules", "--lint-fatal", &file("alerts.yml")], "");
    promtool(&["test", "rules", &file("alerts-test.yml")], "");
}
