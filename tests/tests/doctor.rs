//! `superhero doctor`, shown clusters that are well and clusters that are not: it must tell which,
//! and why.

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

/// The lines about this check, as `state: found: remedy`.
fn lines(said: &Finished, check: &str) -> Vec<String> {
    let cells = said.stdout.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    cells
        .filter(|cells| cells.len() == 4 && cells[1] == check)
        .map(|cells| format!("{}: {}: {}", cells[0], cells[2], cells[3]))
        .collect()
}

/// Asks until it says these words of this check in one line, with this exit code.
#[track_caller]
fn wait_said(cluster: &Cluster, code: i32, check: &str, words: &[&str]) -> Finished {
    wait_until(&format!("the doctor says {words:?} of {check}"), HANG_TIMEOUT, || {
        let said = doctor(cluster.address("dispatch"), &[]);
        let found =
            lines(&said, check).iter().any(|line| words.iter().all(|word| line.contains(word)));
        ensure(found && said.code == Some(code), || format!("{said:?}"))?;
        Ok(said)
    })
}

/// Somebody who takes this address and answers whatever comes by these bytes; by nothing at all
/// where there are none.
fn stranger(address: SocketAddr, answer: &'static [u8]) {
    let listener = TcpListener::bind(address).expect("an address of our own");
    thread::spawn(move || {
        let mut held = Vec::new();
        for mut stream in listener.incoming().flatten() {
            // Whoever asks may go in the middle of it.
            let _ = stream.read(&mut [0; 1_024]).and_then(|_| stream.write_all(answer));
            if answer.is_empty() {
                held.push(stream);
            }
        }
    });
}

#[test]
fn a_healthy_cluster_is_found_well() {
    let cluster = Cluster::start(Options::default());
    cluster.wait_converged();
    let said = doctor(cluster.address("dispatch"), &[]);
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{said:?}");
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
        let of_check = lines(&said, check);
        assert!(
            !of_check.is_empty()
                && of_check.iter().all(|line| line.starts_with("ok: ") && line.ends_with(": ")),
            "{check}: {said:?}"
        );
    }
    assert!(lines(&said, "gotham")[0].contains("up and joined"), "{said:?}");

    let told: Value =
        serde_json::from_str(&doctor(cluster.address("dispatch"), &["--json"]).stdout)
            .expect("JSON");
    assert_eq!(told["well"], true);
    let first = told["findings"]
        .as_array()
        .and_then(|findings| findings.iter().find(|finding| finding["check"] == "gossip"))
        .cloned();
    assert_eq!(
        first,
        Some(json!({ "check": "gossip", "state": "ok", "found": "goes on", "remedy": "" }))
    );
}

#[test]
fn a_city_that_is_gone_is_told_from_one_whose_port_somebody_has() {
    let mut cluster = Cluster::start(Options::default());
    cluster.kill9("gotham");
    let said =
        wait_said(&cluster, 1, "gotham", &["FAIL", "does not run", "superhero rebuild gotham"]);
    assert!(lines(&said, "capitol")[0].starts_with("ok: "), "{said:?}");
    stranger(cluster.address("gotham"), b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello");
    wait_said(
        &cluster,
        1,
        "gotham",
        &["FAIL", "no node has its port", "HTTP/1.1 200 OK", "ss -ltnp 'sport = :4901'"],
    );
}

#[test]
fn trouble_that_was_left_behind_is_a_warning() {
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
    wait_said(
        &cluster,
        0,
        "faults",
        &["warn", "cut gotham * is in force", &format!("superhero heal {id}")],
    );
    cluster.api.post("/api/v1/gossip/pause", &json!({})).expect(200);
    wait_said(&cluster, 0, "gossip", &["warn", "paused", "superhero resume"]);
    cluster.bomb("capitol");
    wait_said(&cluster, 0, "crashes", &["warn", "1 of capitol"]);
}

#[test]
fn a_clock_that_is_off_is_named() {
    let cluster = Cluster::start(Options::default());
    let skew = |ms: i64| {
        let skew = json!({ "kind": "skew", "from": "capitol", "skew_ms": ms, "heal_after_s": 600 });
        cluster.api.post("/api/v1/faults", &skew).expect(201).json()["id"]
            .as_str()
            .expect("an id")
            .to_owned()
    };
    let id = skew(1_500);
    wait_said(&cluster, 0, "clocks", &["warn", "capitol's clock is 1s", "ahead of"]);
    cluster.api.request("DELETE", &format!("/api/v1/faults/{id}"), &[], &[]).expect(204);
    skew(-60_000);
    wait_said(
        &cluster,
        1,
        "clocks",
        &["FAIL", "capitol's clock is ", "behind dispatch's; 2s are accepted", "NTP"],
    );
}

#[test]
fn a_dispatch_that_is_dead_leaves_the_cities_to_be_looked_at() {
    let mut cluster = Cluster::start(Options::default());
    cluster.kill9("dispatch");
    let said = doctor(cluster.address("dispatch"), &[]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(
        lines(&said, "dispatch")[0].starts_with("FAIL: nobody listens at http://127."),
        "{said:?}"
    );
    assert!(lines(&said, "gotham")[0].starts_with("ok: runs at "), "{said:?}");
}

#[test]
fn whatever_else_is_where_dispatch_should_be_is_told_apart() {
    for (answer, words) in [
        (
            &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"[..],
            "is not dispatch",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "is not dispatch"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "is not dispatch"),
        // What a TLS server says to whoever does not speak it: an alert, fatal, of a malformed
        // message.
        (&[0x15, 3, 3, 0, 2, 2, 50], "speaks TLS"),
        (b"", "answers nothing"),
    ] {
        let address = SocketAddr::from((own_address(), 4900));
        stranger(address, answer);
        let said = doctor(address, &[]);
        let line = lines(&said, "dispatch");
        assert!(
            said.code == Some(1)
                && line.len() == 1
                && line[0].starts_with("FAIL: ")
                && line[0].contains(words),
            "{words}: {said:?}"
        );
    }
}

#[test]
fn a_configuration_is_held_to_what_each_node_says_of_it() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let (config, cookie) =
        (directory.path().join("superhero.toml"), directory.path().join("cookie"));
    let nobody = SocketAddr::from((own_address(), 4900));
    let said = |text: &str, mode| {
        fs::write(&config, text).expect("a file in a directory of our own");
        fs::write(&cookie, "through the looking glass\n")
            .expect("a file in a directory of our own");
        fs::set_permissions(&cookie, fs::Permissions::from_mode(mode)).expect("a file of our own");
        doctor(nobody, &["--config", config.to_str().expect("a path that is text")])
    };
    let with_cookie =
        format!("cookie-file = {:?}\n", cookie.to_str().expect("a path that is text"));

    let well = said(&with_cookie, 0o640);
    assert!(lines(&well, "configuration of gotham")[0].starts_with("ok: "), "{well:?}");
    assert!(
        lines(&well, "cookie-file")[0].starts_with("ok: ")
            && lines(&well, "cookie-file").len() == 1,
        "{well:?}"
    );
    let open = said(&with_cookie, 0o644);
    assert!(
        lines(&open, "cookie-file")[0].starts_with("FAIL: everybody on this machine may read"),
        "{open:?}"
    );
    let wrong = said("[dispatch]\npatrol-interval = 0\n", 0o600);
    assert!(
        lines(&wrong, "configuration of gotham")[0].starts_with("ok: "),
        "only dispatch reads its table: {wrong:?}"
    );
    assert!(
        lines(&wrong, "configuration of dispatch")[0]
            .contains("superhero.toml:2:1: dispatch has no patrol-interval"),
        "{wrong:?}"
    );
    let misspelt = said("gosip-interval = 0\n", 0o600);
    assert!(
        lines(&misspelt, "configuration of capitol")[0].contains("did you mean gossip-interval?"),
        "{misspelt:?}"
    );
    assert!([open, wrong, misspelt].iter().all(|said| said.code == Some(1)));
}
