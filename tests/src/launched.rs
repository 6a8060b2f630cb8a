//! A cluster under its launcher, as `make run` starts it.
//!
//! The nodes are the launcher's children and not the test's. They are known by where they are told
//! to listen, which is this cluster's own address.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::cluster::{Cluster, Loopback, Options};
use crate::loopback::own_address;
use crate::nodes::NODES;
use crate::process::Process;
use superhero::Stopwatch;

use crate::wait::{HANG_TIMEOUT, ensure, wait_until};

/// How long the launcher may take to stop all: it gives them three seconds before it kills them.
const STOP_TIMEOUT: Duration = Duration::from_secs(8);

/// The launcher and its four children. They end with it.
#[derive(Debug)]
pub struct Launched {
    /// What can be seen of the cluster from outside. It holds no process; one that it is told to
    /// start is started by hand.
    pub cluster: Cluster,
    /// The launcher.
    pub launcher: Process,
    address: Ipv4Addr,
    temporary: TempDir,
    _logs: TempDir,
}

impl Launched {
    /// Starts all four, and waits until they are ready.
    ///
    /// # Panics
    /// When they do not get ready.
    #[track_caller]
    #[must_use]
    pub fn start() -> Self {
        let launched = Self::start_at(own_address());
        launched.cluster.wait_ready(&NODES);
        launched
    }

    /// Starts all four at this address, and does not wait for them.
    ///
    /// # Panics
    /// When the launcher cannot be started.
    #[must_use]
    pub fn start_at(address: Ipv4Addr) -> Self {
        let options = Options::default();
        let directory = || tempfile::tempdir().expect("a temporary directory can be made");
        let (temporary, logs) = (directory(), directory());
        let environment = [
            ("TMPDIR", temporary.path().to_str().expect("a path that is text")),
            ("SUPERHERO_GOSSIP_INTERVAL", options.city_gossip),
            ("SUPERHERO_POLL_INTERVAL", options.poll),
            ("SUPERHERO_PATROL_INTERVAL", options.patrol),
            ("SUPERHERO_FIGHT_INTERVAL", options.fight),
        ];
        let host = format!("--host={address}");
        let launcher = Process::start(
            "superhero-cluster",
            &[host],
            &environment,
            logs.path().join("launcher.log"),
        );
        Self {
            cluster: Cluster::at(Arc::new(Loopback(address)), options),
            launcher,
            address,
            temporary,
            _logs: logs,
        }
    }

    /// The processes of this cluster that run, whoever started them.
    #[must_use]
    pub fn processes(&self) -> BTreeMap<&'static str, Pid> {
        processes_at(self.address)
    }

    /// Sends a signal to a node.
    ///
    /// # Panics
    /// When it does not run.
    #[track_caller]
    pub fn signal(&self, node: &str, signal: Signal) {
        let processes = self.processes();
        let id =
            processes.get(node).unwrap_or_else(|| panic!("{node} does not run, but {processes:?}"));
        signal::kill(*id, signal).expect("one may signal one's own processes");
    }

    /// Kills a node without warning, and waits until the launcher has noticed.
    ///
    /// # Panics
    /// When it does not run, or its end is not reported.
    #[track_caller]
    pub fn kill9(&self, node: &str) {
        let reports = |log: &str| log.matches(&format!("\n{node} has ended (signal: 9")).count();
        let before = reports(&self.launcher.log());
        self.signal(node, Signal::SIGKILL);
        self.wait_log("the end is reported", |log| reports(log) > before);
    }

    /// Waits until what the launcher has shown is as wanted.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn wait_log(&self, what: &str, wanted: impl Fn(&str) -> bool) {
        wait_until(what, HANG_TIMEOUT, || {
            let log = self.launcher.log();
            ensure(wanted(&log), || log.clone())
        });
    }

    /// What the launcher has put into its directory for temporary files.
    ///
    /// # Panics
    /// When that cannot be read.
    #[must_use]
    pub fn leftovers(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.temporary.path()).expect("a directory of our own");
        entries.map(|entry| entry.expect("an entry of a directory of our own").path()).collect()
    }

    /// The launcher's socket.
    ///
    /// # Panics
    /// When there is none, or something beside it.
    #[track_caller]
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        let [directory] = self.leftovers().try_into().expect("one directory, for the socket");
        directory.join("launcher")
    }

    /// Sends a request to the launcher, and returns its answer.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    #[must_use]
    pub fn ask(&self, request: &[u8]) -> String {
        ask(&self.socket(), request).expect("an answer")
    }
}

/// Sends bytes to a socket and no more after them, and returns all that comes back.
fn ask(socket: &Path, request: &[u8]) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(HANG_TIMEOUT))?;
    stream.write_all(request)?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        // What it did not care to read any more, it leaves unread.
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset && !answer.is_empty() => {
        }
        read => drop(read?),
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The nodes that listen at this address, or are about to.
///
/// # Panics
/// When the system does not say what runs.
#[must_use]
pub fn processes_at(address: Ipv4Addr) -> BTreeMap<&'static str, Pid> {
    let listens = format!("--listen={address}:");
    let mut found = BTreeMap::new();
    for entry in fs::read_dir("/proc").expect("Linux says what runs").flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // One that has ended meanwhile has none, and so has one that nobody has waited for yet.
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        let mut arguments = line.split('\0');
        let Some(program) = arguments.next() else { continue };
        let node = NODES.into_iter().find(|node| Path::new(program).ends_with(node));
        if let Some(node) = node
            && arguments.any(|argument| argument.starts_with(&listens))
        {
            found.insert(node, Pid::from_raw(id));
        }
    }
    found
}

impl Drop for Launched {
    fn drop(&mut self) {
        // Killed, the launcher could not take its children with it.
        if !self.launcher.has_ended() {
            self.launcher.signal(Signal::SIGTERM);
            let watch = Stopwatch::start();
            while !self.launcher.has_ended() && watch.elapsed() < STOP_TIMEOUT {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        for id in self.processes().into_values() {
            // One that has just ended needs no signal.
            let _ = signal::kill(id, Signal::SIGKILL);
        }
    }
}
