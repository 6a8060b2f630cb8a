//! `superhero doctor` on healthy and faulty clusters: it must distinguish them, and report the
//! causes.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::thread;

use cluster_tests::{
    Cluster, Finished, HANG_TIMEOUT, Options, ensure, own_address, run, wait_until,
};
use serde_json::{Value, json};

#[track_caller]
fn doctor(dispatch: SocketAddr, arguments: &[&str]) -> Finished {
    let url = format!("--url=http://{dispatch}");
    run("superhero", &[&["doctor", &url], arguments].concat(), &[], HANG_TIMEOUT)
}

/// Returns the lines about this check, as `state: found: remedy`.
fn lines(report: &Finished, check: &str) -> Vec<String> {
    let cells = report.stdout.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    cells
        .filter(|cells| cells.len() == 4 && cells[1] == check)
        .map(|cells| format!("{}: {}: {}", cells[0], cells[2], cells[3]))
        .collect()
}

/// Repeats the command until one line about this check contains these words, with this exit code.
#[track_caller]
fn wait_reported(cluster: &Cluster, code: i32, check: &str, words: &[&str]) -> Finished {
    wait_until(&format!("the doctor reports {words:?} about {check}"), HANG_TIMEOUT, || {
        let report = doctor(cluster.address("dispatch"), &[]);
        let found =
            lines(&report, check).iter().any(|line| words.iter().all(|word| line.contains(word)));
        ensure(found && report.code == Some(code), || format!("{report:?}"))?;
        Ok(report)
    })
}

/// Starts a server at this address that responds to any request with these bytes; if there are
/// none, it keeps connections open in silence.
fn foreign_server(address: SocketAddr, response: &'static [u8]) {
    let listener = TcpListener::bind(address).expect("a free address");
    thread::spawn(move || {
        let mut open_streams = Vec::new();
        for mut stream in listener.incoming().flatten() {
            // Errors are ignored: the client may close the connection early.
            let _ = stream.read(&mut [0; 1_024]).and_then(|_| stream.write_all(response));
            if response.is_empty() {
                open_streams.push(stream);
            }
        }
    });
}

#[test]
fn healthy_cluster_passes_all_checks() {
    let cluster = Cluster::start(Options::default());
    cluster.wait_converged();
    let report = doctor(cluster.address("dispatch"), &[]);
    assert_eq!((report.code, report.stderr.as_str()), (Some(0), ""), "{report:?}");
    for check in [
        "dispatch",
        "version",
        "gotham",
        "metropolis",
        "capitol",
        "clocks",
        "crashes",
        "faults",
        "gossip",
        "agreement",
        "lost writes",
    ] {
        let check_lines = lines(&report, check);
        assert!(
            !check_lines.is_empty()
                && check_lines.iter().all(|line| line.starts_with("ok: ") && line.ends_with(": ")),
            "{check}: {report:?}"
        );
    }
    assert!(lines(&report, "gotham")[0].contains("up and joined"), "{report:?}");

    let json_report: Value =
        serde_json::from_str(&doctor(cluster.address("dispatch"), &["--json"]).stdout)
            .expect("JSON");
    assert_eq!(json_report["well"], true);
    let first = json_report["findings"]
        .as_array()
        .and_then(|findings| findings.iter().find(|finding| finding["check"] == "gossip"))
        .cloned();
    assert_eq!(
        first,
        Some(
            json!({ "check": "gossip", "state": "ok", "found": "running at its configured rate", "remedy": "" })
        )
    );
}

#[test]
fn stopped_city_is_distinguished_from_an_occupied_port() {
    let mut cluster = Cluster::start(Options::default());
    cluster.kill9("gotham");
    let report = wait_reported(
        &cluster,
        1,
        "gotham",
        &["FAIL", "is not running", "superhero rebuild gotham"],
    );
    assert!(lines(&report, "capitol")[0].starts_with("ok: "), "{report:?}");
    foreign_server(cluster.address("gotham"), b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello");
    wait_reported(
        &cluster,
        1,
        "gotham",
        &[
            "FAIL",
            "another program uses its address",
            "HTTP/1.1 200 OK",
            "ss -ltnp 'sport = :4901'",
        ],
    );
}

#[test]
fn leftover_faults_pauses_and_crashes_are_warnings() {
    let cluster = Cluster::start(Options::default());
    let cut = cluster
        .api
        .post(
            "/api/v1/faults",
            &json!({ "kind": "cut", "from": "gotham", "to": "*", "heal_after_s": 600 }),
        )
        .expect(201)
        .json();
    let id = cut["id"].as_str().expect("an id");
    wait_reported(
        &cluster,
        0,
        "faults",
        &["warn", "cut gotham * is in force", &format!("superhero heal {id}")],
    );
    cluster.api.post("/api/v1/gossip/pause", &json!({})).expect(200);
    wait_reported(&cluster, 0, "gossip", &["warn", "paused", "superhero resume"]);
    cluster.bomb("capitol");
    wait_reported(&cluster, 0, "crashes", &["warn", "1 of capitol"]);
}

#[test]
fn deviating_clock_is_reported() {
    let cluster = Cluster::start(Options::default());
    let skew = |ms: i64| {
        let skew = json!({ "kind": "skew", "from": "capitol", "skew_ms": ms, "heal_after_s": 600 });
        cluster.api.post("/api/v1/faults", &skew).expect(201).json()["id"]
            .as_str()
            .expect("an id")
            .to_owned()
    };
    let id = skew(1_500);
    wait_reported(&cluster, 0, "clocks", &["warn", "the clock of capitol is 1s", "ahead of"]);
    cluster.api.request("DELETE", &format!("/api/v1/faults/{id}"), &[], &[]).expect(204);
    skew(-60_000);
    wait_reported(
        &cluster,
        1,
        "clocks",
        &["FAIL", "the clock of capitol is ", "behind that of dispatch; the limit is 2s", "NTP"],
    );
}

#[test]
fn stopped_dispatch_does_not_prevent_checks_of_cities() {
    let mut cluster = Cluster::start(Options::default());
    cluster.kill9("dispatch");
    let report = doctor(cluster.address("dispatch"), &[]);
    assert_eq!(report.code, Some(1), "{report:?}");
    assert!(
        lines(&report, "dispatch")[0].starts_with("FAIL: no process listens at http://127."),
        "{report:?}"
    );
    assert!(lines(&report, "gotham")[0].starts_with("ok: runs at "), "{report:?}");
}

#[test]
fn foreign_servers_at_dispatchs_address_are_distinguished() {
    for (response, words) in [
        (
            &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"[..],
            "is not dispatch",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "is not dispatch"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "is not dispatch"),
        // The response of a TLS server to plain text: a fatal alert for a malformed message.
        (&[0x15, 3, 3, 0, 2, 2, 50], "requires TLS"),
        (b"", "no response from"),
    ] {
        let address = SocketAddr::from((own_address(), 4900));
        foreign_server(address, response);
        let report = doctor(address, &[]);
        let line = lines(&report, "dispatch");
        assert!(
            report.code == Some(1)
                && line.len() == 1
                && line[0].starts_with("FAIL: ")
                && line[0].contains(words),
            "{words}: {report:?}"
        );
    }
}

#[test]
fn configuration_is_checked_for_each_node() {
    let directory = tempfile::tempdir().expect("a temporary directory can be created");
    let (config, cookie) =
        (directory.path().join("superhero.toml"), directory.path().join("cookie"));
    let unused_address = SocketAddr::from((own_address(), 4900));
    let report = |text: &str, mode| {
        fs::write(&config, text).expect("a file in a temporary directory");
        fs::write(&cookie, "through the looking glass\n").expect("a file in a temporary directory");
        fs::set_permissions(&cookie, fs::Permissions::from_mode(mode)).expect("a temporary file");
        doctor(unused_address, &["--config", config.to_str().expect("a path that is text")])
    };
    let with_cookie =
        format!("cookie-file = {:?}\n", cookie.to_str().expect("a path that is text"));

    let valid = report(&with_cookie, 0o640);
    assert!(lines(&valid, "configuration of gotham")[0].starts_with("ok: "), "{valid:?}");
    assert!(
        lines(&valid, "cookie-file")[0].starts_with("ok: ")
            && lines(&valid, "cookie-file").len() == 1,
        "{valid:?}"
    );
    let readable = report(&with_cookie, 0o644);
    assert!(
        lines(&readable, "cookie-file")[0].starts_with("FAIL: all users can access"),
        "{readable:?}"
    );
    let unmatchable = report("allow-host = [\"https://heroes.example/\"]\n", 0o600);
    let dispatch = &lines(&unmatchable, "configuration of dispatch")[0];
    assert!(dispatch.starts_with("FAIL: ") && dispatch.contains("without a scheme"), "{dispatch}");
    let invalid = report("[dispatch]\npatrol-interval = 0\n", 0o600);
    assert!(
        lines(&invalid, "configuration of gotham")[0].starts_with("ok: "),
        "only dispatch reads its table: {invalid:?}"
    );
    assert!(
        lines(&invalid, "configuration of dispatch")[0]
            .contains("superhero.toml:2:1: dispatch has no patrol-interval"),
        "{invalid:?}"
    );
    let misspelt = report("gosip-interval = 0\n", 0o600);
    assert!(
        lines(&misspelt, "configuration of capitol")[0].contains("did you mean gossip-interval?"),
        "{misspelt:?}"
    );
    assert!([readable, invalid, misspelt].iter().all(|report| report.code == Some(1)));
}
