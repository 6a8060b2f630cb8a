//! An independent WebSocket client that violates the protocol: it must receive a close code and a
//! reason, never just a closed connection.

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

/// Encodes a frame as a client sends it: the first byte contains the flags and the opcode; the
/// payload is masked with zeros.
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

/// Encodes a message of two equal fragments.
fn fragmented(piece: &[u8]) -> Vec<u8> {
    [frame(0x01, piece), frame(0x80, piece)].concat()
}

/// Bytes sent to a path, and the close code and reason expected in response.
struct Case {
    description: &'static str,
    path: &'static str,
    bytes: Vec<u8>,
    code: u16,
    reason: &'static str,
}

/// The end of a socket, as the client reports it.
#[derive(Debug, Deserialize, PartialEq)]
struct Disconnect {
    code: Option<u16>,
    reason: Option<String>,
    status: Option<u16>,
    r#type: Option<String>,
}

/// Runs the client on these cases, and returns their ends.
#[track_caller]
fn run_client(cases: &[Value]) -> Vec<Disconnect> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/websocket.py");
    let mut client = Command::new(python_tool("python"));
    let mut client = client
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the client can be started");
    let cases = serde_json::to_vec(cases).expect("cases are JSON");
    client
        .stdin
        .take()
        .expect("stdin is piped")
        .write_all(&cases)
        .expect("the client reads its input");
    let output = client.wait_with_output().expect("the client exits");
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("the client prints a list")
}

fn case(address: SocketAddr, path: &str, origin: Option<&str>, bytes: &[u8]) -> Value {
    json!({ "url": format!("ws://{address}{path}"), "origin": origin, "bytes": BASE64.encode(bytes) })
}

#[rustfmt::skip]
fn table() -> Vec<Case> {
    let case = |description, path, bytes, code, reason| Case { description, path, bytes, code, reason };
    let mut table = vec![
        case("an unknown message", "/live", frame(TEXT, b"bomb gotham"), 1008, "unknown message; send commands through forms"),
        case("binary data in place of text", "/live", frame(BINARY, &[0; 16]), 1003, "this socket accepts text only"),
        case("a message too large", "/live", frame(TEXT, &[b'x'; 9_000]), 1009, "message too large"),
        case("a message much too large", "/live", frame(TEXT, &vec![b'x'; 1 << 20]), 1009, "message too large"),
        case("a fragmented message too large", "/live", fragmented(&[b'x'; 5_000]), 1009, "message too large"),
        case("text that is not UTF-8", "/live", frame(TEXT, b"\xff\xfe"), 1007, "text is not UTF-8"),
        case("half a character", "/live", frame(TEXT, "é".as_bytes().split_at(1).0), 1007, "text is not UTF-8"),
        case("too many pings", "/live", frame(PING, b"?").repeat(500), 1008, "too many messages"),
        case("too many messages", "/live", frame(TEXT, br#"{"t":"ack","s":0}"#).repeat(500), 1008, "too many messages"),
        case("a program that sends a command", "/live?as=data", frame(TEXT, b"{}"), 1008, "this socket is read-only; send commands through the API"),
        case("a program that floods", "/live?as=data", frame(PING, b"?").repeat(500), 1008, "too many messages"),
        case("a client that closes", "/live", frame(CLOSE, &1_000_u16.to_be_bytes()), 1000, ""),
        case("no hello", "/cluster", frame(BINARY, b"GET / HTTP/1.1"), 4000, ""),
        case("a hello as text", "/cluster", frame(TEXT, b"hello"), 4000, ""),
        case("a frame too large for a link", "/cluster", header(BINARY, FRAME_BYTES_MAX + 1), 1009, ""),
        case("text that is not UTF-8 to a node", "/cluster", frame(TEXT, b"\xff\xfe"), 1007, ""),
        case("an unauthenticated client that closes", "/cluster", frame(CLOSE, &1_000_u16.to_be_bytes()), 1000, ""),
    ];
    for path in ["/live", "/live?as=data", "/cluster"] {
        table.extend([
            case("a frame that is not masked", path, vec![TEXT, 2, b'{', b'}'], 1002, ""),
            case("a reserved bit", path, frame(TEXT | 0x40, b"{}"), 1002, ""),
            case("an unknown opcode", path, frame(0x83, b"{}"), 1002, ""),
            case("an unknown control opcode", path, frame(0x8b, b""), 1002, ""),
            case("a fragmented ping", path, frame(0x09, b"?"), 1002, ""),
            case("a ping too large", path, frame(PING, &[0; 126]), 1002, ""),
            case("a continuation without a beginning", path, frame(0x80, b"{}"), 1002, ""),
            case("two beginnings", path, [frame(0x01, b"{"), frame(TEXT, b"}")].concat(), 1002, ""),
        ]);
    }
    table
}

#[test]
fn protocol_violations_are_closed_with_code_and_reason() {
    let cluster = Cluster::start(Options::default());
    let address = cluster.address("dispatch");
    let table = table();
    let sent: Vec<Value> =
        table.iter().map(|Case { path, bytes, .. }| case(address, path, None, bytes)).collect();
    let disconnects = run_client(&sent);
    assert_eq!(disconnects.len(), table.len());
    let failures: Vec<String> = table
        .iter()
        .zip(&disconnects)
        .filter(|(case, disconnect)| {
            disconnect.code != Some(case.code)
                || !disconnect.reason.as_deref().unwrap_or_default().contains(case.reason)
        })
        .map(|(case, disconnect)| {
            format!(
                "{} at {}: expected {} {:?}, got {disconnect:?}",
                case.description, case.path, case.code, case.reason
            )
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn foreign_origins_are_refused_with_a_problem() {
    let cluster = Cluster::start(Options::default());
    let address = cluster.address("dispatch");
    let foreign = Some("http://evil.example");
    let refusals = run_client(&[
        case(address, "/live", foreign, &[]),
        case(address, "/live?as=data", foreign, &[]),
        case(address, "/cluster", foreign, &[]),
    ]);
    for refusal in refusals {
        assert_eq!(
            (refusal.status, refusal.r#type.as_deref()),
            (Some(403), Some("foreign_origin"))
        );
    }
}

#[test]
fn invalid_upgrade_requests_get_a_problem_with_the_reason() {
    let cluster = Cluster::start(Options::default());
    let headers_complete = [
        ("connection", "upgrade, close"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="),
    ];
    for (missing, replacement, status, code) in [
        ("upgrade", None, 426, "not_a_websocket"),
        ("upgrade", Some("h2c"), 426, "not_a_websocket"),
        ("sec-websocket-version", None, 426, "websocket_version"),
        ("sec-websocket-version", Some("8"), 426, "websocket_version"),
        ("sec-websocket-key", None, 400, "websocket_key"),
        ("sec-websocket-key", Some("short"), 400, "websocket_key"),
    ] {
        let others = headers_complete.into_iter().filter(|(name, _)| *name != missing);
        let headers: Vec<(&str, &str)> =
            others.chain(replacement.map(|value| (missing, value))).collect();
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
fn refusals_of_every_node_are_problems() {
    let cluster = Cluster::start(Options::default());
    for node in NODES {
        let api = cluster_tests::Api::new(cluster.address(node));
        let request = |method: &str, path: &str| api.request(method, path, &[], b"");
        let _ = request("GET", "/nothing").problem(404, "unknown_path");
        let _ = request("GET", "/cluster").problem(426, "not_a_websocket");
        let _ = request("POST", "/thaw/0000002a").problem(401, "not_a_member");
        for (method, path, allowed) in [
            ("POST", "/healthz", "GET,HEAD"),
            ("DELETE", "/readyz", "GET,HEAD"),
            ("PUT", "/cluster", "GET,HEAD"),
            ("GET", "/thaw/1", "POST"),
        ] {
            let refusals = request(method, path);
            let _ = refusals.problem(405, "wrong_method");
            assert_eq!(
                refusals.headers.get("allow").map(String::as_str),
                Some(allowed),
                "{node} {method} {path}"
            );
        }
    }
}
