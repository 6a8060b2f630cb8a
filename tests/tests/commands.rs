//! What the binaries say to people who start them: options, mistakes, exit codes, logs.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use cluster_tests::{Api, HANG_TIMEOUT, NODES, Process, Signal, own_address, run, wait_until};

#[test]
fn help_and_version_are_printed_and_nothing_else_happens() {
    for node in NODES {
        let help = run(node, &["--help"], &[], HANG_TIMEOUT);
        assert_eq!(help.code, Some(0), "{help:?}");
        for flag in [
            "--listen",
            "--peer",
            "--gossip-interval",
            "--max-restarts",
            "--max-restart-window",
            "--cookie-file",
            "--seed",
            "--log-format",
        ] {
            assert!(help.stdout.contains(flag), "{node}: {flag} is missing in\n{}", help.stdout);
        }
        let own = if node == "dispatch" {
            ["--poll-interval", "--launcher"].as_slice()
        } else {
            &["--patrol-interval", "--fight-interval"]
        };
        assert!(own.iter().all(|flag| help.stdout.contains(flag)), "{node}: {}", help.stdout);
        assert!(help.stdout.contains(node), "{node} calls itself by its name:\n{}", help.stdout);

        let version = run(node, &["--version"], &[], HANG_TIMEOUT);
        assert_eq!(version.code, Some(0), "{version:?}");
        assert_eq!(
            version.stdout.trim(),
            format!("{node} {}", env!("CARGO_PKG_VERSION")),
            "{version:?}"
        );
    }
}

#[test]
fn unusable_flags_end_with_2_and_are_named() {
    for node in NODES {
        let own = format!("--peer={node}=127.0.0.1:1");
        for (arguments, named) in [
            (&["--no-such-flag"][..], "--no-such-flag"),
            (&["surplus"], "surplus"),
            (&["--listen", "x"], "--listen"),
            (&["--listen", "127.0.0.1"], "--listen"),
            (&["--listen", "127.0.0.1:70000"], "--listen"),
            (&["--peer", "gotham"], "--peer"),
            (&["--peer", "gotham=h:70000"], "--peer"),
            (&["--peer", "gotham=h:0"], "--peer"),
            (&["--peer", "=h:1"], "--peer"),
            (&["--peer", "GOTHAM=h:1"], "--peer"),
            (&["--peer", "riverdale=h:1", "--peer", "riverdale=h:2"], "riverdale"),
            (&[&own], "--peer"),
            (&["--gossip-interval", "5"], "--gossip-interval"),
            (&["--gossip-interval", "1ms"], "--gossip-interval"),
            (&["--gossip-interval", "nonsense"], "--gossip-interval"),
            (&["--gossip-interval=-1s"], "--gossip-interval"),
            (&["--gossip-interval", "-1s"], "-1"),
            (&["--max-restarts", "-1"], "-1"),
            (&["--max-restarts", "many"], "--max-restarts"),
            (&["--max-restart-window", "9999y"], "--max-restart-window"),
            (&["--seed", "x"], "--seed"),
            (&["--log-format", "xml"], "--log-format"),
            (&["--cookie-file", "/no/such/file"], "/no/such/file"),
            (&["--listen", "0.0.0.0:0"], "--listen"),
            (&["--listen", "[::]:0"], "--listen"),
        ] {
            let ended = run(node, arguments, &[], HANG_TIMEOUT);
            assert_eq!(ended.code, Some(2), "{node} {arguments:?}: {ended:?}");
            assert!(
                ended.stderr.contains(named),
                "{node} {arguments:?} does not name {named}: {}",
                ended.stderr
            );
        }
    }
}

#[test]
fn a_refusal_to_listen_to_the_world_says_what_to_do() {
    let ended = run("gotham", &["--listen", "0.0.0.0:0"], &[], HANG_TIMEOUT);
    for remedy in ["--cookie-file", "SUPERHERO_COOKIE", "--tls-cert", "make certs", "--insecure"] {
        assert!(ended.stderr.contains(remedy), "{}", ended.stderr);
    }
    for empty in [("SUPERHERO_COOKIE", ""), ("SUPERHERO_COOKIE", &"x".repeat(257))] {
        let ended = run("gotham", &["--listen", "127.0.0.1:0"], &[empty], HANG_TIMEOUT);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains("cookie"), "{ended:?}");
    }
}

#[test]
fn every_flag_has_its_twin_in_the_environment() {
    for node in NODES {
        for (variable, named) in [
            ("SUPERHERO_LISTEN", "--listen"),
            ("SUPERHERO_PEER", "--peer"),
            ("SUPERHERO_GOSSIP_INTERVAL", "--gossip-interval"),
            ("SUPERHERO_MAX_RESTARTS", "--max-restarts"),
            ("SUPERHERO_MAX_RESTART_WINDOW", "--max-restart-window"),
            ("SUPERHERO_SEED", "--seed"),
            ("SUPERHERO_LOG_FORMAT", "--log-format"),
        ] {
            let ended = run(node, &[], &[(variable, "nonsense")], HANG_TIMEOUT);
            assert_eq!(ended.code, Some(2), "{node} {variable}: {ended:?}");
            assert!(ended.stderr.contains(named), "{node} {variable}: {}", ended.stderr);
        }
    }
    for variable in ["SUPERHERO_PATROL_INTERVAL", "SUPERHERO_FIGHT_INTERVAL"] {
        assert_eq!(
            run("gotham", &[], &[(variable, "nonsense")], HANG_TIMEOUT).code,
            Some(2),
            "{variable}"
        );
    }
    assert_eq!(
        run("dispatch", &[], &[("SUPERHERO_POLL_INTERVAL", "nonsense")], HANG_TIMEOUT).code,
        Some(2)
    );
    let ended = run("gotham", &[], &[("SUPERHERO_COOKIE_FILE", "/no/such/file")], HANG_TIMEOUT);
    assert!(ended.code == Some(2) && ended.stderr.contains("/no/such/file"), "{ended:?}");
}

#[test]
fn a_port_in_use_ends_with_1_at_once_and_says_so() {
    let taken = TcpListener::bind((own_address(), 0)).expect("an address of our own");
    let address = taken.local_addr().expect("a bound address");
    for node in NODES {
        let ended = run(node, &[&format!("--listen={address}")], &[], HANG_TIMEOUT);
        assert_eq!(ended.code, Some(1), "{node}: {ended:?}");
        assert!(ended.took < Duration::from_secs(1), "{node} took {:?}", ended.took);
        let said = ended.stdout + &ended.stderr;
        assert!(said.contains(&address.to_string()) && said.contains("in use"), "{node}: {said}");
    }
}

/// A node that runs by itself, on a port it chose.
fn alone(directory: &Path, node: &str, more: &[&str], environment: &[(&str, &str)]) -> Process {
    // Nobody listens there, and nobody else's cluster is disturbed.
    let peer = if node == "gotham" { "capitol" } else { "gotham" };
    let mut arguments =
        vec![format!("--listen={}:0", own_address()), format!("--peer={peer}={}:9", own_address())];
    arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
    Process::start(node, &arguments, environment, directory.join(format!("{node}.log")))
}

/// The address that a node says it took.
#[track_caller]
fn address_of(process: &Process) -> SocketAddr {
    wait_until("the node prints the address it took", HANG_TIMEOUT, || {
        let log = process.log();
        let (_, rest) = log.split_once("http://").ok_or_else(|| log.clone())?;
        let end = rest
            .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ':')))
            .unwrap_or(rest.len());
        rest[..end].parse().map_err(|error| format!("{error} in {log}"))
    })
}

#[test]
fn port_0_takes_a_free_port_and_prints_it() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for node in NODES {
        let process = alone(directory.path(), node, &[], &[]);
        let address = address_of(&process);
        assert_ne!(address.port(), 0);
        assert_eq!(Api::new(address).get("/healthz").status, 200, "{node}");
    }
}

#[test]
fn a_node_without_peers_joins_as_the_first_and_stops_when_told() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for node in NODES {
        let mut process = alone(directory.path(), node, &[], &[]);
        let api = Api::new(address_of(&process));
        wait_until("the node is ready", HANG_TIMEOUT, || match api.get("/readyz") {
            reply if reply.status == 200 => Ok(()),
            reply => Err(reply.body),
        });
        process.signal(Signal::SIGTERM);
        assert_eq!(process.exit_code(Duration::from_secs(2)), Some(0), "{node}");
        assert!(!process.log().contains("panicked"), "{node}: {}", process.log());
    }
}

#[test]
fn json_logs_are_one_object_a_line() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for node in NODES {
        let mut process =
            alone(directory.path(), node, &["--log-format=json"], &[("RUST_LOG", "debug")]);
        address_of(&process);
        process.signal(Signal::SIGINT);
        assert_eq!(process.exit_code(Duration::from_secs(2)), Some(0));
        let log = process.log();
        assert!(log.lines().count() > 2, "{log}");
        for line in log.lines() {
            let object: serde_json::Value = serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("{node}: {error} in {line:?}"));
            assert!(
                object["level"].is_string()
                    && object["timestamp"].is_string()
                    && object["message"].is_string(),
                "{node}: {line}"
            );
        }
    }
}

#[test]
fn a_shared_cookie_lets_a_node_listen_beyond_loopback() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let cookie = directory.path().join("cookie");
    std::fs::write(&cookie, "a secret that is long\n").expect("a file in a directory of our own");
    let arguments = [
        "--listen=0.0.0.0:0".to_owned(),
        "--insecure".to_owned(),
        format!("--cookie-file={}", cookie.display()),
        format!("--peer=capitol={}:9", own_address()),
    ];
    let process = Process::start("gotham", &arguments, &[], directory.path().join("gotham.log"));
    let port = address_of(&process).port();
    assert_eq!(Api::new(SocketAddr::from((own_address(), port))).get("/healthz").status, 200);
    assert!(!process.log().contains("a secret that"), "a cookie has no place in a log");
    assert!(
        process.log().contains("INSECURE: what is said here is not encrypted"),
        "{}",
        process.log()
    );
}
