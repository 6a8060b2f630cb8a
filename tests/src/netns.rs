//! Hosts of their own for the nodes: a network namespace for each, with a cable to one switch.
//!
//! The namespaces have no names. They are held by file descriptors here and by the processes in
//! them, so the system takes them away, with their cables, addresses and rules, when those are
//! gone, also those of a test that was killed. And since the switch is in a namespace too, nothing
//! here can meet an address of this machine, or of a test that runs at the same time.

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

use crate::cluster::{Ground, port};
use crate::nodes::NODES;
use crate::process::Process;

/// What the nodes of a test share: beyond loopback they refuse the development cookie, and want to
/// be told to do without TLS.
const COOKIE: &str = "a cookie of the tests on real networks";
/// Where the test itself is.
const SWITCH: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);
/// The files of a host that are the test's: who has which address, and that nobody else is asked.
const HOSTS_FILE: &str = "/etc/hosts";
const SWITCH_FILE: &str = "/etc/nsswitch.conf";

/// A network namespace.
#[derive(Debug)]
pub struct Host {
    name: String,
    namespace: File,
}

impl Host {
    /// A host with nothing but loopback.
    fn new(name: &str) -> Self {
        let namespace = in_a_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect(
                "root may have a network of its own: scripts/network says what else is needed",
            );
            File::open("/proc/thread-self/ns/net").expect("every thread has a network")
        });
        let host = Self { name: name.to_owned(), namespace };
        host.run("ip link set lo up");
        host
    }

    /// Does something on this host: sockets, devices and processes that it makes are the host's.
    pub fn on<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        in_a_thread(|| {
            setns(&self.namespace, CloneFlags::CLONE_NEWNET).expect("root may go to any network");
            what()
        })
    }

    /// Runs a command, its words separated by spaces, and returns what it prints.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn run(&self, command: &str) -> String {
        self.run_with(command, "")
    }

    /// Runs a command that reads `input`.
    #[track_caller]
    fn run_with(&self, command: &str, input: &str) -> String {
        let Output { status, stdout, stderr } = self.on(|| execute(command, input));
        assert!(
            status.success(),
            "{}: {command}\n{input}{}",
            self.name,
            String::from_utf8_lossy(&stderr)
        );
        String::from_utf8_lossy(&stdout).into_owned()
    }

    /// How others name the namespace to `ip`.
    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.namespace.as_raw_fd())
    }
}

/// What is changed of a thread here, its network and its mounts, ends with it.
fn in_a_thread<T: Send>(what: impl FnOnce() -> T + Send) -> T {
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
    // Who does not read its input has failed, and says so.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().unwrap_or_else(|error| panic!("waiting for {program}: {error}"))
}

/// Four hosts on a switch, one for each node. Names and addresses are known to all hosts from one
/// file, as if from a name server.
#[derive(Debug)]
pub struct Network {
    switch: Host,
    hosts: BTreeMap<&'static str, Host>,
    /// Where each node is found, by its name.
    names: Mutex<BTreeMap<&'static str, Ipv4Addr>>,
    files: TempDir,
}

impl Network {
    /// Makes the hosts, and puts the calling thread on the switch: it and the threads that it
    /// starts reach all hosts, and never again anything else.
    ///
    /// # Panics
    /// When this machine cannot do it; `scripts/network` says why.
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
            host.run(&format!("ip addr add {}/24 dev eth0", home(node)));
            host.run("ip link set eth0 up");
        }
        switch.run("nft add table bridge cut");
        switch.run_with(
            "nft -f -",
            "add chain bridge cut forward { type filter hook forward priority 0; }\n",
        );
        setns(&switch.namespace, CloneFlags::CLONE_NEWNET).expect("root may go to any network");

        let files = tempfile::tempdir().expect("a temporary directory can be made");
        let network = Self { switch, hosts, names: Mutex::default(), files };
        write(&network.file(SWITCH_FILE), "hosts: files\n");
        for node in NODES {
            network.announce(node, home(node));
        }
        network
    }

    /// The host of a node.
    ///
    /// # Panics
    /// When there is no such node.
    #[must_use]
    pub fn host(&self, node: &str) -> &Host {
        self.hosts.get(node).unwrap_or_else(|| panic!("there is no node {node}"))
    }

    /// Lets all hosts know under which address a node is found from now on.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn announce(&self, node: &'static str, address: Ipv4Addr) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.insert(node, address);
        let lines = names.iter().fold(String::new(), |mut lines, (node, address)| {
            writeln!(lines, "{address} {node}").expect("writing to a text does not fail");
            lines
        });
        // The same file, not another in its place: that is the one the hosts see.
        write(&self.file(HOSTS_FILE), &lines);
    }

    /// From now on the switch silently drops what goes from the first to the second of each pair,
    /// and nothing else.
    ///
    /// # Panics
    /// When the rules cannot be set.
    pub fn cut(&self, directions: &[(&str, &str)]) {
        let rules = directions.iter().map(|(from, to)| {
            // Only what is spoken in IP: whose cable is plugged in is still known, so nobody is
            // told that nobody is there.
            format!("add rule bridge cut forward meta protocol ip iifname \"{from}\" oifname \"{to}\" counter drop\n")
        });
        let rules: String =
            std::iter::once("flush chain bridge cut forward\n".to_owned()).chain(rules).collect();
        self.switch.run_with("nft -f -", &rules);
    }

    /// Cuts a node off from all others, in both directions.
    ///
    /// # Panics
    /// When the rules cannot be set.
    pub fn isolate(&self, node: &str) {
        let others = || NODES.into_iter().filter(|other| *other != node);
        let directions: Vec<(&str, &str)> = others()
            .map(|other| (node, other))
            .chain(others().map(|other| (other, node)))
            .collect();
        self.cut(&directions);
    }

    /// Lets everything through again, and returns how many packets each direction had lost, in the
    /// order in which they were cut.
    ///
    /// # Panics
    /// When the rules cannot be read.
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

    /// Pulls a node's cable out of the switch.
    ///
    /// # Panics
    /// When that fails.
    pub fn pull(&self, node: &str) {
        self.switch.run(&format!("ip link set {node} down"));
    }

    /// Puts it back.
    ///
    /// # Panics
    /// When that fails.
    pub fn plug(&self, node: &str) {
        self.switch.run(&format!("ip link set {node} up"));
    }

    /// What stands on each host in the place of this file.
    fn file(&self, path: &str) -> PathBuf {
        self.files.path().join(Path::new(path).file_name().expect("the path of a file"))
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}

impl Ground for Network {
    fn listens(&self, node: &str) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, port(node)))
    }

    fn dialled(&self, node: &str) -> String {
        format!("{node}:{}", port(node))
    }

    fn reached(&self, node: &str) -> SocketAddr {
        SocketAddr::from((home(node), port(node)))
    }

    fn start(
        &self,
        node: &str,
        arguments: &[String],
        environment: &[(&str, &str)],
        log: PathBuf,
    ) -> Process {
        self.host(node).on(|| {
            let nothing = None::<&str>;
            unshare(CloneFlags::CLONE_NEWNS).expect("root may have mounts of its own");
            mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)
                .expect("root may keep its mounts to itself");
            for path in [HOSTS_FILE, SWITCH_FILE] {
                let file = self.file(path);
                mount(Some(&file), path, nothing, MsFlags::MS_BIND, nothing)
                    .unwrap_or_else(|error| panic!("mounting on {path}: {error}"));
            }
            let environment: Vec<(&str, &str)> = environment
                .iter()
                .copied()
                .chain([("SUPERHERO_COOKIE", COOKIE), ("SUPERHERO_INSECURE", "true")])
                .collect();
            Process::start(node, arguments, &environment, log)
        })
    }
}

/// The first address of a node. The one of dispatch stays, so that the test always reaches it.
fn home(node: &str) -> Ipv4Addr {
    let number = NODES.iter().zip(1..).find_map(|(name, number)| (*name == node).then_some(number));
    Ipv4Addr::new(10, 0, 0, number.unwrap_or_else(|| panic!("there is no node {node}")))
}

fn write(file: &Path, text: &str) {
    fs::write(file, text).expect("a file in a directory of our own can be written");
}
