//! The player on a scripted cluster, in virtual time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use api_types::{
    Event, Exchange, FaultRequest, Gossip, Hero, HeroEverywhere, Node, Stamp, Verdict,
};

use super::*;
use crate::executor::{CityOperation, Failure};

/// A cluster that only creates and terminates heroes. Its clock advances only while the player sleeps.
struct Scripted {
    clock: Mutex<Duration>,
    /// The operations, with their times.
    log: Mutex<Vec<(Duration, String)>>,
    /// The number of bombs that fail with `no_answer`.
    unanswered: AtomicU32,
    /// The start and end of the time in which the nodes agree.
    converged: (Duration, Duration),
    /// The start and end of the time in which the verdict fails, and the failure.
    unavailable: Option<(Duration, Duration, Failure)>,
    /// The IDs of the live heroes.
    heroes: Mutex<Vec<String>>,
    /// The refusal of each termination.
    unterminated: Option<Failure>,
    quiet: Mutex<bool>,
    /// The number of allowed steps; `None` if all are.
    allowed: Option<AtomicUsize>,
}

impl Scripted {
    fn new() -> Self {
        Self {
            clock: Mutex::new(Duration::from_secs(1_000)),
            log: Mutex::new(Vec::new()),
            unanswered: AtomicU32::new(0),
            converged: (Duration::ZERO, Duration::MAX),
            unavailable: None,
            heroes: Mutex::new(Vec::new()),
            unterminated: None,
            // So that most tests need not mention it.
            quiet: Mutex::new(true),
            allowed: None,
        }
    }

    fn heroes(&self) -> Vec<String> {
        self.heroes.lock().expect("no test panics with it").clone()
    }

    fn done(&self, what: impl Into<String>) -> Result<(), Failure> {
        let at = self.elapsed();
        self.log.lock().expect("no test panics with it").push((at, what.into()));
        Ok(())
    }

    fn elapsed(&self) -> Duration {
        self.now() - Duration::from_secs(1_000)
    }

    fn log(&self) -> Vec<(u128, String)> {
        let log = self.log.lock().expect("no test panics with it");
        log.iter().map(|(at, what)| (at.as_millis(), what.clone())).collect()
    }
}

fn hero(id: String) -> Hero {
    let stamp = Stamp { wall_ms: 1, logical: 0, origin: "dispatch/1".into() };
    let (name, location) = ("N".into(), "home".into());
    Hero { id, name, location, is_patrolling: false, health: 100, stamp }
}

fn no_heroes<T>() -> Result<T, Failure> {
    Err(Failure::Unanswered("this cluster has no heroes".into()))
}

impl Executor for Scripted {
    fn create(&self, _name: &str) -> Result<Hero, Failure> {
        no_heroes()
    }

    fn create_many(&self, count: u32) -> Result<Vec<String>, Failure> {
        let ids: Vec<String> = (1..=count).map(|number| format!("id-{number}")).collect();
        self.heroes.lock().expect("no test panics with it").clone_from(&ids);
        Ok(ids)
    }

    fn assign(&self, _id: &str, _location: &str) -> Result<Hero, Failure> {
        no_heroes()
    }

    fn terminate(&self, id: &str) -> Result<(), Failure> {
        if let Some(failure) = &self.unterminated {
            return Err(failure.clone());
        }
        let mut heroes = self.heroes.lock().expect("no test panics with it");
        if !heroes.iter().any(|hero| hero == id) {
            let (kind, detail) = ("terminated".to_owned(), format!("{id} is terminated"));
            return Err(Failure::Refused { kind, detail });
        }
        heroes.retain(|hero| hero != id);
        Ok(())
    }

    fn operate_city(&self, city: &str, operation: CityOperation) -> Result<(), Failure> {
        self.done(format!("{operation:?} {city}"))?;
        let one_less = |left: u32| left.checked_sub(1);
        let relaxed = Ordering::Relaxed;
        match self.unanswered.fetch_update(relaxed, relaxed, one_less) {
            Ok(_) => {
                let detail = format!("{city} does not answer");
                Err(Failure::Refused { kind: "no_answer".into(), detail })
            }
            Err(_) => Ok(()),
        }
    }

    fn inject(&self, fault: &FaultRequest) -> Result<String, Failure> {
        let lasts = fault.heal_after_s.unwrap_or_default();
        self.done(format!("inject {} for {lasts} s", fault.kind))?;
        Ok("1".into())
    }

    fn heal(&self, id: Option<&str>) -> Result<(), Failure> {
        self.done(format!("heal {id:?}"))
    }

    fn pause(&self) -> Result<(), Failure> {
        self.done("pause")
    }

    fn resume(&self) -> Result<(), Failure> {
        self.done("resume")
    }

    fn set_speed(&self, percent: u32) -> Result<(), Failure> {
        self.done(format!("speed {percent}"))
    }

    fn exchange(&self, from: &str, to: &str) -> Result<Exchange, Failure> {
        self.done(format!("exchange {from} {to}"))?;
        let (from, to) = (from.to_owned(), to.to_owned());
        Ok(Exchange { from, to, completed: true, entries: 3, records: 0, bytes: 400 })
    }

    fn is_quiet(&self) -> Result<bool, Failure> {
        Ok(*self.quiet.lock().expect("no test panics with it"))
    }

    fn set_quiet(&self, quiet: bool) -> Result<(), Failure> {
        *self.quiet.lock().expect("no test panics with it") = quiet;
        self.done(format!("quiet {quiet}"))
    }

    fn steps_allowed(&self) -> Option<usize> {
        self.allowed.as_ref().map(|allowed| allowed.load(Ordering::Relaxed))
    }

    fn verdict(&self) -> Result<Verdict, Failure> {
        if let Some((from, until, failure)) = &self.unavailable
            && (*from..*until).contains(&self.elapsed())
        {
            return Err(failure.clone());
        }
        let (from, until) = self.converged;
        Ok(Verdict {
            converged: (from..until).contains(&self.elapsed()),
            sentence: "A sentence.".into(),
            differences: 0,
            tables: [].into(),
            only_copies: 0,
            lost_writes: 0,
            oldest_difference_ms: None,
        })
    }

    fn nodes(&self) -> Result<Vec<Node>, Failure> {
        Ok(Vec::new())
    }

    fn city_heroes(&self, _city: &str) -> Result<Vec<Hero>, Failure> {
        Ok(self.heroes().into_iter().map(hero).collect())
    }

    fn hero(&self, _id: &str) -> Result<HeroEverywhere, Failure> {
        no_heroes()
    }

    fn events(&self, _since: u64) -> Result<Vec<Event>, Failure> {
        Ok(Vec::new())
    }

    fn faults(&self) -> Result<usize, Failure> {
        Ok(0)
    }

    fn gossip(&self) -> Result<Gossip, Failure> {
        Ok(Gossip { paused: false, percent: 100 })
    }

    fn now(&self) -> Duration {
        *self.clock.lock().expect("no test panics with it")
    }

    fn sleep(&self, span: Duration) {
        *self.clock.lock().expect("no test panics with it") += span;
    }
}

fn played(cluster: &Scripted, steps: &str) -> Report {
    let scenario = Scenario::parse("test", "test.toml", &format!("title = \"T\"\n{steps}"));
    let scenario = scenario.expect("a valid scenario");
    play(cluster, &scenario, &AtomicBool::new(false), &mut |_| {})
}

fn outcomes(report: &Report) -> Vec<Outcome> {
    report.steps.iter().map(|step| step.outcome).collect()
}

#[test]
fn steps_start_at_their_times_and_cleanup_restarts_processes() {
    let cluster = Scripted::new();
    let report = played(
        &cluster,
        "[[step]]\nstop = \"gotham\"\n[[step]]\nat = \"1h\"\npause = true\n[[step]]\nresume = true",
    );
    assert!(report.passed(), "{report:?}");
    assert_eq!(report.took, Duration::from_secs(3_600));
    let hour = 3_600_000;
    let expected =
        [(0, "Stop gotham"), (hour, "pause"), (hour, "resume"), (hour, "Rebuild gotham")];
    assert_eq!(cluster.log(), expected.map(|(at, what)| (at, what.to_owned())));
}

#[test]
fn failed_operation_is_retried_for_five_seconds() {
    let bomb = "[[step]]\nbomb = \"gotham\"";
    let cluster = Scripted { unanswered: AtomicU32::new(100), ..Scripted::new() };
    let report = played(&cluster, bomb);
    assert!(report.passed() && report.took == Duration::from_secs(5), "{report:?}");
    let cluster = Scripted { unanswered: AtomicU32::new(101), ..Scripted::new() };
    let report = played(&cluster, bomb);
    assert_eq!(report.steps[0].detail, "gotham does not answer (no_answer)");
    assert_eq!(cluster.log().len(), 101);
}

#[test]
fn operations_are_repeated_until_their_condition_holds() {
    let steps = "[[step]]\ntogether = [{ pause = true }, { resume = true }]\n\
                 until = { converged = true }";
    for (from, outcome, repetitions) in
        [(0, Outcome::Passed, 1), (100, Outcome::Passed, 3), (1_000, Outcome::Failed, 20)]
    {
        let converged = (Duration::from_millis(from), Duration::MAX);
        let cluster = Scripted { converged, ..Scripted::new() };
        let report = played(&cluster, steps);
        assert_eq!(outcomes(&report), [outcome], "{report:?}");
        assert_eq!(cluster.log().len(), 2 * repetitions, "{report:?}");
    }
}

#[test]
fn condition_must_hold_within_its_timeout_and_for_its_duration() {
    let second = Duration::from_secs(1);
    let expect = "[[step]]\nexpect = { converged = true, within = \"3s\", holds_for = \"2s\" }";
    for (converged, outcome, seconds) in [
        ((second, Duration::MAX), Outcome::Passed, 3),
        ((second * 3, Duration::MAX), Outcome::Passed, 5),
        ((second, second * 2), Outcome::Failed, 3),
        ((second * 4, Duration::MAX), Outcome::Failed, 3),
    ] {
        let cluster = Scripted { converged, ..Scripted::new() };
        let report = played(&cluster, expect);
        assert_eq!(outcomes(&report), [outcome], "{converged:?}");
        assert_eq!(report.took.as_secs(), seconds, "{converged:?}");
    }
}

#[test]
fn expectation_is_awaited_through_temporary_failures() {
    let ms = Duration::from_millis;
    let steps =
        "[[step]]\nat = \"1s\"\nexpect = { converged = true, within = \"3s\", holds_for = \"2s\" }";
    let refused = |kind: &str| Failure::Refused { kind: kind.into(), detail: "busy".into() };
    let silent = Failure::Unavailable("no response".into());
    for (from, until, failure, outcome, took) in [
        // A failure in between interrupts `holds_for`.
        (ms(1_500), ms(2_000), silent.clone(), Outcome::Passed, 4),
        (ms(1_000), ms(3_000), refused("overloaded"), Outcome::Passed, 5),
        (ms(1_000), ms(9_000), silent, Outcome::Failed, 4),
        (ms(1_000), ms(9_000), refused("sign_in"), Outcome::Failed, 1),
        (ms(1_000), ms(9_000), Failure::Unanswered("stopping".into()), Outcome::Failed, 1),
    ] {
        let text = failure.to_string();
        let cluster = Scripted { unavailable: Some((from, until, failure)), ..Scripted::new() };
        let report = played(&cluster, steps);
        assert_eq!(outcomes(&report), [outcome], "{text}");
        assert_eq!(report.took.as_secs(), took, "{text}");
        if outcome == Outcome::Failed {
            assert_eq!(report.steps[0].detail, text);
        }
    }
}

#[test]
fn steps_after_a_failed_one_are_skipped() {
    let cluster = Scripted::new();
    let report = played(
        &cluster,
        "[[step]]\nexchange = { from = \"gotham\", to = \"capitol\", completed = false }\n\
         [[step]]\npause = true",
    );
    assert_eq!(outcomes(&report), [Outcome::Failed, Outcome::Skipped]);
    let detail = "observed: completed, 3 entries in 400 bytes";
    assert_eq!(report.steps[0].detail, detail);
    assert_eq!(cluster.log().len(), 1, "the pause was skipped");
}

#[test]
fn heroes_of_the_scenario_are_terminated_at_its_end_unless_kept() {
    let text = "[setup]\nheroes = 3\n[[step]]\nterminate = \"#2\"\n[[step]]\npause = true";
    let cluster = Scripted::new();
    let report = played(&cluster, text);
    assert!(report.passed(), "{report:?}");
    assert_eq!(cluster.heroes(), [""; 0]);
    let cluster = Scripted::new();
    assert!(played(&cluster, &format!("keep_heroes = true\n{text}")).passed());
    assert_eq!(cluster.heroes(), ["id-1", "id-3"]);
    // Also after a failed step.
    let fails = "[[step]]\nexpect = { lost_writes = 1, within = \"0\" }";
    let cluster = Scripted::new();
    assert!(!played(&cluster, &format!("[setup]\nheroes = 3\n{fails}")).passed());
    assert_eq!(cluster.heroes(), [""; 0]);
}

#[test]
fn hero_that_cannot_be_terminated_fails_the_scenario() {
    for (kind, seconds) in [("no_answer", 30), ("too_far_ahead", 30), ("viewer", 0)] {
        let failure = Failure::Refused { kind: kind.into(), detail: "not now".into() };
        let cluster = Scripted { unterminated: Some(failure), ..Scripted::new() };
        let report = played(&cluster, "[setup]\nheroes = 2\n[[step]]\npause = true");
        let failure = format!("after the last step: cannot terminate 2 heroes: not now ({kind})");
        assert_eq!(report.failure, Some(failure));
        assert_eq!(report.took.as_secs(), seconds);
    }
}

#[test]
fn cities_are_quiet_while_a_scenario_is_played_and_afterwards_as_before() {
    for (before, quiets) in
        [(false, vec!["quiet true", "pause", "quiet false"]), (true, vec!["pause"])]
    {
        let cluster = Scripted { quiet: Mutex::new(before), ..Scripted::new() };
        assert!(played(&cluster, "[[step]]\npause = true").passed());
        let log: Vec<String> = cluster.log().into_iter().map(|(_, what)| what).collect();
        assert_eq!(log, quiets);
    }
}

#[test]
fn step_waits_until_it_is_allowed() {
    let scenario = "title = \"T\"\n\
        [[step]]\nfault = { kind = \"cut\", from = \"gotham\", to = \"*\" }\n\
        [[step]]\nfault = { kind = \"cut\", from = \"gotham\", to = \"*\", for = \"9s\" }\n\
        [[step]]\nresume = true";
    let scenario = Scenario::parse("test", "test.toml", scenario).expect("a valid scenario");
    let cluster = Scripted { allowed: Some(AtomicUsize::new(0)), ..Scripted::new() };
    let mut waits = Vec::new();
    let report = play(&cluster, &scenario, &AtomicBool::new(false), &mut |progress| {
        if let Progress::Waiting { step } = progress {
            waits.push(step);
            // After the second step nobody continues.
            let allowed = (step + 1).min(2);
            cluster.allowed.as_ref().expect("a number").store(allowed, Ordering::Relaxed);
        }
    });
    assert_eq!(waits, [0, 1, 2]);
    assert_eq!(outcomes(&report), [Outcome::Passed, Outcome::Passed, Outcome::Failed]);
    assert_eq!(report.steps[2].detail, "not continued within 10 minutes");
    assert_eq!(report.took, CONTINUE_TIMEOUT);
    // Faults without a duration outlast the waits.
    let log: Vec<String> = cluster.log().into_iter().map(|(_, what)| what).collect();
    assert_eq!(log, ["inject cut for 3600 s", "inject cut for 9 s"]);
}

#[test]
fn stopped_player_does_not_wait_for_a_step() {
    let stop = AtomicBool::new(false);
    let scenario = "title = \"T\"\n[[step]]\npause = true";
    let scenario = Scenario::parse("test", "test.toml", scenario).expect("a valid scenario");
    let cluster = Scripted { allowed: Some(AtomicUsize::new(0)), ..Scripted::new() };
    let report = play(&cluster, &scenario, &stop, &mut |progress| {
        if let Progress::Waiting { .. } = progress {
            stop.store(true, Ordering::Relaxed);
        }
    });
    assert_eq!(report.steps[0].detail, "the player was stopped");
    assert!(cluster.log().is_empty());
}
