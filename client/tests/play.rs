//! The player, with a dispatch that says what a test tells it to.

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

/// What a dispatch says of whose state nobody asks in particular: two heroes that every city knows,
/// no fault, nothing lost.
fn peaceful(request: &Request) -> (u16, String) {
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
    assert_eq!(ended, all, "each step is told once, in order");
    report
}

fn outcomes(report: &Report) -> Vec<Outcome> {
    report.steps.iter().map(|step| step.outcome).collect()
}

#[test]
fn before_and_after_a_scenario_the_cluster_is_put_in_order() {
    let disturbed = Mutex::new(true);
    let stub = Stub::start(move |request| match request.line.as_str() {
        // Somebody left a mess; and the scenario leaves one too.
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
            peaceful(request)
        }
        _ => peaceful(request),
    });
    let report = played(
        &stub,
        &scenario(
            "[[step]]\nstop = \"gotham\"\n[[step]]\npause = true\n[[step]]\nexpect = { lost_writes = 7, within = \"0\" }\n[[step]]\nresume = true\n",
        ),
    );
    assert_eq!(
        outcomes(&report),
        [Outcome::Passed, Outcome::Passed, Outcome::Failed, Outcome::Skipped]
    );
    assert_eq!(report.steps[2].detail, "seen instead: 0 lost", "counted since the scenario began");
    assert!(!report.passed() && report.failure.is_none() && report.verdict.is_some());
    let changes: Vec<String> =
        stub.seen().into_iter().filter(|line| !line.starts_with("GET")).collect();
    let order = [
        "DELETE /faults",
        "POST /heroes",
        "POST /cities/gotham/stop",
        "POST /gossip/pause",
        "DELETE /faults",
        "POST /cities/gotham/rebuild",
    ];
    assert_eq!(changes, order, "gossip was resumed by then");
}

#[test]
fn gossip_that_is_paused_or_slow_is_put_right() {
    for (gossip, call) in [
        (r#"{"paused":true,"percent":0}"#, "POST /gossip/resume"),
        (r#"{"paused":false,"percent":50}"#, "POST /gossip/speed"),
    ] {
        let stub = Stub::start(move |request| {
            if request.line == "GET /gossip" { (200, gossip.into()) } else { peaceful(request) }
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
fn what_was_not_done_is_asked_for_again_and_a_refusal_is_not() {
    let asked = AtomicU32::new(0);
    let stub = Stub::start(move |request| match request.line.as_str() {
        "POST /cities/gotham/bomb" if asked.fetch_add(1, Ordering::Relaxed) < 3 => {
            problem(503, "no_answer")
        }
        "POST /cities/capitol/bomb" => problem(503, "outcome_unknown"),
        _ => peaceful(request),
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
fn a_refusal_that_is_expected_must_be_that_one() {
    let stub = Stub::start(|request| match request.line.as_str() {
        "POST /cities/gotham/bomb" => problem(409, "alive"),
        _ => peaceful(request),
    });
    let expecting = |city: &str, refused: &str| {
        scenario(&format!("[[step]]\nbomb = \"{city}\"\nrefused = \"{refused}\"\n"))
    };
    assert!(played(&stub, &expecting("gotham", "alive")).passed());
    for (city, refused, said) in
        [("gotham", "terminated", "the detail of alive"), ("capitol", "alive", "not refused")]
    {
        let scenario = expecting(city, refused);
        let report = played(&stub, &scenario);
        assert!(!report.passed() && report.steps[0].detail.contains(said), "{report:?}");
        assert!(played(&stub, &scenario.inverted(0).expect("it expects something")).passed());
    }
    assert!(
        !played(&stub, &expecting("gotham", "alive").inverted(0).expect("it expects something"))
            .passed()
    );
}

#[test]
fn an_inverted_expectation_passes_where_it_is_not_met_and_fails_where_it_cannot_be_told() {
    let stub = Stub::start(peaceful);
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
            _ => peaceful(request),
        });
        let scenario = scenario(&format!("[[step]]\nexpect = {{ {condition}, within = \"0\" }}\n"));
        assert_eq!(played(&stub, &scenario).passed(), holds, "{condition}");
        assert_eq!(
            played(&stub, &scenario.inverted(0).expect("it expects something")).passed(),
            !holds,
            "{condition}"
        );
    }
    let unanswered =
        scenario("[[step]]\nexpect = { city = \"gotham\", holds = \"#1\", within = \"0\" }\n");
    let (straight, inverted) = (
        played(&stub, &unanswered),
        played(&stub, &unanswered.inverted(0).expect("it expects something")),
    );
    assert!(!straight.passed() && !inverted.passed(), "the stub knows no GET /heroes/ID");
}

#[test]
fn what_must_stay_is_watched_for_as_long() {
    let looks = AtomicU32::new(0);
    let stub = Stub::start(move |request| match request.line.as_str() {
        "GET /verdict" => {
            // True at every other look: never for as long as 200 ms.
            let converged = looks.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
            (200, peaceful(request).1.replace("true", &converged.to_string()))
        }
        _ => peaceful(request),
    });
    let report = played(
        &stub,
        &scenario(
            "[[step]]\nexpect = { converged = true, within = \"600ms\", holds_for = \"200ms\" }\n",
        ),
    );
    assert!(!report.passed() && report.took < Duration::from_secs(5), "{report:?}");
    let report = played(
        &Stub::start(peaceful),
        &scenario("[[step]]\nexpect = { converged = true, holds_for = \"300ms\" }\n"),
    );
    assert!(report.passed() && report.steps[0].took >= Duration::from_millis(300), "{report:?}");
}

#[test]
fn what_is_done_together_is_under_way_at_the_same_time_hero_by_hero() {
    // Nobody is answered before both are there.
    let both = Arc::new((Mutex::new(0), Condvar::new()));
    let stub = Stub::start(move |request| {
        if !request.line.starts_with("PUT") {
            return peaceful(request);
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
        // The first hero's writes share their millisecond, the second one's do not.
        let wall = if id == IDS[0] || origin == "gotham" { 7 } else { 8 };
        (200, hero(&id, origin, wall, origin))
    });
    let steps = |count: u32| {
        format!(
            "[[step]]\ntogether = [{{ assign = {{ hero = \"*\", to = \"gotham\" }} }}, {{ assign = {{ hero = \"*\", to = \"capitol\" }} }}]\n[[step]]\nexpect = {{ same_millisecond = {count} }}\n"
        )
    };
    let report = played(&stub, &scenario(&steps(1)));
    assert!(report.passed(), "{report:?}");
    let report = played(&stub, &scenario(&steps(2)));
    assert_eq!(report.steps[1].detail, "seen instead: 1 of 2 heroes");
    let writes: Vec<String> =
        stub.seen().into_iter().filter(|line| line.starts_with("PUT")).take(4).collect();
    assert!(
        writes[..2].iter().all(|line| line.contains(IDS[0]))
            && writes[2..].iter().all(|line| line.contains(IDS[1])),
        "{writes:?}"
    );
}

#[test]
fn one_winner_is_the_greatest_answered_or_a_later_one_and_everywhere_the_same() {
    // What gotham, metropolis and capitol hold in the end, as wall and writer.
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
                .position(|city| request.line == format!("GET /cities/{city}/heroes"));
            match (city, request.line.starts_with("PUT")) {
                (Some(city), _) => {
                    let (wall, origin) = held[city];
                    let heroes =
                        [hero(IDS[0], "gotham", wall, origin), hero(IDS[1], "home", 5, "dispatch")]
                            .join(",");
                    (200, format!(r#"{{"heroes":[{heroes}],"tombstones":0}}"#))
                }
                (None, true) => (200, hero(IDS[0], "gotham", 9, "gotham")),
                (None, false) => peaceful(request),
            }
        });
        let steps = "[[step]]\nassign = { hero = \"#1\", to = \"gotham\" }\n[[step]]\nexpect = { one_winner = true, within = \"0\" }\n";
        assert_eq!(played(&stub, &scenario(steps)).passed(), wins, "{held:?}");
    }
}

#[test]
fn the_dead_are_told_from_those_nobody_has_heard_of() {
    for (kind, dead) in [("terminated", true), ("unknown_hero", false)] {
        let stub = Stub::start(move |request| match request.line.as_str() {
            line if line.starts_with("GET /heroes/") => problem(410, kind),
            "POST /heroes" => (201, hero(IDS[0], "home", 5, "dispatch")),
            "GET /cities/gotham/heroes" => (200, r#"{"heroes":[],"tombstones":2}"#.into()),
            // Capitol still holds the hero alive.
            _ => peaceful(request),
        });
        let passes = |condition: &str| {
            let text = format!(
                "title = \"T\"\n[[step]]\ncreate = \"Ada\"\n[[step]]\nexpect = {{ {condition}, within = \"0\" }}\n"
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
fn a_player_that_is_stopped_cleans_up() {
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
        _ => peaceful(request),
    });
    let steps = "[[step]]\nfault = { kind = \"cut\", from = \"gotham\", to = \"*\" }\n[[step]]\nat = \"1h\"\nexpect = { converged = true }\n[[step]]\nresume = true\n";
    let report = played_until(&stub, &scenario(steps), &stop);
    assert_eq!(outcomes(&report), [Outcome::Passed, Outcome::Failed, Outcome::Skipped]);
    assert!(report.steps[1].detail.contains("stopped"), "{report:?}");
    assert_eq!(stub.seen().iter().filter(|line| *line == "DELETE /faults").count(), 1);
}

#[test]
fn a_dispatch_that_is_gone_fails_the_scenario() {
    let api = Api::new("http://127.0.0.1:9").expect("a valid address");
    let report =
        play(&api, &scenario("[[step]]\npause = true\n"), &AtomicBool::new(false), &mut |_| {});
    assert!(!report.passed() && report.steps.is_empty() && report.verdict.is_none());
    assert!(report.failure.expect("it says why").contains("http://127.0.0.1:9"));
}
