//! The binaries' command lines: options, errors, exit codes and logs.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use cluster_tests::{Api, HANG_TIMEOUT, NODES, Process, Signal, own_address, run, wait_until};

#[test]
fn help_and_version_are_printed_without_starting_a_node() {
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
        assert!(help.stdout.contains(node), "{node} does not print its own name:\n{}", help.stdout);

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
fn invalid_flags_exit_with_2_and_are_named() {
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
            let finished = run(node, arguments, &[], HANG_TIMEOUT);
            assert_eq!(finished.code, Some(2), "{node} {arguments:?}: {finished:?}");
            assert!(
                finished.stderr.contains(named),
                "{node} {arguments:?} does not mention {named}: {}",
                finished.stderr
            );
        }
    }
}

#[test]
fn listening_beyond_loopback_is_refused_with_remedies() {
    let finished = run("gotham", &["--listen", "0.0.0.0:0"], &[], HANG_TIMEOUT);
    for remedy in ["--cookie-file", "SUPERHERO_COOKIE", "--tls-cert", "make certs", "--insecure"] {
        assert!(finished.stderr.contains(remedy), "{}", finished.stderr);
    }
    // An empty cookie counts as not set, so the built-in one is in force.
    for (listen, cookie) in [("0.0.0.0:0", String::new()), ("127.0.0.1:0", "x".repeat(257))] {
        let variable = ("SUPERHERO_COOKIE", cookie.as_str());
        let finished = run("gotham", &["--listen", listen], &[variable], HANG_TIMEOUT);
        assert_eq!(finished.code, Some(2), "{finished:?}");
        assert!(finished.stderr.contains("cookie"), "{finished:?}");
    }
}

#[test]
fn environment_variables_exist_for_all_flags() {
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
            let finished = run(node, &[], &[(variable, "nonsense")], HANG_TIMEOUT);
            assert_eq!(finished.code, Some(2), "{node} {variable}: {finished:?}");
            assert!(finished.stderr.contains(named), "{node} {variable}: {}", finished.stderr);
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
    let finished = run("gotham", &[], &[("SUPERHERO_COOKIE_FILE", "/no/such/file")], HANG_TIMEOUT);
    assert!(finished.code == Some(2) && finished.stderr.contains("/no/such/file"), "{finished:?}");
}

#[test]
fn port_in_use_exits_with_1_at_once_and_is_reported() {
    let occupied = TcpListener::bind((own_address(), 0)).expect("a free address");
    let address = occupied.local_addr().expect("a bound address");
    for node in NODES {
        let finished = run(node, &[&format!("--listen={address}")], &[], HANG_TIMEOUT);
        assert_eq!(finished.code, Some(1), "{node}: {finished:?}");
        assert!(finished.took < Duration::from_secs(1), "{node} took {:?}", finished.took);
        let output = finished.stdout + &finished.stderr;
        assert!(
            output.contains(&address.to_string()) && output.contains("in use"),
            "{node}: {output}"
        );
    }
}

/// Starts a single node without reachable peers, on a port that the system chooses.
fn start_single_node(
    directory: &Path,
    node: &str,
    more: &[&str],
    environment: &[(&str, &str)],
) -> Process {
    // Nothing listens on this peer's address, so no parallel cluster is disturbed.
    let peer = if node == "gotham" { "capitol" } else { "gotham" };
    let mut arguments =
        vec![format!("--listen={}:0", own_address()), format!("--peer={peer}={}:9", own_address())];
    arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
    Process::start(node, &arguments, environment, directory.join(format!("{node}.log")))
}

/// Returns the listen address that a node logs.
#[track_caller]
fn address_of(process: &Process) -> SocketAddr {
    wait_until("the node logs its listen address", HANG_TIMEOUT, || {
        let log = process.log();
        let (_, rest) = log.split_once("http://").ok_or_else(|| log.clone())?;
        let end = rest
            .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ':')))
            .unwrap_or(rest.len());
        rest[..end].parse().map_err(|error| format!("{error} in {log}"))
    })
}

#[test]
fn port_0_selects_a_free_port_and_logs_it() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for node in NODES {
        let process = start_single_node(directory.path(), node, &[], &[]);
        let address = address_of(&process);
        assert_ne!(address.port(), 0);
        assert_eq!(Api::new(address).get("/healthz").status, 200, "{node}");
    }
}

#[test]
fn node_without_peers_becomes_ready_and_stops_on_sigterm() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for node in NODES {
        let mut process = start_single_node(directory.path(), node, &[], &[]);
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
fn json_logs_contain_one_object_per_line() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for node in NODES {
        let mut process = start_single_node(
            directory.path(),
            node,
            &["--log-format=json"],
            &[("RUST_LOG", "debug")],
        );
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
fn cookie_permits_listening_beyond_loopback() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let cookie = directory.path().join("cookie");
    std::fs::write(&cookie, "a secret that is long\n").expect("a file in a temporary directory");
    let arguments = [
        "--listen=0.0.0.0:0".to_owned(),
        "--insecure".to_owned(),
        format!("--cookie-file={}", cookie.display()),
        format!("--peer=capitol={}:9", own_address()),
    ];
    let process = Process::start("gotham", &arguments, &[], directory.path().join("gotham.log"));
    let port = address_of(&process).port();
    assert_eq!(Api::new(SocketAddr::from((own_address(), port))).get("/healthz").status, 200);
    assert!(!process.log().contains("a secret that"), "the log contains the cookie");
    assert!(process.log().contains("INSECURE: traffic is not encrypted"), "{}", process.log());
}

/// Runs a command with a full standard output. Returns its exit code and its errors.
#[cfg(target_os = "linux")]
fn run_on_full_output(name: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
    let output = cluster_tests::command(name)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(full)
        .stderr(Stdio::piped())
        .output()
        .unwrap_or_else(|error| panic!("starting {name}: {error}"));
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[cfg(target_os = "linux")]
#[test]
fn full_standard_output_is_an_error() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let certificates = directory.path().join("certs").display().to_string();
    let mut calls = vec![
        ("superhero-certs", vec![certificates.as_str()]),
        ("superhero-certs", vec!["--keep", &certificates]),
        ("superhero", vec!["scenarios"]),
        ("superhero", vec!["scenarios", "--json"]),
        ("superhero", vec!["completions", "bash"]),
        ("superhero-cluster", vec!["--print-config"]),
        ("gotham", vec!["--print-config"]),
    ];
    for name in ["superhero-certs", "superhero", "superhero-cluster", "gotham", "dispatch"] {
        calls.push((name, vec!["--help"]));
        calls.push((name, vec!["--version"]));
    }
    for (name, arguments) in calls {
        let (code, errors) = run_on_full_output(name, &arguments);
        assert_eq!(code, Some(1), "{name} {arguments:?}: {errors}");
        assert!(
            errors.starts_with("error: cannot write to standard output: ")
                && errors.lines().count() == 1,
            "{name} {arguments:?}: {errors}"
        );
    }
    assert!(Path::new(&certificates).join("ca.pem").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn full_standard_error_does_not_change_the_exit_code() {
    for (name, arguments, code) in [
        ("superhero-certs", &["--days", "0"][..], 2),
        ("superhero-certs", &["/dev/null/no"], 1),
        ("superhero", &["explode"], 2),
        ("superhero", &["--url", "nonsense", "verdict"], 2),
        ("superhero-cluster", &["--host", "nowhere"], 2),
        ("superhero-cluster", &["--config", "/no/such/file"], 2),
        ("gotham", &["--config", "/no/such/file"], 2),
        ("gotham", &["--listen=127.0.0.1:0", "--tls-cert=x"], 2),
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
        let status = cluster_tests::command(name)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(full)
            .status()
            .unwrap_or_else(|error| panic!("starting {name}: {error}"));
        assert_eq!(status.code(), Some(code), "{name} {arguments:?}");
    }
}
