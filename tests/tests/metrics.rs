//! What nodes count, on real processes: it is well formed, it moves as it says, nothing from
//! outside becomes a label, and what is said of it elsewhere (the table of the documentation, the
//! dashboard, the alerts) is of metrics that are served.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use cluster_tests::{
    CITIES, Cluster, DEVELOPMENT_COOKIE, Ending, Exposition, Family, HANG_TIMEOUT, Link, NODES,
    Options, ensure, hello, promtool, raw, wait_until,
};
use serde_json::{Value, json};

/// A cluster to which has happened what there is to count.
fn used() -> Cluster {
    let cluster = Cluster::start(Options::default());
    let ids = cluster.api.create(5);
    cluster.wait_converged();
    cluster.api.assign(&ids[0], "gotham").expect(200);
    cluster.api.terminate(&ids[1]).expect(204);
    cluster.api.get("/api/v1/nothing/here").problem(404, "unknown_path");
    cluster.bomb("gotham");
    let cut = cluster.api.inject(&cut_off("capitol"));
    assert_eq!(cut.kind, "cut");
    cluster.api.heal_all();
    let page = Link::open(cluster.address("dispatch"), "/live?", &[]).expect("a place for a page");
    page.close();
    refused(&cluster, &hello("joker", 2), DEVELOPMENT_COOKIE);
    cluster.wait_converged();
    cluster
}

fn cut_off(city: &str) -> Value {
    json!({"kind": "cut", "from": city, "to": "*", "heal_after_s": 120})
}

/// A stranger who says this to metropolis, and is not let in.
#[track_caller]
fn refused(cluster: &Cluster, says: &[u8], cookie: &str) {
    let refused = Link::to_node(cluster.address("metropolis")).introduce(says, cookie);
    assert!(matches!(refused, Err(Ending::Closed(4000.., _))), "{refused:?}");
}

/// Waits until this is the value of that sample at that node.
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
fn promtool_has_nothing_to_say_about_the_metrics_of_any_node() {
    let cluster = used();
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
fn a_bomb_is_one_crash_and_one_restart_of_that_city_alone() {
    let cluster = Cluster::start(Options::default());
    let counts = |node| {
        let metrics = cluster.metrics(node);
        ["superhero_restarts_total", "superhero_crashes_total", "superhero_life_start_time_seconds"]
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
fn a_cut_shows_as_differences_and_its_healing_as_agreement_and_as_the_time_that_writes_took() {
    let cluster = Cluster::start(Options::default());
    let _ = cluster.api.create(2);
    cluster.wait_converged();
    wait_value(&cluster, "dispatch", "superhero_convergence_lag_seconds_count", &[], |count| {
        count == 2.0
    });
    cluster.api.inject(&cut_off("gotham"));
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
        "what gotham has not heard has not arrived"
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
        "three writes waited a second and more for the cut to heal"
    );
}

#[test]
fn what_a_node_holds_and_the_rounds_that_brought_it_are_counted() {
    let cluster = Cluster::start(Options::default());
    let ids = cluster.api.create(7);
    cluster.api.terminate(&ids[0]).expect(204);
    cluster.wait_converged();
    for node in NODES {
        wait_value(&cluster, node, "superhero_heroes", &[], |heroes| heroes == 6.0);
        // A scrape is no snapshot: a round may end between two of its lines.
        let metrics = wait_until(&format!("the rounds of {node} add up"), HANG_TIMEOUT, || {
            let metrics = cluster.metrics(node);
            let ended = |outcome| {
                metrics.sum("superhero_gossip_rounds_ended_total", &[("outcome", outcome)])
            };
            let answered = ended("same") + ended("merged");
            let timed = metrics.sum("superhero_gossip_round_duration_seconds_count", &[]);
            let started = metrics.sum("superhero_gossip_rounds_started_total", &[]);
            let adds_up = answered > 0.0 && timed == answered && started >= answered;
            ensure(adds_up, || format!("{started} started, {answered} answered, {timed} timed"))?;
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
    let brought: f64 = CITIES
        .iter()
        .map(|city| cluster.metrics(city).sum("superhero_gossip_entries_merged_total", &[]))
        .sum();
    assert!(
        out >= 7.0 && brought >= 21.0,
        "dispatch sent {out} entries, and the cities were brought {brought}"
    );
}

#[test]
fn a_stranger_who_is_not_let_in_is_counted_by_why() {
    let cluster = Cluster::start(Options::default());
    let count = |reason| {
        cluster
            .metrics("metropolis")
            .sum("superhero_strangers_refused_total", &[("reason", reason)])
    };
    let mut other_version = hello("capitol", 2);
    other_version[4] = 99;
    let strangers = [
        ("not_a_hello", b"let me in".to_vec(), DEVELOPMENT_COOKIE),
        ("version", other_version, DEVELOPMENT_COOKIE),
        ("cookie", hello("capitol", 2), "guessed"),
        ("not_a_member", hello("joker", 2), DEVELOPMENT_COOKIE),
        ("own_name", hello("metropolis", 2), DEVELOPMENT_COOKIE),
    ];
    for (reason, says, cookie) in strangers {
        assert_eq!(count(reason), 0.0, "{reason}");
        refused(&cluster, &says, cookie);
        wait_value(
            &cluster,
            "metropolis",
            "superhero_strangers_refused_total",
            &[("reason", reason)],
            |count| count == 1.0,
        );
    }
}

#[test]
fn links_and_browsers_are_counted_as_they_are_now() {
    let mut cluster = Cluster::start(Options::default());
    let state = |state| [("peer", "capitol"), ("state", state)];
    wait_value(&cluster, "gotham", "superhero_link_state", &state("linked"), |is| is == 1.0);
    cluster.kill9("capitol");
    wait_value(&cluster, "gotham", "superhero_link_state", &state("down"), |is| is == 1.0);
    assert_eq!(cluster.metrics("gotham").sum("superhero_link_state", &state("linked")), 0.0);
    cluster.restart("capitol");
    wait_value(&cluster, "gotham", "superhero_link_state", &state("linked"), |is| is == 1.0);
    for (kind, path) in [("page", "/live?"), ("program", "/live?as=data")] {
        let mut socket = Link::open(cluster.address("dispatch"), path, &[]).expect("a place");
        socket.receive().expect("a first message");
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
fn odd_paths_and_methods_make_no_labels_and_no_more_series_the_more_of_them_there_are() {
    let cluster = Cluster::start(Options::default());
    let address = cluster.address("dispatch");
    let ask = |method: &str, target: &[u8]| {
        drop(raw::exchange(address, &raw::request(address, method, target, &[], b""), false))
    };
    let odd = |number: usize| {
        for path in
            ["/x%22%0a", "/heroes/%22%5c", "/api/v1/heroes/\"\\", "/static/\"}_1{x=\"", "/metrics?"]
        {
            ask("GET", format!("{path}{number}").as_bytes());
        }
        ask(&format!("BR'EW{number}"), b"/");
    };
    let series =
        || cluster.metrics("dispatch").families["superhero_http_requests_total"].samples.clone();
    odd(0);
    let before = series();
    (1..30).for_each(odd);
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
fn the_documentation_lists_what_is_served_and_nothing_else() {
    let cluster = used();
    /// Whose it is, its kind and its help, and its labels.
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
    assert!(documented.contains(&table), "docs/metrics.md should have this table:\n{table}");
    assert_eq!(
        documented.lines().filter(|line| line.starts_with("| `")).count(),
        table.lines().count() - 2,
        "and no other rows"
    );
}

/// What a dashboard asks for: each panel's title with its queries.
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

/// The names of metrics in a query of PromQL: what is no function, no label and no text.
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
    // The labels of `by (…)` and `on (…)`.
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

/// Rules with these queries, for promtool to say whether they are PromQL at all.
fn as_rules(queries: &[String]) -> String {
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

fn served() -> BTreeSet<String> {
    let cluster = used();
    let all: Vec<Exposition> = NODES.iter().map(|node| cluster.metrics(node)).collect();
    all.iter().flat_map(|metrics| metrics.names()).map(str::to_owned).collect()
}

#[test]
fn the_dashboard_asks_for_what_is_served_in_queries_that_parse() {
    let dashboard: Value =
        serde_json::from_str(&read("deploy/grafana/superhero.json")).expect("JSON");
    let served = served();
    let mut all = Vec::new();
    for (panel, queries) in queries(&dashboard) {
        assert!(!queries.is_empty(), "{panel} asks for nothing");
        for query in queries {
            let names = metric_names(&query);
            assert!(
                !names.is_empty() && names.iter().all(|name| served.contains(name)),
                "{panel}: {query} asks for {names:?}"
            );
            all.push(query);
        }
    }
    assert!(all.len() >= 15, "{all:?}");
    let directory = tempfile::tempdir().unwrap();
    let rules = directory.path().join("queries.json");
    fs::write(&rules, as_rules(&all)).unwrap();
    promtool(&["check", "rules", "--lint=none", rules.to_str().unwrap()], "");
    // As Grafana wants it: a data source of the reader's choosing, panels that have each a place of
    // their own.
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    assert!(variables.iter().any(|variable| variable["name"] == "datasource"
        && variable["type"] == "datasource"
        && variable["query"] == "prometheus"));
    assert!(
        dashboard["id"].is_null()
            && dashboard["uid"] == "superhero"
            && dashboard["schemaVersion"].as_u64() >= Some(39)
    );
    let (mut ids, mut places) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{panel}");
        let place = &panel["gridPos"];
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| place[side].as_u64().expect("a place"));
        assert!(x + w <= 24 && w > 0 && h > 0, "{panel}");
        assert!(
            (x..x + w).all(|x| (y..y + h).all(|y| places.insert((x, y)))),
            "{panel} stands on another"
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
fn the_alerts_ask_for_what_is_served_and_fire_as_their_tests_say() {
    let served = served();
    let rules = read("deploy/prometheus/alerts.yml");
    let queries: Vec<&str> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).collect();
    assert!(queries.len() >= 8, "each alert has its query on one line: {queries:?}");
    for query in queries {
        let mut names = metric_names(query);
        // What Prometheus itself says of a scrape.
        names.remove("up");
        assert!(names.iter().all(|name| served.contains(name)), "{query} asks for {names:?}");
    }
    let file = |name: &str| {
        project("deploy/prometheus").join(name).to_str().expect("a path of text").to_owned()
    };
    promtool(&["check", "config", &file("prometheus.yml")], "");
    promtool(&["check", "rules", "--lint-fatal", &file("alerts.yml")], "");
    promtool(&["test", "rules", &file("alerts-test.yml")], "");
}
