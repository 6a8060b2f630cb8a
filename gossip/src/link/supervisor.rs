//! Supervision of a node: it runs one incarnation of the machine after the other, until the node is
//! stopped.
//!
//! A crash (an intended one, or a panic, which is a bug) ends an incarnation and loses its memory.
//! The next one starts at once, with a higher number. If the crashes exceed the restart intensity,
//! the node exits.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures_util::FutureExt as _;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, error, error_span, info, warn};

use crate::id::{Incarnation, NodeName, Origin};
use crate::link::calls::CallsServer;
use crate::link::clock::SystemClock;
use crate::link::cluster::{ClusterServer, TypesServer};
use crate::link::config::ClusterConfig;
use crate::link::control::Controls;
use crate::link::discovery::{self, Discovery, Located, Own, Search};
use crate::link::driver::{self, Ended, Environment, Inputs};
use crate::link::event_log::EventLog;
use crate::link::freeze::freezable;
use crate::link::listener::{self, Incoming};
use crate::link::members::MembersServer;
use crate::link::node::Node;
use crate::link::progress::Progress;
use crate::link::telemetry::{Hooks, Telemetry};
use crate::link::topics::TopicsServer;
use crate::machine::Machine;
use crate::message::Frame;
use crate::replica;
use crate::supervise::Intensity;
use crate::time::Now;

/// The upper bound of the distance between a new incarnation and a previous one that was dated in
/// the future.
const INCARNATION_JUMP: u64 = 65_536;
/// The maximum number of connected peers that wait for the driver.
const INCOMING_MAX: usize = 64;

/// The reason why an incarnation ended while the node was not being stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IncarnationEnd {
    /// It crashed.
    Crashed(String),
    /// A later incarnation of the same name exists.
    Superseded {
        /// The later incarnation.
        by: Incarnation,
        /// True if the node halts. Otherwise it restarts with an incarnation later than both.
        halts: bool,
    },
    /// The application ended the process.
    Process {
        /// True if it ends immediately, without any cleanup.
        at_once: bool,
    },
}

/// The reason why a node ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeEnd {
    /// It was stopped.
    Stopped,
    /// The controller killed its process.
    Killed,
    /// It failed: it crashed too often, or a later incarnation of its name is running elsewhere.
    Failed,
}

/// The configuration of a node.
pub struct NodeConfig {
    /// The node's name.
    pub name: NodeName,
    /// The cluster configuration.
    pub cluster: ClusterConfig,
    /// The limit on crashes.
    pub intensity: Intensity,
    /// The seed of the random decisions of faults.
    pub seed: u64,
    /// The signal to stop the node.
    pub stop: CancellationToken,
    /// The tasks of the node, to be awaited after it has ended.
    pub tasks: TaskTracker,
    /// The telemetry of links and supervision.
    pub telemetry: Arc<dyn Telemetry>,
    /// The ways to find nodes whose addresses are not configured.
    pub discovery: Vec<Box<dyn Discovery>>,
    /// The address at which the node listens.
    pub listening: SocketAddr,
}

/// The ends of what callers share with the task that owns the links.
struct Ends<'a> {
    topics: &'a mut TopicsServer,
    calls: &'a mut CallsServer,
    members: &'a MembersServer,
}

/// A node, ready to run.
pub struct Supervisor<M: Machine> {
    config: NodeConfig,
    clock: SystemClock,
    controls: Controls<M::App>,
    incoming: (mpsc::Sender<Incoming>, mpsc::Receiver<Incoming>),
    ready: watch::Sender<bool>,
    progress: Progress,
    located: watch::Sender<Located>,
    /// Kept over incarnations, so that a new one does not log a refusal again.
    log: EventLog,
}

impl<M: Node> Supervisor<M> {
    /// Returns a node that is not running yet.
    #[must_use]
    pub fn new(config: NodeConfig) -> Self {
        Self {
            clock: SystemClock::start(),
            controls: Controls::new(config.name, config.seed),
            incoming: mpsc::channel(INCOMING_MAX),
            ready: watch::Sender::new(false),
            progress: Progress::start(),
            located: watch::Sender::default(),
            log: EventLog::default(),
            config,
        }
    }

    /// Returns a receiver of the readiness: true while the current incarnation has joined.
    #[must_use]
    pub fn ready(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }

    /// Returns the progress of the machine, for health checks.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Returns the route `/cluster`, where other nodes connect.
    pub fn cluster_route(&self) -> Router {
        let (incoming, telemetry) = (self.incoming.0.clone(), Arc::clone(&self.config.telemetry));
        listener::cluster_route(incoming, self.config.cluster.frame_bytes_max, telemetry)
    }

    /// Returns `router` so that it does not respond while the process is frozen, together with the
    /// route that ends a freeze. All routes of the node's port must be wrapped by this.
    pub fn gate(&self, router: Router) -> Router {
        self.controls.gate(router, self.config.name, self.config.cluster.secret.clone())
    }

    /// Runs the node until it ends.
    ///
    /// `types` gets the answers of the library's types, and a snapshot of them after each step. For
    /// each incarnation, `begin` returns the machine, from the origin, the number of crashes so far
    /// and the time, and `hooks` returns its hooks. `on_event` handles the events of the machine.
    pub async fn run<H: Hooks<M>>(
        mut self,
        mut commands: mpsc::Receiver<M::Command>,
        ClusterServer { types, mut topics, mut calls, members }: ClusterServer,
        mut begin: impl FnMut(Origin, u32, Now) -> M,
        mut hooks: impl FnMut(Origin) -> H,
        mut on_event: impl FnMut(M::Event) -> ControlFlow<IncarnationEnd>,
    ) -> NodeEnd {
        let name = self.config.name;
        // It ends with this method.
        let _search = self.search();
        let mut crashes = 0;
        let mut above = None;
        loop {
            let now = self.clock.now();
            // The wall clock may have been set back, so the number is also above the previous one.
            let incarnation = Incarnation::begun_at(now.wall, above, rand::random());
            let me = Origin { node: name, incarnation };
            above = Some(incarnation);
            self.ready.send_replace(false);
            info!(incarnation = incarnation.number(), crashes, "{name}: incarnation started");
            self.config.telemetry.incarnation_started(incarnation);
            let machine = begin(me, crashes, now);
            let hooks = Publishing { types: &types, hooks: hooks(me) };
            let mut on_event = |event: M::Event| {
                if let Some(answered) = M::answered(&event) {
                    types.answered(answered.clone());
                }
                on_event(event)
            };
            let ended = self
                .run_incarnation(
                    machine,
                    me,
                    &mut commands,
                    Ends { topics: &mut topics, calls: &mut calls, members: &members },
                    hooks,
                    &mut on_event,
                )
                .await;
            let (cause, reason) = match ended {
                Ok(Ended::Stopped) => return NodeEnd::Stopped,
                Ok(Ended::HandlerStopped(IncarnationEnd::Process { at_once: true })) => {
                    error!("{name} killed by the controller");
                    return NodeEnd::Killed;
                }
                Ok(Ended::HandlerStopped(IncarnationEnd::Process { at_once: false })) => {
                    info!("stopping: requested by the controller");
                    return NodeEnd::Stopped;
                }
                Ok(Ended::HandlerStopped(IncarnationEnd::Crashed(reason))) => ("bomb", reason),
                Ok(Ended::HandlerStopped(IncarnationEnd::Superseded { by, halts: false })) => {
                    // Not counted as a crash: the cause is the clock of an earlier process.
                    above = Some(self.later_than(by));
                    continue;
                }
                Ok(Ended::HandlerStopped(IncarnationEnd::Superseded { by, halts: true })) => {
                    error!("a later incarnation is running as {name}/{by:?}: {me:?} halts");
                    return NodeEnd::Failed;
                }
                Err(_) => ("panic", "panic".to_owned()),
            };
            crashes += 1;
            self.config.telemetry.crashed(cause);
            let incarnation = incarnation.number();
            if !self.config.intensity.allows_restart_after_crash(self.clock.now().mono) {
                error!(
                    incarnation,
                    "{name} crashed too often ({reason}; crash {crashes}): exiting"
                );
                return NodeEnd::Failed;
            }
            self.config.telemetry.restarting();
            warn!(
                incarnation,
                "{name} crashed ({reason}; crash {crashes}): memory lost; restarting"
            );
        }
    }

    /// Starts to look for nodes in the configured ways. What was found outlives incarnations.
    fn search(&mut self) -> JoinSet<()> {
        let NodeConfig { name, cluster, listening, .. } = &self.config;
        let own = Own {
            cluster: cluster.name,
            name: *name,
            listening: *listening,
            secret: cluster.secret.clone(),
        };
        let search = Search {
            own: Arc::new(own),
            tls: cluster.tls.clone(),
            frame_bytes_max: cluster.frame_bytes_max,
            located: self.located.clone(),
        };
        let mut tasks = JoinSet::new();
        for way in std::mem::take(&mut self.config.discovery) {
            let searching = discovery::search(search.clone(), way);
            tasks.spawn(freezable(self.controls.frozen(), searching));
        }
        tasks
    }

    /// Runs one incarnation. The error is the payload of a panic.
    async fn run_incarnation(
        &mut self,
        mut machine: M,
        me: Origin,
        commands: &mut mpsc::Receiver<M::Command>,
        Ends { topics, calls, members }: Ends<'_>,
        hooks: impl Hooks<M>,
        on_event: &mut impl FnMut(M::Event) -> ControlFlow<IncarnationEnd>,
    ) -> Result<Ended<IncarnationEnd>, Box<dyn std::any::Any + Send>> {
        // At level error, so that every log line that passes a filter also gets this span.
        let span = error_span!("incarnation", incarnation = me.incarnation.number());
        let Self { config, clock, controls, incoming, ready, progress, located, log } = self;
        let environment = Environment {
            cluster: &config.cluster,
            clock,
            stop: &config.stop,
            tasks: &config.tasks,
            joined: ready.subscribe(),
            progress: progress.clone(),
            controls,
            telemetry: Arc::clone(&config.telemetry),
            subscribers: &topics.subscribers,
            handlers: &calls.handlers,
            members,
            located: located.subscribe(),
        };
        let on_event = |machine: &M, event: M::Event| {
            if let Some(event) = M::replica_event(&event) {
                log.log(event);
                if let replica::Event::Joined { .. } = event {
                    ready.send_replace(true);
                } else if let replica::Event::Superseded { by, halts } = event {
                    // Here, because the machine and its memory are dropped when the incarnation
                    // ends.
                    log_unreplicated(machine);
                    return ControlFlow::Break(IncarnationEnd::Superseded {
                        by: *by,
                        halts: *halts,
                    });
                }
            }
            on_event(event)
        };
        let inputs = Inputs {
            incoming: &mut incoming.1,
            commands,
            publications: &mut topics.publications,
            calls: &mut calls.requests,
        };
        let incarnation = driver::drive(&mut machine, me, environment, inputs, on_event, hooks);
        // Unwind safety: the driver borrows only state that outlives it, and after a panic no state
        // of the incarnation is used.
        AssertUnwindSafe(incarnation.instrument(span)).catch_unwind().await
    }

    /// Returns the lower bound of the next incarnation: later than `by`, which was dated in the
    /// future.
    fn later_than(&self, by: Incarnation) -> Incarnation {
        let name = self.config.name;
        warn!(
            "an earlier incarnation of {name}, {by}, is dated later than this one: \
             the clock went back"
        );
        self.config.telemetry.restarting();
        // Another process may already have used the number right above `by`, so the distance
        // varies.
        Incarnation::at(by.number().saturating_add(self.clock.now().wall.0 % INCARNATION_JUMP))
    }
}

/// Hooks that also publish what the machine holds of the library's types, whenever that has changed.
struct Publishing<'a, H> {
    types: &'a TypesServer,
    hooks: H,
}

impl<M: Node, H: Hooks<M>> Hooks<M> for Publishing<'_, H> {
    fn idle(&mut self, machine: &M) {
        let (desk, replica) = (machine.desk(), machine.replica());
        if !self.types.shows(|snapshot| desk.is_shown_by(snapshot, replica)) {
            self.types.publish(desk.snapshot(replica));
        }
        self.hooks.idle(machine);
    }

    fn sending(&mut self, now: Duration, to: NodeName, frame: &mut Frame<M::App>) {
        self.hooks.sending(now, to, frame);
    }

    fn received(&mut self, now: Duration, from: NodeName, frame: &Frame<M::App>) {
        self.hooks.received(now, from, frame);
    }

    fn elapsed(&mut self, now: Duration) {
        self.hooks.elapsed(now);
    }
}

/// Logs the writes of a halting incarnation that are not known to be at any other node.
fn log_unreplicated<M: Node>(machine: &M) {
    for (key, entry) in machine.replica().unreplicated() {
        let name = M::describe(&entry);
        error!(%key, name, stamp = %entry.stamp, "write lost: not known to be at any other node");
    }
}
