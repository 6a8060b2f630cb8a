//! Valid files are parsed completely. Invalid ones are rejected, with the position and the valid
//! alternatives.

use std::time::Duration;

use super::*;
use crate::fault::{Fault, FaultKind};
use crate::operation::{Action, Operation};
use crate::scenario::{Step, StepKind};

/// Parses a scenario with this text after its title.
fn parse(text: &str) -> Result<Scenario, Invalid> {
    Scenario::parse("test", "test.toml", &format!("title = \"T\"\n{text}"))
}

/// Parses a step, after a setup of four heroes.
fn step(text: &str) -> Result<StepKind, Invalid> {
    let scenario =
        parse(&format!("[setup]\nheroes = 2\nnames = [\"Ada\", \"Bob\"]\n[[step]]\n{text}\n"))?;
    Ok(scenario.steps.into_iter().next().expect("the scenario has a step").kind)
}

#[test]
fn complete_file_is_parsed() {
    let text = "\u{feff}title = \"T\"\nabout = \"A\"\ntakes = \"20s\"\n\
        [setup]\nnames = [\"Ada\"]\n\
        [[step]]\n\
        fault = { kind = \"cut\", from = \"gotham\", to = \"*\", name = \"the cut\", for = \"9s\" }\n\
        [[step]]\nat = \"2s\"\nheal = \"the cut\"\n";
    let scenario = Scenario::parse("x", "x.toml", text).unwrap();
    assert_eq!(
        (scenario.title.as_str(), scenario.about.as_str(), scenario.takes),
        ("T", "A", Some(Duration::from_secs(20)))
    );
    assert_eq!(
        (scenario.names.as_slice(), scenario.invented, scenario.steps.len()),
        (["Ada".to_owned()].as_slice(), 0, 2)
    );
    let cut = Fault {
        kind: FaultKind::Cut,
        from: "gotham".into(),
        to: Some("*".into()),
        one_way: false,
        lasts: Some(Duration::from_secs(9)),
    };
    let name = Some("the cut".to_owned());
    let inject = Action::Inject { fault: cut, name: name.clone() };
    let step = |action| StepKind::Run(Operation { action, refused: None });
    assert_eq!(scenario.steps[0].kind, step(inject));
    assert_eq!(scenario.steps[1].at, Some(Duration::from_secs(2)));
    assert_eq!(scenario.steps[1].kind, step(Action::Heal { name }));
}

#[test]
fn steps_have_a_description() {
    for (text, words) in [
        ("create = \"Eve\"", "create Eve"),
        (
            "assign = { hero = \"Ada\", to = \"gotham\" }\nrefused = \"not_heard_of\"",
            "assign Ada to gotham (must be refused: not_heard_of)",
        ),
        ("assign = { hero = \"#2\", to = \"home\" }", "assign #2 to home"),
        ("terminate = \"*\"", "terminate each hero"),
        ("bomb = \"gotham\"", "bomb gotham"),
        ("stop = \"gotham\"", "stop gotham"),
        ("kill = \"gotham\"", "kill gotham"),
        ("rebuild = \"gotham\"", "rebuild gotham"),
        (
            "fault = { kind = \"delay\", from = \"gotham\", to = \"capitol\", by = \"300ms\", jitter = \"50ms\" }",
            "delay by 300ms ± 50ms between gotham and capitol",
        ),
        (
            "fault = { kind = \"loss\", from = \"gotham\", to = \"*\", one_way = true, percent = 5 }",
            "drop 5 % from gotham to all other nodes",
        ),
        (
            "fault = { kind = \"throttle\", from = \"gotham\", to = \"*\", bytes_per_s = 8192 }",
            "throttle to 8192 bytes/s between gotham and all other nodes",
        ),
        ("fault = { kind = \"freeze\", from = \"gotham\" }", "freeze gotham"),
        (
            "fault = { kind = \"skew\", from = \"dispatch\", by = \"-3s\" }",
            "set the clock of dispatch back by 3s",
        ),
        ("heal = true", "heal all faults"),
        ("pause = true", "pause gossip"),
        ("resume = true", "resume gossip"),
        ("speed = 300", "set the gossip rate to 300 %"),
        (
            "exchange = { from = \"gotham\", to = \"dispatch\", completed = false }",
            "dispatch pulls from gotham (must not complete)",
        ),
        (
            "together = [{ bomb = \"gotham\" }, { terminate = \"Ada\" }]",
            "at the same moment: bomb gotham; terminate Ada",
        ),
        (
            "together = [{ pause = true }, { resume = true }]\nuntil = { lost_writes = 1 }",
            "at the same moment: pause gossip; resume gossip, until 1 write is lost",
        ),
        (
            "expect = { converged = false, holds_for = \"2s\" }",
            "expect: the nodes do not all agree, for 2s",
        ),
        ("expect = { lost_writes = 1 }", "expect: 1 write is lost"),
        ("expect = { only_copies = 0 }", "expect: 0 heroes are held by only one node"),
        (
            "expect = { city = \"*\", holds = \"Ada\", location = \"home\" }",
            "expect: gotham, metropolis and capitol hold Ada at home",
        ),
        ("expect = { city = [\"gotham\"], lacks = \"Ada\" }", "expect: gotham does not hold Ada"),
        ("expect = { city = \"gotham\", dead = \"Ada\" }", "expect: Ada is terminated at gotham"),
        ("expect = { city = \"gotham\", is = \"down\" }", "expect: gotham is down"),
        ("expect = { agree = [\"gotham\", \"dispatch\"] }", "expect: gotham and dispatch agree"),
        (
            "expect = { apart = [\"gotham\", \"capitol\"] }",
            "expect: gotham and capitol do not agree",
        ),
        (
            "expect = { event = \"alarm\", text = \"clock\" }",
            "expect: the log has an event of kind alarm containing \"clock\"",
        ),
        (
            "expect = { one_winner = true }",
            "expect: the write with the highest stamp wins everywhere",
        ),
        (
            "expect = { same_millisecond = 3 }",
            "expect: at least 3 heroes have two writes in the same millisecond",
        ),
    ] {
        let kind = step(text).unwrap_or_else(|invalid| panic!("{text}: {invalid}"));
        assert_eq!(
            Step { at: None, say: String::new(), kind, is_inverted: false }.to_string(),
            words
        );
    }
}

#[test]
fn invalid_steps_are_rejected_with_position_and_alternatives() {
    let mut wrong = Vec::new();
    for (text, named) in [
        // Steps.
        ("¦explode = \"gotham\"", "`assign`, `terminate`"),
        ("at = \"1s\"", "create, assign"),
        ("pause = true\nresume = true", "this step has 2 of"),
        ("pause = ¦false", "pause = true"),
        ("pause = ¦1", "boolean"),
        ("heal = ¦false", "all faults"),
        ("heal = ¦3", "the name of a fault"),
        ("heal = ¦\"nothing\"", "no earlier step injects a fault"),
        ("speed = ¦9", "10 to 1000"),
        ("speed = ¦1e3", "i64"),
        ("bomb = ¦\"dispatch\"", "gotham, metropolis, capitol"),
        ("bomb = ¦\"Gotham\"", "gotham, metropolis, capitol"),
        ("terminate = ¦\"Eve\"", "#1, #2, Ada, Bob"),
        ("create = ¦\"Ada\"", "must be unique"),
        ("create = ¦\"*\"", "another name"),
        ("create = ¦\"a\\tb\"", "control characters"),
        ("create = ¦\"\"", "1 to 100"),
        ("assign = { hero = \"Ada\", to = ¦\"dispatch\" }", "gotham, metropolis, capitol, home"),
        ("assign = ¦{ hero = \"Ada\" }", "missing field `to`"),
        ("assign = { hero = \"Ada\", to = \"home\", ¦at = \"x\" }", "unknown field `at`"),
        ("at = ¦\"two\"\npause = true", "write 250ms, 3s or 2m"),
        ("at = ¦\"2h\"\npause = true", "at most 1h"),
        ("exchange = { from = \"gotham\", to = ¦\"gotham\" }", "itself"),
        ("exchange = { from = \"gotham\", to = ¦\"*\" }", "dispatch"),
        ("bomb = \"gotham\"\nrefused = ¦\"Not Heard\"", "invalid problem type"),
        // Faults.
        ("fault = { kind = ¦\"fire\", from = \"gotham\" }", "cut, delay, loss"),
        ("fault = ¦{ kind = \"cut\", from = \"gotham\" }", "requires `to`"),
        ("fault = ¦{ kind = \"cut\", from = \"gotham\", to = \"gotham\" }", "itself"),
        ("fault = { kind = \"cut\", from = \"gotham\", to = ¦\"riverdale\" }", "dispatch"),
        ("fault = { kind = \"cut\", from = ¦\"*\", to = \"gotham\" }", "dispatch"),
        (
            "fault = ¦{ kind = \"cut\", from = \"gotham\", to = \"*\", percent = 5 }",
            "does not take percent",
        ),
        ("fault = ¦{ kind = \"loss\", from = \"gotham\", to = \"*\" }", "requires percent"),
        ("fault = ¦{ kind = \"loss\", from = \"gotham\", to = \"*\", percent = 0 }", "above 0"),
        (
            "fault = ¦{ kind = \"delay\", from = \"gotham\", to = \"*\", by = \"11s\" }",
            "1ms to 10s",
        ),
        ("fault = ¦{ kind = \"skew\", from = \"gotham\", by = \"0\" }", "nonzero"),
        ("fault = { kind = \"skew\", from = \"gotham\", by = ¦\"5\" }", "write 250ms"),
        ("fault = { kind = \"freeze\", from = ¦\"dispatch\" }", "gotham, metropolis, capitol"),
        ("fault = { kind = \"freeze\", from = \"gotham\", to = ¦\"*\" }", "does not take `to`"),
        (
            "fault = ¦{ kind = \"cut\", from = \"gotham\", to = \"*\", for = \"1ms\" }",
            "100ms to 1h",
        ),
        (
            "fault = { kind = \"throttle\", from = \"gotham\", to = \"*\", bytes_per_s = ¦-1 }",
            "u64",
        ),
        // Together.
        ("together = ¦[{ pause = true }]", "2 to 16"),
        (
            "together = [{ pause = true }, ¦{ expect = { converged = true } }]",
            "neither `together` nor `expect`",
        ),
        (
            "together = [{ pause = true }, { at = ¦\"1s\", bomb = \"gotham\" }]",
            "belongs to the step",
        ),
        ("bomb = \"gotham\"\nuntil = ¦{ converged = true }", "requires `together`"),
        ("together = [{ pause = true }, { resume = true }]\nuntil = ¦{ }", "no condition"),
        (
            "together = [{ pause = true }, { resume = true }]\n\
             until = { converged = true, within = ¦\"1s\" }",
            "without `within`",
        ),
        (
            "together = [{ pause = true }, { bomb = \"gotham\", until = ¦{ converged = true } }]",
            "belongs to the step",
        ),
        (
            "together = [{ pause = true }, { bomb = \"gotham\", say = ¦\"Look\" }]",
            "belongs to the step",
        ),
        ("pause = true\nsay = ¦\"\"", "1 to 1000 characters"),
        // Expectations.
        ("expect = { ¦happiness = 1 }", "`converged`"),
        ("expect = ¦{ }", "lost_writes"),
        ("expect = ¦{ within = \"2s\" }", "lost_writes"),
        ("expect = ¦{ converged = true, lost_writes = 1 }", "2 conditions"),
        ("expect = { lost_writes = ¦-1 }", "u64"),
        ("expect = { holds = ¦\"Ada\" }", "city = "),
        ("expect = { city = ¦\"gotham\" }", "holds, lacks, dead"),
        (
            "expect = { city = \"gotham\", location = ¦\"home\", lacks = \"Ada\" }",
            "requires `holds`",
        ),
        ("expect = { city = ¦\"dispatch\", holds = \"Ada\" }", "gotham, metropolis, capitol"),
        ("expect = { city = ¦7, holds = \"Ada\" }", "a list of cities"),
        ("expect = { city = ¦[], holds = \"Ada\" }", "at least one"),
        ("expect = { city = \"gotham\", is = ¦\"alive\" }", "up, unreachable, down"),
        ("expect = { agree = ¦[\"gotham\"] }", "at least two"),
        ("expect = { apart = ¦[\"gotham\", \"gotham\"] }", "each named once"),
        ("expect = { agree = ¦[\"gotham\", \"riverdale\"] }", "dispatch"),
        ("expect = { converged = true, within = ¦\"11m\" }", "at most 10m"),
        ("expect = { same_millisecond = ¦0 }", "at least 1"),
        ("expect = { converged = true }\nrefused = ¦\"x\"", "requires an action"),
        // TOML.
        ("bomb = \"gotham¦", "string"),
        ("bomb = \"gotham\"\n¦bomb = \"gotham\"", "duplicate"),
    ] {
        // The mark is the expected position; without a mark it is the start of the step.
        let place = match text.split_once('¦') {
            None => "5:1".to_owned(),
            Some((before, _)) => {
                let line = before.rsplit('\n').next().expect("there is always a last line");
                format!("{}:{}", 6 + before.matches('\n').count(), 1 + line.chars().count())
            }
        };
        let error = step(&text.replace('¦', "")).expect_err(text).to_string();
        if !error.starts_with(&format!("test.toml:{place}: "))
            || !error.contains(named)
            || error.contains('\n')
        {
            wrong.push(format!("{text:?}\n  found    {error}\n  expected {place} … {named}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn invalid_files_are_rejected() {
    for (text, named) in [
        ("", "at least one [[step]]"),
        ("[setup]\nheroes = 0\n[[step]]\npause = true", "1 to 1000"),
        ("[setup]\nheroes = 1001\n[[step]]\npause = true", "1 to 1000"),
        ("[setup]\nnames = [\"A\", \"A\"]\n[[step]]\npause = true", "must be unique"),
        ("[setup]\nname = \"A\"\n[[step]]\npause = true", "`names`"),
        ("[[steps]]\npause = true", "`step`"),
        ("[[step]]\nassign = { hero = \"*\", to = \"gotham\" }", "no hero is defined"),
        (
            "[[step]]\nat = \"2s\"\npause = true\n[[step]]\nat = \"1s\"\nresume = true",
            "in order of time",
        ),
        ("takes = \"9h\"\n[[step]]\npause = true", "at most 1h"),
        ("conclude = \" \"\n[[step]]\npause = true", "1 to 1000 characters"),
        ("keep_heroes = 1\n[[step]]\npause = true", "a boolean"),
        (
            "predict = { question = \"Q?\", answers = [\"A\"], right = 1 }\n[[step]]\npause = true",
            "2 to 6 answers, not 1",
        ),
        (
            "predict = { question = \"Q?\", answers = [\"A\", \"B\"], right = 0 }\n\
             [[step]]\npause = true",
            "right must be 1 to 2, not 0",
        ),
        (
            "predict = { question = \"Q?\", answers = [\"A\", \"B\"], right = 3 }\n\
             [[step]]\npause = true",
            "right must be 1 to 2, not 3",
        ),
        ("predict = { question = \"Q?\" }\n[[step]]\npause = true", "missing field `answers`"),
        (&"[[step]]\npause = true\n".repeat(501), "at most 500 steps"),
        (
            &format!("# {}\n[[step]]\npause = true", "x".repeat(FILE_BYTES_MAX)),
            "at most 65536 bytes",
        ),
        (&format!("about = {}{}", "[".repeat(9_000), "]".repeat(9_000)), "recurs"),
    ] {
        let error = parse(text).expect_err(text).to_string();
        assert!(error.contains(named), "{error} does not contain {named}");
    }
    assert!(
        Scenario::parse("x", "x.toml", "")
            .unwrap_err()
            .to_string()
            .contains("missing field `title`")
    );
}

#[test]
fn columns_are_counted_in_characters() {
    let error = step("create = \"é\"\nbomb = \"é\" # ü\n").unwrap_err().to_string();
    assert!(error.starts_with("test.toml:7:8: "), "{error}");
}

#[test]
fn files_must_be_utf_8_and_within_the_size_limit() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mine.toml");
    std::fs::write(&path, "title = \"T\"\n[[step]]\npause = true\n").unwrap();
    assert_eq!(Scenario::read(&path).unwrap().name, "mine");
    std::fs::write(&path, b"title = \"T\"\n# \xff\n").unwrap();
    let error = Scenario::read(&path).unwrap_err();
    assert!((error.line, error.what.contains("UTF-8")) == (2, true), "{error}");
    std::fs::write(&path, "#".repeat(FILE_BYTES_MAX + 1)).unwrap();
    assert!(Scenario::read(&path).unwrap_err().what.contains("65536 bytes"));
    assert!(
        Scenario::read(&directory.path().join("none.toml"))
            .unwrap_err()
            .to_string()
            .contains("none.toml")
    );
    assert!(Scenario::read(directory.path()).is_err(), "a directory");
}

#[test]
fn only_steps_with_an_expectation_can_be_inverted() {
    let scenario = parse(
        "[[step]]\nbomb = \"gotham\"\n\
         [[step]]\nbomb = \"gotham\"\nrefused = \"no_answer\"\n\
         [[step]]\nexpect = { converged = true }\n\
         [[step]]\nexchange = { from = \"gotham\", to = \"capitol\", completed = true }\n",
    )
    .unwrap();
    assert_eq!(scenario.expectations(), [1, 2, 3]);
    assert_eq!(scenario.inverted(0), None);
    assert_eq!(scenario.inverted(4), None);
    let inverted = scenario.inverted(2).expect("the step has an expectation");
    assert!(inverted.steps[2].to_string().contains("inverted"));
    assert_eq!(inverted.inverted(2), Some(scenario));
}

#[test]
fn story_of_a_scenario_is_parsed_and_summarized() {
    let scenario = parse(
        "keep_heroes = true\nconclude = \"One write wins.\"\n\
         predict = { question = \"Which?\", answers = [\"The first\", \"The second\"], right = 2 }\n\
         [[step]]\npause = true\nsay = \" Look at gotham. \"\n[[step]]\nresume = true\n",
    )
    .unwrap();
    assert!(scenario.keep_heroes && scenario.conclude == "One write wins.");
    let summary = scenario.summary();
    let question = summary.predict.expect("it has a question");
    assert_eq!((question.answers.len(), question.right), (2, 2));
    let steps: Vec<(&str, &str)> =
        summary.steps.iter().map(|step| (step.text.as_str(), step.say.as_str())).collect();
    assert_eq!(steps, [("pause gossip", "Look at gotham."), ("resume gossip", "")]);
}
