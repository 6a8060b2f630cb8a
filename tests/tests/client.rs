//! The command line client against real processes.

use std::net::TcpListener;
use std::time::Duration;

use cluster_tests::{
    CITIES, Cluster, Finished, HANG_TIMEOUT, Heroes, Options, Process, Signal, ensure, own_address,
    run, wait_until,
};
use serde_json::Value;

/// Runs a client command against this cluster.
#[track_caller]
fn superhero(cluster: &Cluster, arguments: &[&str]) -> Finished {
    run(
        "superhero",
        arguments,
        &[("SUPERHERO_URL", &format!("http://{}", cluster.address("dispatch"))), ("TZ", "UTC")],
        HANG_TIMEOUT,
    )
}

/// Runs a command that must succeed, and returns its output. Next to a table, a sentence on standard
/// error says what was done.
#[track_caller]
fn succeed(cluster: &Cluster, arguments: &[&str]) -> String {
    let finished = superhero(cluster, arguments);
    assert_eq!(finished.code, Some(0), "{arguments:?}: {finished:?}");
    let sentences = finished.stderr.lines();
    assert!(sentences.clone().count() <= 1, "{arguments:?}: {finished:?}");
    assert!(sentences.clone().all(|line| line.ends_with('.')), "{arguments:?}: {finished:?}");
    finished.stdout
}

/// Returns the output of a command as rows of cells.
#[track_caller]
fn rows(cluster: &Cluster, arguments: &[&str]) -> Vec<Vec<String>> {
    succeed(cluster, arguments)
        .lines()
        .map(|line| line.split('\t').map(str::to_owned).collect())
        .collect()
}

#[track_caller]
fn json(cluster: &Cluster, arguments: &[&str]) -> Value {
    let printed = succeed(cluster, &[arguments, &["--json"]].concat());
    serde_json::from_str(&printed)
        .unwrap_or_else(|error| panic!("{arguments:?}: {error} in {printed}"))
}

/// Runs a command that must be refused with this problem type.
#[track_caller]
fn assert_refused(cluster: &Cluster, arguments: &[&str], kind: &str) {
    let finished = superhero(cluster, arguments);
    assert_eq!(
        (finished.code, finished.stdout.as_str()),
        (Some(1), ""),
        "{arguments:?}: {finished:?}"
    );
    assert!(
        finished.stderr.starts_with("error: ")
            && finished.stderr.trim_end().ends_with(&format!("({kind})")),
        "{arguments:?}: {finished:?}"
    );
    assert!(finished.stderr.lines().count() <= 2, "{finished:?}");
}

#[test]
fn heroes_are_created_moved_and_terminated() {
    let cluster = Cluster::start(Options::default());
    let created = rows(&cluster, &["create", "Silver Kestrel"]);
    let id = created[0][0].clone();
    assert_eq!(created, [[id.as_str(), "Silver Kestrel", "home", "no", "100"].map(str::to_owned)]);
    let ids = rows(&cluster, &["create", "--count", "3"]).concat();
    assert_eq!(ids.len(), 3);
    assert_eq!(json(&cluster, &["create"])["location"], "home");
    assert_eq!(rows(&cluster, &["heroes"]).len(), 5);
    assert_eq!(json(&cluster, &["heroes"]), cluster.api.get("/api/v1/heroes").json());

    // By name, by the prefix of an id, by id.
    assert_eq!(rows(&cluster, &["assign", "Silver Kestrel", "gotham"])[0][2], "gotham");
    assert_eq!(rows(&cluster, &["assign", &id[..8], "capitol"])[0][2], "capitol");
    assert_eq!(json(&cluster, &["assign", &id, "home"])["location"], "home");
    assert_refused(&cluster, &["assign", &id, "riverdale"], "unknown_location");

    assert_eq!(
        succeed(&cluster, &["terminate", "silver kestrel", "--yes"]),
        "Silver Kestrel was terminated.\n"
    );
    assert_refused(&cluster, &["terminate", &id, "--yes"], "terminated");
    let unknown = superhero(&cluster, &["terminate", "Silver Kestrel", "--yes"]);
    assert!(unknown.code == Some(1) && unknown.stderr.contains("no hero has"), "{unknown:?}");

    wait_until("gotham has received all writes", HANG_TIMEOUT, || {
        let held = rows(&cluster, &["heroes", "--city", "gotham"]);
        ensure(held.len() == 4 && !held.iter().any(|row| row[0] == id), || format!("{held:?}"))
    });
    assert_refused(&cluster, &["heroes", "--city", "riverdale"], "unknown_city");
    assert_refused(&cluster, &["heroes", "--city", "../../metropolis"], "unknown_city");
}

#[test]
fn load_creates_heroes_measures_writes_and_cleans_up() {
    let cluster = Cluster::start(Options::default());
    succeed(&cluster, &["create", "Silver Kestrel"]);
    let load = [
        "load",
        "--heroes",
        "30",
        "--writes",
        "200/s",
        "--seconds",
        "1",
        "--mix",
        "assign=4,create=1,delete=1",
    ];
    let report = json(&cluster, &load);
    let count = |of: &Value| of.as_u64().unwrap_or_else(|| panic!("expected a count in {report}"));
    assert_eq!((count(&report["heroes"]["found"]), count(&report["heroes"]["created"])), (1, 29));
    let writes = &report["writes"];
    assert_eq!(
        (count(&writes["done"]) + count(&writes["not_sent"]), count(&writes["refused"])),
        (200, 0),
        "{report}"
    );
    let kinds = report["kinds"].as_object().expect("writes by their kind");
    assert_eq!(kinds.keys().collect::<Vec<_>>(), ["assign", "create", "delete"]);
    assert_eq!(
        kinds.values().map(|kind| count(&kind["done"])).sum::<u64>(),
        count(&writes["done"])
    );
    assert!(
        report["latency_ms"]["from_due"]["p99_9"].is_number()
            && report["latency_ms"]["from_sent"]["max"].is_number(),
        "{report}"
    );
    assert!(
        report["convergence"]["arrived_ms"].is_u64() && report["convergence"]["agreed_ms"].is_u64(),
        "{report}"
    );
    assert!(
        count(&report["convergence"]["lag"]["writes"]) > 0,
        "dispatch must measure the writes too: {report}"
    );
    assert_eq!(report["refusals"], Value::from(Vec::<Value>::new()));
    let names: Vec<String> =
        rows(&cluster, &["heroes"]).into_iter().map(|row| row[1].clone()).collect();
    assert_eq!(names, ["Silver Kestrel"], "the heroes that the load created must be deleted");

    // As a table, and the heroes are kept.
    let table = rows(&cluster, &[&load[..], &["--keep"]].concat());
    let latencies: Vec<String> = table.iter().take(8).map(|row| row[..2].join(" ")).collect();
    assert_eq!(
        latencies,
        [
            "all due",
            "all sent",
            "assign due",
            "assign sent",
            "create due",
            "create sent",
            "delete due",
            "delete sent"
        ],
        "{table:?}"
    );
    for measure in [
        "heroes found",
        "writes refused",
        "all cities received them after",
        "replication lag, p99",
        "client usage",
    ] {
        assert!(table.iter().any(|row| row[0] == measure), "{measure}: {table:?}");
    }
    assert!(rows(&cluster, &["heroes"]).len() > 1, "the heroes that the load created must be kept");
    let nothing = json(&cluster, &["load", "--heroes", "1", "--writes", "0/s", "--seconds", "1"]);
    assert_eq!(
        (count(&nothing["writes"]["done"]), &nothing["latency_ms"]["from_due"]),
        (0, &Value::Null)
    );
}

#[test]
fn cities_are_bombed_and_forgotten() {
    let cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(2));
    cluster.wait_until_held(&heroes, &CITIES);
    let before = cluster.node("gotham").incarnation;
    assert_eq!(
        succeed(&cluster, &["bomb", "gotham", "--yes"]),
        "gotham lost its memory and has restarted.\n"
    );
    wait_until("gotham is up in a new incarnation", HANG_TIMEOUT, || {
        let node = cluster.node("gotham");
        ensure(node.status == "up" && node.incarnation > before, || format!("{node:?}"))
    });
    let bombed = json(&cluster, &["bomb", "--random", "--yes"]);
    assert!(CITIES.iter().any(|city| bombed["city"] == *city), "{bombed}");
    assert_refused(&cluster, &["bomb", "riverdale", "--yes"], "unknown_city");
    cluster.wait_until_held(&heroes, &CITIES);
    assert_refused(&cluster, &["forget", "gotham", "--yes"], "alive");
}

#[test]
fn cluster_verdict_and_events_are_printed() {
    let mut cluster = Cluster::start(Options::default());
    let verdict = succeed(&cluster, &["verdict", "--wait-converged", "10s"]);
    let (sentence, numbers) = verdict.split_once('\n').expect("a sentence followed by the numbers");
    assert_eq!((sentence.is_empty(), numbers), (false, "yes\t0\t0\t0\t\n"));
    assert_eq!(json(&cluster, &["verdict"])["converged"], true);

    let nodes = rows(&cluster, &["cluster"]);
    let names: Vec<&str> = nodes.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(names, ["gotham", "metropolis", "capitol", "dispatch"]);
    assert!(nodes.iter().all(|row| row[1] == "up"), "{nodes:?}");
    assert_eq!(json(&cluster, &["cluster"])["nodes"].as_array().map(Vec::len), Some(4));

    let seen =
        json(&cluster, &["events"])["events"].as_array().and_then(|events| events.last().cloned());
    let last = seen.map_or(0, |event| event["number"].as_u64().expect("an event has a number"));
    succeed(&cluster, &["create", "Nightjar"]);
    let new_events = rows(&cluster, &["events", "--since", &last.to_string()]);
    let created = new_events
        .iter()
        .find(|row| row[3] == "created")
        .unwrap_or_else(|| panic!("{new_events:?}"));
    assert!(
        created[1].ends_with('Z') && created[2] == "dispatch" && created[4].contains("Nightjar"),
        "{created:?}"
    );

    // The verdict is not converged while a city is stopped.
    cluster.kill9("capitol");
    succeed(&cluster, &["verdict", "--wait-diverged", "10s"]);
    let timed_out = superhero(&cluster, &["verdict", "--wait-converged", "300ms"]);
    assert_eq!(timed_out.code, Some(1), "{timed_out:?}");
    assert!(
        timed_out.stderr.contains("300ms") && timed_out.stdout.contains("Capitol"),
        "{timed_out:?}"
    );
    cluster.restart("capitol");
    succeed(&cluster, &["verdict", "--wait-converged", "10s"]);
    let timed_out = superhero(&cluster, &["verdict", "--wait-diverged", "0"]);
    assert!(timed_out.code == Some(1) && timed_out.stderr.contains("all agree"), "{timed_out:?}");
}

#[test]
fn faults_are_injected_listed_and_healed() {
    let cluster = Cluster::start(Options::default());
    let cut = rows(&cluster, &["fault", "cut", "gotham", "all", "--for", "60s"])[0].clone();
    let skew = rows(&cluster, &["fault", "skew", "capitol", "--by", "-3s"])[0].clone();
    assert_eq!(
        (cut[1..5].join(" "), skew[1..3].join(" ")),
        ("cut gotham * yes".into(), "skew capitol".into())
    );
    for amount in [
        &["delay", "gotham", "capitol", "--by", "300ms", "--jitter", "50ms", "--one-way"][..],
        &["loss", "gotham", "capitol", "--percent", "0.5"],
        &["duplicate", "gotham", "capitol", "--percent", "5"],
        &["reorder", "dispatch", "capitol", "--percent", "100"],
        &["throttle", "gotham", "capitol", "--bytes-per-s", "8192"],
        &["freeze", "metropolis", "--for", "200ms"],
    ] {
        assert_eq!(rows(&cluster, &[&["fault"], amount].concat())[0][1], amount[0]);
    }
    let listed = rows(&cluster, &["faults"]);
    assert!(
        listed.iter().any(|row| row[0] == cut[0]) && listed.iter().any(|row| row[0] == skew[0]),
        "{listed:?}"
    );
    let in_force = json(&cluster, &["faults"])["faults"].as_array().map(Vec::len);
    assert!(in_force.is_some_and(|count| count >= 7), "{in_force:?}");
    assert_refused(&cluster, &["fault", "cut", "gotham", "riverdale"], "unknown_node");
    assert_refused(&cluster, &["fault", "freeze", "dispatch"], "not_allowed");

    assert_eq!(succeed(&cluster, &["heal", &skew[0]]), format!("Fault {} was healed.\n", skew[0]));
    assert_refused(&cluster, &["heal", &skew[0]], "healed");
    assert_refused(&cluster, &["heal", "nonsense"], "unknown_fault");
    assert_eq!(succeed(&cluster, &["heal", "all"]), "All faults were healed.\n");
    assert_eq!(rows(&cluster, &["faults"]), Vec::<Vec<String>>::new());
}

#[test]
fn gossip_is_paused_stepped_and_resumed() {
    let cluster = Cluster::start(Options::default());
    assert_eq!(
        succeed(&cluster, &["speed", "300%"]),
        "Gossip runs at 300 % of its configured rate.\n"
    );
    assert_eq!(succeed(&cluster, &["pause"]), "Gossip is paused.\n");
    let id = rows(&cluster, &["create", "Courier"])[0][0].clone();
    let moved = rows(&cluster, &["step", "dispatch", "gotham"]);
    assert_eq!(moved[0][..4], ["dispatch", "gotham", "yes", "1"].map(str::to_owned));
    wait_until("gotham has received the hero", HANG_TIMEOUT, || {
        let held = rows(&cluster, &["heroes", "--city", "gotham"]);
        ensure(held.iter().any(|row| row[0] == id), || format!("{held:?}"))
    });
    assert_eq!(
        rows(&cluster, &["heroes", "--city", "capitol"]),
        Vec::<Vec<String>>::new(),
        "without gossip no other city may receive it"
    );
    succeed(&cluster, &["fault", "cut", "gotham", "capitol", "--one-way"]);
    let lost = superhero(&cluster, &["step", "gotham", "capitol"]);
    assert!(
        lost.code == Some(1)
            && lost.stdout.contains("\tno\t")
            && lost.stderr.contains("not completed"),
        "{lost:?}"
    );
    succeed(&cluster, &["heal"]);
    assert_eq!(succeed(&cluster, &["resume"]), "Gossip runs at 100 % of its configured rate.\n");
    succeed(&cluster, &["verdict", "--wait-converged", "10s"]);
}

#[test]
fn cities_are_stopped_and_killed() {
    let mut cluster = Cluster::start(Options::default());
    assert_eq!(succeed(&cluster, &["stop", "Gotham", "--yes"]), "gotham has stopped.\n");
    assert_eq!(cluster.process("gotham").exit_code(HANG_TIMEOUT), Some(0));
    assert_eq!(succeed(&cluster, &["kill", "capitol", "--yes"]), "capitol was killed.\n");
    assert_eq!(
        cluster.process("capitol").exit_code(HANG_TIMEOUT),
        Some(137),
        "the exit code must be that of SIGKILL"
    );
    assert_refused(&cluster, &["rebuild", "metropolis"], "alive");
    assert_refused(&cluster, &["rebuild", "gotham"], "not_ours");
    cluster.wait_status("gotham", "down", HANG_TIMEOUT);
    assert_eq!(succeed(&cluster, &["forget", "gotham", "--yes"]), "gotham was forgotten.\n");
}

#[test]
fn watch_prints_changes_as_they_happen() {
    let mut cluster = Cluster::start(Options::default());
    let directory = tempfile::tempdir().expect("a temporary directory");
    let url = format!("--url=http://{}", cluster.address("dispatch"));
    let start = |more: &[&str], log: &str| {
        let url = url.clone();
        let arguments: Vec<String> = [url, "watch".to_owned()]
            .into_iter()
            .chain(more.iter().map(|word| (*word).to_owned()))
            .collect();
        Process::start("superhero", &arguments, &[("TZ", "UTC")], directory.path().join(log))
    };
    let (lines, mut changes) = (start(&[], "lines"), start(&["--json"], "changes"));
    let wait_for = |process: &Process, what: &str| {
        wait_until(what, HANG_TIMEOUT, || {
            let log = process.log();
            ensure(log.contains(what), || log)
        });
    };
    wait_for(&lines, "Gossip runs at 100 % of its configured rate.");
    succeed(&cluster, &["create", "Nightjar"]);
    wait_for(&lines, "Z  created: Nightjar");
    let fault = rows(&cluster, &["fault", "cut", "gotham", "all"])[0][0].clone();
    wait_for(&lines, &format!("Fault {fault}: cut gotham <-> all, heals in "));
    succeed(&cluster, &["heal"]);
    wait_for(&lines, &format!("Fault {fault} is healed."));
    wait_for(&changes, "Nightjar");
    changes.signal(Signal::SIGINT);
    assert_eq!(changes.exit_code(HANG_TIMEOUT), None, "SIGINT must end the process");
    // The last line may be incomplete.
    let complete = changes.log();
    let complete = &complete[..complete.rfind('\n').expect("at least one change")];
    for line in complete.lines() {
        let change: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
        assert!(change["change"].is_string() && change["t"].is_null(), "{line}");
    }
    cluster.kill9("dispatch");
    wait_for(&lines, "; reconnecting");
    cluster.restart("dispatch");
    wait_for(&lines, "\nreconnected");
    succeed(&cluster, &["create", "Sandpiper"]);
    wait_for(&lines, "created: Sandpiper");
    assert_eq!(lines.log().matches("created: Nightjar").count(), 1, "{}", lines.log());
}

#[test]
fn verdict_is_awaited_through_a_restart_of_dispatch() {
    let mut cluster = Cluster::start(Options::default());
    cluster.kill9("dispatch");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let arguments = [
        &format!("--url=http://{}", cluster.address("dispatch")),
        "verdict",
        "--wait-converged",
        "10m",
    ]
    .map(str::to_owned);
    let mut waiting =
        Process::start("superhero", &arguments, &[], directory.path().join("verdict"));
    wait_until("the client reports that dispatch is unreachable", HANG_TIMEOUT, || {
        let log = waiting.log();
        ensure(log.contains("nothing was sent; still waiting"), || log)
    });
    cluster.restart("dispatch");
    assert_eq!(waiting.exit_code(HANG_TIMEOUT), Some(0), "{}", waiting.log());
}

#[test]
fn invalid_command_lines_exit_with_2_and_a_reason() {
    for (arguments, named) in [
        (&[][..], "Usage"),
        (&["explode"], "explode"),
        (&["create", "Ada", "--count", "2"], "--count"),
        (&["create", "--count", "0"], "--count"),
        (&["create", "--count", "10001"], "--count"),
        (&["assign", "Ada"], "<PLACE>"),
        (&["bomb"], "--random"),
        (&["bomb", "gotham"], "--yes"),
        (&["step", "gotham"], "<TO>"),
        (&["speed", "9"], "10..=1000"),
        (&["verdict", "--wait-converged", "soon"], "--wait-converged"),
        (&["verdict", "--wait-converged", "1s", "--wait-diverged", "1s"], "--wait-diverged"),
        (&["events", "--since", "-1"], "-1"),
        (&["fault", "burn", "gotham"], "burn"),
        (&["fault", "cut", "gotham"], "<TO>"),
        (&["fault", "cut", "gotham", "gotham"], "itself"),
        (&["fault", "loss", "gotham", "all"], "--percent"),
        (&["fault", "loss", "gotham", "all", "--percent", "101"], "at most 100"),
        (&["fault", "delay", "gotham", "all", "--by", "11s"], "1ms to 10s"),
        (&["fault", "delay", "gotham", "all", "--by", "1s", "--jitter", "2s"], "at most the delay"),
        (&["fault", "throttle", "gotham", "all", "--bytes-per-s", "1"], "256"),
        (&["fault", "skew", "gotham", "--by", "0"], "nonzero"),
        (&["fault", "skew", "gotham", "--by", "2h"], "at most 1h"),
        (&["fault", "cut", "gotham", "all", "--for", "2h"], "1h"),
        (&["completions", "perl"], "perl"),
        (&["--url", "https://localhost", "verdict"], "http://"),
        (&["--url", "localhost:4900", "verdict"], "http://"),
        (&["--url", "http://localhost/api", "verdict"], "after the host"),
        (&["play", "no-such-scenario"], "split-brain"),
    ] {
        let finished = run("superhero", arguments, &[], HANG_TIMEOUT);
        assert_eq!(finished.code, Some(2), "{arguments:?}: {finished:?}");
        assert!(
            finished.stderr.contains(named),
            "{arguments:?} does not mention {named}: {}",
            finished.stderr
        );
    }
    let finished = run("superhero", &["verdict"], &[("SUPERHERO_URL", "nonsense")], HANG_TIMEOUT);
    assert!(finished.code == Some(2) && finished.stderr.contains("nonsense"), "{finished:?}");
}

#[test]
fn unreachable_dispatch_exits_with_3_and_is_named() {
    let unknown = TcpListener::bind((own_address(), 0)).expect("a free address");
    let url = format!("http://{}", unknown.local_addr().expect("a bound address"));
    drop(unknown);
    for arguments in [
        &["verdict"][..],
        &["heroes", "--json"],
        &["watch"],
        &["play", "only-copy"],
        &["heal"],
        &["terminate", "Ada", "--yes"],
    ] {
        let finished = run("superhero", &[&["--url", &url], arguments].concat(), &[], HANG_TIMEOUT);
        assert_eq!(
            (finished.code, finished.stdout.as_str()),
            (Some(3), ""),
            "{arguments:?}: {finished:?}"
        );
        assert!(
            finished.stderr.contains(&url) && finished.stderr.lines().count() <= 2,
            "{arguments:?}: {finished:?}"
        );
        assert!(finished.took < Duration::from_secs(5), "{arguments:?} took {:?}", finished.took);
    }
}

#[test]
fn help_completions_and_version_need_no_cluster() {
    let help = run("superhero", &["--help"], &[], HANG_TIMEOUT);
    assert_eq!(help.code, Some(0));
    for part in ["--url", "--json", "Exit codes", "NO_COLOR", "play", "watch", "fault"] {
        assert!(help.stdout.contains(part), "expected {part} in\n{}", help.stdout);
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = run("superhero", &["completions", shell], &[], HANG_TIMEOUT);
        assert!(
            script.code == Some(0)
                && script.stdout.contains("SUPERHERO_COMPLETE")
                && script.stderr.is_empty(),
            "{shell}: {script:?}"
        );
    }
    let version = run("superhero", &["--version"], &[], HANG_TIMEOUT);
    assert_eq!(
        (version.code, version.stdout.trim()),
        (Some(0), format!("superhero {}", env!("CARGO_PKG_VERSION")).as_str())
    );
    let listed = run("superhero", &["scenarios"], &[], HANG_TIMEOUT);
    assert!(listed.code == Some(0) && listed.stdout.contains("split-brain\t"), "{listed:?}");
}
