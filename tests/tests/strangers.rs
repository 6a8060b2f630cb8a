//! WebSocket clients of others, and what they are told when they misbehave: a close code and a
//! reason, never just the end of the connection.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use cluster_tests::{Cluster, NODES, Options, python_tool, raw};
use data_encoding::BASE64;
use gossip::wire::FRAME_BYTES_MAX;
use serde::Deserialize;
use serde_json::{Value, json};

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;

/// A frame as a client sends it: its first byte, which has its flags and its kind, and its payload,
/// masked with zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, payload.len());
    bytes.extend(payload);
    bytes
}

fn header(first: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![first];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=125), _) => bytes.push(0x80 | short),
        (_, Ok(medium)) => {
            bytes.push(0x80 | 126);
            bytes.extend(medium.to_be_bytes());
        }
        (_, Err(_)) => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes
}

/// A message of two such pieces.
fn pieces(piece: &[u8]) -> Vec<u8> {
    [frame(0x01, piece), frame(0x80, piece)].concat()
}

/// What is sent where, and the close code and words that it is answered with.
struct Case {
    what: &'static str,
    path: &'static str,
    bytes: Vec<u8>,
    code: u16,
    reason: &'static str,
}

/// How a client says that a socket ended.
#[derive(Debug, Deserialize, PartialEq)]
struct Ending {
    code: Option<u16>,
    reason: Option<String>,
    status: Option<u16>,
    r#type: Option<String>,
}

/// What the client of others says of these cases.
#[track_caller]
fn endings(cases: &[Value]) -> Vec<Ending> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/websocket.py");
    let mut client = Command::new(python_tool("python"));
    let mut client = client
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the client can be started");
    let cases = serde_json::to_vec(cases).expect("cases are JSON");
    client.stdin.take().expect("it is piped").write_all(&cases).expect("the client listens");
    let output = client.wait_with_output().expect("the client ends");
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("the client answers with a list")
}

fn case(door: SocketAddr, path: &str, origin: Option<&str>, bytes: &[u8]) -> Value {
    json!({ "url": format!("ws://{door}{path}"), "origin": origin, "bytes": BASE64.encode(bytes) })
}

#[rustfmt::skip]
fn table() -> Vec<Case> {
    let case = |what, path, bytes, code, reason| Case { what, path, bytes, code, reason };
    let mut table = vec![
        case("no message of ours", "/live", frame(TEXT, b"bomb gotham"), 1008, "unknown message; send commands as forms"),
        case("bytes where text belongs", "/live", frame(BINARY, &[0; 16]), 1003, "this socket takes text only"),
        case("a message too large", "/live", frame(TEXT, &[b'x'; 9_000]), 1009, "a message that is too large"),
        case("a message much too large", "/live", frame(TEXT, &vec![b'x'; 1 << 20]), 1009, "a message that is too large"),
        case("too large in pieces", "/live", pieces(&[b'x'; 5_000]), 1009, "a message that is too large"),
        case("text that is not UTF-8", "/live", frame(TEXT, b"\xff\xfe"), 1007, "text that is not UTF-8"),
        case("half a letter", "/live", frame(TEXT, "é".as_bytes().split_at(1).0), 1007, "text that is not UTF-8"),
        case("too many pings", "/live", frame(PING, b"?").repeat(500), 1008, "too many messages"),
        case("too many messages", "/live", frame(TEXT, br#"{"t":"ack","s":0}"#).repeat(500), 1008, "too many messages"),
        case("a program that commands", "/live?as=data", frame(TEXT, b"{}"), 1008, "this socket only tells; send commands by the API"),
        case("a program that floods", "/live?as=data", frame(PING, b"?").repeat(500), 1008, "too many messages"),
        case("a client that closes", "/live", frame(CLOSE, &1_000_u16.to_be_bytes()), 1000, ""),
        case("no hello", "/cluster", frame(BINARY, b"GET / HTTP/1.1"), 4000, ""),
        case("a hello in words", "/cluster", frame(TEXT, b"hello"), 4000, ""),
        case("a frame too large for a link", "/cluster", header(BINARY, FRAME_BYTES_MAX + 1), 1009, ""),
        case("text that is not UTF-8 to a node", "/cluster", frame(TEXT, b"\xff\xfe"), 1007, ""),
        case("a stranger that closes", "/cluster", frame(CLOSE, &1_000_u16.to_be_bytes()), 1000, ""),
    ];
    for path in ["/live", "/live?as=data", "/cluster"] {
        table.extend([
            case("a frame that is not masked", path, vec![TEXT, 2, b'{', b'}'], 1002, ""),
            case("a reserved bit", path, frame(TEXT | 0x40, b"{}"), 1002, ""),
            case("a kind of frame that is not", path, frame(0x83, b"{}"), 1002, ""),
            case("a kind of control that is not", path, frame(0x8b, b""), 1002, ""),
            case("a ping in pieces", path, frame(0x09, b"?"), 1002, ""),
            case("a ping too large", path, frame(PING, &[0; 126]), 1002, ""),
            case("the end of nothing", path, frame(0x80, b"{}"), 1002, ""),
            case("two beginnings", path, [frame(0x01, b"{"), frame(TEXT, b"}")].concat(), 1002, ""),
        ]);
    }
    table
}

#[test]
fn a_client_that_misbehaves_is_told_why_its_socket_is_closed() {
    let cluster = Cluster::start(Options::default());
    let door = cluster.address("dispatch");
    let table = table();
    let sent: Vec<Value> =
        table.iter().map(|Case { path, bytes, .. }| case(door, path, None, bytes)).collect();
    let endings = endings(&sent);
    assert_eq!(endings.len(), table.len());
    let wrong: Vec<String> = table
        .iter()
        .zip(&endings)
        .filter(|(case, ending)| {
            ending.code != Some(case.code)
                || !ending.reason.as_deref().unwrap_or_default().contains(case.reason)
        })
        .map(|(case, ending)| {
            format!(
                "{} at {}: expected {} {:?}, got {ending:?}",
                case.what, case.path, case.code, case.reason
            )
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_client_from_another_site_is_refused_with_a_problem() {
    let cluster = Cluster::start(Options::default());
    let door = cluster.address("dispatch");
    let foreign = Some("http://evil.example");
    let refused = endings(&[
        case(door, "/live", foreign, &[]),
        case(door, "/live?as=data", foreign, &[]),
        case(door, "/cluster", foreign, &[]),
    ]);
    for refusal in refused {
        assert_eq!(
            (refusal.status, refusal.r#type.as_deref()),
            (Some(403), Some("foreign_origin"))
        );
    }
}

#[test]
fn what_is_no_websocket_request_gets_a_problem_that_says_what_is_missing() {
    let cluster = Cluster::start(Options::default());
    let whole = [
        ("connection", "upgrade, close"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="),
    ];
    for (missing, instead, status, code) in [
        ("upgrade", None, 426, "not_a_websocket"),
        ("upgrade", Some("h2c"), 426, "not_a_websocket"),
        ("sec-websocket-version", None, 426, "websocket_version"),
        ("sec-websocket-version", Some("8"), 426, "websocket_version"),
        ("sec-websocket-key", None, 400, "websocket_key"),
        ("sec-websocket-key", Some("short"), 400, "websocket_key"),
    ] {
        let others = whole.into_iter().filter(|(name, _)| *name != missing);
        let headers: Vec<(&str, &str)> =
            others.chain(instead.map(|value| (missing, value))).collect();
        for (node, path) in
            [("dispatch", "/live"), ("dispatch", "/cluster"), ("gotham", "/cluster")]
        {
            let address = cluster.address(node);
            let mut request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n");
            request.extend(headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")));
            let answer = raw::exchange(address, format!("{request}\r\n").as_bytes(), false);
            let problem: Value = serde_json::from_str(answer.body())
                .unwrap_or_else(|error| panic!("{error}: {answer:?}"));
            assert_eq!(
                (answer.status(), &problem["type"]),
                (Some(status), &json!(code)),
                "{path}: {answer:?}"
            );
            let head = answer.text.to_ascii_lowercase();
            assert!(
                head.contains("upgrade: websocket\r\n")
                    && head.contains("sec-websocket-version: 13\r\n"),
                "{answer:?}"
            );
        }
    }
}

#[test]
fn every_node_refuses_with_problems() {
    let cluster = Cluster::start(Options::default());
    for node in NODES {
        let api = cluster_tests::Api::new(cluster.address(node));
        let ask = |method: &str, path: &str| api.request(method, path, &[], b"");
        let _ = ask("GET", "/nothing").problem(404, "unknown_path");
        let _ = ask("GET", "/cluster").problem(426, "not_a_websocket");
        let _ = ask("POST", "/thaw/0000002a").problem(401, "not_a_member");
        for (method, path, allowed) in [
            ("POST", "/healthz", "GET,HEAD"),
            ("DELETE", "/readyz", "GET,HEAD"),
            ("PUT", "/cluster", "GET,HEAD"),
            ("GET", "/thaw/1", "POST"),
        ] {
            let refused = ask(method, path);
            let _ = refused.problem(405, "wrong_method");
            assert_eq!(
                refused.headers.get("allow").map(String::as_str),
                Some(allowed),
                "{node} {method} {path}"
            );
        }
    }
}
