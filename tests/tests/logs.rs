//! The logs of real nodes, as a program parses them.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::Arc;

use cluster_tests::{
    Cluster, HANG_TIMEOUT, Link, NODES, Options, Process, ensure, incarnation_now, own_address,
    wait_until,
};
use gossip::{Hlc, Origin, Stamp, UnixMillis};
use serde_json::Value as Json;
use shared::hero::{Hero, HeroId, Location};
use shared::message::{Command, Done};
use shared::{Entry, Frame, Value};

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
        let lines: Vec<Json> =
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

/// The lines that a hostile text would add to a log, if it were not escaped.
const FORGED: &str = "FORGED";

/// A text that ends its line, clears the screen and reverses what follows.
fn hostile() -> String {
    format!("x\r\n{FORGED}\u{1b}[2J\0\u{9b}\u{85}\u{2028}\u{202e}y")
}

#[track_caller]
fn assert_not_forged(log: &str) {
    let is_hostile = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(log.contains(FORGED), "the text was not logged: {log}");
    assert!(!log.contains(is_hostile), "{log:?}");
    assert!(log.lines().all(|line| !line.trim_start().starts_with(FORGED)), "{log}");
}

#[test]
fn close_reason_of_a_stranger_forges_no_line() {
    for format in ["text", "json"] {
        let listener = TcpListener::bind((own_address(), 0)).expect("a free port");
        let dispatch = listener.local_addr().expect("it is bound");
        let logs = tempfile::tempdir().expect("a temporary directory");
        let arguments = [
            "--listen=127.0.0.1:0".to_owned(),
            format!("--peer=dispatch={dispatch}"),
            format!("--log-format={format}"),
        ];
        let gotham = Process::start("gotham", &arguments, &[], logs.path().join("gotham.log"));
        let (stream, _) = listener.accept().expect("gotham dials");
        let mut socket = tungstenite::accept(stream).expect("a WebSocket");
        let close =
            tungstenite::protocol::CloseFrame { code: 4002.into(), reason: hostile().into() };
        socket.close(Some(close)).expect("gotham reads");
        while socket.read().is_ok() {}
        let log = wait_until("gotham logs the reason", HANG_TIMEOUT, || {
            let log = gotham.log();
            ensure(log.contains("cannot link"), || log.clone())?;
            Ok(log)
        });
        assert_not_forged(&log);
    }
    // A peer that dials, and closes before it is authenticated.
    let mut cluster = Cluster::start(Options::default());
    let (stream, address) = {
        let gotham = cluster.address("gotham");
        (std::net::TcpStream::connect(gotham).expect("gotham listens"), gotham)
    };
    let (mut socket, _) =
        tungstenite::client(format!("ws://{address}/cluster"), stream).expect("a WebSocket");
    let close = tungstenite::protocol::CloseFrame { code: 4002.into(), reason: hostile().into() };
    socket.close(Some(close)).expect("gotham reads");
    while socket.read().is_ok() {}
    wait_until("gotham logs the reason", HANG_TIMEOUT, || {
        let log = cluster.process("gotham").log();
        ensure(log.contains(FORGED), || log)
    });
    assert_not_forged(&cluster.process("gotham").log());
}

/// The test takes the place of the killed dispatch, and assigns a hero whose name the API would
/// refuse.
#[test]
fn hero_of_a_member_forges_no_line() {
    let mut cluster = Cluster::start(Options::default());
    cluster.kill9("dispatch");
    let me = incarnation_now();
    let gotham = cluster.address("gotham");
    let mut link = wait_until("gotham accepts the next dispatch", HANG_TIMEOUT, || {
        Link::as_member(gotham, "dispatch", me).map_err(|disconnect| format!("{disconnect:?}"))
    });
    let id: HeroId = "aaaaaaaa-0000-4000-8000-000000000001".parse().expect("an id");
    let origin = Origin {
        node: "dispatch".parse().expect("a name"),
        incarnation: gossip::Incarnation::at(me),
    };
    let stamp = Stamp { hlc: Hlc { wall: UnixMillis(me), logical: 0 }, origin };
    let entry = Entry::written(Value::Live(Hero::new(hostile().into())), stamp, None);
    let to = Location::City("gotham".parse().expect("a name"));
    link.send_frame(&Frame::Command {
        request: 1,
        expires: UnixMillis(me + 3_600_000),
        trace: None,
        command: Command::Assign { hero: id, to, copy: Some(Arc::new(entry)) },
    });
    let answer = link.receive_frame(|frame| {
        if let Frame::Answer { request: 1, result } = frame { Some(result) } else { None }
    });
    assert!(matches!(answer, Ok(Ok(Done::Assigned(_)))), "{answer:?}");
    link.close();
    cluster.restart("dispatch");
    wait_until("dispatch holds the hero", HANG_TIMEOUT, || {
        let reply = cluster.api.terminate("aaaaaaaa-0000-4000-8000-000000000001");
        ensure(reply.status == 204, || format!("{reply:?}"))
    });
    wait_until("dispatch logs the end of the hero", HANG_TIMEOUT, || {
        let log = cluster.process("dispatch").log();
        ensure(log.contains(FORGED), || log)
    });
    for node in NODES {
        let log = cluster.process(node).log();
        if log.contains(FORGED) {
            assert_not_forged(&log);
        }
    }
}
