//! `superhero watch`, against a live socket with scripted frames.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;

use tungstenite::Message;
use tungstenite::handshake::server::{Request, Response};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;

const VERDICT: &str = r#"{"converged":true,"sentence":"All agree.","differences":0,"only_copies":0,"lost_writes":0,"oldest_difference_ms":null}"#;

/// Runs `superhero watch` while the socket sends these frames and closes. Returns the exit code,
/// the output and the errors.
#[expect(clippy::result_large_err, reason = "the callback's type is tungstenite's")]
fn watched(frames: Vec<String>, arguments: &[&str]) -> (Option<i32>, String, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
    let url = format!("http://{}", listener.local_addr().expect("a bound address"));
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("the client connects");
        let mut path = String::new();
        let callback = |request: &Request, response: Response| {
            path = request.uri().to_string();
            Ok(response)
        };
        let mut socket = tungstenite::accept_hdr(stream, callback).expect("a WebSocket");
        for frame in frames {
            socket.send(Message::text(frame)).expect("the client reads");
        }
        let reason = CloseFrame { code: CloseCode::Away, reason: "dispatch is stopping".into() };
        socket.close(Some(reason)).expect("the client is connected");
        while socket.read().is_ok() {}
        path
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_superhero"));
    let done = command
        .args(["--url", &url, "watch"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs");
    assert_eq!(server.join().expect("the server does not panic"), "/live?as=data");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the output is UTF-8");
    (done.status.code(), text(done.stdout), text(done.stderr))
}

fn frames() -> Vec<String> {
    let event =
        r#"{"number":1,"at_ms":0,"node":"gotham","kind":"lost","text":"bad \u001b[2J news"}"#;
    vec![
        format!(
            r#"{{"t":"data","verdict":{VERDICT},"faults":[],"gossip":{{"paused":false,"percent":100}},"events":[{event}]}}"#
        ),
        r#"{"t":"k"}"#.to_owned(),
        r#"{"t":"a newer kind","x":1}"#.to_owned(),
    ]
}

#[test]
fn changes_are_printed_until_dispatch_closes() {
    let (code, out, errors) = watched(frames(), &[]);
    assert_eq!(
        out,
        "1970-01-01T00:00:00.000Z  lost: bad \u{fffd}[2J news\ngossip is running, rate 100 %\nAll agree.\n"
    );
    assert_eq!(code, Some(3));
    assert!(errors.contains("dispatch is stopping") && errors.lines().count() == 1, "{errors}");
}

#[test]
fn json_option_prints_the_frames_as_received() {
    let (_, out, _) = watched(frames(), &["--json"]);
    assert_eq!(out.lines().map(str::to_owned).collect::<Vec<_>>(), frames());
}

#[test]
fn invalid_frame_exits_with_3() {
    for wrong in ["<html>", "{}", r#"{"t":"data","events":[7]}"#] {
        let (code, out, errors) = watched(vec![wrong.to_owned()], &[]);
        assert_eq!((code, out.as_str()), (Some(3), ""), "{wrong}: {errors}");
        assert!(errors.contains("not dispatch"), "{wrong}: {errors}");
    }
}
