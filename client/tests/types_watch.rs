//! `superhero room watch`, `presence watch` and `presence track`, against scripted answers. A
//! refusal ends the script.

mod socket;
mod stub;

use std::ops::RangeInclusive;
use std::sync::Mutex;

use stub::{Request, Stub, problem, superhero, text};

/// Starts a stub that gives these answers, in order, to the requests with this line, and then
/// refuses them. Other requests are answered with 200.
fn scripted(line: &'static str, script: Vec<(u16, String)>) -> Stub {
    let left = Mutex::new(script.into_iter());
    Stub::start(move |request: &Request| {
        if request.line != line {
            return (200, "ready".to_owned());
        }
        let next = left.lock().expect("no thread panics with the lock").next();
        next.unwrap_or_else(|| problem(401, "sign_in"))
    })
}

fn message(id: &str) -> String {
    format!(
        r#"{{"id":"{id}","sender":"Ada","text":"text {id}","stamp":{{"wall_ms":0,"logical":0,"origin":"gotham/1"}},"node":"gotham","reply_to":null}}"#
    )
}

fn messages(ids: &[String]) -> (u16, String) {
    let messages: Vec<String> = ids.iter().map(|id| message(id)).collect();
    (200, format!(r#"{{"messages":[{}]}}"#, messages.join(",")))
}

fn numbers(range: RangeInclusive<u32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

const ROOM: &str = "GET /rooms/hq?limit=100";

#[test]
fn each_message_of_a_room_is_printed_once() {
    let late = [vec!["late".to_owned()], numbers(2..=26)].concat();
    let script = || {
        vec![
            messages(&numbers(1..=25)),
            messages(&late),
            problem(503, "joining"),
            // A bombed node, before and after it has joined.
            messages(&[]),
            messages(&[late.clone(), numbers(27..=27)].concat()),
            messages(&numbers(100..=199)),
        ]
    };
    let expected: Vec<String> =
        [numbers(6..=25), vec!["late".into(), "26".into(), "27".into()], numbers(100..=199)]
            .concat();
    let done = superhero(&scripted(ROOM, script()).url, &["room", "watch", "hq"]);
    let line = |id: &String| format!("{id}\t1970-01-01T00:00:00.000Z\tgotham\tAda\t\ttext {id}\n");
    assert_eq!(text(&done.stdout), expected.iter().map(line).collect::<String>());
    assert_eq!(done.status.code(), Some(1));
    assert_eq!(
        text(&done.stderr),
        "the detail of joining (joining); still waiting\n\
         messages may be missing: too many have arrived since the last request\n\
         error: the detail of sign_in (sign_in)\n"
    );
    let done = superhero(&scripted(ROOM, script()).url, &["room", "watch", "hq", "--json"]);
    let printed: Vec<String> = text(&done.stdout).lines().map(str::to_owned).collect();
    assert_eq!(printed, expected.iter().map(|id| message(id)).collect::<Vec<_>>());
}

#[test]
fn watch_that_is_refused_at_first_fails() {
    for command in ["room", "presence"] {
        let stub = Stub::start(|_| problem(503, "joining"));
        let done = superhero(&stub.url, &[command, "watch", "hq"]);
        assert_eq!((done.status.code(), text(&done.stdout).as_str()), (Some(1), ""), "{command}");
        assert_eq!(stub.seen().len(), 1, "{command}");
    }
}

fn present(entries: &[(&str, &str)]) -> (u16, String) {
    let entries: Vec<String> = entries
        .iter()
        .map(|(key, meta)| format!(r#"{{"key":"{key}","meta":{meta},"node":"gotham","since":1}}"#))
        .collect();
    (200, format!(r#"{{"present":[{}]}}"#, entries.join(",")))
}

#[test]
fn presence_watch_prints_who_joins_and_leaves() {
    let script = || {
        vec![
            present(&[("ada", "1")]),
            present(&[("ada", "1"), ("b\\u001b[2Job", "null")]),
            present(&[("ada", "2"), ("b\\u001b[2Job", "null")]),
            present(&[("ada", "2")]),
        ]
    };
    let line = "GET /presence/hq";
    let done = superhero(&scripted(line, script()).url, &["presence", "watch", "hq"]);
    assert_eq!(
        text(&done.stdout),
        "present\tada\tgotham\t1\njoined\tb\u{fffd}[2Job\tgotham\tnull\nupdated\tada\tgotham\t2\n\
         left\tb\u{fffd}[2Job\tgotham\tnull\n"
    );
    assert_eq!(done.status.code(), Some(1), "{}", text(&done.stderr));
    let done = superhero(&scripted(line, script()).url, &["presence", "watch", "hq", "--json"]);
    let printed = text(&done.stdout);
    assert_eq!(
        printed.lines().collect::<Vec<_>>()[..2],
        [
            r#"{"t":"present","present":[{"key":"ada","meta":1,"node":"gotham","since":1}]}"#,
            r#"{"t":"joined","key":"b\u001b[2Job","node":"gotham","meta":null}"#
        ]
    );
}

#[test]
fn presence_watch_does_not_look_at_a_node_that_has_not_joined() {
    let looks = Mutex::new(0);
    let stub = Stub::start(move |request| {
        let mut looks = looks.lock().expect("no thread panics with the lock");
        if request.line == "GET /readyz" {
            *looks += 1;
            return if *looks == 2 { (503, "joining".to_owned()) } else { (200, String::new()) };
        }
        match *looks {
            1 | 3 => present(&[("ada", "1")]),
            2 => present(&[]),
            _ => problem(401, "sign_in"),
        }
    });
    let done = superhero(&stub.url, &["presence", "watch", "hq"]);
    assert_eq!(text(&done.stdout), "present\tada\tgotham\t1\n");
    assert!(text(&done.stderr).contains("still waiting"), "{}", text(&done.stderr));
}

const TRACK: &str = "/api/v1/presence/h%2Fq/track?key=a%20b&meta=%7B%22mood%22%3A1%7D";
const ARGUMENTS: [&str; 6] = ["presence", "track", "h/q", "a b", "--meta", r#"{"mood": 1}"#];

fn pushes() -> Vec<String> {
    [
        r#"{"t":"present","present":[{"key":"a b","meta":{"mood":1},"node":"gotham","since":1}]}"#,
        r#"{"t":"joined","key":"bob\u001b[2J","node":"capitol","meta":null}"#,
        r#"{"t":"a newer kind","x":1}"#,
        r#"{"t":"left","key":"bob","node":"capitol","meta":"away","why":"untracked"}"#,
    ]
    .map(str::to_owned)
    .to_vec()
}

#[test]
fn presence_track_prints_the_changes_and_reconnects() {
    let (code, out, errors) = socket::followed(TRACK, vec![pushes(), pushes()], &ARGUMENTS);
    let once = "present\ta b\tgotham\t{\"mood\":1}\njoined\tbob\u{fffd}[2J\tcapitol\tnull\n\
                left\tbob\tcapitol\t\"away\"\tuntracked\n";
    assert_eq!((code, out), (Some(1), once.repeat(2)), "{errors}");
    assert!(
        errors.matches("; reconnecting\n").count() == 2
            && errors.matches("reconnected\n").count() == 1
            && errors.ends_with("error: a token is required (sign_in)\n"),
        "{errors}"
    );
    let json = [&ARGUMENTS[..], &["--json"]].concat();
    let (_, out, _) = socket::followed(TRACK, vec![pushes()], &json);
    assert_eq!(out.lines().collect::<Vec<_>>(), pushes());
}

#[test]
fn presence_track_fails_if_the_node_does_not_track() {
    let (code, out, errors) = socket::followed(TRACK, vec![Vec::new()], &ARGUMENTS);
    assert_eq!((code, out.as_str()), (Some(3), ""), "{errors}");
    assert!(errors.starts_with("error: ") && errors.lines().count() == 1, "{errors}");
    let (code, _, errors) = socket::followed(TRACK, vec![vec!["<html>".to_owned()]], &ARGUMENTS);
    assert_eq!(code, Some(3), "{errors}");
    assert!(errors.contains("not a node"), "{errors}");
}
