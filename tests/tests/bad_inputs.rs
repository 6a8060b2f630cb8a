//! Invalid bytes at a node's port: each row of the table is sent to a city and to dispatch, whole
//! and byte by byte, and must be answered as listed; the node keeps running. Bad requests that are
//! well-formed HTTP are in `input.rs`, bad flags in `commands.rs`.
//!
//! Not covered, because the product lacks them: `If-Match`, `limit`, `cursor` and `Last-Event-ID`;
//! rate limits on requests; data directories, locks and torn files (nodes store nothing on disk);
//! SSE streams (pages use a WebSocket).

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};

use cluster_tests::raw::ANSWER_TIMEOUT;
use cluster_tests::{CITIES, Cluster, Heroes, NODES, Options, Stopwatch};

/// The expected response to a row.
#[derive(Clone, Copy, Debug)]
enum Expected {
    /// These statuses in this order, and no further response.
    Answers(&'static [u16]),
    /// One refusal (4xx, or 505), after which the connection is closed.
    Refused,
    /// A refusal, or a close without a response: these bytes are not HTTP.
    NoHttp,
}
use Expected::{Answers, NoHttp, Refused};

/// Returns the rows of the table: description, bytes and expected response. `{host}` stands for the
/// address.
fn table() -> Vec<(&'static str, Vec<u8>, Expected)> {
    let line = |what, bytes: &str, expected| (what, bytes.as_bytes().to_vec(), expected);
    let get = "GET /healthz HTTP/1.1\r\nhost: {host}\r\n";
    let end = "connection: close\r\n\r\n";
    let mut table = vec![
        // Ambiguous request lengths, on which two servers may disagree (request smuggling).
        line(
            "two lengths",
            &format!("{get}content-length: 1\r\ncontent-length: 2\r\n{end}ab"),
            Refused,
        ),
        line("a list of lengths", &format!("{get}content-length: 1, 2\r\n{end}ab"), Refused),
        line("a negative length", &format!("{get}content-length: -1\r\n{end}"), Refused),
        line("a length with a sign", &format!("{get}content-length: +1\r\n{end}a"), Refused),
        line(
            "a length beyond 64 bits",
            &format!("{get}content-length: 99999999999999999999\r\n{end}"),
            Refused,
        ),
        line("a length in hexadecimal", &format!("{get}content-length: 0x1\r\n{end}a"), Refused),
        line(
            "chunked is not the last coding",
            &format!("{get}transfer-encoding: chunked, gzip\r\n{end}"),
            Refused,
        ),
        line("an unknown coding", &format!("{get}transfer-encoding: cow\r\n{end}"), Refused),
        line(
            "chunks in HTTP/1.0",
            "POST /nothing HTTP/1.0\r\nhost: {host}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            Refused,
        ),
        line("a space before the colon", &format!("{get}content-length : 1\r\n{end}a"), Refused),
        line("a folded header", &format!("{get}x-a: b\r\n c: d\r\n{end}"), Refused),
        line("a null byte in a header", &format!("{get}x-a: b\0c\r\n{end}"), Refused),
        line("a null byte in a header's name", &format!("{get}x\0a: b\r\n{end}"), Refused),
        line("a carriage return in a header", &format!("{get}x-a: b\rc\r\n{end}"), Refused),
        // The request line.
        line("HTTP/0.9", "GET /healthz\r\n\r\n", Refused),
        line("HTTP/2 without an upgrade", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", NoHttp),
        line("HTTP/1.2", "GET /healthz HTTP/1.2\r\nhost: {host}\r\n\r\n", Refused),
        line("HTTP in lower case", "GET /healthz http/1.1\r\nhost: {host}\r\n\r\n", Refused),
        line("a null byte in the path", "GET /health\0z HTTP/1.1\r\nhost: {host}\r\n\r\n", Refused),
        line("two spaces", "GET  /healthz HTTP/1.1\r\nhost: {host}\r\n\r\n", Refused),
        line("no path", "GET HTTP/1.1\r\nhost: {host}\r\n\r\n", Refused),
        line(
            "a path without a slash",
            &format!("GET healthz HTTP/1.1\r\nhost: {{host}}\r\n{end}"),
            Refused,
        ),
        line(
            "an absolute URL as the target",
            &format!("GET http://{{host}}/healthz HTTP/1.1\r\nhost: {{host}}\r\n{end}"),
            Answers(&[200]),
        ),
        line(
            "an absolute URL of another host as the target",
            &format!("GET http://evil.example/healthz HTTP/1.1\r\nhost: {{host}}\r\n{end}"),
            Answers(&[400]),
        ),
        line(
            "an absolute URL of another scheme as the target",
            &format!("GET ftp://{{host}}/healthz HTTP/1.1\r\nhost: {{host}}\r\n{end}"),
            Answers(&[400]),
        ),
        line("no host", &format!("GET /healthz HTTP/1.1\r\n{end}"), Answers(&[400])),
        line("two hosts", &format!("{get}host: {{host}}\r\n{end}"), Answers(&[400])),
        line("two different hosts", &format!("{get}Host: evil.example\r\n{end}"), Answers(&[400])),
        line(
            "a host with a path",
            &format!("GET /healthz HTTP/1.1\r\nhost: {{host}}/a\r\n{end}"),
            Answers(&[400]),
        ),
        line(
            "a host with a user",
            &format!("GET /healthz HTTP/1.1\r\nhost: a@{{host}}\r\n{end}"),
            Answers(&[400]),
        ),
        line(
            "a host with a space",
            &format!("GET /healthz HTTP/1.1\r\nhost: {{host}} a\r\n{end}"),
            Answers(&[400]),
        ),
        line(
            "a proxy's request",
            &format!("CONNECT example.org:443 HTTP/1.1\r\nhost: example.org:443\r\n{end}"),
            Refused,
        ),
        line(
            "an unknown method",
            &format!("BREW /healthz HTTP/1.1\r\nhost: {{host}}\r\n{end}"),
            Answers(&[405]),
        ),
        line(
            "a path with parent directories",
            &format!("GET /../../etc/passwd HTTP/1.1\r\nhost: {{host}}\r\n{end}"),
            Answers(&[404]),
        ),
        line(
            "a percent-encoded path with parent directories",
            &format!("GET /static/%2e%2e/%2e%2e/Cargo.toml HTTP/1.1\r\nhost: {{host}}\r\n{end}"),
            Answers(&[404]),
        ),
        line(
            "a path encoded twice",
            &format!("GET /static/%252e%252e%252fCargo.toml HTTP/1.1\r\nhost: {{host}}\r\n{end}"),
            Answers(&[404]),
        ),
        line(
            "a percent-encoded null byte",
            &format!("GET /healthz%00 HTTP/1.1\r\nhost: {{host}}\r\n{end}"),
            Answers(&[404]),
        ),
        // Pipelined requests and other valid variants.
        line(
            "three pipelined requests",
            &format!("{get}\r\n{get}\r\n{get}{end}"),
            Answers(&[200, 200, 200]),
        ),
        line(
            "a valid request, then garbage",
            &format!("{get}\r\n\x01\x02\x03\r\n\r\n"),
            Answers(&[200, 400]),
        ),
        line("an empty line first", &format!("\r\n{get}{end}"), Answers(&[200])),
        line("HTTP/1.0", "GET /healthz HTTP/1.0\r\nhost: {host}\r\n\r\n", Answers(&[200])),
        // Other protocols.
        line("SSH", "SSH-2.0-OpenSSH_9.6\r\n", NoHttp),
        line("SMTP", "EHLO example.org\r\n\r\n", NoHttp),
    ];
    let tls =
        [&[0x16, 0x03, 0x01, 0x00, 0xf4, 0x01, 0x00, 0x00, 0xf0, 0x03, 0x03][..], &[0x5a; 233]]
            .concat();
    table.push(("TLS", tls, NoHttp));
    table.push(("zeros", vec![0; 1_000], NoHttp));
    table.push((
        "a header of half a mebibyte",
        format!("{get}x: {}\r\n{end}", "y".repeat(512 * 1024)).into_bytes(),
        Refused,
    ));
    table.push((
        "five hundred headers",
        format!("{get}{}{end}", "x: y\r\n".repeat(500)).into_bytes(),
        Refused,
    ));
    table.push((
        "a path of half a mebibyte",
        format!("GET /{} HTTP/1.1\r\nhost: {{host}}\r\n{end}", "x".repeat(512 * 1024)).into_bytes(),
        Refused,
    ));
    table
}

/// The way in which bytes are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sent {
    Whole,
    ByteByByte,
}

/// Returns the statuses received, and whether the connection was closed in time. The client keeps
/// reading after it has sent all.
fn exchange(address: SocketAddr, bytes: &[u8], sent: Sent) -> (Vec<u16>, bool, String) {
    let watch = Stopwatch::start();
    let mut stream = TcpStream::connect(address)
        .unwrap_or_else(|error| panic!("connecting to {address}: {error}"));
    stream.set_nodelay(true).expect("a TCP stream");
    stream.set_read_timeout(Some(ANSWER_TIMEOUT)).expect("a timeout above zero");
    stream.set_write_timeout(Some(ANSWER_TIMEOUT)).expect("a timeout above zero");
    // The server may close the connection before all is sent.
    match sent {
        Sent::Whole => drop(stream.write_all(bytes)),
        Sent::ByteByByte => drop(bytes.iter().try_for_each(|byte| stream.write_all(&[*byte]))),
    }
    let mut received = Vec::new();
    // A server resets a connection with unread input, maybe before its response is read.
    let reset = stream.read_to_end(&mut received).is_err();
    let _ = stream.shutdown(Shutdown::Both);
    let text = String::from_utf8_lossy(&received).into_owned();
    let statuses = text
        .match_indices("HTTP/1.")
        .filter_map(|(at, _)| text.get(at + 9..at + 12)?.parse().ok())
        .collect();
    (
        statuses,
        watch.elapsed() < ANSWER_TIMEOUT,
        if reset { format!("(reset) {text}") } else { text },
    )
}

#[test]
fn invalid_bytes_are_answered_or_refused_and_nodes_keep_running() {
    let mut cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(3));
    cluster.wait_until_held(&heroes, &CITIES);
    let mut failures = Vec::new();
    for node in ["gotham", "dispatch"] {
        let address = cluster.address(node);
        for (what, bytes, expected) in table() {
            let bytes = if bytes.is_ascii() {
                String::from_utf8_lossy(&bytes).replace("{host}", &address.to_string()).into_bytes()
            } else {
                bytes
            };
            for sent in [Sent::Whole, Sent::ByteByByte] {
                if sent == Sent::ByteByByte && bytes.len() > 2_000 {
                    continue;
                }
                let (statuses, ended, text) = exchange(address, &bytes, sent);
                let refused = matches!(statuses[..], [400..=499 | 505]);
                let as_expected = match expected {
                    Answers(expected) => statuses == expected,
                    // The response may be lost if more was sent than is read; the connection is
                    // closed nevertheless.
                    Refused => {
                        refused
                            || (statuses.is_empty()
                                && (bytes.len() > 100_000 || text.starts_with("(reset)")))
                    }
                    NoHttp => refused || statuses.is_empty(),
                };
                if !ended || !as_expected {
                    failures.push(format!(
                        "{node}, {what}, {sent:?}: expected {expected:?}, got {statuses:?}, \
                         closed {ended}: {}",
                        text.get(..200).unwrap_or(&text)
                    ));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    heroes.created([cluster.api.create_named("After all that").id]);
    cluster.wait_until_held(&heroes, &CITIES);
    for node in NODES {
        let process = cluster.process(node);
        assert!(
            !process.has_ended() && !process.log().contains("panicked"),
            "{node}: {}",
            process.log()
        );
    }
}
