//! The socket on which dispatch requests the restart of a city: a Unix socket in a private
//! directory.
//!
//! The request is one line, `start gotham`; the response is one line, `started gotham` or `refused:
//! ` with the reason. There is one request per connection and one connection at a time. A request
//! is bounded in length and time, and is refused unless it contains the name of a node.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use gossip::NodeName;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::children::Refusal;

/// The longest request, with its newline, in bytes.
const REQUEST_BYTES_MAX: u64 = 64;
/// The time limit for receiving a request, and for sending the response.
const TIMEOUT: Duration = Duration::from_secs(1);
/// The pause after a failed accept, for example when no file descriptors are left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A request about a node.
pub(crate) struct Request {
    pub(crate) node: NodeName,
    pub(crate) operation: Operation,
    pub(crate) answer: oneshot::Sender<Result<(), Refusal>>,
}

/// The operation that is requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Restart a node that has exited.
    Start,
    /// Kill a running node, even one that is stopped by SIGSTOP.
    Kill,
    /// Start a further city.
    Found,
}

impl Operation {
    /// The word of a request, and that of a response to a request that was executed.
    const WORDS: [(Self, &'static str, &'static str); 3] = [
        (Self::Start, "start", "started"),
        (Self::Kill, "kill", "killed"),
        (Self::Found, "found", "founded"),
    ];
}

/// The socket. Dropping it removes the socket and its directory.
pub(crate) struct Socket {
    path: PathBuf,
    serving: JoinHandle<()>,
    _directory: TempDir,
}

impl Socket {
    /// Opens a socket whose requests are sent to the channel.
    ///
    /// # Errors
    /// When the directory or the socket cannot be created.
    pub(crate) fn open(requests: mpsc::Sender<Request>) -> anyhow::Result<Self> {
        let private = Permissions::from_mode(0o700);
        let directory =
            tempfile::Builder::new().prefix("superhero-").permissions(private).tempdir();
        let directory = directory.context("creating the directory of the launcher's socket")?;
        let path = directory.path().join("launcher");
        let listener = UnixListener::bind(&path)
            .with_context(|| format!("listening on {}", path.display()))?;
        Ok(Self { path, serving: tokio::spawn(serve(listener, requests)), _directory: directory })
    }

    /// Returns the path of the socket.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: UnixListener, requests: mpsc::Sender<Request>) {
    loop {
        match listener.accept().await {
            // I/O errors are ignored: the client has closed the connection.
            Ok((mut stream, _)) => drop(respond(&mut stream, &requests).await),
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn respond(stream: &mut UnixStream, requests: &mpsc::Sender<Request>) -> io::Result<()> {
    let response = match timeout(TIMEOUT, read_line(stream)).await {
        Ok(read) => match parse(&read?) {
            Ok((operation, node)) => execute(operation, node, requests).await,
            Err(refusal) => format!("refused: {refusal}\n"),
        },
        Err(_) => format!("refused: no line received within {} s\n", TIMEOUT.as_secs()),
    };
    timeout(TIMEOUT, stream.write_all(response.as_bytes())).await?
}

/// Reads the first line, up to the limit.
async fn read_line(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    BufReader::new(stream).take(REQUEST_BYTES_MAX).read_until(b'\n', &mut line).await?;
    Ok(line)
}

/// Returns the operation and the node of a request.
fn parse(line: &[u8]) -> Result<(Operation, NodeName), String> {
    let Some(line) = line.strip_suffix(b"\n") else {
        return Err(format!("expected a line of at most {REQUEST_BYTES_MAX} bytes"));
    };
    let named = |(operation, word, _): (Operation, &str, &str)| {
        let name = line.strip_prefix(word.as_bytes())?.strip_prefix(b" ")?;
        Some((operation, name))
    };
    let expected = "expected start NAME, kill NAME or found NAME";
    let (operation, name) = Operation::WORDS.into_iter().find_map(named).ok_or(expected)?;
    let name = String::from_utf8_lossy(name);
    let node = name.parse().map_err(|_| format!("there is no node {name:?}"))?;
    Ok((operation, node))
}

async fn execute(operation: Operation, node: NodeName, requests: &mpsc::Sender<Request>) -> String {
    let (answer, answered) = oneshot::channel();
    // Sending or receiving fails only when the launcher is stopping.
    let outcome = match requests.send(Request { node, operation, answer }).await {
        Ok(()) => answered.await.ok(),
        Err(_) => None,
    };
    let done = Operation::WORDS.into_iter().find(|(known, ..)| *known == operation);
    let done = done.map_or("", |(.., done)| done);
    match outcome {
        Some(Ok(())) => format!("{done} {node}\n"),
        Some(Err(refusal)) => format!("refused: {refusal}\n"),
        None => "refused: the launcher is stopping\n".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_is_one_complete_line_naming_one_node() {
        for node in ["gotham", "dispatch", "star-city"] {
            for (operation, word, _) in Operation::WORDS {
                let parsed = parse(format!("{word} {node}\n").as_bytes());
                assert_eq!(parsed, Ok((operation, node.parse().expect("a name"))));
            }
        }
        for (line, reason) in [
            (&b""[..], "at most 64 bytes"),
            (b"start gotham", "at most 64 bytes"),
            (b"\n", "start NAME"),
            (b"found\n", "found NAME"),
            (b"stop gotham\n", "start NAME"),
            (b"\xff\xfe\n", "start NAME"),
            (b"kill\n", "kill NAME"),
            (b"killgotham\n", "kill NAME"),
            (b"start \n", "no node \"\""),
            (b"start gotham \n", "no node"),
            (b"start GOTHAM\n", "no node"),
            (b"start ../gotham\n", "no node"),
            (b"start \xff\n", "no node"),
        ] {
            let refusal = parse(line).unwrap_err();
            assert!(refusal.contains(reason) && !refusal.contains('\n'), "{line:?}: {refusal}");
        }
    }
}
