//! The commands of the replicated types: requests, output and exit codes, against a stub of a node.

mod stub;

use std::process::{Command, Stdio};

use stub::{Stub, problem, superhero, text};

const COUNTER: &str =
    r#"{"name":"visits","local":5,"total":-2,"shares":{"capitol":-7,"gotham":5},"newer":1}"#;
const STAMP: &str = r#"{"wall_ms":1790000000123,"logical":2,"origin":"gotham/1790000000000"}"#;

fn entry() -> String {
    format!(r#"{{"key":"a/b","value":{{"c":21}},"stamp":{STAMP}}}"#)
}

fn message(reply_to: &str) -> String {
    format!(
        r#"{{"id":"1790000000123+2@gotham/1","sender":"Ada","text":"Hello","stamp":{STAMP},"node":"gotham","reply_to":{reply_to}}}"#
    )
}

fn name() -> String {
    format!(r#"{{"name":"leader","owner":"gotham","value":"x","token":{STAMP}}}"#)
}

/// Checks that a command sends one request, and prints the answer as lines and as JSON.
#[track_caller]
fn assert_sent(arguments: &[&str], line: &str, sent: &str, answer: &str, printed: &str) {
    let reply = answer.to_owned();
    let status = if answer.is_empty() { 204 } else { 200 };
    let stub = Stub::start(move |_| (status, reply.clone()));
    let done = superhero(&stub.url, arguments);
    // Next to a table, a sentence says what was changed.
    let is_remarked = !line.starts_with("GET") && !answer.is_empty();
    let remark = text(&done.stderr);
    assert_eq!((done.status.code(), remark.ends_with(".\n")), (Some(0), is_remarked), "{remark}");
    assert_eq!(remark.lines().count(), usize::from(is_remarked), "{arguments:?}: {remark}");
    assert_eq!(text(&done.stdout), printed, "{arguments:?}");
    assert_eq!(
        (stub.seen(), stub.bodies(line)),
        (vec![line.to_owned()], vec![sent.to_owned()]),
        "{arguments:?}"
    );
    assert_eq!(stub.keys()[0].is_empty(), line.starts_with("GET"), "{arguments:?}");
    let json = superhero(&stub.url, &[&["--json"], arguments].concat());
    assert_eq!(text(&json.stdout).trim_end(), answer, "{arguments:?} --json");
}

#[test]
fn counter_commands_send_one_request_and_print_the_answer() {
    let row = "visits\t5\t-2\tcapitol=-7 gotham=5\t0\n";
    let list = r#"{"counters":[{"name":"visits","local":5,"total":9}]}"#;
    assert_sent(&["counter", "list"], "GET /counters", "", list, "visits\t5\t9\n");
    assert_sent(&["counter", "show", "visits"], "GET /counters/visits", "", COUNTER, row);
    for (arguments, sent) in [
        (&["counter", "add", "a/b ?"][..], r#"{"add":1}"#),
        (&["counter", "add", "a/b ?", "3"], r#"{"add":3}"#),
        (&["counter", "add", "a/b ?", "-3"], r#"{"add":-3}"#),
        (&["counter", "add", "a/b ?", "0"], r#"{"add":0}"#),
    ] {
        assert_sent(arguments, "POST /counters/a%2Fb%20%3F", sent, COUNTER, row);
    }
}

#[test]
fn set_commands_send_one_request_per_element() {
    let list = r#"{"sets":[{"name":"villains","elements":2}]}"#;
    assert_sent(&["set", "list"], "GET /sets", "", list, "villains\t2\n");
    let set = r#"{"name":"villains","elements":["Bane","Joker\u001b[2J"]}"#;
    let shown = "Bane\nJoker\u{fffd}[2J\n";
    assert_sent(&["set", "show", "villains"], "GET /sets/villains", "", set, shown);
    let element = r#"{"name":"villains","element":"a/b"}"#;
    let line = "/sets/villains/a%2Fb";
    let add = ["set", "add", "villains", "a/b"];
    assert_sent(&add, &format!("PUT {line}"), "", element, "villains\ta/b\n");
    let remove = ["set", "remove", "villains", "a/b"];
    assert_sent(&remove, &format!("DELETE {line}"), "", "", "Removed from villains: a/b.\n");
}

#[test]
fn set_command_stops_at_the_first_error_and_reports_what_was_done() {
    let stub = Stub::start(|request| match request.line.as_str() {
        line if line.ends_with("/bad") => problem(404, "unknown_element"),
        line if line.starts_with("PUT") => {
            let element = line.rsplit('/').next().unwrap_or_default();
            (201, format!(r#"{{"name":"s","element":"{element}"}}"#))
        }
        _ => (204, String::new()),
    });
    let done = superhero(&stub.url, &["set", "add", "s", "a", "b", "bad", "c"]);
    assert_eq!((done.status.code(), text(&done.stdout).as_str()), (Some(1), "s\ta\ns\tb\n"));
    assert_eq!(
        text(&done.stderr),
        "Added to s: a, b.\nerror: the detail of unknown_element (unknown_element)\n"
    );
    let done = superhero(&stub.url, &["set", "remove", "s", "a", "b", "bad", "c"]);
    assert_eq!((done.status.code(), text(&done.stdout).as_str()), (Some(1), ""));
    assert_eq!(
        text(&done.stderr),
        "removed before the error: a, b\nerror: the detail of unknown_element (unknown_element)\n"
    );
    assert_eq!(stub.seen().iter().filter(|line| line.ends_with("/c")).count(), 0);
    let keys = stub.keys();
    let distinct: std::collections::BTreeSet<&String> = keys.iter().collect();
    assert_eq!((keys.len(), distinct.len()), (6, 6), "each change has a key of its own");
}

#[test]
fn table_commands_send_one_request_and_print_the_answer() {
    let row = "a/b\t{\"c\":21}\t2026-09-21T14:13:20.123Z\tgotham\n";
    let list = r#"{"tables":[{"name":"t","keys":2}]}"#;
    assert_sent(&["table", "list"], "GET /tables", "", list, "t\t2\n");
    let entries = format!(r#"{{"entries":[{}]}}"#, entry());
    assert_sent(&["table", "show", "t"], "GET /tables/t", "", &entries, row);
    let by_prefix = ["table", "show", "t", "--prefix", "a&b"];
    assert_sent(&by_prefix, "GET /tables/t?prefix=a%26b", "", &entries, row);
    assert_sent(&["table", "get", "t", "a/b"], "GET /tables/t/a%2Fb", "", &entry(), row);
    for (value, sent) in [
        (r#"{"c": 21}"#, r#"{"value":{"c":21}}"#),
        ("rain", r#"{"value":"rain"}"#),
        ("\"21\"", r#"{"value":"21"}"#),
        ("-5", r#"{"value":-5}"#),
        ("null", r#"{"value":null}"#),
        ("", r#"{"value":""}"#),
        ("{broken", r#"{"value":"{broken"}"#),
    ] {
        let put = ["table", "put", "t", "a/b", value];
        assert_sent(&put, "PUT /tables/t/a%2Fb", sent, &entry(), row);
    }
    // The answer if the key was deleted again at once.
    let deleted = r#"{"key":"a","value":1}"#;
    assert_sent(
        &["table", "put", "t", "a", "1"],
        "PUT /tables/t/a",
        r#"{"value":1}"#,
        deleted,
        "a\t1\t\t\n",
    );
    let done = r#"{"put":2,"deleted":0}"#;
    let sent = r#"{"delete":[],"put":{"a":1,"b":"x"}}"#;
    assert_sent(&["table", "put", "t", "a", "1", "b", "x"], "POST /tables/t", sent, done, "2\t0\n");
    assert_sent(
        &["table", "delete", "t", "a/b"],
        "DELETE /tables/t/a%2Fb",
        "",
        "",
        "a/b was deleted from t.\n",
    );
    let done = r#"{"put":0,"deleted":2}"#;
    let sent = r#"{"delete":["a","b"],"put":{}}"#;
    assert_sent(&["table", "delete", "t", "a", "b"], "POST /tables/t", sent, done, "0\t2\n");
}

#[test]
fn room_commands_send_one_request_and_print_the_answer() {
    let list = r#"{"rooms":[{"name":"hq","messages":2}]}"#;
    assert_sent(&["room", "list"], "GET /rooms", "", list, "hq\t2\n");
    let start = "1790000000123+2@gotham/1\t2026-09-21T14:13:20.123Z\tgotham\tAda";
    let messages = format!(r#"{{"messages":[{},{}]}}"#, message("null"), message("\"7\""));
    let rows = format!("{start}\t\tHello\n{start}\t7\tHello\n");
    assert_sent(&["room", "show", "hq"], "GET /rooms/hq", "", &messages, &rows);
    let limited = ["room", "show", "hq", "--limit", "7"];
    assert_sent(&limited, "GET /rooms/hq?limit=7", "", &messages, &rows);
    let (row, answer) = (format!("{start}\t\tHello\n"), message("null"));
    let sent = r#"{"sender":"Ada","text":"-1 a"}"#;
    let say = ["room", "say", "hq", "--as", "Ada", "--", "-1 a"];
    assert_sent(&say, "POST /rooms/hq", sent, &answer, &row);
    let sent = r#"{"reply_to":"7","sender":"Ada","text":"Hello"}"#;
    let reply = ["room", "say", "hq", "Hello", "--as", "Ada", "--reply-to", "7"];
    assert_sent(&reply, "POST /rooms/hq", sent, &answer, &row);
}

#[test]
fn sender_is_the_user_unless_there_is_none() {
    for (user, sender) in [(Some("ada"), "ada"), (Some(""), "superhero"), (None, "superhero")] {
        let stub = Stub::start(|_| (201, message("null")));
        let mut command = Command::new(env!("CARGO_BIN_EXE_superhero"));
        command.args(["--url", &stub.url, "room", "say", "hq", "Hello"]).stdin(Stdio::null());
        match user {
            Some(user) => command.env("USER", user),
            None => command.env_remove("USER"),
        };
        let done = command.output().expect("the binary runs");
        assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
        let sent = format!(r#"{{"sender":"{sender}","text":"Hello"}}"#);
        assert_eq!(stub.bodies("POST /rooms/hq"), [sent]);
    }
}

#[test]
fn presence_and_name_commands_send_one_request_and_print_the_answer() {
    let topics = r#"{"topics":[{"name":"hq","tracked":2}]}"#;
    assert_sent(&["presence", "list"], "GET /presence", "", topics, "hq\t2\n");
    let present =
        r#"{"present":[{"key":"ada","meta":{"mood":1},"node":"gotham","since":1790000000123}]}"#;
    let row = "ada\tgotham\t2026-09-21T14:13:20.123Z\t{\"mood\":1}\n";
    assert_sent(&["presence", "show", "hq"], "GET /presence/hq", "", present, row);
    let row = "leader\tgotham\t\"x\"\t1790000000123+2@gotham/1790000000000\n";
    let names = format!(r#"{{"names":[{}]}}"#, name());
    assert_sent(&["name", "list"], "GET /names", "", &names, row);
    assert_sent(&["name", "show", "leader"], "GET /names/leader", "", &name(), row);
    let path = "PUT /names/a%2Fb";
    assert_sent(&["name", "register", "a/b"], path, r#"{"value":null}"#, &name(), row);
    assert_sent(&["name", "register", "a/b", "x"], path, r#"{"value":"x"}"#, &name(), row);
    assert_sent(&["name", "register", "a/b", "[1]"], path, r#"{"value":[1]}"#, &name(), row);
    assert_sent(&["name", "release", "a/b"], "DELETE /names/a%2Fb", "", "", "a/b was released.\n");
}

#[test]
fn invalid_entries_exit_with_2_before_any_request() {
    let stub = Stub::start(|_| problem(500, "asked"));
    for (arguments, named) in [
        (&["table", "put", "t", "a"][..], "VALUE"),
        (&["table", "put", "t", "a", "1", "b"], "the key \"b\" has no value"),
        (&["table", "put", "t", "a", "1", "a", "2"], "the key \"a\" is given twice"),
        (&["table", "delete", "t"], "KEY"),
        (&["set", "add", "s"], "ELEMENT"),
        (&["counter", "add", "c", "2.5"], "invalid digit"),
        (&["counter", "add", "c", "9223372036854775808"], "too large"),
        (&["room", "say", "hq"], "TEXT"),
        (&["counter"], "Usage"),
        (&["counter", "list", "--at"], "--at"),
    ] {
        let done = superhero(&stub.url, arguments);
        assert_eq!(done.status.code(), Some(2), "{arguments:?}");
        assert!(text(&done.stderr).contains(named), "{arguments:?}: {}", text(&done.stderr));
    }
    assert_eq!(stub.seen(), [""; 0]);
}

#[test]
fn refusal_exits_with_1_and_an_unknown_outcome_with_4() {
    for (arguments, status, kind, code) in [
        (&["counter", "add", "c", "0"][..], 422, "out_of_range", 1),
        (&["name", "register", "leader"], 409, "taken", 1),
        (&["name", "release", "leader"], 409, "not_held", 1),
        (&["room", "say", "hq", "x"], 429, "too_fast", 1),
        (&["table", "get", "t", "k"], 404, "unknown_key", 1),
        (&["set", "add", "s", "x"], 503, "outcome_unknown", 4),
    ] {
        let stub = Stub::start(move |_| problem(status, kind));
        let done = superhero(&stub.url, arguments);
        assert_eq!(
            (done.status.code(), text(&done.stderr)),
            (Some(code), format!("error: the detail of {kind} ({kind})\n")),
            "{arguments:?}"
        );
    }
}

#[test]
fn every_command_has_an_example_in_its_help() {
    for (group, commands) in [
        ("counter", &["list", "show", "add"][..]),
        ("set", &["list", "show", "add", "remove"]),
        ("table", &["list", "show", "get", "put", "delete"]),
        ("room", &["list", "show", "say", "watch"]),
        ("presence", &["list", "show", "track", "watch"]),
        ("name", &["list", "show", "register", "release"]),
    ] {
        for command in commands {
            let help = superhero("http://127.0.0.1:1", &[group, command, "--help"]);
            let (help, example) =
                (text(&help.stdout), format!("Example: superhero {group} {command}"));
            assert!(help.contains(&example) && help.contains("--at <NODE|URL>"), "{help}");
        }
    }
}
