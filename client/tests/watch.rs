//! `superhero watch`, against a live socket with scripted frames.

mod socket;

use serde_json::{Value, json};

const VERDICT: &str = r#"{"converged":true,"sentence":"All agree.","differences":0,"only_copies":0,"lost_writes":0,"oldest_difference_ms":null}"#;

fn watched(connections: Vec<Vec<String>>, arguments: &[&str]) -> (Option<i32>, String, String) {
    socket::followed("/live?as=data", connections, &[&["watch"], arguments].concat())
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
        "1970-01-01T00:00:00.000Z  lost: bad \u{fffd}[2J news\nGossip runs at 100 % of its configured rate.\nAll agree.\n"
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
fn json_option_prints_each_change_once() {
    let cut = r#"{"id":"3","kind":"cut","from":"gotham","to":"*","both":true}"#;
    let later = data(&[event(2, "two"), event(6, "six")])
        .replace(r#""differences":0"#, r#""differences":5"#)
        .replace(r#""oldest_difference_ms":null"#, r#""oldest_difference_ms":77"#)
        .replace(r#""faults":[]"#, &format!(r#""faults":[{cut}]"#));
    let unchanged = later.replace(":77", ":99");
    let (_, out, _) = watched(
        vec![vec![data(&[event(1, "one")]), later], vec![unchanged, data(&[])]],
        &["--json"],
    );
    let changes: Vec<Value> =
        out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let names: Vec<&str> =
        changes.iter().map(|change| change["change"].as_str().expect("a word")).collect();
    assert_eq!(
        names,
        ["event", "gossip", "verdict", "event", "event", "fault", "verdict", "healed", "verdict"]
    );
    assert_eq!(changes[0]["event"]["text"], "one");
    assert_eq!(changes[1], json!({"change":"gossip","gossip":{"paused":false,"percent":100}}));
    assert_eq!(
        changes[2],
        json!({
            "change": "verdict", "converged": true, "sentence": "All agree.", "differences": 0,
            "tables": {}, "only_copies": 0, "lost_writes": 0,
        })
    );
    assert_eq!(
        (&changes[5]["fault"]["id"], &changes[5]["fault"]["kind"]),
        (&json!("3"), &json!("cut"))
    );
    assert_eq!(changes[6], json!({"change":"verdict","differences":5}));
    assert_eq!(changes[7], json!({"change":"healed","id":"3"}));
}

#[test]
fn invalid_frame_exits_with_3() {
    for wrong in ["<html>", "{}", r#"{"t":"data","events":[7]}"#] {
        let (code, out, errors) = watched(vec![vec![wrong.to_owned()]], &[]);
        assert_eq!((code, out.as_str()), (Some(3), ""), "{wrong}: {errors}");
        assert!(errors.contains("not a node"), "{wrong}: {errors}");
    }
}
