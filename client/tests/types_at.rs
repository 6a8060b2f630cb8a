//! The option `--at`: the node that a command for the replicated types asks.

mod stub;

use std::net::TcpListener;

use stub::{Stub, problem, superhero, text};

const COUNTERS: &str = r#"{"counters":[]}"#;

/// Returns a node in the list of nodes. `address` is JSON.
fn node(name: &str, role: &str, address: &str) -> String {
    format!(
        r#"{{"name":"{name}","role":"{role}","address":{address},"status":"up","incarnation":1,"crashes":0,"heroes":0,"tombstones":0,"fingerprint":"0","age_ms":null,"clock_ahead_ms":null}}"#
    )
}

/// Starts a stub of dispatch with these nodes and itself.
fn dispatch(mut nodes: Vec<String>) -> Stub {
    nodes.push(node("dispatch", "dispatch", "null"));
    let cluster = format!(r#"{{"nodes":[{}]}}"#, nodes.join(","));
    Stub::start(move |request| {
        let answer = if request.line == "GET /cluster" { cluster.as_str() } else { COUNTERS };
        (200, answer.to_owned())
    })
}

/// Returns a URL at which no process listens.
fn closed() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
    format!("http://{}", listener.local_addr().expect("a bound address"))
}

#[test]
fn name_is_resolved_by_dispatch() {
    let gotham = Stub::start(|_| (200, COUNTERS.to_owned()));
    let address = gotham.url.trim_start_matches("http://");
    let dispatch = dispatch(vec![node("gotham", "city", &format!("\"{address}\""))]);
    for arguments in [["counter", "list", "--at", "Gotham"], ["counter", "--at", "gotham", "list"]]
    {
        let done = superhero(&dispatch.url, &arguments);
        assert_eq!((done.status.code(), text(&done.stderr).as_str()), (Some(0), ""));
    }
    assert_eq!(gotham.seen(), ["GET /counters"; 2]);
    assert_eq!(dispatch.seen(), ["GET /cluster"; 2]);
}

#[test]
fn dispatch_itself_is_asked_at_its_url() {
    let dispatch = dispatch(Vec::new());
    let done = superhero(&dispatch.url, &["counter", "list", "--at", "dispatch"]);
    assert_eq!((done.status.code(), text(&done.stderr).as_str()), (Some(0), ""));
    assert_eq!(dispatch.seen(), ["GET /cluster", "GET /counters"]);
    let done = superhero(&dispatch.url, &["counter", "list"]);
    assert_eq!((done.status.code(), text(&done.stderr).as_str()), (Some(0), ""));
    assert_eq!(dispatch.seen().len(), 3);
}

#[test]
fn url_is_asked_without_dispatch() {
    let gotham = Stub::start(|_| (200, COUNTERS.to_owned()));
    let done = superhero(&closed(), &["counter", "list", "--at", &gotham.url]);
    assert_eq!((done.status.code(), text(&done.stderr).as_str()), (Some(0), ""));
    assert_eq!(gotham.seen(), ["GET /counters"]);
}

#[test]
fn unusable_node_exits_with_2_and_the_reason() {
    let dispatch = dispatch(vec![
        node("gotham", "city", "\"127.0.0.1:1\""),
        node("evil\\n\\u001b[2J", "city", "\"127.0.0.1:1/counters?\""),
        node("path", "city", "\"127.0.0.1:1/counters?\""),
        node("user", "city", "\"me@127.0.0.1:1\""),
        node("none", "city", "null"),
    ]);
    for (at, named) in [
        (
            "riverdale",
            "there is no node \"riverdale\"; expected a URL, or one of gotham, \
             evil\u{fffd}\u{fffd}[2J, path, user, none, dispatch\n",
        ),
        ("", "there is no node \"\""),
        ("localhost:4901", "there is no node \"localhost:4901\""),
        ("path", "a path or query after the host is not allowed"),
        ("user", "user and password"),
        ("none", "dispatch does not know the address of none; give the URL of the node"),
        ("https://localhost:4901", "https requires --ca"),
        ("http://localhost:4901/api", "a path or query after the host is not allowed"),
        ("://", "invalid URL"),
    ] {
        let done = superhero(&dispatch.url, &["counter", "add", "c", "--at", at]);
        let errors = text(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{at}: {errors}");
        assert!(errors.contains(named) && errors.lines().count() == 1, "{at}: {errors}");
    }
    assert!(dispatch.seen().iter().all(|line| line == "GET /cluster"), "{:?}", dispatch.seen());
}

#[test]
fn name_without_an_answer_of_dispatch_exits_with_3() {
    let url = closed();
    let done = superhero(&url, &["counter", "add", "c", "--at", "gotham"]);
    let errors = text(&done.stderr);
    assert_eq!(done.status.code(), Some(3), "{errors}");
    assert!(errors.contains(&url) && errors.contains("--at takes its URL too"), "{errors}");
    let stub = Stub::start(|_| problem(401, "sign_in"));
    let done = superhero(&stub.url, &["counter", "add", "c", "--at", "gotham"]);
    assert_eq!(
        (done.status.code(), text(&done.stderr).as_str()),
        (Some(1), "error: the detail of sign_in (sign_in)\n")
    );
}

#[test]
fn error_of_a_node_names_its_url() {
    let url = closed();
    let dispatch = dispatch(Vec::new());
    let done = superhero(&dispatch.url, &["counter", "list", "--at", &url]);
    let errors = text(&done.stderr);
    assert_eq!(done.status.code(), Some(3), "{errors}");
    assert!(errors.starts_with(&format!("error: no response from {url}: ")), "{errors}");
}
