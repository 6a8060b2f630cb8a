//! A cluster under its launcher, as `make run` starts it.
//!
//! The nodes are the launcher's children and not the test's. They are identified by their listen
//! address, which belongs to this cluster only.

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

use crate::api::Api;
use crate::cluster::{Cluster, Loopback, Options};
use crate::loopback::own_address;
use crate::nodes::NODES;
use crate::process::Process;
use superhero::Stopwatch;

use crate::wait::{HANG_TIMEOUT, ensure, wait_until};

/// The time limit for stopping all nodes: the launcher kills them after three seconds.
const STOP_TIMEOUT: Duration = Duration::from_secs(8);

/// The port of a second dispatch.
const SECOND_DISPATCH_PORT: u16 = 4899;

/// The launcher and its four children. They stop when it is dropped.
#[derive(Debug)]
pub struct Launched {
    /// The cluster as seen from outside. It holds no process; a node started through it is not a
    /// child of the launcher.
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
    /// If they do not become ready.
    #[track_caller]
    #[must_use]
    pub fn start() -> Self {
        let launched = Self::start_at(own_address());
        launched.cluster.wait_ready(&NODES);
        launched
    }

    /// Starts all four and a second dispatch, and waits until all may write.
    ///
    /// # Panics
    /// If they do not become ready.
    #[track_caller]
    #[must_use]
    pub fn start_with_two_dispatches() -> Self {
        let launched = Self::start_with(own_address(), &["--dispatches=2"]);
        launched.cluster.wait_ready(&NODES);
        wait_until("dispatch-2 is ready", HANG_TIMEOUT, || {
            let reply = launched.second_dispatch().try_request("GET", "/readyz", &[], &[])?;
            ensure(reply.status == 200, || format!("{} {}", reply.status, reply.body))
        });
        launched
    }

    /// Returns a client for the HTTP API of the second dispatch.
    #[must_use]
    pub fn second_dispatch(&self) -> Api {
        Api::new((self.address, SECOND_DISPATCH_PORT).into())
    }

    /// Starts all four at this address, without waiting for them.
    ///
    /// # Panics
    /// If the launcher cannot be started.
    #[must_use]
    pub fn start_at(address: Ipv4Addr) -> Self {
        Self::start_with(address, &[])
    }

    fn start_with(address: Ipv4Addr, arguments: &[&str]) -> Self {
        let options = Options::default();
        let directory = || tempfile::tempdir().expect("a temporary directory can be created");
        let (temporary, logs) = (directory(), directory());
        let environment = [
            ("TMPDIR", temporary.path().to_str().expect("a path that is text")),
            ("SUPERHERO_GOSSIP_INTERVAL", options.city_gossip),
            ("SUPERHERO_POLL_INTERVAL", options.poll),
            ("SUPERHERO_PATROL_INTERVAL", options.patrol),
            ("SUPERHERO_FIGHT_INTERVAL", options.fight),
        ];
        let mut all = vec![format!("--host={address}")];
        all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        let launcher = Process::start(
            "superhero-cluster",
            &all,
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

    /// Returns the running processes of this cluster, also those not started by the launcher.
    #[must_use]
    pub fn processes(&self) -> BTreeMap<&'static str, Pid> {
        processes_at(self.address)
    }

    /// Sends a signal to a node.
    ///
    /// # Panics
    /// If it does not run.
    #[track_caller]
    pub fn signal(&self, node: &str, signal: Signal) {
        let processes = self.processes();
        let id = processes
            .get(node)
            .unwrap_or_else(|| panic!("{node} does not run; running: {processes:?}"));
        signal::kill(*id, signal).expect("a process of the same user can be signalled");
    }

    /// Kills a node with SIGKILL, and waits until the launcher has noticed.
    ///
    /// # Panics
    /// If it does not run, or the launcher does not report its end.
    #[track_caller]
    pub fn kill9(&self, node: &str) {
        let reports = |log: &str| log.matches(&format!("\n{node} exited (signal: 9")).count();
        let before = reports(&self.launcher.log());
        self.signal(node, Signal::SIGKILL);
        self.wait_log("the launcher reports the end", |log| reports(log) > before);
    }

    /// Waits until the launcher's output satisfies `wanted`.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub fn wait_log(&self, what: &str, wanted: impl Fn(&str) -> bool) {
        wait_until(what, HANG_TIMEOUT, || {
            let log = self.launcher.log();
            ensure(wanted(&log), || log.clone())
        });
    }

    /// Returns the launcher's temporary files.
    ///
    /// # Panics
    /// If they cannot be listed.
    #[must_use]
    pub fn leftovers(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.temporary.path()).expect("a temporary directory");
        entries.map(|entry| entry.expect("a readable directory entry").path()).collect()
    }

    /// Returns the path of the launcher's socket.
    ///
    /// # Panics
    /// If there is none, or there are other files next to it.
    #[track_caller]
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        let [directory] = self.leftovers().try_into().expect("one directory, for the socket");
        directory.join("launcher")
    }

    /// Sends a request to the launcher, and returns its response.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    #[must_use]
    pub fn send_request(&self, request: &[u8]) -> String {
        send_request(&self.socket(), request).expect("a response")
    }
}

/// Sends bytes to a socket, closes the write side, and returns the response.
fn send_request(socket: &Path, request: &[u8]) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(HANG_TIMEOUT))?;
    stream.write_all(request)?;
    stream.shutdown(Shutdown::Write)?;
    let mut response = Vec::new();
    match stream.read_to_end(&mut response) {
        // Closing with unread input resets the connection; the response has been received before.
        Err(error)
            if error.kind() == std::io::ErrorKind::ConnectionReset && !response.is_empty() => {}
        read => drop(read?),
    }
    Ok(String::from_utf8_lossy(&response).into_owned())
}

/// Returns the nodes that listen at this address, or are about to.
///
/// # Panics
/// If the running processes cannot be listed.
#[must_use]
pub fn processes_at(address: Ipv4Addr) -> BTreeMap<&'static str, Pid> {
    let listens = format!("--listen={address}:");
    let mut found = BTreeMap::new();
    for entry in fs::read_dir("/proc").expect("/proc is readable").flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // Empty for a process that has exited, or that has not been reaped yet.
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        let mut arguments = line.split('\0');
        let Some(program) = arguments.next() else { continue };
        let node = NODES.into_iter().find(|node| Path::new(program).ends_with(node));
        if let Some(node) = node
            && let Some(port) = arguments.find_map(|argument| argument.strip_prefix(&listens))
        {
            let is_second = node == "dispatch" && port == SECOND_DISPATCH_PORT.to_string();
            found.insert(if is_second { "dispatch-2" } else { node }, Pid::from_raw(id));
        }
    }
    found
}

impl Drop for Launched {
    fn drop(&mut self) {
        // A killed launcher could not stop its children.
        if !self.launcher.has_ended() {
            self.launcher.signal(Signal::SIGTERM);
            let watch = Stopwatch::start();
            while !self.launcher.has_ended() && watch.elapsed() < STOP_TIMEOUT {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        for id in self.processes().into_values() {
            // Ignored: the process may just have exited.
            let _ = signal::kill(id, Signal::SIGKILL);
        }
    }
}
