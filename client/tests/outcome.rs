//! Requests whose answer is lost, behind a proxy that passes requests on.

mod stub;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use nix::sys::socket::{setsockopt, sockopt};
use stub::{Request, Stub, problem, superhero, text};

const HERO: &str = r#"{"id":"aaaaaaaa-0000-4000-8000-000000000001","name":"Ada","location":"home","is_patrolling":false,"health":100,"stamp":{"wall_ms":1,"logical":0,"origin":"dispatch/1"}}"#;
const CITY: &str = r#"{"city":"gotham"}"#;
const GOSSIP: &str = r#"{"paused":true,"percent":0}"#;
const FAULT: &str = r#"{"id":"00c0ffee","kind":"cut","from":"gotham","to":"*","both":true,"heal_after_s":20.0,"heals_in_ms":19500,"in_force_at":[],"frames":{"seen":0,"dropped":0,"delayed":0,"duplicated":0}}"#;
const EXCHANGE: &str = r#"{"from":"gotham","to":"capitol","completed":true,"entries":3,"bytes":4}"#;
const MESSAGE: &str = r#"{"id":"1+0@gotham/1","sender":"Ada","text":"Hello","stamp":{"wall_ms":1,"logical":0,"origin":"gotham/1"},"node":"gotham","reply_to":null}"#;
const NAME: &str = r#"{"name":"leader","owner":"gotham","value":null,"token":{"wall_ms":1,"logical":0,"origin":"gotham/1"}}"#;
const ID: &str = "aaaaaaaa-0000-4000-8000-000000000001";

/// What a proxy sends in place of an answer.
#[derive(Clone, Copy, Debug)]
enum Instead {
    /// A TCP reset.
    Reset,
    /// The first half of the answer, and then the end of the stream.
    Half,
    /// A page of its own.
    BadGateway,
}

/// Starts a proxy for one stub that loses the first `lost` answers, and then ends if `ends`.
/// Returns its URL.
fn proxy(stub: &Stub, lost: usize, instead: Instead, ends: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
    let url = format!("http://{}", listener.local_addr().expect("a bound address"));
    let upstream = stub.url.trim_start_matches("http://").to_owned();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            let mut stream = stream;
            let mut server = TcpStream::connect(&upstream).expect("the stub listens");
            let mut answer = Vec::new();
            let request = read_request(&mut stream);
            server.write_all(&request).expect("the stub reads");
            server.read_to_end(&mut answer).expect("the stub answers");
            if number >= lost {
                let _ = stream.write_all(&answer);
                continue;
            }
            lose(&mut stream, &answer, instead);
            if ends && number + 1 == lost {
                return;
            }
        }
    });
    url
}

/// Reads one request with a body of its stated length.
fn read_request(stream: &mut TcpStream) -> Vec<u8> {
    let (mut request, mut part) = (Vec::new(), [0; 4_096]);
    loop {
        let read = stream.read(&mut part).expect("the client sends");
        request.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let stated = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length = stated.map_or(0, |length| length.trim().parse().expect("a length"));
            if read == 0 || body.len() >= length {
                return request;
            }
        }
    }
}

fn lose(stream: &mut TcpStream, answer: &[u8], instead: Instead) {
    match instead {
        Instead::Reset => {
            let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
            setsockopt(&*stream, sockopt::Linger, &linger).expect("an option of every socket");
        }
        Instead::Half => {
            stream.write_all(&answer[..answer.len() - 5]).expect("the client reads");
            stream.shutdown(Shutdown::Write).expect("the client is connected");
        }
        Instead::BadGateway => {
            let page =
                "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>";
            stream.write_all(page.as_bytes()).expect("the client reads");
        }
    }
}

/// A stub that executes each key once, and returns the first answer to a repetition.
fn dispatch(status: u16, answer: &'static str) -> (Stub, Arc<Mutex<BTreeMap<String, u32>>>) {
    let executed = Arc::new(Mutex::new(BTreeMap::new()));
    let counts = Arc::clone(&executed);
    let stub = Stub::start(move |request: &Request| {
        let mut executed = counts.lock().expect("no thread panics with the lock");
        let count = executed.entry(request.key.clone()).or_insert(0);
        if request.key.is_empty() || *count == 0 {
            *count += 1;
        }
        (status, answer.to_owned())
    });
    (stub, executed)
}

const CHANGES: [(&str, u16, &str); 19] = [
    ("create Ada", 201, HERO),
    ("create --count 2", 201, r#"{"ids":["a","b"]}"#),
    ("bomb --random --yes", 202, CITY),
    ("bomb gotham --yes", 202, CITY),
    ("stop gotham --yes", 202, CITY),
    ("kill gotham --yes", 202, CITY),
    ("rebuild gotham", 202, CITY),
    ("forget gotham --yes", 202, CITY),
    ("fault cut gotham all", 201, FAULT),
    ("step", 200, EXCHANGE),
    ("pause", 200, GOSSIP),
    ("resume", 200, GOSSIP),
    ("speed 300", 200, GOSSIP),
    ("counter add visits", 200, r#"{"name":"visits","local":1,"total":1,"shares":{}}"#),
    ("room say hq Hello", 201, MESSAGE),
    ("table put t k 1", 201, r#"{"key":"k","value":1}"#),
    ("table put t k 1 l 2", 200, r#"{"put":2,"deleted":0}"#),
    ("set add villains Joker", 201, r#"{"name":"villains","element":"Joker"}"#),
    ("name register leader", 201, NAME),
];

#[test]
fn change_whose_answer_is_lost_is_repeated_with_its_key() {
    for instead in [Instead::Reset, Instead::Half, Instead::BadGateway] {
        for (command, status, answer) in CHANGES {
            let (stub, executed) = dispatch(status, answer);
            let url = proxy(&stub, 1, instead, false);
            let done = superhero(&url, &command.split(' ').collect::<Vec<_>>());
            let errors = text(&done.stderr);
            assert_eq!(done.status.code(), Some(0), "{instead:?} {command}: {errors}");
            assert!(!errors.contains("error"), "{instead:?} {command}: {errors}");
            let executed = executed.lock().expect("no thread panics with the lock");
            assert_eq!(executed.values().copied().collect::<Vec<_>>(), [1], "{executed:?}");
            let keys = stub.keys();
            assert!(keys.len() == 2 && keys[0] == keys[1], "{command}: {keys:?}");
            assert!(keys[0].len() == 36 && keys[0].as_bytes()[14] == b'4', "{command}: {keys:?}");
        }
    }
}

#[test]
fn two_commands_have_two_keys() {
    let (stub, executed) = dispatch(201, HERO);
    for _ in 0..2 {
        assert_eq!(superhero(&stub.url, &["create", "Ada"]).status.code(), Some(0));
    }
    assert_eq!(executed.lock().expect("no thread panics with the lock").len(), 2);
}

#[test]
fn outcome_stays_unknown_if_every_answer_is_lost() {
    for (command, status, answer) in
        [("create Ada", 201, HERO), ("heal 00c0ffee", 204, ""), ("bomb gotham --yes", 202, CITY)]
    {
        for (lost, ends) in [(usize::MAX, false), (1, true)] {
            let (stub, executed) = dispatch(status, answer);
            let url = proxy(&stub, lost, Instead::Reset, ends);
            let done = superhero(&url, &command.split(' ').collect::<Vec<_>>());
            let errors = text(&done.stderr);
            assert_eq!(done.status.code(), Some(4), "{command}: {errors}");
            assert!(
                errors.starts_with("error: the outcome is unknown: ")
                    && errors.trim_end().ends_with("it may have taken effect")
                    && errors.contains(&url),
                "{command}: {errors}"
            );
            let count = stub.seen().len();
            assert!((1..=10).contains(&count) && (ends || count > 2), "{command}: {count} tries");
            if command != "heal 00c0ffee" {
                let executed = executed.lock().expect("no thread panics with the lock");
                assert_eq!(executed.values().copied().collect::<Vec<_>>(), [1], "{command}");
            }
        }
    }
}

#[test]
fn repeated_change_that_has_taken_effect_succeeds() {
    for (command, kind) in [
        (&["terminate", "--yes", ID][..], "terminated"),
        (&["heal", "00c0ffee"], "healed"),
        (&["rebuild", "gotham"], "alive"),
    ] {
        let count = Mutex::new(0);
        let stub = Stub::start(move |_| {
            let mut count = count.lock().expect("no thread panics with the lock");
            *count += 1;
            let status = if kind == "alive" { 409 } else { 410 };
            if *count == 1 { (202, CITY.to_owned()) } else { problem(status, kind) }
        });
        let url = proxy(&stub, 1, Instead::Reset, false);
        let done = superhero(&url, command);
        let errors = text(&done.stderr);
        assert_eq!((done.status.code(), errors.as_str()), (Some(0), ""), "{command:?}");
        // Without an unknown outcome before it, the refusal is one.
        let done = superhero(&stub.url, command);
        assert_eq!(done.status.code(), Some(1), "{command:?}");
        assert!(text(&done.stderr).contains(kind), "{command:?}");
    }
}

#[test]
fn repetition_waits_for_the_first_request_under_way() {
    let count = Mutex::new(0);
    let stub = Stub::start(move |_| {
        let mut count = count.lock().expect("no thread panics with the lock");
        *count += 1;
        if (2..4).contains(&*count) { problem(409, "under_way") } else { (202, CITY.to_owned()) }
    });
    let url = proxy(&stub, 1, Instead::Reset, false);
    let done = superhero(&url, &["bomb", "gotham", "--yes"]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert_eq!(stub.seen().len(), 4);
}

#[test]
fn refusal_of_a_repetition_alone_leaves_the_outcome_unknown() {
    for (status, kind) in
        [(429, "overloaded"), (503, "no_place"), (503, "joining"), (200, "not JSON at all")]
    {
        let count = Mutex::new(0);
        let stub = Stub::start(move |_| {
            let mut count = count.lock().expect("no thread panics with the lock");
            *count += 1;
            match (*count, status) {
                (1, _) => (202, CITY.to_owned()),
                (_, 200) => (404, "<html>".to_owned()),
                _ => problem(status, kind),
            }
        });
        let url = proxy(&stub, 1, Instead::Reset, false);
        let done = superhero(&url, &["bomb", "gotham", "--yes"]);
        assert_eq!(done.status.code(), Some(4), "{kind}: {}", text(&done.stderr));
        assert!(text(&done.stderr).contains("the outcome is unknown"), "{kind}");
    }
}

#[test]
fn outcome_unknown_to_dispatch_exits_with_4() {
    let stub = Stub::start(|_| problem(503, "outcome_unknown"));
    let done = superhero(&stub.url, &["assign", ID, "gotham"]);
    assert_eq!(done.status.code(), Some(4));
    assert!(text(&done.stderr).contains("(outcome_unknown)"), "{}", text(&done.stderr));
    // A read has no outcome.
    assert_eq!(superhero(&stub.url, &["faults"]).status.code(), Some(3));
}

#[test]
fn refused_connection_means_that_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
    let url = format!("http://{}", listener.local_addr().expect("a bound address"));
    drop(listener);
    let done = superhero(&url, &["create", "Ada"]);
    assert_eq!(done.status.code(), Some(3));
    assert!(text(&done.stderr).contains("nothing was sent"), "{}", text(&done.stderr));
}

#[test]
fn read_whose_answer_is_lost_is_repeated() {
    let (stub, _) = dispatch(200, r#"{"faults":[]}"#);
    let url = proxy(&stub, 1, Instead::Reset, false);
    assert_eq!(superhero(&url, &["faults"]).status.code(), Some(0));
    assert_eq!(stub.keys(), ["", ""], "a read has no key");
    let url = proxy(&stub, usize::MAX, Instead::Reset, false);
    let done = superhero(&url, &["faults"]);
    assert_eq!(done.status.code(), Some(3));
    assert!(!text(&done.stderr).contains("unknown"), "{}", text(&done.stderr));
}
