//! Runs that wait for a continue, and runs that are ended, on a machine that answers at once.

use std::sync::Mutex;

use super::*;
use crate::fixtures::{THREE, name, view};
use crate::request::{Action, Command, Operation as _, ReadView, Reply};

const STEPWISE: PlayRequest = PlayRequest { pause_at_each_step: true, keep_heroes: false };
/// Longer than any step of these tests takes.
const LIMIT: Duration = Duration::from_secs(60);

/// Returns a runner on a machine that carries out each request, and the settings that it was sent.
fn runner() -> (ScenarioRunner, Arc<Mutex<Vec<Action>>>) {
    let (handle, responder, mut requests) = DispatchHandle::new(64);
    responder.show(Arc::new(view(&THREE, 100_000)));
    let sent = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&sent);
    tokio::spawn(async move {
        while let Some(Command::Request(request)) = requests.recv().await {
            let reply = if let Action::ReadView(_) = request.action {
                ReadView::into_reply(Arc::new(view(&THREE, 100_000)))
            } else if let Action::SetPace(set) = &request.action {
                Reply::PaceSet(set.pace)
            } else if let Action::SetQuiet(set) = &request.action {
                Reply::QuietSet(set.quiet)
            } else {
                panic!("no step of these tests sends {:?}", request.action)
            };
            if !matches!(request.action, Action::ReadView(_)) {
                log.lock().unwrap().push(request.action);
            }
            responder.reply(request.ticket, Ok(reply));
        }
    });
    let domain = Domain::new(THREE.map(name).to_vec(), handle.views(), 100);
    let launcher = LauncherClient::of(None);
    (ScenarioRunner::new(handle, domain, launcher, CancellationToken::new()), sent)
}

fn scenario() -> Scenario {
    let text = "title = \"T\"\nconclude = \"C\"\n\
        [[step]]\npause = true\nsay = \"Look.\"\n[[step]]\nresume = true\n";
    Scenario::parse("test", "test.toml", text).expect("a valid scenario")
}

async fn wait(
    runner: &ScenarioRunner,
    holds: impl Fn(&api_types::Playing) -> bool,
) -> api_types::Playing {
    let mut playing = runner.playing();
    let playing = playing.wait_for(|it| it.as_ref().is_some_and(|it| holds(&it.progress)));
    let playing = timeout(LIMIT, playing).await.expect("in time").expect("the runner exists");
    playing.as_ref().expect("a run").progress.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn stepwise_run_waits_for_each_continue_and_concludes() {
    let (runner, sent) = runner();
    assert_eq!(runner.go_on(None).await.expect_err("nothing runs").code, "not_waiting");
    runner.run(scenario(), STEPWISE).expect("it starts");
    let first = wait(&runner, |playing| playing.waits_at == Some(1)).await;
    assert_eq!((first.steps[0].state.as_str(), first.steps[0].say.as_str()), ("waiting", "Look."));
    assert_eq!(runner.run(scenario(), STEPWISE).expect_err("one at a time").code, "playing");
    // A repeated request continues once.
    for _ in 0..2 {
        runner.go_on(Some("once".to_owned())).await.expect("it continues");
    }
    let second = wait(&runner, |playing| playing.waits_at == Some(2)).await;
    assert_eq!(second.steps[0].state, "done");
    runner.go_on(Some("once".to_owned())).await.expect("a repetition");
    assert_eq!(wait(&runner, |_| true).await.waits_at, Some(2));
    runner.go_on(None).await.expect("it continues");
    let ended = wait(&runner, |playing| playing.outcome.is_some()).await;
    assert_eq!((ended.outcome.as_deref(), ended.failure.as_str()), (Some("passed"), ""));
    assert_eq!((ended.conclusion.as_deref(), ended.waits_at), (Some("C"), None));
    assert_eq!(runner.go_on(None).await.expect_err("it has ended").code, "not_waiting");
    let quiets: Vec<bool> = sent.lock().unwrap().iter().filter_map(quiet).collect();
    assert_eq!(quiets, [true, false], "the cities are quiet while it runs");
}

fn quiet(action: &Action) -> Option<bool> {
    if let Action::SetQuiet(set) = action { Some(set.quiet) } else { None }
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_run_cleans_up_and_has_no_conclusion() {
    let (runner, sent) = runner();
    assert_eq!(runner.end(LIMIT).await, None);
    runner.run(scenario(), STEPWISE).expect("it starts");
    wait(&runner, |playing| playing.waits_at == Some(1)).await;
    assert_eq!(runner.end(LIMIT).await, Some(("test".to_owned(), true)));
    let ended = wait(&runner, |_| true).await;
    assert_eq!(ended.outcome.as_deref(), Some("failed"));
    let states: Vec<&str> = ended.steps.iter().map(|step| step.state.as_str()).collect();
    assert_eq!((states, ended.conclusion), (vec!["failed", "skipped"], None));
    assert_eq!(sent.lock().unwrap().iter().rev().find_map(quiet), Some(false));
    runner.run(scenario(), PlayRequest::default()).expect("the next one starts");
    let next = wait(&runner, |playing| playing.outcome.is_some()).await;
    assert_eq!(next.outcome.as_deref(), Some("passed"));
}
