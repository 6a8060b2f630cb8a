//! The client of the launcher, which restarts and kills the processes of cities.
//!
//! The protocol is one line each way on a Unix socket. Whatever the launcher replies, a city counts
//! as up only when it answers dispatch itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

use gossip::NodeName;
use shared::well_known::WELL_KNOWN_CITIES;

use crate::event_log::EventKind;
use crate::model::node_state::NodeStatus;
use crate::request::Log;
use crate::text::title;
use crate::web::dispatch_handle::DispatchHandle;
use crate::web::error::{OUTCOME_UNKNOWN, Problem, dispatch_unresponsive};
use crate::web::idempotency::Change;

/// The time limit for the launcher.
const LAUNCHER_TIMEOUT: Duration = Duration::from_secs(2);
/// The maximum length of the launcher's reply, in bytes. The rest is not read.
const ANSWER_BYTES_MAX: u64 = 512;

/// The means to restart a city.
#[derive(Clone, Debug)]
pub enum LauncherClient {
    /// A launcher that listens at this path.
    Launcher(Arc<Path>),
    /// A person, in a terminal.
    Person {
        /// True if the terminal belongs to VS Code, where each city is a task.
        in_vs_code: bool,
    },
}

impl LauncherClient {
    /// Returns the client for the launcher at this socket. Without one, cities are started by hand,
    /// in the kind of terminal in which this process was started.
    #[must_use]
    pub fn of(launcher: Option<PathBuf>) -> Self {
        match launcher {
            Some(path) => Self::Launcher(path.into()),
            None => Self::Person {
                in_vs_code: std::env::var_os("TERM_PROGRAM")
                    .is_some_and(|program| program == "vscode"),
            },
        }
    }

    /// Returns instructions for starting this city by hand; `None` if a launcher does it.
    pub(crate) fn by_hand(&self, city: NodeName) -> Option<String> {
        match self {
            Self::Launcher(_) => None,
            Self::Person { in_vs_code: true } if !is_further(city) => {
                Some(format!("run its task {} again (or: {})", task(city), command(city)))
            }
            Self::Person { .. } => Some(format!("run in a terminal: {}", command(city))),
        }
    }
}

/// Returns the command that starts this city in a terminal.
fn command(city: NodeName) -> String {
    if is_further(city) { format!("make city NAME={city}") } else { format!("make {city}") }
}

/// Returns whether the city has no program of its own.
pub(crate) fn is_further(city: NodeName) -> bool {
    !WELL_KNOWN_CITIES.contains(&city.as_str())
}

/// Returns the label of the city's task in `.vscode/tasks.json`.
fn task(city: NodeName) -> String {
    if city.as_str() == "capitol" { "Capitol City".to_owned() } else { title(city) }
}

/// Restarts the process of a city, unless the idempotency key was used for that before.
///
/// # Errors
/// See `start`; and those of [`IdempotencyKeys`](crate::web::idempotency::IdempotencyKeys).
pub(crate) async fn rebuild(
    dispatch: &DispatchHandle,
    launcher: &LauncherClient,
    city: NodeName,
    key: Option<String>,
) -> Result<(), Problem> {
    let (asked, launcher) = (dispatch.clone(), launcher.clone());
    let execute = async move || start(&asked, &launcher, city).await.map(|()| None);
    dispatch.keys().once(key, Change::Rebuild(city), execute).await.map(drop)
}

/// Restarts the process of a city.
///
/// # Errors
/// `alive`: the city is running. `not_ours`: no launcher manages it; the detail describes how to
/// start it by hand. `outcome_unknown`: the launcher did not reply.
async fn start(
    dispatch: &DispatchHandle,
    launcher: &LauncherClient,
    city: NodeName,
) -> Result<(), Problem> {
    let view = dispatch.now().await?;
    let (_, seen) = view.city(city).ok_or_else(dispatch_unresponsive)?;
    if seen.status == NodeStatus::Up {
        return Err(Problem::conflict(
            "alive",
            format!("{city} is up; only a stopped city can be rebuilt"),
        ));
    }
    let launcher = match launcher {
        LauncherClient::Launcher(path) => path,
        person @ LauncherClient::Person { .. } => {
            let how = person.by_hand(city).unwrap_or_default();
            return Err(Problem::conflict(
                "not_ours",
                format!("{city} was not started together with dispatch; to restart it, {how}"),
            ));
        }
    };
    match request(launcher, "start", city).await {
        Ok(answer) => {
            parse_reply(&answer, city)?;
            let text = format!("{city} was restarted");
            // Without the event, the city was restarted all the same.
            dispatch
                .log(Log { node: city, kind: EventKind::Rebuilt, text, heard_from: None })
                .await;
            Ok(())
        }
        Err(RequestFailure::Connect(error)) => {
            let how = command(city);
            Err(Problem::conflict(
                "not_ours",
                format!("the launcher is unreachable ({error}); to restart {city}, run: {how}"),
            ))
        }
        Err(RequestFailure::Reply) => Err(Problem::unavailable(
            OUTCOME_UNKNOWN,
            format!("the launcher did not answer; whether {city} was restarted is unknown"),
        )),
    }
}

/// Starts the process of a further city.
///
/// # Errors
/// `not_ours`: there is no launcher, or it refuses; the detail describes a start by hand.
/// `outcome_unknown`: the launcher did not reply.
pub(crate) async fn found(launcher: &LauncherClient, city: NodeName) -> Result<(), Problem> {
    let by_hand = format!("to start {city}, run in a terminal: {}", command(city));
    let LauncherClient::Launcher(path) = launcher else {
        let detail = format!("dispatch was not started by a launcher; {by_hand}");
        return Err(Problem::conflict("not_ours", detail));
    };
    let unknown = || {
        let detail = format!("the launcher did not answer; whether {city} was started is unknown");
        Problem::unavailable(OUTCOME_UNKNOWN, detail)
    };
    match request(path, "found", city).await {
        Ok(answer) => {
            let answer = String::from_utf8_lossy(&answer);
            let answer = answer.trim_end();
            if answer == format!("founded {city}") {
                return Ok(());
            }
            let why = answer.strip_prefix("refused: ").ok_or_else(unknown)?;
            let detail = format!("the launcher refused: {why}; nothing was started");
            Err(Problem::conflict("not_ours", detail))
        }
        Err(RequestFailure::Connect(error)) => Err(Problem::conflict(
            "not_ours",
            format!("the launcher is unreachable ({error}); {by_hand}"),
        )),
        Err(RequestFailure::Reply) => Err(unknown()),
    }
}

/// Kills the process of a city, if it is a child of the launcher. Returns whether it has exited.
/// The system ends the process, so it ends even if it is stopped or frozen.
///
/// # Errors
/// `outcome_unknown`: the launcher did not confirm the end.
pub(crate) async fn kill(launcher: &LauncherClient, city: NodeName) -> Result<bool, Problem> {
    let LauncherClient::Launcher(launcher) = launcher else { return Ok(false) };
    match request(launcher, "kill", city).await {
        Ok(answer) => is_killed(&answer, city),
        Err(RequestFailure::Connect(_)) => Ok(false),
        Err(RequestFailure::Reply) => Err(kill_unknown(city)),
    }
}

/// Parses the reply of the launcher to a kill.
fn is_killed(answer: &[u8], city: NodeName) -> Result<bool, Problem> {
    let answer = String::from_utf8_lossy(answer);
    match answer.trim_end() {
        killed if killed == format!("killed {city}") => Ok(true),
        // Started by hand, or stopped already.
        other if other == format!("refused: {city} is not running") => Ok(false),
        _ => Err(kill_unknown(city)),
    }
}

fn kill_unknown(city: NodeName) -> Problem {
    Problem::unavailable(
        OUTCOME_UNKNOWN,
        format!("the launcher did not confirm the end of {city}; whether it was killed is unknown"),
    )
}

/// The reason why there is no reply of the launcher.
enum RequestFailure {
    /// It is unreachable; nothing was sent.
    Connect(std::io::Error),
    /// The connection was lost after that, or the time is up.
    Reply,
}

/// Sends one line to the launcher, and reads its reply, within the time limit.
async fn request(
    launcher: &Path,
    operation: &str,
    city: NodeName,
) -> Result<Vec<u8>, RequestFailure> {
    timeout(LAUNCHER_TIMEOUT, exchange(launcher, operation, city))
        .await
        .unwrap_or(Err(RequestFailure::Reply))
}

/// Sends one line to the launcher, and reads its reply.
async fn exchange(
    launcher: &Path,
    operation: &str,
    city: NodeName,
) -> Result<Vec<u8>, RequestFailure> {
    let mut stream = UnixStream::connect(launcher).await.map_err(RequestFailure::Connect)?;
    let mut answer = Vec::new();
    let request = format!("{operation} {city}\n");
    stream.write_all(request.as_bytes()).await.map_err(|_| RequestFailure::Reply)?;
    let mut reply = stream.take(ANSWER_BYTES_MAX);
    reply.read_to_end(&mut answer).await.map_err(|_| RequestFailure::Reply)?;
    Ok(answer)
}

/// Parses the reply of the launcher.
fn parse_reply(answer: &[u8], city: NodeName) -> Result<(), Problem> {
    let answer = String::from_utf8_lossy(answer);
    let answer = answer.trim_end();
    if answer == format!("started {city}") {
        return Ok(());
    }
    Err(match answer.strip_prefix("refused: ") {
        Some(why) if why == format!("{city} is running") => Problem::conflict(
            "alive",
            format!("the process of {city} is running but does not answer; nothing was started"),
        ),
        Some(why) => Problem::conflict(
            "not_ours",
            format!("the launcher refused: {why}; to restart {city}, run: {}", command(city)),
        ),
        None => Problem::unavailable(
            OUTCOME_UNKNOWN,
            format!("the launcher's answer is invalid; whether {city} was restarted is unknown"),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> NodeName {
        text.parse().expect("a name")
    }

    #[test]
    fn task_labels_match_the_vs_code_tasks() {
        let tasks = include_str!("../../../.vscode/tasks.json");
        for city in shared::options::well_known_cities() {
            let line = tasks
                .lines()
                .find(|line| line.contains(&format!("\"make {city}\"")))
                .expect("a task for the city");
            assert!(line.contains(&format!("\"label\": \"{}\"", task(city))), "{line}");
        }
    }

    #[test]
    fn instructions_match_the_terminal() {
        let by_hand = |in_vs_code| {
            LauncherClient::Person { in_vs_code }.by_hand(name("capitol")).expect("words")
        };
        assert_eq!(by_hand(false), "run in a terminal: make capitol");
        assert_eq!(by_hand(true), "run its task Capitol City again (or: make capitol)");
        assert_eq!(LauncherClient::of(Some("/launcher".into())).by_hand(name("capitol")), None);
        // A city without a program of its own has no task.
        for in_vs_code in [false, true] {
            let further = LauncherClient::Person { in_vs_code }.by_hand(name("star-city"));
            assert_eq!(further.as_deref(), Some("run in a terminal: make city NAME=star-city"));
        }
    }

    #[test]
    fn refused_start_of_a_further_city_names_the_command_for_it() {
        let refused = parse_reply(b"refused: the launcher is stopping\n", name("star-city"));
        let detail = refused.expect_err("refused").detail;
        assert!(detail.ends_with("run: make city NAME=star-city"), "{detail}");
    }

    #[test]
    fn only_the_exact_answer_counts_as_killed() {
        let gotham = name("gotham");
        assert_eq!(is_killed(b"killed gotham\n", gotham), Ok(true));
        assert_eq!(is_killed(b"refused: gotham is not running\n", gotham), Ok(false));
        for answer in [
            &b"killed capitol\n"[..],
            b"refused: gotham has not exited yet\n",
            b"refused: the launcher is stopping\n",
            b"\xff",
            b"",
        ] {
            let problem = is_killed(answer, gotham).expect_err("not confirmed");
            assert_eq!(problem.code, OUTCOME_UNKNOWN, "{answer:?}");
        }
    }

    #[test]
    fn only_the_exact_answer_counts_as_started() {
        let gotham = name("gotham");
        assert_eq!(parse_reply(b"started gotham\n", gotham), Ok(()));
        for (answer, code) in [
            (&b"refused: gotham is running\n"[..], "alive"),
            (b"refused: another process has its port, 127.0.0.1:4901\n", "not_ours"),
            (b"started capitol\n", "outcome_unknown"),
            (b"started gotham\nand more\n", "outcome_unknown"),
            (b"\xff\xfe", "outcome_unknown"),
            (b"", "outcome_unknown"),
        ] {
            assert_eq!(
                parse_reply(answer, gotham).expect_err("not started").code,
                code,
                "{answer:?}"
            );
        }
    }
}
