//! A whole cluster of real processes.

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

/// How the processes of a cluster are started. Faster than people would want it, and without
/// patrols and fights, so that states settle.
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
    /// Environment variables of all of them.
    pub environment: Vec<(&'static str, String)>,
    /// Further flags of dispatch.
    pub dispatch: Vec<String>,
    /// With what certificates they speak TLS, if they do.
    pub certificates: Option<Arc<Certificates>>,
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
            certificates: None,
        }
    }
}

/// The heroes there should be.
#[derive(Clone, Debug, Default)]
pub struct Heroes {
    /// Where each living hero is, by id.
    pub living: BTreeMap<String, String>,
    /// Who is dead.
    pub dead: BTreeSet<String>,
}

impl Heroes {
    /// Heroes that were just created.
    pub fn created(&mut self, ids: impl IntoIterator<Item = String>) {
        self.living.extend(ids.into_iter().map(|id| (id, "home".to_owned())));
    }

    /// A hero was moved.
    pub fn assigned(&mut self, id: &str, place: &str) {
        self.living.insert(id.to_owned(), place.to_owned());
    }

    /// A hero died.
    pub fn died(&mut self, id: &str) {
        self.living.remove(id);
        self.dead.insert(id.to_owned());
    }
}

/// Speaks with a node as it wants to be spoken with.
fn api(address: SocketAddr, options: &Options) -> Api {
    options
        .certificates
        .as_ref()
        .map_or_else(|| Api::new(address), |certificates| Api::encrypted(address, certificates))
}

/// What a cluster stands on.
pub trait Ground: fmt::Debug + Send + Sync {
    /// Where a node listens.
    fn listens(&self, node: &str) -> SocketAddr;
    /// HOST:PORT, as its peers are told it.
    fn dialled(&self, node: &str) -> String;
    /// Where the test reaches it.
    fn reached(&self, node: &str) -> SocketAddr;
    /// Starts it there.
    fn start(
        &self,
        node: &str,
        arguments: &[String],
        environment: &[(&str, &str)],
        log: PathBuf,
    ) -> Process;
}

/// One address of this machine for all nodes.
#[derive(Debug)]
pub(crate) struct Loopback(pub(crate) Ipv4Addr);

impl Ground for Loopback {
    fn listens(&self, node: &str) -> SocketAddr {
        SocketAddr::from((self.0, port(node)))
    }

    fn dialled(&self, node: &str) -> String {
        self.listens(node).to_string()
    }

    fn reached(&self, node: &str) -> SocketAddr {
        self.listens(node)
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

/// Gotham, metropolis, capitol and dispatch as processes. They end with it.
#[derive(Debug)]
pub struct Cluster {
    /// The HTTP of dispatch.
    pub api: Api,
    ground: Arc<dyn Ground>,
    options: Options,
    processes: BTreeMap<&'static str, Process>,
    logs: TempDir,
}

impl Cluster {
    /// Starts all four on a loopback address of their own, and waits until they are ready.
    ///
    /// # Panics
    /// When they do not get ready.
    #[track_caller]
    #[must_use]
    pub fn start(options: Options) -> Self {
        Self::start_on(Arc::new(Loopback(own_address())), options)
    }

    /// As [`start`](Self::start), with TLS.
    ///
    /// # Panics
    /// When they do not get ready.
    #[track_caller]
    #[must_use]
    pub fn start_encrypted(options: Options) -> Self {
        let address = own_address();
        let certificates = Some(Arc::new(Certificates::at(address.into())));
        Self::start_on(Arc::new(Loopback(address)), Options { certificates, ..options })
    }

    /// Starts all four there, and waits until they are ready.
    ///
    /// # Panics
    /// When they do not get ready.
    #[track_caller]
    #[must_use]
    pub fn start_on(ground: Arc<dyn Ground>, options: Options) -> Self {
        let mut cluster = Self::at(ground, options);
        for node in NODES {
            cluster.launch(node);
        }
        cluster.wait_ready(&NODES);
        cluster
    }

    /// A cluster on this ground, of which nothing is started.
    pub(crate) fn at(ground: Arc<dyn Ground>, options: Options) -> Self {
        Self {
            api: api(ground.reached("dispatch"), &options),
            ground,
            options,
            processes: BTreeMap::new(),
            logs: tempfile::tempdir().expect("a temporary directory can be made"),
        }
    }

    /// By what its nodes are certified.
    ///
    /// # Panics
    /// When they speak no TLS.
    #[track_caller]
    #[must_use]
    pub fn certificates(&self) -> Arc<Certificates> {
        Arc::clone(self.options.certificates.as_ref().expect("a cluster that speaks TLS"))
    }

    /// Where the test reaches a node.
    #[must_use]
    pub fn address(&self, node: &str) -> SocketAddr {
        self.ground.reached(node)
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
            ref certificates,
        } = self.options;
        let environment: Vec<(&str, &str)> =
            environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut arguments = vec![format!("--listen={}", self.ground.listens(node))];
        arguments.extend(
            NODES
                .into_iter()
                .filter(|peer| *peer != node)
                .map(|peer| format!("--peer={peer}={}", self.ground.dialled(peer))),
        );
        // The same choices in every run; what differs from run to run is timing.
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
        self.processes.insert(node, self.ground.start(node, &arguments, &environment, log));
    }

    /// Waits until these nodes have joined.
    ///
    /// # Panics
    /// When they do not.
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
    /// When it was killed and not started again.
    #[track_caller]
    #[must_use]
    pub fn process(&mut self, node: &str) -> &mut Process {
        self.processes.get_mut(node).unwrap_or_else(|| panic!("{node} was killed"))
    }

    /// Kills a node without warning.
    pub fn kill9(&mut self, node: &str) {
        // Dropping kills.
        self.processes.remove(node);
    }

    /// Starts a node that was killed or has ended, and waits until it is ready.
    ///
    /// # Panics
    /// When it does not get ready.
    #[track_caller]
    pub fn restart(&mut self, node: &str) {
        self.start_again(node);
        self.wait_ready(&[node]);
    }

    /// Starts a node that was killed or has ended, and does not wait for it.
    ///
    /// # Panics
    /// When there is no such node.
    #[track_caller]
    pub fn start_again(&mut self, node: &str) {
        let node = NODES.into_iter().find(|name| *name == node).expect("the name of a node");
        self.kill9(node);
        self.launch(node);
    }

    /// Asks a node to end, and returns its exit code.
    ///
    /// # Panics
    /// When it does not end within `limit`.
    #[track_caller]
    pub fn stop(&mut self, node: &str, signal: Signal, limit: Duration) -> Option<i32> {
        let process = self.process(node);
        process.signal(signal);
        process.exit_code(limit)
    }

    /// Bombs a city, and waits until dispatch sees its next life.
    ///
    /// # Panics
    /// When it does not come back.
    #[track_caller]
    pub fn bomb(&self, city: &str) {
        let before = self.node(city).incarnation;
        assert_eq!(self.api.bomb(city).expect(202).json()["city"], city);
        wait_until(&format!("{city} is back in a new life"), HANG_TIMEOUT, || {
            let node = self.node(city);
            ensure(node.status == "up" && node.incarnation > before, || format!("{node:?}"))
        });
    }

    /// What a node counts now.
    ///
    /// # Panics
    /// When it does not say, or not in Prometheus' format.
    #[track_caller]
    #[must_use]
    pub fn metrics(&self, node: &str) -> Exposition {
        let reply = Api::new(self.address(node)).get("/metrics").expect(200);
        assert_eq!(reply.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        Exposition::parse(&reply.body)
    }

    /// A node, as dispatch last saw it.
    ///
    /// # Panics
    /// When dispatch has no such node.
    #[track_caller]
    #[must_use]
    pub fn node(&self, name: &str) -> NodeState {
        self.api.nodes().remove(name).unwrap_or_else(|| panic!("dispatch knows no {name}"))
    }

    /// Waits until dispatch sees this status of a node.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn wait_status(&self, node: &str, status: &str, limit: Duration) {
        wait_until(&format!("{node} is {status}"), limit, || {
            let seen = self.node(node);
            ensure(seen.status == status, || seen.status)
        });
    }

    /// Waits until the verdict is agreement, and all four fingerprints are the same.
    ///
    /// # Panics
    /// When they do not come to agree.
    #[track_caller]
    pub fn wait_converged(&self) {
        wait_until("all nodes agree", HANG_TIMEOUT, || {
            let verdict = self.api.get("/api/v1/verdict").expect(200).json();
            ensure(verdict["converged"] == true, || verdict.to_string())?;
            self.agree(&NODES)
        });
    }

    /// Waits until exactly these heroes are held by each of these cities, and they and dispatch
    /// agree.
    ///
    /// Looking at agreement alone would be too soon: dispatch may not yet have seen what was just
    /// done anywhere.
    ///
    /// # Panics
    /// When that does not come about.
    #[track_caller]
    pub fn wait_until_held(&self, heroes: &Heroes, cities: &[&'static str]) {
        wait_until(
            &format!("{} heroes are held by {cities:?}", heroes.living.len()),
            HANG_TIMEOUT,
            || {
                for city in cities {
                    let seen = self.api.city(city);
                    let held: BTreeMap<String, String> =
                        seen.heroes.into_iter().map(|hero| (hero.id, hero.location)).collect();
                    ensure(held == heroes.living, || {
                        format!("{city}: {}", difference(&held, heroes))
                    })?;
                    // Fewer, where all have heard of a death and its tombstone is collected.
                    ensure(seen.tombstones <= heroes.dead.len() as u64, || {
                        format!("{city} has {} tombstones", seen.tombstones)
                    })?;
                }
                self.agree(&[cities, &["dispatch"]].concat())
            },
        );
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

/// The port on which a node listens.
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
    let returned: Vec<&String> = held.keys().filter(|id| heroes.dead.contains(*id)).collect();
    let missing: Vec<&String> = heroes.living.keys().filter(|id| !held.contains_key(*id)).collect();
    let elsewhere: Vec<String> = held
        .iter()
        .filter_map(|(id, place)| {
            let expected = heroes.living.get(id)?;
            (expected != place).then(|| format!("{id} is at {place}, not at {expected}"))
        })
        .collect();
    format!("returned {returned:?}, missing {missing:?}, elsewhere {elsewhere:?}")
}
