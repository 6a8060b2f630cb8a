//! A cluster of four real processes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::api::{Api, NodeState};
use crate::certificates::Certificates;
use crate::exposition::Exposition;
use crate::loopback::own_address;
use crate::nodes::{CITIES, NODES};
use crate::process::Process;
use crate::wait::{HANG_TIMEOUT, ensure, wait_until};

/// How the nodes of a cluster find each other.
#[derive(Clone, Debug, Default)]
pub enum Discover {
    /// Each is started with the addresses of the others, by name.
    #[default]
    Peers,
    /// Each is started with all addresses, but not with the names of the nodes there.
    Addresses,
    /// By multicast to this group and port.
    Multicast(String),
}

/// The options with which a cluster is started. The defaults are faster than those of the product,
/// without patrols and fights, so that states settle.
#[derive(Clone, Debug)]
pub struct Options {
    /// `--gossip-interval` of the cities.
    pub city_gossip: &'static str,
    /// `--gossip-interval` of dispatch.
    pub dispatch_gossip: &'static str,
    /// `--poll-interval` of dispatch.
    pub poll: &'static str,
    /// `--patrol-interval` of the cities.
    pub patrol: &'static str,
    /// `--fight-interval` of the cities.
    pub fight: &'static str,
    /// `--max-restarts` of the cities.
    pub max_restarts: &'static str,
    /// Environment variables of all nodes.
    pub environment: Vec<(&'static str, String)>,
    /// Further flags of dispatch.
    pub dispatch: Vec<String>,
    /// How the nodes find each other.
    pub discover: Discover,
    /// The certificates; without any, the nodes do not use TLS.
    pub certificates: Option<Arc<Certificates>>,
}

impl Options {
    /// Returns the options of a cluster in which no further node becomes a member.
    #[must_use]
    pub fn closed() -> Self {
        let environment = vec![("SUPERHERO_MAX_MEMBERS", "0".to_owned())];
        Self { environment, ..Self::default() }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            city_gossip: "200ms",
            dispatch_gossip: "200ms",
            poll: "400ms",
            patrol: "0",
            fight: "0",
            max_restarts: "3",
            environment: Vec::new(),
            dispatch: Vec::new(),
            discover: Discover::default(),
            certificates: None,
        }
    }
}

/// The expected heroes.
#[derive(Clone, Debug, Default)]
pub struct Heroes {
    /// The location of each live hero, by id.
    pub live: BTreeMap<String, String>,
    /// The ids of the deleted heroes.
    pub deleted: BTreeSet<String>,
}

impl Heroes {
    /// Records heroes that were just created.
    pub fn created(&mut self, ids: impl IntoIterator<Item = String>) {
        self.live.extend(ids.into_iter().map(|id| (id, "home".to_owned())));
    }

    /// Records that a hero was moved.
    pub fn assigned(&mut self, id: &str, place: &str) {
        self.live.insert(id.to_owned(), place.to_owned());
    }

    /// Records that a hero was deleted.
    pub fn deleted(&mut self, id: &str) {
        self.live.remove(id);
        self.deleted.insert(id.to_owned());
    }
}

/// Returns a client for a node, with TLS if the cluster uses it.
fn api(address: SocketAddr, options: &Options) -> Api {
    options
        .certificates
        .as_ref()
        .map_or_else(|| Api::new(address), |certificates| Api::encrypted(address, certificates))
}

/// The addresses of a cluster's nodes, and the way to start them there.
pub trait Placement: fmt::Debug + Send + Sync {
    /// Returns the address that a node listens on.
    fn listen_address(&self, node: &str) -> SocketAddr;
    /// Returns the HOST:PORT at which its peers dial it.
    fn peer_address(&self, node: &str) -> String;
    /// Returns the address at which the test reaches it.
    fn test_address(&self, node: &str) -> SocketAddr;
    /// Starts the node.
    fn start(
        &self,
        node: &str,
        arguments: &[String],
        environment: &[(&str, &str)],
        log: PathBuf,
    ) -> Process;
}

/// All nodes on one loopback address.
#[derive(Debug)]
pub(crate) struct Loopback(pub(crate) Ipv4Addr);

impl Placement for Loopback {
    fn listen_address(&self, node: &str) -> SocketAddr {
        SocketAddr::from((self.0, port(node)))
    }

    fn peer_address(&self, node: &str) -> String {
        self.listen_address(node).to_string()
    }

    fn test_address(&self, node: &str) -> SocketAddr {
        self.listen_address(node)
    }

    fn start(
        &self,
        node: &str,
        arguments: &[String],
        environment: &[(&str, &str)],
        log: PathBuf,
    ) -> Process {
        Process::start(node, arguments, environment, log)
    }
}

/// The processes gotham, metropolis, capitol and dispatch. They stop when this is dropped.
#[derive(Debug)]
pub struct Cluster {
    /// The client for dispatch's HTTP API.
    pub api: Api,
    placement: Arc<dyn Placement>,
    options: Options,
    processes: BTreeMap<&'static str, Process>,
    logs: TempDir,
}

impl Cluster {
    /// Starts all four on a loopback address of their own, and waits until they are ready.
    ///
    /// # Panics
    /// If they do not become ready.
    #[track_caller]
    #[must_use]
    pub fn start(options: Options) -> Self {
        Self::start_on(Arc::new(Loopback(own_address())), options)
    }

    /// Like [`start`](Self::start), with TLS.
    ///
    /// # Panics
    /// If they do not become ready.
    #[track_caller]
    #[must_use]
    pub fn start_encrypted(options: Options) -> Self {
        let address = own_address();
        let certificates = Some(Arc::new(Certificates::at(address.into())));
        Self::start_on(Arc::new(Loopback(address)), Options { certificates, ..options })
    }

    /// Starts all four in this placement, and waits until they are ready.
    ///
    /// # Panics
    /// If they do not become ready.
    #[track_caller]
    #[must_use]
    pub fn start_on(placement: Arc<dyn Placement>, options: Options) -> Self {
        let mut cluster = Self::at(placement, options);
        for node in NODES {
            cluster.launch(node);
        }
        cluster.wait_ready(&NODES);
        cluster
    }

    /// Creates a cluster without starting any node.
    pub(crate) fn at(placement: Arc<dyn Placement>, options: Options) -> Self {
        Self {
            api: api(placement.test_address("dispatch"), &options),
            placement,
            options,
            processes: BTreeMap::new(),
            logs: tempfile::tempdir().expect("a temporary directory can be created"),
        }
    }

    /// Returns the certificates of the nodes.
    ///
    /// # Panics
    /// If they do not use TLS.
    #[track_caller]
    #[must_use]
    pub fn certificates(&self) -> Arc<Certificates> {
        Arc::clone(self.options.certificates.as_ref().expect("a cluster that speaks TLS"))
    }

    /// Returns the address at which the test reaches a node.
    #[must_use]
    pub fn address(&self, node: &str) -> SocketAddr {
        self.placement.test_address(node)
    }

    fn launch(&mut self, node: &'static str) {
        let Options {
            city_gossip,
            dispatch_gossip,
            poll,
            patrol,
            fight,
            max_restarts,
            ref environment,
            ref dispatch,
            ref discover,
            ref certificates,
        } = self.options;
        let environment: Vec<(&str, &str)> =
            environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut arguments = vec![format!("--listen={}", self.placement.listen_address(node))];
        let others = NODES.into_iter().filter(|peer| *peer != node);
        let address = |peer| self.placement.peer_address(peer);
        match discover {
            Discover::Peers => {
                arguments.extend(others.map(|peer| format!("--peer={peer}={}", address(peer))));
            }
            Discover::Addresses => {
                arguments.extend(
                    NODES.into_iter().map(|peer| format!("--discover=static:{}", address(peer))),
                );
            }
            Discover::Multicast(group) => arguments.push(format!("--discover=multicast:{group}")),
        }
        // Equal seeds in every run: only the timing differs between runs.
        arguments.push(format!("--seed={}", port(node)));
        arguments.extend(certificates.iter().flat_map(|certificates| certificates.options(node)));
        arguments.extend(if node == "dispatch" { dispatch.clone() } else { Vec::new() });
        arguments.extend(match node {
            "dispatch" => vec![
                format!("--gossip-interval={dispatch_gossip}"),
                format!("--poll-interval={poll}"),
            ],
            _ => vec![
                format!("--gossip-interval={city_gossip}"),
                format!("--patrol-interval={patrol}"),
                format!("--fight-interval={fight}"),
                format!("--max-restarts={max_restarts}"),
            ],
        });
        let log = self.logs.path().join(format!("{node}.log"));
        self.processes.insert(node, self.placement.start(node, &arguments, &environment, log));
    }

    /// Waits until these nodes have joined.
    ///
    /// # Panics
    /// If they do not.
    #[track_caller]
    pub fn wait_ready(&self, nodes: &[&str]) {
        for node in nodes {
            let api = api(self.address(node), &self.options);
            wait_until(&format!("{node} is ready"), HANG_TIMEOUT, || {
                let reply = api.try_request("GET", "/readyz", &[], &[])?;
                ensure(reply.status == 200, || format!("{} {}", reply.status, reply.body))
            });
        }
    }

    /// The process of a node.
    ///
    /// # Panics
    /// If it was killed and not started again.
    #[track_caller]
    #[must_use]
    pub fn process(&mut self, node: &str) -> &mut Process {
        self.processes.get_mut(node).unwrap_or_else(|| panic!("{node} was killed"))
    }

    /// Kills a node with SIGKILL.
    pub fn kill9(&mut self, node: &str) {
        // Dropping a process kills it.
        self.processes.remove(node);
    }

    /// Starts a node that was killed or has exited, and waits until it is ready.
    ///
    /// # Panics
    /// If it does not become ready.
    #[track_caller]
    pub fn restart(&mut self, node: &str) {
        self.start_again(node);
        self.wait_ready(&[node]);
    }

    /// Starts a node that was killed or has exited, without waiting for it.
    ///
    /// # Panics
    /// If there is no such node.
    #[track_caller]
    pub fn start_again(&mut self, node: &str) {
        // The name with a static lifetime, as the map of processes needs it.
        let node = NODES.into_iter().find(|name| *name == node).expect("the name of a node");
        self.kill9(node);
        self.launch(node);
    }

    /// Sends a signal to a node, and returns its exit code.
    ///
    /// # Panics
    /// If it does not exit within `limit`.
    #[track_caller]
    pub fn stop(&mut self, node: &str, signal: Signal, limit: Duration) -> Option<i32> {
        let process = self.process(node);
        process.signal(signal);
        process.exit_code(limit)
    }

    /// Bombs a city, and waits until dispatch observes its next incarnation.
    ///
    /// # Panics
    /// If the city does not come up again.
    #[track_caller]
    pub fn bomb(&self, city: &str) {
        let before = self.node(city).incarnation;
        assert_eq!(self.api.bomb(city).expect(202).json()["city"], city);
        wait_until(&format!("{city} is up in a new incarnation"), HANG_TIMEOUT, || {
            let node = self.node(city);
            ensure(node.status == "up" && node.incarnation > before, || format!("{node:?}"))
        });
    }

    /// Returns the current metrics of a node.
    ///
    /// # Panics
    /// If it does not respond in Prometheus' format.
    #[track_caller]
    #[must_use]
    pub fn metrics(&self, node: &str) -> Exposition {
        let reply = Api::new(self.address(node)).get("/metrics").expect(200);
        assert_eq!(reply.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        Exposition::parse(&reply.body)
    }

    /// Returns a node as dispatch last observed it.
    ///
    /// # Panics
    /// If dispatch has no such node.
    #[track_caller]
    #[must_use]
    pub fn node(&self, name: &str) -> NodeState {
        self.api.nodes().remove(name).unwrap_or_else(|| panic!("dispatch has no node {name}"))
    }

    /// Waits until dispatch reports this status of a node.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub fn wait_status(&self, node: &str, status: &str, limit: Duration) {
        wait_until(&format!("{node} is {status}"), limit, || {
            let seen = self.node(node);
            ensure(seen.status == status, || seen.status)
        });
    }

    /// Waits until the verdict is converged and all four fingerprints are equal.
    ///
    /// # Panics
    /// If they do not converge.
    #[track_caller]
    pub fn wait_converged(&self) {
        wait_until("all nodes agree", HANG_TIMEOUT, || {
            let verdict = self.api.get("/api/v1/verdict").expect(200).json();
            ensure(verdict["converged"] == true, || verdict.to_string())?;
            self.agree(&NODES)
        });
    }

    /// Waits until each of these cities holds exactly these heroes, and they and dispatch agree.
    ///
    /// Agreement alone is not enough: the four may still agree on the state before the latest
    /// writes.
    ///
    /// # Panics
    /// If that state is not reached.
    #[track_caller]
    pub fn wait_until_held(&self, heroes: &Heroes, cities: &[&'static str]) {
        wait_until(&format!("{cities:?} hold {} heroes", heroes.live.len()), HANG_TIMEOUT, || {
            for city in cities {
                let seen = self.api.city(city);
                let held: BTreeMap<String, String> =
                    seen.heroes.into_iter().map(|hero| (hero.id, hero.location)).collect();
                ensure(held == heroes.live, || format!("{city}: {}", difference(&held, heroes)))?;
                // A tombstone that every node has seen may be collected already.
                ensure(seen.tombstones <= heroes.deleted.len() as u64, || {
                    format!("{city} has {} tombstones", seen.tombstones)
                })?;
            }
            self.agree(&[cities, &["dispatch"]].concat())
        });
        if cities.len() == CITIES.len() {
            self.wait_converged();
        }
    }

    fn agree(&self, nodes: &[&str]) -> Result<(), String> {
        let all = self.api.nodes();
        let prints: BTreeMap<&str, &str> =
            nodes.iter().map(|name| (*name, all[*name].fingerprint.as_str())).collect();
        let distinct: BTreeSet<&str> = prints.values().copied().collect();
        ensure(distinct.len() == 1, || format!("{prints:?}"))
    }
}

/// Returns the port that a node listens on.
pub(crate) fn port(node: &str) -> u16 {
    match node {
        "dispatch" => 4900,
        "gotham" => 4901,
        "metropolis" => 4902,
        "capitol" => 4903,
        _ => panic!("there is no node {node}"),
    }
}

fn difference(held: &BTreeMap<String, String>, heroes: &Heroes) -> String {
    let reappeared: Vec<&String> = held.keys().filter(|id| heroes.deleted.contains(*id)).collect();
    let missing: Vec<&String> = heroes.live.keys().filter(|id| !held.contains_key(*id)).collect();
    let misplaced: Vec<String> = held
        .iter()
        .filter_map(|(id, place)| {
            let expected = heroes.live.get(id)?;
            (expected != place).then(|| format!("{id} is at {place}, not at {expected}"))
        })
        .collect();
    format!("reappeared {reappeared:?}, missing {missing:?}, misplaced {misplaced:?}")
}
