//! The socket at which dispatch asks for a city that has ended: a Unix socket in a private
//! directory.
//!
//! One line in, `start gotham`, and one line out: `started gotham`, or `refused: ` and the reason.
//! One request a connection, one connection at a time. A request is bounded in length and time, and
//! names one of the four nodes or is refused.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::children::Refusal;
use crate::node::{NODES, Node};

/// The longest request, with its newline, in bytes.
const REQUEST_BYTES_MAX: u64 = 64;
/// The longest time for a request to arrive, and for an answer to be taken.
const TIMEOUT: Duration = Duration::from_secs(1);
/// The pause between two attempts to accept, where the system has no connection to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A request to start a node again.
pub(crate) struct Request {
    pub(crate) node: &'static Node,
    pub(crate) answer: oneshot::Sender<Result<(), Refusal>>,
}

/// The socket. It is removed, and its directory with it, when this is dropped.
pub(crate) struct Socket {
    path: PathBuf,
    serving: JoinHandle<()>,
    _directory: TempDir,
}

impl Socket {
    /// Opens a socket, whose requests come out of the channel.
    ///
    /// # Errors
    /// When the system does not make the directory or the socket.
    pub(crate) fn open(asks: mpsc::Sender<Request>) -> anyhow::Result<Self> {
        let private = Permissions::from_mode(0o700);
        let directory =
            tempfile::Builder::new().prefix("superhero-").permissions(private).tempdir();
        let directory = directory.context("making a directory for the launcher's socket")?;
        let path = directory.path().join("launcher");
        let listener = UnixListener::bind(&path)
            .with_context(|| format!("listening at {}", path.display()))?;
        Ok(Self { path, serving: tokio::spawn(serve(listener, asks)), _directory: directory })
    }

    /// Returns its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: UnixListener, asks: mpsc::Sender<Request>) {
    loop {
        match listener.accept().await {
            // A client that left before the answer needs none.
            Ok((mut stream, _)) => drop(answer(&mut stream, &asks).await),
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn answer(stream: &mut UnixStream, asks: &mpsc::Sender<Request>) -> io::Result<()> {
    let answer = match timeout(TIMEOUT, request(stream)).await {
        Ok(read) => match parse(&read?) {
            Ok(node) => ask(node, asks).await,
            Err(refusal) => format!("refused: {refusal}\n"),
        },
        Err(_) => format!("refused: no line came within {} s\n", TIMEOUT.as_secs()),
    };
    timeout(TIMEOUT, stream.write_all(answer.as_bytes())).await?
}

/// Reads the first line, or as much of it as is allowed.
async fn request(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    BufReader::new(stream).take(REQUEST_BYTES_MAX).read_until(b'\n', &mut line).await?;
    Ok(line)
}

/// Returns the node that is to be started.
fn parse(line: &[u8]) -> Result<&'static Node, String> {
    let Some(line) = line.strip_suffix(b"\n") else {
        return Err(format!("expected a line of at most {REQUEST_BYTES_MAX} bytes"));
    };
    let name = line.strip_prefix(b"start ").ok_or("expected: start NAME")?;
    let known = NODES.iter().find(|node| node.name.as_bytes() == name);
    known.ok_or_else(|| format!("there is no node {:?}", String::from_utf8_lossy(name)))
}

async fn ask(node: &'static Node, asks: &mpsc::Sender<Request>) -> String {
    let (answer, answered) = oneshot::channel();
    // Either fails when the launcher is stopping.
    let outcome = match asks.send(Request { node, answer }).await {
        Ok(()) => answered.await.ok(),
        Err(_) => None,
    };
    match outcome {
        Some(Ok(())) => format!("started {}\n", node.name),
        Some(Err(refusal)) => format!("refused: {refusal}\n"),
        None => "refused: the launcher is stopping\n".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_one_whole_line_that_names_one_of_the_four() {
        for node in &NODES {
            assert_eq!(
                parse(format!("start {}\n", node.name).as_bytes()).map(|node| node.name),
                Ok(node.name)
            );
        }
        for (line, why) in [
            (&b""[..], "at most 64 bytes"),
            (b"start gotham", "at most 64 bytes"),
            (b"\n", "start NAME"),
            (b"stop gotham\n", "start NAME"),
            (b"\xff\xfe\n", "start NAME"),
            (b"start \n", "no node \"\""),
            (b"start riverdale\n", "no node \"riverdale\""),
            (b"start gotham \n", "no node"),
            (b"start GOTHAM\n", "no node"),
            (b"start ../gotham\n", "no node"),
            (b"start \xff\n", "no node"),
        ] {
            let refusal = parse(line).map(|node| node.name).unwrap_err();
            assert!(refusal.contains(why) && !refusal.contains('\n'), "{line:?}: {refusal}");
        }
    }
}
