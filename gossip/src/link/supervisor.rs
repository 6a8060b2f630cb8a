//! A node: one incarnation of its machine after the other, with supervision, until it is stopped.
//!
//! A crash (an intended one, or a panic, which is a bug) ends an incarnation and all its memory.
//! The next begins at once, with a higher number. More crashes than the intensity allows end the
//! node.

use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use futures_util::FutureExt as _;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, error, error_span, info, warn};

use crate::crdt::entry::Entry;
use crate::id::{Incarnation, NodeName, Origin};
use crate::link::clock::SystemClock;
use crate::link::config::ClusterConfig;
use crate::link::control::Controls;
use crate::link::driver::{self, Ended, Surroundings};
use crate::link::event_log::log;
use crate::link::listener::{self, Incoming};
use crate::link::telemetry::{Hooks, Telemetry};
use crate::machine::Machine;
use crate::member::{Member, MemberEvent};
use crate::message::Application;
use crate::replica::{self, Replica};
use crate::supervise::Intensity;
use crate::time::Now;

/// The bound of the random distance between an incarnation and an earlier one that was dated in the
/// future.
const INCARNATION_JUMP: u64 = 65_536;
/// The most peers that may wait for the driver.
const INCOMING_MAX: usize = 64;

/// The type of a machine's replicated values.
type ValueOf<M> = <<M as Machine>::App as Application>::Value;

/// A machine around a replica, as a supervisor runs it.
pub trait Node: Machine {
    /// Returns the replica inside.
    fn replica(&self) -> &Replica<ValueOf<Self>>;

    /// Returns the replica's event inside an event of the machine, if there is one.
    fn replica_event(event: &Self::Event) -> Option<&replica::Event>;

    /// Returns a short description of an entry, for logs.
    fn describe(entry: &Entry<ValueOf<Self>>) -> String {
        format!("{:?}", entry.value)
    }
}

/// The reason why an incarnation ended by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IncarnationEnd {
    /// It crashed, for this reason.
    Crashed(String),
    /// Another incarnation of the name, which began later, is writing.
    Superseded {
        /// The other incarnation.
        by: Incarnation,
        /// Whether the node halts, rather than beginning an incarnation later than both.
        halts: bool,
    },
}

/// The way in which a node ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeEnd {
    /// It was asked to stop.
    Stopped,
    /// The controller ended its process immediately.
    Killed,
    /// It failed: too many crashes, or a later incarnation of its name elsewhere.
    Failed,
}

/// The configuration of a node.
pub struct NodeConfig {
    /// The node's name.
    pub name: NodeName,
    /// Its cluster.
    pub cluster: ClusterConfig,
    /// The number of crashes that it survives in a time.
    pub intensity: Intensity,
    /// The seed of the chances of faults.
    pub seed: u64,
    /// The signal that ends the node.
    pub stop: CancellationToken,
    /// The tasks of the node, to wait for at its end.
    pub tasks: TaskTracker,
    /// The counters of links and supervision.
    pub telemetry: Arc<dyn Telemetry>,
}

/// Runs a node.
pub struct Supervisor<M: Machine> {
    config: NodeConfig,
    clock: SystemClock,
    controls: Controls<M::App>,
    incoming: (mpsc::Sender<Incoming>, mpsc::Receiver<Incoming>),
    ready: watch::Sender<bool>,
}

impl<M: Node> Supervisor<M> {
    /// Returns a node that has not begun.
    #[must_use]
    pub fn new(config: NodeConfig) -> Self {
        Self {
            clock: SystemClock::start(),
            controls: Controls::new(config.name, config.seed),
            incoming: mpsc::channel(INCOMING_MAX),
            ready: watch::Sender::new(false),
            config,
        }
    }

    /// Returns a receiver of whether the current incarnation has joined.
    #[must_use]
    pub fn ready(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }

    /// Returns the route at which other nodes connect.
    pub fn cluster_route(&self) -> Router {
        let (incoming, telemetry) = (self.incoming.0.clone(), Arc::clone(&self.config.telemetry));
        listener::cluster_route(incoming, self.config.cluster.frame_bytes_max, telemetry)
    }

    /// Returns `router`, which answers nothing while the process is frozen, and the route that ends
    /// a freeze. Everything that the node's port serves goes through this.
    pub fn gate(&self, router: Router) -> Router {
        self.controls.gate(router, self.config.name, self.config.cluster.secret.clone())
    }

    /// Runs the node until it ends. `begin` makes the machine of each incarnation, from the number
    /// of crashes before and the time, and `hooks` its hooks; `on_event` handles the machine's
    /// events.
    pub async fn run<H: Hooks<M>>(
        mut self,
        mut commands: mpsc::Receiver<M::Command>,
        mut begin: impl FnMut(Origin, u32, Now) -> M,
        mut hooks: impl FnMut(Origin) -> H,
        mut on_event: impl FnMut(M::Event) -> ControlFlow<IncarnationEnd>,
    ) -> NodeEnd {
        let name = self.config.name;
        let mut crashes = 0;
        let mut above = Incarnation(0);
        loop {
            let now = self.clock.now();
            let incarnation = Incarnation::begun_at(now.wall).max(above.successor());
            let me = Origin { node: name, incarnation };
            above = incarnation;
            self.ready.send_replace(false);
            info!(incarnation = incarnation.0, crashes, "{name} begins a life");
            self.config.telemetry.incarnation_started(incarnation);
            let machine = begin(me, crashes, now);
            let ended = self.live(machine, me, &mut commands, hooks(me), &mut on_event).await;
            let (cause, reason) = match ended {
                Ok(Ended::Stopped) => return NodeEnd::Stopped,
                Ok(Ended::Killed) => {
                    error!("the controller ended {name} immediately");
                    return NodeEnd::Killed;
                }
                Ok(Ended::Broke(IncarnationEnd::Crashed(reason))) => ("bomb", reason),
                Ok(Ended::Broke(IncarnationEnd::Superseded { by, halts: false })) => {
                    above = self.later_than(by);
                    continue;
                }
                Ok(Ended::Broke(IncarnationEnd::Superseded { by, halts: true })) => {
                    error!("another process is {name}/{by}, a later incarnation: {me} halts");
                    return NodeEnd::Failed;
                }
                Err(_) => ("panic", "panic".to_owned()),
            };
            crashes += 1;
            self.config.telemetry.crashed(cause);
            let incarnation = incarnation.0;
            if !self.config.intensity.allows_restart_after_crash(self.clock.now().mono) {
                error!(
                    incarnation,
                    "{name} crashed too often ({reason}; crash {crashes}): giving up"
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

    /// Runs one incarnation. The error is a panic's.
    async fn live(
        &mut self,
        mut machine: M,
        me: Origin,
        commands: &mut mpsc::Receiver<M::Command>,
        hooks: impl Hooks<M>,
        on_event: &mut impl FnMut(M::Event) -> ControlFlow<IncarnationEnd>,
    ) -> Result<Ended<IncarnationEnd>, Box<dyn std::any::Any + Send>> {
        // At level error, so that no filter removes it from the lines that it lets through.
        let span = error_span!("life", incarnation = me.incarnation.0);
        let Self { config, clock, controls, incoming, ready } = self;
        let surroundings = Surroundings {
            cluster: &config.cluster,
            clock,
            stop: &config.stop,
            tasks: &config.tasks,
            joined: ready.subscribe(),
            controls,
            telemetry: Arc::clone(&config.telemetry),
        };
        let on_event = |machine: &M, event: M::Event| {
            if let Some(event) = M::replica_event(&event) {
                log(event);
                if let replica::Event::Joined { .. } = event {
                    ready.send_replace(true);
                } else if let replica::Event::Superseded { by, halts } = event {
                    log_unreplicated(machine);
                    return ControlFlow::Break(IncarnationEnd::Superseded {
                        by: *by,
                        halts: *halts,
                    });
                }
            }
            on_event(event)
        };
        let incoming = &mut incoming.1;
        let incarnation =
            driver::drive(&mut machine, me, surroundings, incoming, commands, on_event, hooks);
        // The driver borrows only what outlives it; after a panic nothing of the incarnation is
        // used.
        AssertUnwindSafe(incarnation.instrument(span)).catch_unwind().await
    }

    /// Returns an incarnation later than `by`, which was dated in the future.
    fn later_than(&self, by: Incarnation) -> Incarnation {
        let name = self.config.name;
        warn!(
            "an earlier incarnation of {name}, {by}, is dated later than this one: the clock went back"
        );
        self.config.telemetry.restarting();
        // Another process may have begun one just above it, and be gone: not that very one again.
        Incarnation(by.0.saturating_add(self.clock.now().wall.0 % INCARNATION_JUMP))
    }
}

/// Logs the writes of an incarnation that halts which no other node is known to have.
fn log_unreplicated<M: Node>(machine: &M) {
    for (key, entry) in machine.replica().unreplicated() {
        let name = M::describe(&entry);
        error!(%key, name, stamp = %entry.stamp, "this write was not passed on, and is lost");
    }
}

impl<A: Application> Node for Member<A> {
    fn replica(&self) -> &Replica<A::Value> {
        Member::replica(self)
    }

    fn replica_event(event: &MemberEvent<A>) -> Option<&replica::Event> {
        match event {
            MemberEvent::Replica(event) => Some(event),
            MemberEvent::Written { .. } => None,
        }
    }
}
