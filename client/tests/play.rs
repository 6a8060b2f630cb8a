//! The scenario player, against a stub of dispatch.

mod stub;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use scenario::{Outcome, Progress, Report, Scenario, play};
use superhero::Api;

use stub::{Request, Stub, problem};

const IDS: [&str; 2] =
    ["11111111-0000-4000-8000-000000000000", "22222222-0000-4000-8000-000000000000"];

fn hero(id: &str, place: &str, wall_ms: u64, origin: &str) -> String {
    format!(
        r#"{{"id":"{id}","name":"N","location":"{place}","is_patrolling":false,"health":100,"stamp":{{"wall_ms":{wall_ms},"logical":0,"origin":"{origin}/1"}}}}"#
    )
}

/// Responds like a dispatch without faults, whose cities all hold two heroes and agree.
fn undisturbed(request: &Request) -> (u16, String) {
    let heroes = IDS.map(|id| hero(id, "home", 5, "dispatch")).join(",");
    let ok = |body: &str| (200, body.to_owned());
    match request.line.as_str() {
        "GET /faults" => ok(r#"{"faults":[]}"#),
        "GET /gossip" | "POST /gossip/pause" | "POST /gossip/resume" | "POST /gossip/speed" => {
            ok(r#"{"paused":false,"percent":100}"#)
        }
        "POST /heroes" => (201, format!(r#"{{"ids":["{}","{}"]}}"#, IDS[0], IDS[1])),
        "GET /verdict" => ok(
            r#"{"converged":true,"sentence":"All agree.","differences":0,"only_copies":0,"lost_writes":3,"oldest_difference_ms":null}"#,
        ),
        "GET /cluster" => ok(r#"{"nodes":[]}"#),
        "POST /quiet" => ok(r#"{"quiet":true}"#),
        "POST /quiet/end" => ok(r#"{"quiet":false}"#),
        line if line.starts_with("GET /events") => ok(
            r#"{"events":[{"number":9,"at_ms":10,"node":"gotham","kind":"created","text":"t"}]}"#,
        ),
        line if line.starts_with("GET /cities/") => {
            (200, format!(r#"{{"heroes":[{heroes}],"tombstones":0}}"#))
        }
        line if line.starts_with("DELETE") => (204, String::new()),
        line if line.starts_with("POST /cities/") => (202, r#"{"city":"gotham"}"#.into()),
        _ => problem(500, "unexpected"),
    }
}

fn scenario(steps: &str) -> Scenario {
    Scenario::parse("test", "test.toml", &format!("title = \"T\"\n[setup]\nheroes = 2\n{steps}"))
        .expect("a valid scenario")
}

fn played(stub: &Stub, scenario: &Scenario) -> Report {
    played_until(stub, scenario, &AtomicBool::new(false))
}

fn played_until(stub: &Stub, scenario: &Scenario, stop: &AtomicBool) -> Report {
    let api = Api::new(&stub.url).expect("a valid address");
    let mut ended = Vec::new();
    let report = play(&api, scenario, stop, &mut |progress| {
        if let Progress::Ended { step, report } = progress {
            ended.push((step, report.outcome));
        }
    });
    let all: Vec<_> =
        report.steps.iter().enumerate().map(|(index, step)| (index, step.outcome)).collect();
    assert_eq!(ended, all, "each step is reported once, in order");
    report
}

fn outcomes(report: &Report) -> Vec<Outcome> {
    report.steps.iter().map(|step| step.outcome).collect()
}

#[test]
fn player_restores_the_cluster_before_and_after_a_scenario() {
    let disturbed = Mutex::new(true);
    let stub = Stub::start(move |request| match request.line.as_str() {
        // The cluster is disturbed before the scenario, and again by its pause.
        "GET /faults" if *disturbed.lock().unwrap() => {
            (200, r#"{"faults":[{"id":"1","kind":"cut","from":"gotham","to":"*"}]}"#.into())
        }
        "GET /gossip" if *disturbed.lock().unwrap() => {
            (200, r#"{"paused":true,"percent":0}"#.into())
        }
        "DELETE /faults" => {
            *disturbed.lock().unwrap() = false;
            (204, String::new())
        }
        "POST /gossip/pause" => {
            *disturbed.lock().unwrap() = true;
            undisturbed(request)
        }
        _ => undisturbed(request),
    });
    let report = played(
        &stub,
        &scenario(
            "[[step]]\nstop = \"gotham\"\n\
             [[step]]\npause = true\n\
             [[step]]\nexpect = { lost_writes = 7, within = \"0\" }\n\
             [[step]]\nresume = true\n",
        ),
    );
    assert_eq!(
        outcomes(&report),
        [Outcome::Passed, Outcome::Passed, Outcome::Failed, Outcome::Skipped]
    );
    assert_eq!(report.steps[2].detail, "observed: 0 lost", "earlier losses are not counted");
    assert!(!report.passed() && report.failure.is_none() && report.verdict.is_some());
    let changes: Vec<String> =
        stub.seen().into_iter().filter(|line| !line.starts_with("GET")).collect();
    let order = [
        "DELETE /faults",
        "POST /quiet",
        "POST /heroes",
        "POST /cities/gotham/stop",
        "POST /gossip/pause",
        "DELETE /faults",
        "POST /quiet/end",
        "POST /cities/gotham/rebuild",
    ];
    let terminated = IDS.map(|id| format!("DELETE /heroes/{id}"));
    let order: Vec<String> = order.map(str::to_owned).into_iter().chain(terminated).collect();
    assert_eq!(changes, order, "healing also resumes gossip in this stub");
}

#[test]
fn player_resets_paused_or_slow_gossip() {
    for (gossip, call) in [
        (r#"{"paused":true,"percent":0}"#, "POST /gossip/resume"),
        (r#"{"paused":false,"percent":50}"#, "POST /gossip/speed"),
    ] {
        let stub = Stub::start(move |request| {
            if request.line == "GET /gossip" { (200, gossip.into()) } else { undisturbed(request) }
        });
        assert!(played(&stub, &scenario("[[step]]\nexpect = { converged = true }\n")).passed());
        assert_eq!(
            stub.seen().iter().filter(|line| *line == call).count(),
            2,
            "before and after: {:?}",
            stub.seen()
        );
    }
}

#[test]
fn only_operations_known_as_not_done_are_retried() {
    let attempts = AtomicU32::new(0);
    let stub = Stub::start(move |request| match request.line.as_str() {
        "POST /cities/gotham/bomb" if attempts.fetch_add(1, Ordering::Relaxed) < 3 => {
            problem(503, "no_answer")
        }
        "POST /cities/capitol/bomb" => problem(503, "outcome_unknown"),
        _ => undisturbed(request),
    });
    let report =
        played(&stub, &scenario("[[step]]\nbomb = \"gotham\"\n[[step]]\nbomb = \"capitol\"\n"));
    assert_eq!(outcomes(&report), [Outcome::Passed, Outcome::Failed]);
    assert!(
        report.steps[1].detail.contains("the detail of outcome_unknown"),
        "{}",
        report.steps[1].detail
    );
    let bombs = |city: &str| {
        stub.seen().iter().filter(|line| **line == format!("POST /cities/{city}/bomb")).count()
    };
    assert_eq!((bombs("gotham"), bombs("capitol")), (4, 1));
}

#[test]
fn expected_refusal_must_have_the_expected_type() {
    let stub = Stub::start(|request| match request.line.as_str() {
        "POST /cities/gotham/bomb" => problem(409, "alive"),
        _ => undisturbed(request),
    });
    let expecting = |city: &str, refused: &str| {
        scenario(&format!("[[step]]\nbomb = \"{city}\"\nrefused = \"{refused}\"\n"))
    };
    assert!(played(&stub, &expecting("gotham", "alive")).passed());
    for (city, refused, message) in
        [("gotham", "terminated", "the detail of alive"), ("capitol", "alive", "not refused")]
    {
        let scenario = expecting(city, refused);
        let report = played(&stub, &scenario);
        assert!(!report.passed() && report.steps[0].detail.contains(message), "{report:?}");
        assert!(
            played(&stub, &scenario.inverted(0).expect("the step has an expectation")).passed()
        );
    }
    assert!(
        !played(
            &stub,
            &expecting("gotham", "alive").inverted(0).expect("the step has an expectation")
        )
        .passed()
    );
}

#[test]
fn inverted_expectation_passes_if_unmet_fails_if_unobservable() {
    let stub = Stub::start(undisturbed);
    for (condition, holds) in [
        ("converged = true", true),
        ("converged = false", false),
        ("city = \"*\", lacks = \"#1\"", false),
    ] {
        let stub = Stub::start(|request| match request.line.as_str() {
            line if line.starts_with("GET /heroes/") => {
                let here = hero(IDS[0], "home", 5, "dispatch");
                (
                    200,
                    format!(
                        r#"{{"hero":{here},"cities":{{"gotham":{here},"metropolis":"tombstone","capitol":null}}}}"#
                    ),
                )
            }
            _ => undisturbed(request),
        });
        let scenario = scenario(&format!("[[step]]\nexpect = {{ {condition}, within = \"0\" }}\n"));
        assert_eq!(played(&stub, &scenario).passed(), holds, "{condition}");
        assert_eq!(
            played(&stub, &scenario.inverted(0).expect("the step has an expectation")).passed(),
            !holds,
            "{condition}"
        );
    }
    let unanswered =
        scenario("[[step]]\nexpect = { city = \"gotham\", holds = \"#1\", within = \"0\" }\n");
    let (straight, inverted) = (
        played(&stub, &unanswered),
        played(&stub, &unanswered.inverted(0).expect("the step has an expectation")),
    );
    assert!(!straight.passed() && !inverted.passed(), "the stub has no GET /heroes/ID");
}

#[test]
fn condition_must_stay_true_for_its_duration() {
    let requests = AtomicU32::new(0);
    let stub = Stub::start(move |request| match request.line.as_str() {
        "GET /verdict" => {
            // True at every other request, so never for as long as 200 ms.
            let converged = requests.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
            (200, undisturbed(request).1.replace("true", &converged.to_string()))
        }
        _ => undisturbed(request),
    });
    let report = played(
        &stub,
        &scenario(
            "[[step]]\nexpect = { converged = true, within = \"600ms\", holds_for = \"200ms\" }\n",
        ),
    );
    assert!(!report.passed() && report.took < Duration::from_secs(5), "{report:?}");
    let report = played(
        &Stub::start(undisturbed),
        &scenario("[[step]]\nexpect = { converged = true, holds_for = \"300ms\" }\n"),
    );
    assert!(report.passed() && report.steps[0].took >= Duration::from_millis(300), "{report:?}");
}

#[test]
fn operations_together_are_concurrent_for_each_hero() {
    // A request gets its response only after the other request of its pair has arrived.
    let both = Arc::new((Mutex::new(0), Condvar::new()));
    let stub = Stub::start(move |request| {
        if !request.line.starts_with("PUT") {
            return undisturbed(request);
        }
        let (count, changed) = &*both;
        let mut count = count.lock().unwrap();
        *count += 1;
        let pair = (*count + 1) / 2;
        changed.notify_all();
        let (_held, timeout) = changed
            .wait_timeout_while(count, Duration::from_secs(60), |count| *count < 2 * pair)
            .unwrap();
        if timeout.timed_out() {
            return problem(500, "alone");
        }
        let id = request.line.split('/').nth(2).unwrap_or_default().to_owned();
        let origin = if request.body.contains("gotham") { "gotham" } else { "capitol" };
        // The two writes of the first hero share a millisecond, those of the second do not.
        let wall = if id == IDS[0] || origin == "gotham" { 7 } else { 8 };
        (200, hero(&id, origin, wall, origin))
    });
    let steps = |count: u32| {
        format!(
            "[[step]]\n\
             together = [\
             {{ assign = {{ hero = \"*\", to = \"gotham\" }} }}, \
             {{ assign = {{ hero = \"*\", to = \"capitol\" }} }}]\n\
             [[step]]\nexpect = {{ same_millisecond = {count} }}\n"
        )
    };
    let report = played(&stub, &scenario(&steps(1)));
    assert!(report.passed(), "{report:?}");
    let report = played(&stub, &scenario(&steps(2)));
    assert_eq!(report.steps[1].detail, "observed: 1 of 2 heroes");
    let writes: Vec<String> =
        stub.seen().into_iter().filter(|line| line.starts_with("PUT")).take(4).collect();
    assert!(
        writes[..2].iter().all(|line| line.contains(IDS[0]))
            && writes[2..].iter().all(|line| line.contains(IDS[1])),
        "{writes:?}"
    );
}

#[test]
fn one_winner_requires_highest_or_later_stamp_at_every_city() {
    // The final stamps at gotham, metropolis and capitol, as wall clock and writer.
    for (held, wins) in [
        ([(9, "gotham"), (9, "gotham"), (9, "gotham")], true),
        ([(12, "capitol"), (12, "capitol"), (12, "capitol")], true),
        ([(8, "gotham"), (8, "gotham"), (8, "gotham")], false),
        ([(9, "capitol"), (9, "capitol"), (9, "capitol")], false),
        ([(9, "gotham"), (12, "capitol"), (9, "gotham")], false),
    ] {
        let stub = Stub::start(move |request| {
            let city = ["gotham", "metropolis", "capitol"]
                .iter()
                .position(|city| request.line == format!("GET /cities/{city}/heroes?limit=5000"));
            match (city, request.line.starts_with("PUT")) {
                (Some(city), _) => {
                    let (wall, origin) = held[city];
                    let heroes =
                        [hero(IDS[0], "gotham", wall, origin), hero(IDS[1], "home", 5, "dispatch")]
                            .join(",");
                    (200, format!(r#"{{"heroes":[{heroes}],"tombstones":0}}"#))
                }
                (None, true) => (200, hero(IDS[0], "gotham", 9, "gotham")),
                (None, false) => undisturbed(request),
            }
        });
        let steps = "[[step]]\nassign = { hero = \"#1\", to = \"gotham\" }\n\
                     [[step]]\nexpect = { one_winner = true, within = \"0\" }\n";
        assert_eq!(played(&stub, &scenario(steps)).passed(), wins, "{held:?}");
    }
}

#[test]
fn dead_requires_a_tombstone_and_lacks_does_not() {
    for (kind, dead) in [("terminated", true), ("unknown_hero", false)] {
        let stub = Stub::start(move |request| match request.line.as_str() {
            line if line.starts_with("GET /heroes/") => problem(410, kind),
            "POST /heroes" => (201, hero(IDS[0], "home", 5, "dispatch")),
            "GET /cities/gotham/heroes?limit=5000" => {
                (200, r#"{"heroes":[],"tombstones":2}"#.into())
            }
            // Capitol still holds the hero.
            _ => undisturbed(request),
        });
        let passes = |condition: &str| {
            let text = format!(
                "title = \"T\"\n\
                 [[step]]\ncreate = \"Ada\"\n\
                 [[step]]\nexpect = {{ {condition}, within = \"0\" }}\n"
            );
            played(&stub, &Scenario::parse("test", "test.toml", &text).expect("a valid scenario"))
                .passed()
        };
        assert_eq!(passes("city = \"gotham\", dead = \"Ada\""), dead, "{kind}");
        assert!(
            passes("city = \"gotham\", lacks = \"Ada\"")
                && !passes("city = \"*\", lacks = \"Ada\""),
            "{kind}"
        );
        assert!(passes("city = \"capitol\", holds = \"Ada\", location = \"home\""), "{kind}");
        assert!(
            !passes("city = \"capitol\", holds = \"Ada\", location = \"gotham\"")
                && !passes("city = \"*\", holds = \"Ada\""),
            "{kind}"
        );
    }
}

#[test]
fn stopped_player_cleans_up() {
    let stop = Arc::new(AtomicBool::new(false));
    let stopper = Arc::clone(&stop);
    let stub = Stub::start(move |request| match request.line.as_str() {
        "GET /faults" if stopper.load(Ordering::Relaxed) => {
            (200, r#"{"faults":[{"id":"1","kind":"cut","from":"gotham","to":"*"}]}"#.into())
        }
        "POST /faults" => {
            stopper.store(true, Ordering::Relaxed);
            (201, r#"{"id":"1","kind":"cut","from":"gotham","to":"*"}"#.into())
        }
        _ => undisturbed(request),
    });
    let steps = "[[step]]\nfault = { kind = \"cut\", from = \"gotham\", to = \"*\" }\n\
                 [[step]]\nat = \"1h\"\nexpect = { converged = true }\n\
                 [[step]]\nresume = true\n";
    let report = played_until(&stub, &scenario(steps), &stop);
    assert_eq!(outcomes(&report), [Outcome::Passed, Outcome::Failed, Outcome::Skipped]);
    assert!(report.steps[1].detail.contains("stopped"), "{report:?}");
    assert_eq!(stub.seen().iter().filter(|line| *line == "DELETE /faults").count(), 1);
}

#[test]
fn unreachable_dispatch_fails_the_scenario() {
    let api = Api::new("http://127.0.0.1:9").expect("a valid address");
    let report =
        play(&api, &scenario("[[step]]\npause = true\n"), &AtomicBool::new(false), &mut |_| {});
    assert!(!report.passed() && report.steps.is_empty() && report.verdict.is_none());
    assert!(report.failure.expect("a failure").contains("http://127.0.0.1:9"));
}

#[test]
fn waits_go_on_while_dispatch_is_unavailable() {
    let (lists, verdicts) = (AtomicU32::new(0), AtomicU32::new(0));
    let stub = Stub::start(move |request| {
        let count = |of: &AtomicU32| of.fetch_add(1, Ordering::Relaxed);
        match request.line.as_str() {
            // The first requests of the wait until all cities hold the heroes.
            "GET /cities/gotham/heroes?limit=5000" if count(&lists) == 0 => {
                problem(503, "no_place")
            }
            "GET /verdict" if (1..3).contains(&count(&verdicts)) => (502, "<html>".into()),
            _ => undisturbed(request),
        }
    });
    let report = played(&stub, &scenario("[[step]]\nexpect = { converged = true }\n"));
    assert!(report.passed(), "{report:?}");
}

#[test]
fn question_explanations_answer_and_conclusion_are_printed() {
    let stub = Stub::start(undisturbed);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("story.toml");
    let story = "title = \"T\"\nconclude = \"So it is.\"\n\
         predict = { question = \"Which?\", answers = [\"This\", \"That\"], right = 2 }\n\
         [setup]\nheroes = 2\n[[step]]\npause = true\nsay = \"Look at gotham.\"\n";
    std::fs::write(&file, story).expect("a file in a temporary directory");
    let done = stub::superhero(&stub.url, &["play", file.to_str().expect("a path of ASCII")]);
    let said = stub::text(&done.stdout);
    let mut rest = said.as_str();
    for part in
        ["?  Which?", "a) This", "b) That", "Look at gotham.", "ok ", "!  b) That", "So it is."]
    {
        let (_, after) = rest.split_once(part).unwrap_or_else(|| panic!("{part:?} in {said}"));
        rest = after;
    }
}
