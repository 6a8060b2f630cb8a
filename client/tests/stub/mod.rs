//! A stub of dispatch with scripted responses. Each connection carries one request, and has its own
//! thread.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

/// The parts of a request that tests check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// `POST /faults`: the method, and the path below `/api/v1`.
    pub(crate) line: String,
    /// The `Idempotency-Key`; empty without one.
    pub(crate) key: String,
    pub(crate) body: String,
}

type Handler = dyn Fn(&Request) -> (u16, String) + Send + Sync;

/// A stub of dispatch. It runs until the test process exits.
pub(crate) struct Stub {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Stub {
    pub(crate) fn start(
        handler: impl Fn(&Request) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
        let url = format!("http://{}", listener.local_addr().expect("a bound address"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, handler): (_, Arc<Handler>) = (Arc::clone(&seen), Arc::new(handler));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, handler) = (Arc::clone(&log), Arc::clone(&handler));
                // A client that disconnects must not end the stub.
                thread::spawn(move || answer(stream, &log, &*handler).unwrap_or(()));
            }
        });
        Self { url, seen }
    }

    /// Returns the requests so far, in order of arrival.
    #[allow(dead_code, reason = "not every test file uses it")]
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen
            .lock()
            .expect("no thread panics with the lock")
            .iter()
            .map(|request| request.line.clone())
            .collect()
    }

    /// Returns the idempotency keys of the requests so far, in order of arrival.
    #[allow(dead_code, reason = "not every test file uses it")]
    pub(crate) fn keys(&self) -> Vec<String> {
        let seen = self.seen.lock().expect("no thread panics with the lock");
        seen.iter().map(|request| request.key.clone()).collect()
    }

    /// Returns the bodies of the requests with this line.
    #[allow(dead_code, reason = "not every test file uses it")]
    pub(crate) fn bodies(&self, line: &str) -> Vec<String> {
        let seen = self.seen.lock().expect("no thread panics with the lock");
        seen.iter()
            .filter(|request| request.line == line)
            .map(|request| request.body.clone())
            .collect()
    }
}

fn answer(stream: TcpStream, log: &Mutex<Vec<Request>>, handler: &Handler) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let (mut length, mut key) = (0, String::new());
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if let Some(value) = header.strip_prefix("idempotency-key:") {
            value.trim().clone_into(&mut key);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let line = first.trim_end().trim_end_matches(" HTTP/1.1").replacen("/api/v1", "", 1);
    let request = Request { line, key, body: String::from_utf8_lossy(&body).into_owned() };
    log.lock().expect("no thread panics with the lock").push(request.clone());
    let (status, body) = handler(&request);
    let answer = format!(
        "HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    reader.get_mut().write_all(answer.as_bytes())?;
    reader.get_mut().shutdown(Shutdown::Write)?;
    // Closing with unread bytes would reset the connection, and the answer could be lost.
    reader.read_to_end(&mut Vec::new()).map(drop)
}

/// Returns a problem document.
pub(crate) fn problem(status: u16, kind: &str) -> (u16, String) {
    (
        status,
        format!(
            r#"{{"type":"{kind}","title":"T","status":{status},"detail":"the detail of {kind}"}}"#
        ),
    )
}

/// Runs `superhero` for the dispatch at this URL, in UTC.
#[allow(dead_code, reason = "not every test file uses it")]
pub(crate) fn superhero(url: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_superhero"));
    command
        .env_remove("SUPERHERO_URL")
        .env("TZ", "UTC")
        .args(["--url", url])
        .args(arguments)
        .stdin(Stdio::null());
    command.output().expect("the binary runs")
}

/// Returns the output of a program as text.
#[allow(dead_code, reason = "not every test file uses it")]
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the output is UTF-8")
}
