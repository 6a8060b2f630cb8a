//! The command line client, against real processes.

use std::net::TcpListener;
use std::time::Duration;

use cluster_tests::{
    CITIES, Cluster, Finished, HANG_TIMEOUT, Heroes, Options, Process, Signal, ensure, own_address,
    run, wait_until,
};
use serde_json::Value;

/// Runs a command against this cluster.
#[track_caller]
fn superhero(cluster: &Cluster, arguments: &[&str]) -> Finished {
    run(
        "superhero",
        arguments,
        &[("SUPERHERO_URL", &format!("http://{}", cluster.address("dispatch")))],
        HANG_TIMEOUT,
    )
}

/// Runs a command that is to be done, and returns what it prints.
#[track_caller]
fn done(cluster: &Cluster, arguments: &[&str]) -> String {
    let ended = superhero(cluster, arguments);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{arguments:?}: {ended:?}");
    ended.stdout
}

/// What a command prints, as rows of cells.
#[track_caller]
fn rows(cluster: &Cluster, arguments: &[&str]) -> Vec<Vec<String>> {
    done(cluster, arguments)
        .lines()
        .map(|line| line.split('\t').map(str::to_owned).collect())
        .collect()
}

#[track_caller]
fn json(cluster: &Cluster, arguments: &[&str]) -> Value {
    let printed = done(cluster, &[arguments, &["--json"]].concat());
    serde_json::from_str(&printed)
        .unwrap_or_else(|error| panic!("{arguments:?}: {error} in {printed}"))
}

/// Runs a command that is to be refused with this word.
#[track_caller]
fn refused(cluster: &Cluster, arguments: &[&str], kind: &str) {
    let ended = superhero(cluster, arguments);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{arguments:?}: {ended:?}");
    assert!(
        ended.stderr.starts_with("error: ")
            && ended.stderr.trim_end().ends_with(&format!("({kind})")),
        "{arguments:?}: {ended:?}"
    );
    assert!(ended.stderr.lines().count() <= 2, "{ended:?}");
}

#[test]
fn heroes_are_created_moved_and_ended_from_a_terminal() {
    let cluster = Cluster::start(Options::default());
    let created = rows(&cluster, &["create", "Silver Kestrel"]);
    let id = created[0][0].clone();
    assert_eq!(created, [[id.as_str(), "Silver Kestrel", "home", "no", "100"].map(str::to_owned)]);
    let ids = rows(&cluster, &["create", "--count", "3"]).concat();
    assert_eq!(ids.len(), 3);
    assert_eq!(json(&cluster, &["create"])["location"], "home");
    assert_eq!(rows(&cluster, &["heroes"]).len(), 5);
    assert_eq!(json(&cluster, &["heroes"]), cluster.api.get("/api/v1/heroes").json());

    // By name, by the beginning of an id, by id.
    assert_eq!(rows(&cluster, &["assign", "Silver Kestrel", "gotham"])[0][2], "gotham");
    assert_eq!(rows(&cluster, &["assign", &id[..8], "capitol"])[0][2], "capitol");
    assert_eq!(json(&cluster, &["assign", &id, "home"])["location"], "home");
    refused(&cluster, &["assign", &id, "riverdale"], "unknown_location");

    assert_eq!(done(&cluster, &["terminate", "Silver Kestrel"]), "");
    refused(&cluster, &["terminate", &id], "terminated");
    let nobody = superhero(&cluster, &["terminate", "Silver Kestrel"]);
    assert!(nobody.code == Some(1) && nobody.stderr.contains("no living hero"), "{nobody:?}");

    wait_until("gotham has heard of all of it", HANG_TIMEOUT, || {
        let held = rows(&cluster, &["heroes", "--city", "gotham"]);
        ensure(held.len() == 4 && !held.iter().any(|row| row[0] == id), || format!("{held:?}"))
    });
    refused(&cluster, &["heroes", "--city", "riverdale"], "unknown_city");
    refused(&cluster, &["heroes", "--city", "../../metropolis"], "unknown_city");
}

#[test]
fn a_load_fills_the_cluster_writes_and_leaves_it_as_it_was() {
    let cluster = Cluster::start(Options::default());
    done(&cluster, &["create", "Silver Kestrel"]);
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
    let said = json(&cluster, &load);
    let count = |of: &Value| of.as_u64().unwrap_or_else(|| panic!("a count in {said}"));
    assert_eq!((count(&said["heroes"]["found"]), count(&said["heroes"]["created"])), (1, 29));
    let writes = &said["writes"];
    assert_eq!(
        (count(&writes["done"]) + count(&writes["not_sent"]), count(&writes["refused"])),
        (200, 0),
        "{said}"
    );
    let kinds = said["kinds"].as_object().expect("writes by their kind");
    assert_eq!(kinds.keys().collect::<Vec<_>>(), ["assign", "create", "delete"]);
    assert_eq!(
        kinds.values().map(|kind| count(&kind["done"])).sum::<u64>(),
        count(&writes["done"])
    );
    assert!(
        said["latency_ms"]["from_due"]["p99_9"].is_number()
            && said["latency_ms"]["from_sent"]["max"].is_number(),
        "{said}"
    );
    assert!(
        said["convergence"]["arrived_ms"].is_u64() && said["convergence"]["agreed_ms"].is_u64(),
        "{said}"
    );
    assert!(
        count(&said["convergence"]["lag"]["writes"]) > 0,
        "dispatch has measured them too: {said}"
    );
    assert_eq!(said["refusals"], Value::from(Vec::<Value>::new()));
    let names: Vec<String> =
        rows(&cluster, &["heroes"]).into_iter().map(|row| row[1].clone()).collect();
    assert_eq!(names, ["Silver Kestrel"], "what the load has created is gone");

    // As lines, and the heroes stay.
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
        "all cities had heard after",
        "lag of a write, p99",
        "this client took",
    ] {
        assert!(table.iter().any(|row| row[0] == measure), "{measure}: {table:?}");
    }
    assert!(rows(&cluster, &["heroes"]).len() > 1, "what the load has created is kept");
    let nothing = json(&cluster, &["load", "--heroes", "1", "--writes", "0/s", "--seconds", "1"]);
    assert_eq!(
        (count(&nothing["writes"]["done"]), &nothing["latency_ms"]["from_due"]),
        (0, &Value::Null)
    );
}

#[test]
fn cities_are_bombed_and_forgotten_from_a_terminal() {
    let cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(2));
    cluster.wait_until_held(&heroes, &CITIES);
    let before = cluster.node("gotham").incarnation;
    assert_eq!(rows(&cluster, &["bomb", "gotham"]), [["gotham".to_owned()]]);
    wait_until("gotham is back in a new life", HANG_TIMEOUT, || {
        let node = cluster.node("gotham");
        ensure(node.status == "up" && node.incarnation > before, || format!("{node:?}"))
    });
    let bombed = json(&cluster, &["bomb"]);
    assert!(CITIES.iter().any(|city| bombed["city"] == *city), "{bombed}");
    refused(&cluster, &["bomb", "riverdale"], "unknown_city");
    cluster.wait_until_held(&heroes, &CITIES);
    refused(&cluster, &["forget", "gotham"], "alive");
}

#[test]
fn the_cluster_its_verdict_and_its_events_are_shown() {
    let mut cluster = Cluster::start(Options::default());
    let verdict = done(&cluster, &["verdict", "--wait-converged", "10s"]);
    let (sentence, numbers) = verdict.split_once('\n').expect("a sentence, and then the numbers");
    assert_eq!((sentence.is_empty(), numbers), (false, "yes\t0\t0\t0\t\n"));
    assert_eq!(json(&cluster, &["verdict"])["converged"], true);

    let nodes = rows(&cluster, &["cluster"]);
    let names: Vec<&str> = nodes.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(names, ["gotham", "metropolis", "capitol", "dispatch"]);
    assert!(nodes.iter().all(|row| row[1] == "up"), "{nodes:?}");
    assert_eq!(json(&cluster, &["cluster"])["nodes"].as_array().map(Vec::len), Some(4));

    let seen =
        json(&cluster, &["events"])["events"].as_array().and_then(|events| events.last().cloned());
    let last = seen.map_or(0, |event| event["number"].as_u64().expect("events are numbered"));
    done(&cluster, &["create", "Nightjar"]);
    let news = rows(&cluster, &["events", "--since", &last.to_string()]);
    let created = news.iter().find(|row| row[3] == "created").unwrap_or_else(|| panic!("{news:?}"));
    assert!(
        created[1].ends_with('Z') && created[2] == "dispatch" && created[4].contains("Nightjar"),
        "{created:?}"
    );

    // A city that has stopped keeps the others from agreeing with it.
    cluster.kill9("capitol");
    done(&cluster, &["verdict", "--wait-apart", "10s"]);
    let waited = superhero(&cluster, &["verdict", "--wait-converged", "300ms"]);
    assert_eq!(waited.code, Some(1), "{waited:?}");
    assert!(waited.stderr.contains("300ms") && waited.stdout.contains("Capitol"), "{waited:?}");
    cluster.restart("capitol");
    done(&cluster, &["verdict", "--wait-converged", "10s"]);
    let waited = superhero(&cluster, &["verdict", "--wait-apart", "0"]);
    assert!(waited.code == Some(1) && waited.stderr.contains("all agree"), "{waited:?}");
}

#[test]
fn trouble_is_caused_listed_and_healed_from_a_terminal() {
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
    refused(&cluster, &["fault", "cut", "gotham", "riverdale"], "unknown_node");
    refused(&cluster, &["fault", "freeze", "dispatch"], "not_allowed");

    assert_eq!(done(&cluster, &["heal", &skew[0]]), "");
    refused(&cluster, &["heal", &skew[0]], "healed");
    refused(&cluster, &["heal", "nonsense"], "unknown_fault");
    assert_eq!(done(&cluster, &["heal"]), "");
    assert_eq!(rows(&cluster, &["faults"]), Vec::<Vec<String>>::new());
}

#[test]
fn gossip_is_paused_stepped_and_resumed_from_a_terminal() {
    let cluster = Cluster::start(Options::default());
    assert_eq!(rows(&cluster, &["speed", "300"]), [["no", "300"].map(str::to_owned)]);
    assert_eq!(rows(&cluster, &["pause"])[0][0], "yes");
    let id = rows(&cluster, &["create", "Courier"])[0][0].clone();
    let moved = rows(&cluster, &["step", "dispatch", "gotham"]);
    assert_eq!(moved[0][..4], ["dispatch", "gotham", "yes", "1"].map(str::to_owned));
    wait_until("gotham has heard of the hero", HANG_TIMEOUT, || {
        let held = rows(&cluster, &["heroes", "--city", "gotham"]);
        ensure(held.iter().any(|row| row[0] == id), || format!("{held:?}"))
    });
    assert_eq!(
        rows(&cluster, &["heroes", "--city", "capitol"]),
        Vec::<Vec<String>>::new(),
        "nothing moves by itself"
    );
    done(&cluster, &["fault", "cut", "gotham", "capitol", "--one-way"]);
    let lost = superhero(&cluster, &["step", "gotham", "capitol"]);
    assert!(
        lost.code == Some(1) && lost.stdout.contains("\tno\t") && lost.stderr.contains("lost"),
        "{lost:?}"
    );
    done(&cluster, &["heal"]);
    assert_eq!(rows(&cluster, &["resume"]), [["no", "100"].map(str::to_owned)]);
    done(&cluster, &["verdict", "--wait-converged", "10s"]);
}

#[test]
fn a_city_is_stopped_and_killed_from_a_terminal() {
    let mut cluster = Cluster::start(Options::default());
    assert_eq!(done(&cluster, &["stop", "gotham"]), "gotham\n");
    assert_eq!(cluster.process("gotham").exit_code(HANG_TIMEOUT), Some(0));
    assert_eq!(done(&cluster, &["kill", "capitol"]), "capitol\n");
    assert_eq!(cluster.process("capitol").exit_code(HANG_TIMEOUT), Some(137), "as by kill -9");
    refused(&cluster, &["rebuild", "metropolis"], "alive");
    refused(&cluster, &["rebuild", "gotham"], "not_ours");
    cluster.wait_status("gotham", "down", HANG_TIMEOUT);
    assert_eq!(done(&cluster, &["forget", "gotham"]), "gotham\n");
}

#[test]
fn what_changes_is_printed_as_it_changes() {
    let cluster = Cluster::start(Options::default());
    let directory = tempfile::tempdir().expect("a temporary directory");
    let start = |more: &[&str], log: &str| {
        let url = format!("--url=http://{}", cluster.address("dispatch"));
        let arguments: Vec<String> = [url, "watch".to_owned()]
            .into_iter()
            .chain(more.iter().map(|word| (*word).to_owned()))
            .collect();
        Process::start("superhero", &arguments, &[], directory.path().join(log))
    };
    let (mut lines, mut frames) = (start(&[], "lines"), start(&["--json"], "frames"));
    let wait_for = |process: &Process, what: &str| {
        wait_until(what, HANG_TIMEOUT, || {
            let log = process.log();
            ensure(log.contains(what), || log)
        });
    };
    wait_for(&lines, "gossip goes on, at 100 %");
    done(&cluster, &["create", "Nightjar"]);
    wait_for(&lines, "Z  created: Nightjar");
    let fault = rows(&cluster, &["fault", "cut", "gotham", "all"])[0][0].clone();
    wait_for(&lines, &format!("fault {fault}: cut gotham <-> *"));
    done(&cluster, &["heal"]);
    wait_for(&lines, &format!("fault {fault} is healed"));
    wait_for(&frames, "Nightjar");
    frames.signal(Signal::SIGINT);
    assert_eq!(frames.exit_code(HANG_TIMEOUT), None, "Ctrl-C ends it");
    // The last line may be a part of a frame.
    let whole = frames.log();
    let whole = &whole[..whole.rfind('\n').expect("a frame at least")];
    for line in whole.lines() {
        let frame: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
        assert!(frame["t"] == "data" || frame["t"] == "k", "{line}");
    }
    drop(cluster);
    assert_eq!(lines.exit_code(HANG_TIMEOUT), Some(3), "dispatch has gone");
}

#[test]
fn a_command_line_that_cannot_be_used_ends_with_2_and_says_why() {
    for (arguments, named) in [
        (&[][..], "Usage"),
        (&["explode"], "explode"),
        (&["create", "Ada", "--count", "2"], "--count"),
        (&["create", "--count", "0"], "--count"),
        (&["create", "--count", "10001"], "--count"),
        (&["assign", "Ada"], "<PLACE>"),
        (&["step", "gotham"], "<TO>"),
        (&["speed", "9"], "10..=1000"),
        (&["verdict", "--wait-converged", "soon"], "--wait-converged"),
        (&["verdict", "--wait-converged", "1s", "--wait-apart", "1s"], "--wait-apart"),
        (&["events", "--since", "-1"], "-1"),
        (&["fault", "burn", "gotham"], "burn"),
        (&["fault", "cut", "gotham"], "<TO>"),
        (&["fault", "cut", "gotham", "gotham"], "itself"),
        (&["fault", "loss", "gotham", "all"], "--percent"),
        (&["fault", "loss", "gotham", "all", "--percent", "101"], "at most 100"),
        (&["fault", "delay", "gotham", "all", "--by", "11s"], "1ms to 10s"),
        (&["fault", "delay", "gotham", "all", "--by", "1s", "--jitter", "2s"], "at most the delay"),
        (&["fault", "throttle", "gotham", "all", "--bytes-per-s", "1"], "256"),
        (&["fault", "skew", "gotham", "--by", "0"], "more than nothing"),
        (&["fault", "skew", "gotham", "--by", "2h"], "at most 1h"),
        (&["fault", "cut", "gotham", "all", "--for", "2h"], "1h"),
        (&["completions", "perl"], "perl"),
        (&["--url", "https://localhost", "verdict"], "http://"),
        (&["--url", "localhost:4900", "verdict"], "http://"),
        (&["--url", "http://localhost/api", "verdict"], "behind the host"),
        (&["play", "no-such-scenario"], "split-brain"),
    ] {
        let ended = run("superhero", arguments, &[], HANG_TIMEOUT);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {ended:?}");
        assert!(
            ended.stderr.contains(named),
            "{arguments:?} does not name {named}: {}",
            ended.stderr
        );
    }
    let ended = run("superhero", &["verdict"], &[("SUPERHERO_URL", "nonsense")], HANG_TIMEOUT);
    assert!(ended.code == Some(2) && ended.stderr.contains("nonsense"), "{ended:?}");
}

#[test]
fn a_dispatch_that_does_not_answer_ends_with_3_and_is_named() {
    let nobody = TcpListener::bind((own_address(), 0)).expect("an address of our own");
    let url = format!("http://{}", nobody.local_addr().expect("a bound address"));
    drop(nobody);
    for arguments in [
        &["verdict"][..],
        &["heroes", "--json"],
        &["watch"],
        &["play", "only-copy"],
        &["heal"],
        &["terminate", "Ada"],
    ] {
        let ended = run("superhero", &[&["--url", &url], arguments].concat(), &[], HANG_TIMEOUT);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(3), ""), "{arguments:?}: {ended:?}");
        assert!(
            ended.stderr.contains(&url) && ended.stderr.lines().count() <= 2,
            "{arguments:?}: {ended:?}"
        );
        assert!(ended.took < Duration::from_secs(5), "{arguments:?} took {:?}", ended.took);
    }
}

#[test]
fn help_completions_and_version_need_no_cluster() {
    let help = run("superhero", &["--help"], &[], HANG_TIMEOUT);
    assert_eq!(help.code, Some(0));
    for part in ["--url", "--json", "Exit codes", "NO_COLOR", "play", "watch", "fault"] {
        assert!(help.stdout.contains(part), "{part} is not in\n{}", help.stdout);
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = run("superhero", &["completions", shell], &[], HANG_TIMEOUT);
        assert!(
            script.code == Some(0)
                && script.stdout.contains("wait-converged")
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
