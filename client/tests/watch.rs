//! `superhero watch`, against a live socket with scripted frames.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;

use tungstenite::Message;
use tungstenite::handshake::server::{Request, Response};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;

const VERDICT: &str = r#"{"converged":true,"sentence":"All agree.","differences":0,"only_copies":0,"lost_writes":0,"oldest_difference_ms":null}"#;

/// Runs `superhero watch` with one connection for each list of frames: the socket sends them and
/// closes. The connection after the last is refused with 401. Returns the exit code, the output
/// and the errors.
#[expect(clippy::result_large_err, reason = "the callback's type is tungstenite's")]
fn watched(connections: Vec<Vec<String>>, arguments: &[&str]) -> (Option<i32>, String, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
    let url = format!("http://{}", listener.local_addr().expect("a bound address"));
    let server = thread::spawn(move || {
        for frames in connections {
            let (stream, _) = listener.accept().expect("the client connects");
            let callback = |request: &Request, response: Response| {
                assert_eq!(request.uri().to_string(), "/live?as=data");
                Ok(response)
            };
            let mut socket = tungstenite::accept_hdr(stream, callback).expect("a WebSocket");
            for frame in frames {
                socket.send(Message::text(frame)).expect("the client reads");
            }
            let reason =
                CloseFrame { code: CloseCode::Away, reason: "dispatch is stopping".into() };
            socket.close(Some(reason)).expect("the client is connected");
            while socket.read().is_ok() {}
        }
        for refusal in [unavailable(), String::new(), signed_out()] {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let _ = stream.read(&mut [0; 4_096]);
            let _ = stream.write_all(refusal.as_bytes());
        }
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_superhero"));
    let done = command
        .env("TZ", "UTC")
        .args(["--url", &url, "watch"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs");
    drop(server);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the output is UTF-8");
    (done.status.code(), text(done.stdout), text(done.stderr))
}

fn refusal(status: &str, kind: &str) -> String {
    let body =
        format!(r#"{{"type":"{kind}","title":"T","status":0,"detail":"a token is required"}}"#);
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

fn unavailable() -> String {
    refusal("503 Service Unavailable", "full")
}

fn signed_out() -> String {
    refusal("401 Unauthorized", "sign_in")
}

fn event(number: u64, text: &str) -> String {
    format!(
        r#"{{"number":{number},"at_ms":{number},"node":"gotham","kind":"lost","text":"{text}"}}"#
    )
}

fn data(events: &[String]) -> String {
    format!(
        r#"{{"t":"data","verdict":{VERDICT},"faults":[],"gossip":{{"paused":false,"percent":100}},"events":[{}]}}"#,
        events.join(",")
    )
}

fn frames() -> Vec<String> {
    let event = event(1, "bad \\u001b[2J news").replace("\"at_ms\":1", "\"at_ms\":0");
    vec![data(&[event]), r#"{"t":"k"}"#.to_owned(), r#"{"t":"a newer kind","x":1}"#.to_owned()]
}

#[test]
fn changes_are_printed_until_dispatch_refuses() {
    let (code, out, errors) = watched(vec![frames()], &[]);
    assert_eq!(
        out,
        "1970-01-01T00:00:00.000Z  lost: bad \u{fffd}[2J news\ngossip is running, rate 100 %\nAll agree.\n"
    );
    assert_eq!(code, Some(1));
    assert!(
        errors.contains("dispatch is stopping; reconnecting\n")
            && errors.ends_with("error: a token is required (sign_in)\n"),
        "{errors}"
    );
}

#[test]
fn lost_connection_is_made_again_and_no_event_is_printed_twice() {
    let first = vec![data(&[event(1, "one"), event(2, "two")])];
    let repeated = vec![data(&[event(1, "one"), event(2, "two"), event(3, "three")])];
    let gap = vec![data(&[event(7, "seven")]), data(&[event(8, "eight")])];
    let restarted = vec![data(&[event(1, "again").replace("\"at_ms\":1", "\"at_ms\":99")])];
    let (_, out, errors) = watched(vec![first, repeated, gap, restarted], &[]);
    let printed: Vec<&str> = out
        .lines()
        .filter(|line| line.contains("lost: ") || line.contains("missing"))
        .map(|line| line.rsplit("  lost: ").next().unwrap_or_default())
        .collect();
    assert_eq!(
        printed,
        [
            "one",
            "two",
            "three",
            "events 4 to 6 are missing: superhero events --since 3",
            "seven",
            "eight",
            "again"
        ]
    );
    assert_eq!(errors.matches("; reconnecting\n").count(), 4, "{errors}");
    assert_eq!(errors.matches("reconnected\n").count(), 3, "{errors}");
}

#[test]
fn json_option_prints_the_frames_as_received() {
    let (_, out, _) = watched(vec![frames(), frames()], &["--json"]);
    assert_eq!(out.lines().map(str::to_owned).collect::<Vec<_>>(), [frames(), frames()].concat());
}

#[test]
fn invalid_frame_exits_with_3() {
    for wrong in ["<html>", "{}", r#"{"t":"data","events":[7]}"#] {
        let (code, out, errors) = watched(vec![vec![wrong.to_owned()]], &[]);
        assert_eq!((code, out.as_str()), (Some(3), ""), "{wrong}: {errors}");
        assert!(errors.contains("not dispatch"), "{wrong}: {errors}");
    }
}
