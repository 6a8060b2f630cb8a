//! `superhero load`, against a stub of dispatch.

mod stub;

use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use stub::{Request, Stub, problem, text};

const HERO: &str = r#"{"id":"a","name":"Ada","location":"gotham","is_patrolling":false,"health":100,"stamp":{"wall_ms":7,"logical":0,"origin":"gotham/2"}}"#;

fn load(stub: &Stub, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_superhero"));
    command.env_remove("SUPERHERO_URL").args(["--url", &stub.url, "load"]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Responds like a dispatch whose cities cover stamp `7+0` of `gotham/2`. A creation returns two
/// heroes, and `write` returns the response to an assignment.
fn dispatch(request: &Request, write: impl Fn() -> (u16, String)) -> (u16, String) {
    let node = |name: &str, role: &str| {
        format!(
            r#"{{"name":"{name}","role":"{role}","status":"up","incarnation":2,"crashes":0,"heroes":0,"tombstones":0,"fingerprint":"f","age_ms":1,"version_vector":{{"gotham/2":"7+0"}}}}"#
        )
    };
    match request.line.as_str() {
        "GET /cluster" => (
            200,
            format!(r#"{{"nodes":[{},{}]}}"#, node("gotham", "city"), node("dispatch", "dispatch")),
        ),
        "POST /heroes" => (201, r#"{"ids":["a","b"]}"#.into()),
        "GET /gossip" => (200, r#"{"paused":false,"percent":200}"#.into()),
        line if line.starts_with("PUT ") => write(),
        line if line.starts_with("DELETE ") => (204, String::new()),
        _ => problem(404, "unknown_path"),
    }
}

fn finished(mut command: Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the binary runs");
    (status.code(), text(&stdout), text(&stderr))
}

#[test]
fn refused_writes_are_counted_by_status_and_type() {
    let stub = Stub::start(|request| dispatch(request, || problem(503, "no_answer")));
    let (code, out, errors) =
        finished(load(&stub, &["--heroes", "2", "--writes", "20/s", "--seconds", "1"]));
    assert_eq!(
        (code, errors.as_str()),
        (Some(1), "error: no write succeeded: the detail of no_answer (no_answer)\n"),
        "{out}"
    );
    let refused = out
        .lines()
        .find_map(|line| line.strip_prefix("503\tno_answer\t"))
        .and_then(|count| count.parse::<u64>().ok());
    assert!(refused.is_some_and(|count| (1..=20).contains(&count)), "{out}");
    assert!(out.starts_with("all\tdue\t0\t"), "{out}");
    let mut deleted: Vec<String> =
        stub.seen().into_iter().filter(|line| line.starts_with("DELETE ")).collect();
    deleted.sort();
    assert_eq!(
        deleted,
        ["DELETE /heroes/a", "DELETE /heroes/b"],
        "created heroes are deleted after a failure too"
    );
}

#[test]
fn report_is_available_as_json() {
    let stub = Stub::start(|request| dispatch(request, || (200, HERO.into())));
    let (code, out, errors) = finished(load(
        &stub,
        &[
            "--heroes",
            "2",
            "--writes",
            "20/s",
            "--seconds",
            "1",
            "--gossip-interval",
            "3s",
            "--keep",
            "--json",
        ],
    ));
    assert_eq!((code, errors.as_str(), out.lines().count()), (Some(0), "", 1), "{out}");
    let report: Value = serde_json::from_str(&out).expect("JSON");
    let writes = |what: &str| report["writes"][what].as_u64().expect("a count");
    assert_eq!(
        (writes("done") + writes("not_sent"), writes("refused"), writes("rate")),
        (20, 0, 20),
        "{report}"
    );
    assert_eq!(
        (report["heroes"]["found"].as_u64(), report["heroes"]["created"].as_u64()),
        (Some(0), Some(2))
    );
    assert_eq!(report["kinds"]["assign"]["done"].as_u64(), Some(writes("done")));
    for from in ["from_due", "from_sent"] {
        for quantile in ["p50", "p99", "p99_9", "max"] {
            assert!(
                report["latency_ms"][from][quantile].is_number(),
                "{from} {quantile}: {report}"
            );
        }
    }
    let convergence = &report["convergence"];
    assert!(convergence["arrived_ms"].is_u64() && convergence["agreed_ms"].is_u64(), "{report}");
    assert_eq!(convergence["gossip_interval_ms"], 1_500.0, "the gossip rate is 200 %");
    assert_eq!(convergence["lag"], Value::Null, "the stub has no metrics");
    assert_eq!(report["client"]["connections"], 2, "at most one connection per hero");
    assert!(!stub.seen().iter().any(|line| line.starts_with("DELETE ")), "the heroes are kept");
}

#[test]
fn city_that_does_not_cover_the_last_write_causes_a_timeout() {
    let newer = HERO.replace(r#""wall_ms":7"#, r#""wall_ms":8"#);
    let stub = Stub::start(move |request| dispatch(request, || (200, newer.clone())));
    let (code, out, errors) = finished(load(
        &stub,
        &["--heroes", "2", "--writes", "5/s", "--seconds", "1", "--wait", "300ms"],
    ));
    assert_eq!(
        (code, errors.as_str()),
        (Some(1), "error: timed out waiting for the nodes to agree\n"),
        "{out}"
    );
    assert!(out.contains("all cities received them after\ttimed out\n"), "{out}");
}

#[test]
fn ctrl_c_ends_the_load_and_prints_the_report() {
    let stub = Stub::start(|request| dispatch(request, || (200, HERO.into())));
    let child = load(&stub, &["--heroes", "2", "--writes", "50/s", "--seconds", "600"])
        .spawn()
        .expect("the binary runs");
    // The wait is bounded, so that a load without writes fails the test instead of blocking it.
    for _ in 0..500 {
        if stub.seen().iter().any(|line| line.starts_with("PUT ")) {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    kill(Pid::from_raw(i32::try_from(child.id()).expect("a process id")), Signal::SIGINT)
        .expect("the process can be signalled");
    let done = child.wait_with_output().expect("the process exits");
    assert_eq!(
        (done.status.code(), text(&done.stderr).as_str()),
        (Some(1), "error: interrupted\n")
    );
    let out = text(&done.stdout);
    assert!(out.starts_with("all\tdue\t") && out.contains("writes refused\t0\n"), "{out}");
    assert_eq!(
        stub.seen().iter().filter(|line| line.starts_with("DELETE ")).count(),
        2,
        "the created heroes are deleted"
    );
}

#[test]
fn invalid_options_exit_with_2_before_any_request() {
    let stub = Stub::start(|_| problem(500, "asked"));
    for (arguments, message) in [
        (["--writes", "fast"], "500/s"),
        (["--mix", "bomb=1"], "assign=90"),
        (["--heroes", "0"], "1..=1000000"),
        (["--connections", "0"], "1..=1000"),
        (["--gossip-interval", "0"], "more than 0"),
        (["--seconds", "0"], "at least 1s"),
    ] {
        let (code, _, errors) = finished(load(&stub, &arguments));
        assert!(code == Some(2) && errors.contains(message), "{arguments:?}: {errors}");
    }
    assert_eq!(stub.seen(), [""; 0]);
}
