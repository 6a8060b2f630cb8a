//! A reset, part by part, on a machine that answers at once.

use std::sync::Mutex;

use tokio_util::sync::CancellationToken;

use super::*;
use crate::fixtures::{Fixture, THREE, live, name, stamp};
use crate::model::faults::FaultView;
use crate::request::{Action, Command, Operation as _, ReadView, Reply, RequestError};
use crate::web::extract::domain::Domain;
use gossip::fault::{Fault, FaultId, FaultKind};

/// Long enough for several attempts.
const LIMIT: Duration = Duration::from_millis(500);

/// Starts a machine with this view. It refuses to terminate the heroes for which `refuses` holds.
fn start(
    view: View,
    refuses: impl Fn(HeroId) -> bool + Send + 'static,
) -> (DispatchHandle, ScenarioRunner, Arc<Mutex<Vec<Action>>>) {
    let (handle, responder, mut requests) = DispatchHandle::new(64);
    responder.show(Arc::new(view.clone()));
    let sent = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&sent);
    let mut view = view;
    tokio::spawn(async move {
        while let Some(Command::Request(request)) = requests.recv().await {
            let action = &request.action;
            let reply = if let Action::ReadView(_) = action {
                ReadView::into_reply(Arc::new(view.clone()))
            } else if let Action::Heal(_) = action {
                view.faults.clear();
                Reply::Healed(())
            } else if let Action::SetPace(set) = action {
                Reply::PaceSet(set.pace)
            } else if let Action::SetQuiet(set) = action {
                Reply::QuietSet(set.quiet)
            } else if let Action::Log(_) = action {
                Reply::Logged(())
            } else if let Action::TerminateMany(TerminateMany { heroes }) = action {
                let (refused, terminated): (Vec<HeroId>, Vec<HeroId>) =
                    heroes.iter().partition(|hero| refuses(**hero));
                terminated.iter().for_each(|hero| view.rows.put(*hero, None));
                let error = RequestError::TooFarAhead { node: name("dispatch") };
                Reply::TerminatedMany(Terminations {
                    terminated: terminated.len(),
                    refused: refused.into_iter().map(|hero| (hero, error.clone())).collect(),
                })
            } else {
                panic!("a reset does not send {action:?}")
            };
            if !matches!(request.action, Action::ReadView(_)) {
                log.lock().unwrap().push(request.action);
            }
            responder.reply(request.ticket, Ok(reply));
        }
    });
    let domain = Domain::new(THREE.map(name).to_vec(), handle.views(), 100);
    let launcher = LauncherClient::of(None);
    let runner = ScenarioRunner::new(handle.clone(), domain, launcher, CancellationToken::new());
    (handle, runner, sent)
}

async fn run(
    handle: &DispatchHandle,
    runner: &ScenarioRunner,
    key: Option<&str>,
) -> Arc<ResetDone> {
    let run = Reset {
        dispatch: handle.clone(),
        scenarios: runner.clone(),
        launcher: LauncherClient::of(None),
        limit: LIMIT,
        until: Instant::now() + LIMIT,
        done: ResetDone::default(),
    };
    run_once(run, key.map(str::to_owned)).await.expect("a result")
}

fn heroes(count: u8) -> View {
    let hold = |fixture: Fixture, number: u8| {
        fixture.hold(
            number,
            &format!("Hero {number}"),
            [Some(&live(stamp("dispatch", 9_000), 100, None)); 4],
        )
    };
    (0..count).fold(Fixture::new(), hold).view
}

#[tokio::test]
async fn reset_undoes_each_part_and_says_so_once_per_key() {
    let mut view = heroes(5);
    view.pace = Pace::PAUSED;
    view.quiet = true;
    let cut =
        Fault { id: FaultId(1), kind: FaultKind::Cut, from: name("gotham"), to: None, both: true };
    view.faults.push(FaultView::over(cut, Duration::from_secs(9), Vec::new()));
    view.cities[2].status = NodeStatus::Down;
    let (handle, runner, sent) = start(view, |_| false);
    let done = run(&handle, &runner, Some("key")).await;
    assert_eq!((done.healed, done.resumed, done.quiet_ended, done.terminated), (1, true, true, 5));
    // Without a launcher a city cannot be rebuilt, and the rest is done all the same.
    let problems: Vec<(&str, &str)> = done
        .problems
        .iter()
        .map(|problem| (problem.about.as_str(), problem.kind.as_str()))
        .collect();
    assert_eq!((problems, done.left), (vec![("capitol", "not_ours")], 0));
    let text = "the cluster was reset: 1 fault was healed; gossip was resumed; the quiet was ended; \
        5 heroes were terminated; 1 problem";
    assert_eq!(summary(&done), text);
    let logged = |actions: &[Action]| {
        let events = actions.iter().filter_map(|action| {
            let Action::Log(log) = action else { return None };
            Some((log.kind, log.text.clone()))
        });
        events.collect::<Vec<_>>()
    };
    assert_eq!(logged(&sent.lock().unwrap()), [(EventKind::Reset, text.to_owned())]);
    let before = sent.lock().unwrap().len();
    assert_eq!(run(&handle, &runner, Some("key")).await, done);
    assert_eq!(sent.lock().unwrap().len(), before, "a repetition does nothing");
}

#[tokio::test]
async fn hero_that_cannot_be_terminated_is_reported_when_the_time_is_up() {
    let view = heroes(3);
    let stubborn = view.rows.ids().next().expect("a hero");
    let (handle, runner, _) = start(view, move |hero| hero == stubborn);
    let begun = Instant::now();
    let done = run(&handle, &runner, None).await;
    assert_eq!((done.terminated, done.left), (2, 1));
    assert_eq!(done.problems[0].about, stubborn.to_string());
    assert_eq!(done.problems[0].kind, "too_far_ahead");
    assert!(begun.elapsed() >= LIMIT, "it is attempted until the time is up");
}

#[tokio::test]
async fn reset_of_an_empty_cluster_has_nothing_to_do() {
    let (handle, runner, _) = start(heroes(0), |_| false);
    let done = run(&handle, &runner, None).await;
    assert_eq!(*done, ResetDone::default());
    assert_eq!(summary(&done), "the cluster was reset; there was nothing to do");
}
