//! Bytes at a node's port that no client should send: each line of the table is sent to a city and
//! to dispatch, whole and byte by byte, and is answered as it says; then the node goes on. Bad
//! requests that are well-formed HTTP are in `input.rs`, bad flags in `commands.rs`.
//!
//! What is not here, and why: `If-Match`, `limit`, `cursor` and `Last-Event-ID` (nothing takes
//! them); a rate limit (there is none on requests); data directories, locks and torn files (nodes
//! keep nothing on disk); an SSE stream (pages have a socket).

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};

use cluster_tests::raw::ANSWER_TIMEOUT;
use cluster_tests::{CITIES, Cluster, Heroes, NODES, Options, Stopwatch};

/// What must come of a line.
#[derive(Clone, Copy, Debug)]
enum Then {
    /// Each of these statuses, in this order, and no further answer.
    Answers(&'static [u16]),
    /// One refusal (4xx, or 505), and the end of the connection.
    Refused,
    /// A refusal, or the end without a word: these bytes are no HTTP at all.
    NoHttp,
}
use Then::{Answers, NoHttp, Refused};

/// Lines of the table: what it is, the bytes, and what comes of them. `{host}` stands for the
/// address.
fn table() -> Vec<(&'static str, Vec<u8>, Then)> {
    let line = |what, bytes: &str, then| (what, bytes.as_bytes().to_vec(), then);
    let get = "GET /healthz HTTP/1.1\r\nhost: {host}\r\n";
    let end = "connection: close\r\n\r\n";
    let mut table = vec![
        // Where a request ends, on which two servers may disagree: smuggling.
        line(
            "two lengths",
            &format!("{get}content-length: 1\r\ncontent-length: 2\r\n{end}ab"),
            Refused,
        ),
        line("a list of lengths", &format!("{get}content-length: 1, 2\r\n{end}ab"), Refused),
        line("a negative length", &format!("{get}content-length: -1\r\n{end}"), Refused),
        line("a length with a sign", &format!("{get}content-length: +1\r\n{end}a"), Refused),
        line(
            "a length beyond all numbers",
            &format!("{get}content-length: 99999999999999999999\r\n{end}"),
            Refused,
        ),
        line("a length in hexadecimal", &format!("{get}content-length: 0x1\r\n{end}a"), Refused),
        line(
            "chunks that are not the last coding",
            &format!("{get}transfer-encoding: chunked, gzip\r\n{end}"),
            Refused,
        ),
        line(
            "a coding that nobody knows",
            &format!("{get}transfer-encoding: cow\r\n{end}"),
            Refused,
        ),
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
        // The first line.
        line("HTTP/0.9", "GET /healthz\r\n\r\n", Refused),
        line("HTTP/2 without having asked", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", NoHttp),
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
            "the address as the target",
            &format!("GET http://{{host}}/healthz HTTP/1.1\r\nhost: {{host}}\r\n{end}"),
            Answers(&[200]),
        ),
        line(
            "a proxy's request",
            &format!("CONNECT example.org:443 HTTP/1.1\r\nhost: example.org:443\r\n{end}"),
            Refused,
        ),
        line(
            "a method that nobody knows",
            &format!("BREW /healthz HTTP/1.1\r\nhost: {{host}}\r\n{end}"),
            Answers(&[405]),
        ),
        line(
            "a path that climbs",
            &format!("GET /../../etc/passwd HTTP/1.1\r\nhost: {{host}}\r\n{end}"),
            Answers(&[404]),
        ),
        line(
            "a path that climbs in disguise",
            &format!("GET /static/%2e%2e/%2e%2e/Cargo.toml HTTP/1.1\r\nhost: {{host}}\r\n{end}"),
            Answers(&[404]),
        ),
        line(
            "a path disguised twice",
            &format!("GET /static/%252e%252e%252fCargo.toml HTTP/1.1\r\nhost: {{host}}\r\n{end}"),
            Answers(&[404]),
        ),
        line(
            "a null byte in disguise",
            &format!("GET /healthz%00 HTTP/1.1\r\nhost: {{host}}\r\n{end}"),
            Answers(&[404]),
        ),
        // One behind the other, and what a client may ask for on the way.
        line("three at once", &format!("{get}\r\n{get}\r\n{get}{end}"), Answers(&[200, 200, 200])),
        line(
            "a good one, then garbage",
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

/// How bytes are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sent {
    Whole,
    ByteByByte,
}

/// The statuses that came back, and whether the connection ended in time. A client that has said
/// all goes on listening.
fn exchange(door: SocketAddr, bytes: &[u8], sent: Sent) -> (Vec<u16>, bool, String) {
    let watch = Stopwatch::start();
    let mut stream =
        TcpStream::connect(door).unwrap_or_else(|error| panic!("connecting to {door}: {error}"));
    stream.set_nodelay(true).expect("a TCP stream");
    stream.set_read_timeout(Some(ANSWER_TIMEOUT)).expect("a timeout above zero");
    stream.set_write_timeout(Some(ANSWER_TIMEOUT)).expect("a timeout above zero");
    // It may be cut off before it has said all.
    match sent {
        Sent::Whole => drop(stream.write_all(bytes)),
        Sent::ByteByByte => drop(bytes.iter().try_for_each(|byte| stream.write_all(&[*byte]))),
    }
    let mut said = Vec::new();
    // A server that has been sent more than it reads resets the connection, maybe before its answer
    // is read.
    let reset = stream.read_to_end(&mut said).is_err();
    let _ = stream.shutdown(Shutdown::Both);
    let text = String::from_utf8_lossy(&said).into_owned();
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
fn every_line_is_answered_or_turned_away_and_the_node_goes_on() {
    let mut cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(3));
    cluster.wait_until_held(&heroes, &CITIES);
    let mut wrong = Vec::new();
    for node in ["gotham", "dispatch"] {
        let door = cluster.address(node);
        for (what, bytes, then) in table() {
            let bytes = if bytes.is_ascii() {
                String::from_utf8_lossy(&bytes).replace("{host}", &door.to_string()).into_bytes()
            } else {
                bytes
            };
            for sent in [Sent::Whole, Sent::ByteByByte] {
                if sent == Sent::ByteByByte && bytes.len() > 2_000 {
                    continue;
                }
                let (statuses, ended, text) = exchange(door, &bytes, sent);
                let refused = matches!(statuses[..], [400..=499 | 505]);
                let as_said = match then {
                    Answers(expected) => statuses == expected,
                    // The answer may be lost where more was sent than is read; the connection has
                    // ended all the same.
                    Refused => {
                        refused
                            || (statuses.is_empty()
                                && (bytes.len() > 100_000 || text.starts_with("(reset)")))
                    }
                    NoHttp => refused || statuses.is_empty(),
                };
                if !ended || !as_said {
                    wrong.push(format!(
                        "{node}, {what}, {sent:?}: expected {then:?}, got {statuses:?}, ended {ended}: {}",
                        text.get(..200).unwrap_or(&text)
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
