//! The start of a node that serves the library's types and nothing else.
//!
//! Invariant: the node runs until it is stopped or dropped, or until it fails.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::id::{NodeName, Origin};
use crate::link::cluster::Cluster;
use crate::link::config::ClusterConfig;
use crate::link::discovery::Discovery;
use crate::link::listener::{self, Limits, Port};
use crate::link::secret::Secret;
use crate::link::supervisor::{NodeConfig, NodeEnd, Supervisor};
use crate::link::telemetry::{NoHooks, NoTelemetry};
use crate::member::{Member, MemberCommand};
use crate::membership::Roster;
use crate::replica::Config;
use crate::supervise::Intensity;
use crate::time::Now;
use crate::types::only::TypesOnly;
use crate::types::snapshot::Snapshot;
use crate::wire::FRAME_BYTES_MAX;

/// The number of requests that wait for the machine.
const REQUESTS_MAX: usize = 1_024;
/// The name of a cluster unless it is given another.
const CLUSTER: &str = "cluster";
/// The number of names up to which further nodes may become members, those of forgotten nodes
/// included.
pub const MEMBERS_MAX: usize = 128;
/// The interval between pulls in a cluster of one process.
const LOCAL_INTERVAL: Duration = Duration::from_millis(20);

/// The configuration of a node that serves the types.
pub struct Builder {
    cluster: NodeName,
    name: NodeName,
    secret: Secret,
    /// The members from the start.
    members: BTreeSet<NodeName>,
    addresses: BTreeMap<NodeName, String>,
    /// The address to advertise, if the node becomes a further member.
    further_at: Option<String>,
    gossip_interval: Duration,
    discovery: Vec<Box<dyn Discovery>>,
}

/// A running node. It is stopped when this is dropped.
#[must_use = "the node is stopped when this is dropped"]
pub struct RunningNode {
    cluster: Cluster,
    ended: JoinHandle<NodeEnd>,
    tasks: TaskTracker,
    stop: DropGuard,
}

impl Builder {
    /// Returns the configuration of a node without peers. All nodes of a cluster have the same
    /// secret.
    #[must_use]
    pub fn new(name: NodeName, secret: Secret) -> Self {
        let cluster = CLUSTER.parse().expect("it is a valid name");
        let gossip_interval = Duration::from_millis(250);
        Self {
            cluster,
            name,
            secret,
            members: BTreeSet::new(),
            addresses: BTreeMap::new(),
            further_at: None,
            gossip_interval,
            discovery: Vec::new(),
        }
    }

    /// Sets the name of the cluster. Nodes of another name are refused. Default: `cluster`.
    #[must_use]
    pub fn cluster_name(mut self, name: NodeName) -> Self {
        self.cluster = name;
        self
    }

    /// Adds a member that the cluster has from the start, running or not, and its address. All nodes
    /// of a cluster have the same members from the start.
    #[must_use]
    pub fn peer(mut self, name: NodeName, address: impl Into<String>) -> Self {
        self.addresses.insert(name, address.into());
        self.member(name)
    }

    /// Adds a member that the cluster has from the start, whose address is found.
    #[must_use]
    pub fn member(mut self, name: NodeName) -> Self {
        self.members.insert(name);
        self
    }

    /// Adds a way to find the addresses of others.
    #[must_use]
    pub fn discover(mut self, way: impl Discovery + 'static) -> Self {
        self.discovery.push(Box::new(way));
        self
    }

    /// Lets the node become a further member of a cluster that runs without it. The others dial it at
    /// this address, HOST:PORT; the members from the start are its peers. It joins once every member
    /// has it on its roster.
    #[must_use]
    pub fn further(mut self, address: impl Into<String>) -> Self {
        self.further_at = Some(address.into());
        self
    }

    /// Sets the interval between pulls. Default: 250 ms.
    #[must_use]
    pub fn gossip_interval(mut self, interval: Duration) -> Self {
        self.gossip_interval = interval;
        self
    }

    /// Starts the node. It serves `/cluster` for other nodes at this listener.
    ///
    /// # Panics
    /// Outside of a tokio runtime, or if the listener has no address.
    pub fn start(self, listener: TcpListener) -> RunningNode {
        self.start_with(listener, |_| Router::new())
    }

    /// Starts the node like [`start`](Self::start), with HTTP routes of the application at the same
    /// port.
    ///
    /// # Panics
    /// Outside of a tokio runtime, or if the listener has no address.
    pub fn start_with(
        self,
        listener: TcpListener,
        routes: impl FnOnce(Cluster) -> Router,
    ) -> RunningNode {
        let Self {
            cluster: cluster_name,
            name,
            secret,
            members,
            addresses,
            further_at,
            gossip_interval,
            discovery,
        } = self;
        let listening = listener.local_addr().expect("a listener has an address");
        let (roster, advertised) = match further_at {
            None => (Roster::new(name, members), None),
            Some(advertised) => (Roster::further(name, members), Some(advertised)),
        };
        let members = roster.configured().clone();
        let config = Config { members, members_max: MEMBERS_MAX, ..Config::default() };
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let supervisor = Supervisor::<Member<TypesOnly>>::new(NodeConfig {
            name,
            cluster: ClusterConfig {
                name: cluster_name,
                roster,
                advertised,
                addresses,
                controller: None,
                secret,
                tls: None,
                frame_bytes_max: FRAME_BYTES_MAX,
            },
            intensity: Intensity::new(3, Duration::from_secs(5)),
            seed: rand::random(),
            stop: stop.clone(),
            tasks: tasks.clone(),
            telemetry: Arc::new(NoTelemetry),
            discovery,
            listening,
        });
        let (commands, inbox) = mpsc::channel(REQUESTS_MAX);
        let (cluster, server) = Cluster::new::<MemberCommand<TypesOnly>>(name, commands);
        let router = routes(cluster.clone()).merge(supervisor.cluster_route());
        let port = Port { listener, tls: None, limits: Limits::default() };
        let router = supervisor.gate(router);
        tasks.spawn(listener::serve(port, router, stop.clone(), tasks.clone()));
        let begin = move |me: Origin, _crashes, now: Now| {
            Member::new(me, config.clone(), gossip_interval, now)
        };
        let on_event = |_| ControlFlow::Continue(());
        let ended = tokio::spawn(supervisor.run(inbox, server, begin, |_| NoHooks, on_event));
        RunningNode { cluster, ended, tasks, stop: stop.drop_guard() }
    }
}

/// Starts nodes with these names in this process, at free ports of the loopback address, and waits until
/// each may write and reaches all others. For tests and examples.
///
/// # Errors
/// If there is no free port.
///
/// # Panics
/// Outside of a tokio runtime, or if two names are equal.
pub async fn local_cluster<const N: usize>(names: [NodeName; N]) -> io::Result<[RunningNode; N]> {
    let secret = Secret::new("local cluster", &format!("{:032x}", rand::random::<u128>()));
    let mut listeners = Vec::new();
    for name in names {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        listeners.push((name, address, listener));
    }
    let addresses: BTreeMap<NodeName, String> =
        listeners.iter().map(|(name, address, _)| (*name, address.clone())).collect();
    assert_eq!(addresses.len(), N, "names of nodes must differ");
    let start = |(name, _, listener)| {
        let builder = Builder::new(name, secret.clone()).gossip_interval(LOCAL_INTERVAL);
        let peers = addresses.iter().filter(|(peer, _)| **peer != name);
        let builder = peers.fold(builder, |builder, (peer, address)| builder.peer(*peer, address));
        builder.start(listener)
    };
    let nodes: Vec<RunningNode> = listeners.into_iter().map(start).collect();
    for node in &nodes {
        node.joined().await;
        let reaches_all = |snapshot: &Option<Snapshot>| {
            snapshot.as_ref().is_some_and(|snapshot| snapshot.nodes().len() == N)
        };
        // A node that has ended reaches none.
        let _ = node.cluster().snapshots().wait_for(reaches_all).await;
    }
    Ok(nodes.try_into().unwrap_or_else(|_| unreachable!("one node was started for each name")))
}

impl RunningNode {
    /// Returns the handle to the node's types.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Waits until the node has joined, and so may write.
    pub async fn joined(&self) {
        // A node that has ended will not join.
        let _ = self.cluster.joined_after(None).await;
    }

    /// Waits until the node has ended by itself: because it failed, or because it was forgotten.
    ///
    /// # Panics
    /// If the node has panicked.
    pub async fn ended(self) -> NodeEnd {
        let Self { cluster: _, ended, tasks: _, stop: _stop } = self;
        ended.await.expect("a supervisor catches panics of its machine")
    }

    /// Stops the node, and waits until it has ended.
    ///
    /// # Panics
    /// If the node has panicked.
    pub async fn stop(self) -> NodeEnd {
        let Self { cluster: _, ended, tasks, stop } = self;
        drop(stop);
        let end = ended.await.expect("a supervisor catches panics of its machine");
        tasks.close();
        tasks.wait().await;
        end
    }
}
