//! Commands that wait go on through failures that may pass, and end at once at others.

mod stub;

use std::net::TcpListener;
use std::sync::Mutex;

use stub::{Stub, problem, superhero, text};

fn verdict(converged: bool) -> (u16, String) {
    let verdict = format!(
        r#"{{"converged":{converged},"sentence":"S.","differences":0,"only_copies":0,"lost_writes":0,"oldest_difference_ms":null}}"#
    );
    (200, verdict)
}

#[test]
fn verdict_is_awaited_through_temporary_failures() {
    let count = Mutex::new(0);
    let stub = Stub::start(move |_| {
        let mut count = count.lock().expect("no thread panics with the lock");
        *count += 1;
        match *count {
            1 => problem(503, "no_place"),
            2 => problem(429, "overloaded"),
            3 => (502, "<html>".into()),
            4 => problem(503, "outcome_unknown"),
            5 => verdict(false),
            6 => (503, String::new()),
            _ => verdict(true),
        }
    });
    let done = superhero(&stub.url, &["verdict", "--wait-converged", "60s"]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert!(text(&done.stdout).starts_with("S.\nyes\t"), "{}", text(&done.stdout));
    assert_eq!(stub.seen().len(), 7);
}

#[test]
fn permanent_refusals_end_a_wait_at_once() {
    for (status, body, code) in [
        (401, problem(401, "sign_in").1, 1),
        (403, problem(403, "viewer").1, 1),
        (404, problem(404, "unknown_path").1, 1),
        (200, "<html>".to_owned(), 3),
        (404, "<html>".to_owned(), 3),
    ] {
        let reply = body.clone();
        let stub = Stub::start(move |_| (status, reply.clone()));
        let done = superhero(&stub.url, &["verdict", "--wait-converged", "10m"]);
        assert_eq!(done.status.code(), Some(code), "{status} {body}: {}", text(&done.stderr));
        assert_eq!(stub.seen().len(), 1, "{status} {body}");
    }
}

#[test]
fn timed_out_wait_reports_the_last_verdict_and_the_last_failure() {
    let count = Mutex::new(0);
    let stub = Stub::start(move |_| {
        let mut count = count.lock().expect("no thread panics with the lock");
        *count += 1;
        if *count == 1 { verdict(false) } else { problem(503, "no_place") }
    });
    let done = superhero(&stub.url, &["verdict", "--wait-converged", "1s"]);
    assert_eq!(done.status.code(), Some(1));
    assert!(text(&done.stdout).starts_with("S.\nno\t"), "{}", text(&done.stdout));
    let errors = text(&done.stderr);
    assert!(
        errors.contains("error: timed out after 1s: the detail of no_place (no_place)"),
        "{errors}"
    );

    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
    let url = format!("http://{}", listener.local_addr().expect("a bound address"));
    drop(listener);
    for option in ["--wait-converged", "--wait-diverged"] {
        let done = superhero(&url, &["verdict", option, "500ms"]);
        let errors = text(&done.stderr);
        assert_eq!((done.status.code(), done.stdout.len()), (Some(1), 0), "{errors}");
        assert!(
            errors.contains(&format!("timed out after 500ms: no response from {url}")),
            "{errors}"
        );
    }
}
