//! A separate host for each node: a network namespace with a virtual cable to one switch.
//!
//! The namespaces have no names. File descriptors here and the processes in them keep them open, so
//! the system removes them with their cables, addresses and rules when those are closed, also after
//! a killed test. The switch is in a namespace too, so no address here collides with one of this
//! machine or of a parallel test.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use tempfile::TempDir;

use crate::cluster::{Placement, port};
use crate::nodes::NODES;
use crate::process::Process;

/// The test's own address.
const SWITCH: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);
/// The files that each host sees instead of the system's: the hosts file, and the name service
/// configuration that allows no other source.
const HOSTS_FILE: &str = "/etc/hosts";
const NSSWITCH_FILE: &str = "/etc/nsswitch.conf";

/// A network namespace.
#[derive(Debug)]
pub struct Host {
    name: String,
    namespace: File,
}

impl Host {
    /// Creates a host with loopback only.
    fn new(name: &str) -> Self {
        let namespace = in_new_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect(
                "a new network namespace requires root; scripts/network reports other requirements",
            );
            File::open("/proc/thread-self/ns/net").expect("every thread has a network")
        });
        let host = Self { name: name.to_owned(), namespace };
        host.run("ip link set lo up");
        host
    }

    /// Runs a closure on this host: its sockets, devices and processes belong to the host.
    pub fn enter<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        in_new_thread(|| {
            setns(&self.namespace, CloneFlags::CLONE_NEWNET)
                .expect("entering a network namespace requires root");
            what()
        })
    }

    /// Runs a command, split at spaces, and returns its standard output.
    ///
    /// # Panics
    /// If it fails.
    #[track_caller]
    pub fn run(&self, command: &str) -> String {
        self.run_with(command, "")
    }

    /// Runs a command with `input` as its standard input.
    #[track_caller]
    fn run_with(&self, command: &str, input: &str) -> String {
        let Output { status, stdout, stderr } = self.enter(|| execute(command, input));
        assert!(
            status.success(),
            "{}: {command}\n{input}{}",
            self.name,
            String::from_utf8_lossy(&stderr)
        );
        String::from_utf8_lossy(&stdout).into_owned()
    }

    /// Returns the path that identifies the namespace to `ip`.
    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.namespace.as_raw_fd())
    }
}

/// Runs a closure in a new thread, so that its changes of network and mounts end with the thread.
fn in_new_thread<T: Send>(what: impl FnOnce() -> T + Send) -> T {
    let done = thread::scope(|scope| scope.spawn(what).join());
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn execute(command: &str, input: &str) -> Output {
    let mut words = command.split_whitespace();
    let program = words.next().expect("a command has a first word");
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("starting {program}: {error}; scripts/setup test installs it")
        });
    let mut stdin = child.stdin.take().expect("it was piped");
    // A command that does not read its input has failed, and its status reports it.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().unwrap_or_else(|error| panic!("waiting for {program}: {error}"))
}

/// Four hosts on a switch, one for each node. All hosts share one hosts file, in place of a name
/// server.
#[derive(Debug)]
pub struct Network {
    switch: Host,
    hosts: BTreeMap<&'static str, Host>,
    /// The address of each node by name.
    names: Mutex<BTreeMap<&'static str, Ipv4Addr>>,
    files: TempDir,
}

impl Network {
    /// The cookie of the nodes of a test: beyond loopback they refuse the development cookie, and need
    /// `--insecure` to run without TLS.
    pub const COOKIE: &str = "a cookie of the tests on real networks";

    /// Creates the hosts, and moves the calling thread to the switch: from then on, it and the
    /// threads that it starts reach all hosts and nothing else.
    ///
    /// # Panics
    /// If this machine does not support it; `scripts/network` reports why.
    #[must_use]
    pub fn new() -> Self {
        let switch = Host::new("switch");
        switch.run("ip link add name switch type bridge");
        switch.run(&format!("ip addr add {SWITCH}/24 dev switch"));
        switch.run("ip link set switch up");
        let hosts: BTreeMap<&'static str, Host> =
            NODES.into_iter().map(|node| (node, Host::new(node))).collect();
        for (node, host) in &hosts {
            switch.run(&format!(
                "ip link add name {node} type veth peer name eth0 netns {}",
                host.path()
            ));
            switch.run(&format!("ip link set {node} master switch up"));
            host.run(&format!("ip addr add {}/24 dev eth0", first_address(node)));
            host.run("ip link set eth0 up");
        }
        switch.run("nft add table bridge cut");
        switch.run_with(
            "nft -f -",
            "add chain bridge cut forward { type filter hook forward priority 0; }\n",
        );
        setns(&switch.namespace, CloneFlags::CLONE_NEWNET)
            .expect("entering a network namespace requires root");

        let files = tempfile::tempdir().expect("a temporary directory can be created");
        let network = Self { switch, hosts, names: Mutex::default(), files };
        write(&network.file(NSSWITCH_FILE), "hosts: files\n");
        for node in NODES {
            network.announce(node, first_address(node));
        }
        network
    }

    /// Returns the host of a node.
    ///
    /// # Panics
    /// If there is no such node.
    #[must_use]
    pub fn host(&self, node: &str) -> &Host {
        self.hosts.get(node).unwrap_or_else(|| panic!("there is no node {node}"))
    }

    /// Sets the address to which all hosts resolve a node's name from here on.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn announce(&self, node: &'static str, address: Ipv4Addr) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.insert(node, address);
        let lines = names.iter().fold(String::new(), |mut lines, (node, address)| {
            writeln!(lines, "{address} {node}").expect("writing to a string does not fail");
            lines
        });
        // The file is overwritten, not replaced: the bind mounts show this inode.
        write(&self.file(HOSTS_FILE), &lines);
    }

    /// Silently drops packets from the first to the second node of each pair from here on, and no
    /// others.
    ///
    /// # Panics
    /// If the rules cannot be set.
    pub fn cut(&self, directions: &[(&str, &str)]) {
        let rules = directions.iter().map(|(from, to)| {
            // IP only: ARP keeps working, so no sender receives a host unreachable error.
            format!(
                "add rule bridge cut forward meta protocol ip iifname \"{from}\" oifname \"{to}\" \
                 counter drop\n"
            )
        });
        let rules: String =
            std::iter::once("flush chain bridge cut forward\n".to_owned()).chain(rules).collect();
        self.switch.run_with("nft -f -", &rules);
    }

    /// Cuts a node off from all others in both directions.
    ///
    /// # Panics
    /// If the rules cannot be set.
    pub fn isolate(&self, node: &str) {
        let others = || NODES.into_iter().filter(|other| *other != node);
        let directions: Vec<(&str, &str)> = others()
            .map(|other| (node, other))
            .chain(others().map(|other| (other, node)))
            .collect();
        self.cut(&directions);
    }

    /// Removes all cuts, and returns how many packets each direction has dropped, in the order of
    /// the cuts.
    ///
    /// # Panics
    /// If the rules cannot be read.
    pub fn heal(&self) -> Vec<u64> {
        let rules = self.switch.run("nft list chain bridge cut forward");
        let counts = rules
            .split("counter packets ")
            .skip(1)
            .map(|rest| rest.split(' ').next().and_then(|count| count.parse().ok()));
        let dropped = counts.map(|count| count.expect("a counter shows a number")).collect();
        self.cut(&[]);
        dropped
    }

    /// Unplugs a node's cable from the switch.
    ///
    /// # Panics
    /// If that fails.
    pub fn unplug(&self, node: &str) {
        self.switch.run(&format!("ip link set {node} down"));
    }

    /// Plugs it in again.
    ///
    /// # Panics
    /// If that fails.
    pub fn plug(&self, node: &str) {
        self.switch.run(&format!("ip link set {node} up"));
    }

    /// Returns the file that each host sees at this path.
    fn file(&self, path: &str) -> PathBuf {
        self.files.path().join(Path::new(path).file_name().expect("the path of a file"))
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}

impl Placement for Network {
    fn listen_address(&self, node: &str) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, port(node)))
    }

    fn peer_address(&self, node: &str) -> String {
        format!("{node}:{}", port(node))
    }

    fn test_address(&self, node: &str) -> SocketAddr {
        SocketAddr::from((first_address(node), port(node)))
    }

    fn start(
        &self,
        node: &str,
        arguments: &[String],
        environment: &[(&str, &str)],
        log: PathBuf,
    ) -> Process {
        self.host(node).enter(|| {
            let nothing = None::<&str>;
            unshare(CloneFlags::CLONE_NEWNS).expect("a new mount namespace requires root");
            // Otherwise the bind mounts below would propagate to the whole machine.
            mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)
                .expect("private mounts require root");
            for path in [HOSTS_FILE, NSSWITCH_FILE] {
                let file = self.file(path);
                mount(Some(&file), path, nothing, MsFlags::MS_BIND, nothing)
                    .unwrap_or_else(|error| panic!("mounting on {path}: {error}"));
            }
            let environment: Vec<(&str, &str)> = environment
                .iter()
                .copied()
                .chain([("SUPERHERO_COOKIE", Self::COOKIE), ("SUPERHERO_INSECURE", "true")])
                .collect();
            Process::start(node, arguments, &environment, log)
        })
    }
}

/// Returns the first address of a node. Dispatch keeps it, so that the test always reaches it.
fn first_address(node: &str) -> Ipv4Addr {
    let number = NODES.iter().zip(1..).find_map(|(name, number)| (*name == node).then_some(number));
    Ipv4Addr::new(10, 0, 0, number.unwrap_or_else(|| panic!("there is no node {node}")))
}

fn write(file: &Path, text: &str) {
    fs::write(file, text).expect("a file in a temporary directory can be written");
}
