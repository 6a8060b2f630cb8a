//! The client of the launcher, which starts the process of a city again.
//!
//! The protocol is one line each way on a Unix socket. A city counts as back only when it answers
//! dispatch itself, whatever the launcher replied.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

use gossip::NodeName;

use crate::event_log::EventKind;
use crate::model::node_state::NodeStatus;
use crate::request::Log;
use crate::text::title;
use crate::web::dispatch_handle::DispatchHandle;
use crate::web::error::{Problem, dispatch_silent};

/// The time limit for the launcher.
const LAUNCHER_TIMEOUT: Duration = Duration::from_secs(2);
/// The longest reply of the launcher that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 512;

/// The way to start a city again.
#[derive(Clone, Debug)]
pub enum LauncherClient {
    /// A launcher that listens at this path.
    Launcher(Arc<Path>),
    /// By hand, in a terminal.
    Person {
        /// The terminal belongs to VS Code, where each city is a task.
        in_vs_code: bool,
    },
}

impl LauncherClient {
    /// Returns the client for the launcher at this socket. Without one, a city is started by hand,
    /// in the kind of terminal that this process was started from.
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

    /// Returns instructions to start this city by hand; none where a launcher does it.
    pub(crate) fn by_hand(&self, city: NodeName) -> Option<String> {
        match self {
            Self::Launcher(_) => None,
            Self::Person { in_vs_code: true } => {
                Some(format!("run its task {} again (or: make {city})", task(city)))
            }
            Self::Person { in_vs_code: false } => Some(format!("run in a terminal: make {city}")),
        }
    }
}

/// The label of the city's task in `.vscode/tasks.json`.
fn task(city: NodeName) -> String {
    if city.as_str() == "capitol" { "Capitol City".to_owned() } else { title(city) }
}

/// Starts the process of a city again.
///
/// # Errors
/// `alive`: the city runs. `not_ours`: there is no launcher for it; the detail says how to start it
/// by hand. `outcome_unknown`: the launcher did not reply.
pub(crate) async fn rebuild(
    dispatch: &DispatchHandle,
    launcher: &LauncherClient,
    city: NodeName,
) -> Result<(), Problem> {
    let view = dispatch.now().await?;
    let (_, seen) = view.city(city).ok_or_else(dispatch_silent)?;
    if seen.status == NodeStatus::Up {
        return Err(Problem::conflict(
            "alive",
            format!("{city} is alive; only a city that has ended can be rebuilt"),
        ));
    }
    let launcher = match launcher {
        LauncherClient::Launcher(path) => path,
        person @ LauncherClient::Person { .. } => {
            let how = person.by_hand(city).unwrap_or_default();
            return Err(Problem::conflict(
                "not_ours",
                format!("{city} was not started together with dispatch; to start it again, {how}"),
            ));
        }
    };
    match timeout(LAUNCHER_TIMEOUT, request_start(launcher, city)).await {
        Ok(Ok(answer)) => {
            parse_reply(&answer, city)?;
            let text = format!("{city} was started again");
            dispatch.ask(Log { node: city, kind: EventKind::Rebuilt, text }, None).await
        }
        Ok(Err(error)) => Err(Problem::conflict(
            "not_ours",
            format!(
                "the launcher cannot be reached ({error}); to start {city} again, run: make {city}"
            ),
        )),
        Err(_) => Err(Problem::unavailable(
            "outcome_unknown",
            format!("the launcher gave no answer; whether {city} is started again is not known"),
        )),
    }
}

/// Sends one line to the launcher, and reads its reply.
async fn request_start(launcher: &Path, city: NodeName) -> std::io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(launcher).await?;
    stream.write_all(format!("start {city}\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
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
            format!(
                "the process of {city} is running, though it gives no answer; nothing was started"
            ),
        ),
        Some(why) => Problem::conflict(
            "not_ours",
            format!("the launcher refused: {why}; to start {city} again, run: make {city}"),
        ),
        None => Problem::unavailable(
            "outcome_unknown",
            format!(
                "the launcher's answer makes no sense; whether {city} is started again is not known"
            ),
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
    fn each_citys_task_is_called_what_vs_code_calls_it() {
        let tasks = include_str!("../../../.vscode/tasks.json");
        for city in shared::options::well_known_cities() {
            let line = tasks
                .lines()
                .find(|line| line.contains(&format!("\"make {city}\"")))
                .expect("a task that makes it");
            assert!(line.contains(&format!("\"label\": \"{}\"", task(city))), "{line}");
        }
    }

    #[test]
    fn a_person_is_told_what_to_do_where_they_are() {
        let by_hand = |in_vs_code| {
            LauncherClient::Person { in_vs_code }.by_hand(name("capitol")).expect("words")
        };
        assert_eq!(by_hand(false), "run in a terminal: make capitol");
        assert_eq!(by_hand(true), "run its task Capitol City again (or: make capitol)");
        assert_eq!(LauncherClient::of(Some("/launcher".into())).by_hand(name("capitol")), None);
    }

    #[test]
    fn only_the_very_answer_that_it_was_started_counts_as_done() {
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
            assert_eq!(parse_reply(answer, gotham).expect_err("not done").code, code, "{answer:?}");
        }
    }
}
