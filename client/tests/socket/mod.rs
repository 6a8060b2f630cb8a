//! A WebSocket with scripted frames.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;

use tungstenite::Message;
use tungstenite::handshake::server::{Request, Response};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;

/// Runs a command that opens a WebSocket at `path`, with one connection for each list of frames: the
/// socket sends them and closes. The connection after the last is refused with 401. Returns the exit
/// code, the output and the errors.
#[expect(clippy::result_large_err, reason = "the callback's type is tungstenite's")]
pub(crate) fn followed(
    path: &'static str,
    connections: Vec<Vec<String>>,
    arguments: &[&str],
) -> (Option<i32>, String, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
    let url = format!("http://{}", listener.local_addr().expect("a bound address"));
    let server = thread::spawn(move || {
        for frames in connections {
            let (stream, _) = listener.accept().expect("the client connects");
            let callback = |request: &Request, response: Response| {
                assert_eq!(request.uri().to_string(), path);
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
        .args(["--url", &url])
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
