//! A node as a process: life after life of a machine, with supervision, until it is told to stop.
//!
//! A crash (a bomb, or a panic, which is a bug) ends a life and all its memory; the next begins at once with a higher
//! incarnation. More crashes than the intensity allows end the process.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::http::StatusCode;
use axum::middleware;
use axum::routing::get;
use futures_util::FutureExt as _;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, debug, error, error_span, info, warn};

use crate::id::{Incarnation, NodeName, Origin};
use crate::link::controls::Controls;
use crate::link::driver::{self, Ended, Neighbourhood, Surroundings, SystemClock};
use crate::link::listener::{self, Incoming, Port};
use crate::link::probe;
use crate::link::problem::wrong_method;
use crate::machine::Machine;
use crate::meter::{self, Metric, counter, gauge};
use crate::replica::{self, Replica};
use crate::supervise::Intensity;
use crate::time::Now;

/// By how much less than this a life is above an earlier one that was dated later than now.
const LIFE_JUMP: u64 = 65_536;
/// How many peers may wait at the door.
const DOOR_MAX: usize = 64;
/// How many files a process asks to be allowed to have open; some systems name no limit at all.
const OPEN_FILES_MAX: u64 = 65_536;
/// How long links and connections may take to say goodbye.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(1);

/// Exit code: asked to stop.
pub const EXIT_STOPPED: u8 = 0;
/// Exit code: failed while running.
pub const EXIT_FAILED: u8 = 1;
/// Exit code: unusable flags or configuration.
pub const EXIT_UNUSABLE: u8 = 2;
/// Exit code: told to end at once; what a shell says of a process that `kill -9` ended.
const EXIT_KILLED: i32 = 137;

/// A machine around a replica, as a process runs it.
pub trait Node: Machine {
    /// What is counted beside what every node counts.
    const METRICS: &'static [Metric] = &[];

    /// The replica inside.
    fn replica(&self) -> &Replica;

    /// The replica's event inside this event, if there is one.
    fn replica_event(event: &Self::Event) -> Option<&replica::Event>;
}

/// Why a life ended by itself.
pub enum LifeEnd {
    /// It crashed, for this reason.
    Crashed(String),
    /// Another life of this name, begun later, is writing.
    Superseded {
        /// The other life.
        by: Incarnation,
        /// Whether the process ends with this life, rather than beginning one later than both.
        halts: bool,
    },
}

/// What a process is told.
pub struct Process {
    /// The node's name.
    pub name: NodeName,
    /// Its port.
    pub port: Port,
    /// Its cluster.
    pub neighbourhood: Neighbourhood,
    /// What is unsafe about how it was started, in words.
    pub unsafe_for: Option<String>,
    /// How many crashes it may have in which time.
    pub intensity: Intensity,
    /// Ends it from inside; signals end it from outside.
    pub stop: CancellationToken,
    /// Decides which frames meet with the faults in force.
    pub seed: u64,
}

/// Takes the port at `address`.
///
/// # Errors
/// Says why it cannot be had.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| {
        let known = [
            (ErrorKind::AddrInUse, "the address is in use (is another node running?)"),
            (ErrorKind::PermissionDenied, "not allowed to (ports below 1024 need privileges)"),
            (ErrorKind::AddrNotAvailable, "this machine has no such address"),
        ];
        match known.into_iter().find(|(kind, _)| *kind == error.kind()) {
            Some((_, why)) => anyhow::anyhow!("cannot listen on {address}: {why}"),
            None => anyhow::anyhow!("cannot listen on {address}: {error}"),
        }
    })
}

/// Asks the node `me` at `listen` whether it has joined; the exit code is the answer.
#[must_use]
pub fn healthcheck(neighbourhood: &Neighbourhood, me: NodeName, listen: SocketAddr) -> ExitCode {
    block_on(async move { probe::ready(neighbourhood, me, listen).await.map(|()| ExitCode::SUCCESS) })
}

/// Allows this process as many open files as the system lets it have: the usual soft limit is below the connections that a node serves.
fn allow_open_files() {
    let allowed = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        let wanted = hard.min(OPEN_FILES_MAX);
        if soft < wanted { setrlimit(Resource::RLIMIT_NOFILE, wanted, hard) } else { Ok(()) }
    });
    if let Err(error) = allowed {
        debug!("the limit on open files stays as it is: {error}");
    }
}

/// Runs a process: sets up the runtime, turns what `run` says into an exit code, and leaves no task behind.
pub fn block_on(run: impl Future<Output = anyhow::Result<ExitCode>>) -> ExitCode {
    allow_open_files();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!("cannot start: {error}");
            return ExitCode::from(EXIT_FAILED);
        }
    };
    let code = runtime.block_on(run).unwrap_or_else(|error| {
        error!("{error:#}");
        ExitCode::from(EXIT_FAILED)
    });
    runtime.shutdown_timeout(Duration::from_millis(200));
    code
}

/// Runs a node until it is told to stop or gives up. `begin` makes the machine of each life, from who it is, how many lives
/// crashed before, and the time; `on_event` does what an event asks of the process.
///
/// # Errors
/// When the process cannot be set up.
pub async fn run<M: Node>(
    process: Process,
    router: Router,
    mut commands: mpsc::Receiver<M::Command>,
    mut begin: impl FnMut(Origin, u32, Now) -> M,
    mut on_event: impl FnMut(M::Event) -> ControlFlow<LifeEnd>,
) -> anyhow::Result<ExitCode> {
    let Process { name, port, neighbourhood, unsafe_for, mut intensity, stop, seed } = process;
    stop_on_signals(stop.clone())?;
    meter::begin(name, &[meter::node::ALL, M::METRICS]);
    let clock = SystemClock::start();
    let tasks = TaskTracker::new();
    let (door, mut peers) = mpsc::channel::<Incoming>(DOOR_MAX);
    let (ready, readiness) = watch::channel(false);
    let address = port.listener.local_addr().context("asking for the port")?;
    let scheme = if port.tls.is_some() { "https" } else { "http" };
    let mut controls = Controls::new(name, seed);
    let door = listener::cluster_door(door, neighbourhood.frame_bytes_max);
    let router = router.merge(door).merge(probes(readiness)).merge(meter::router()).method_not_allowed_fallback(wrong_method);
    let router = router.layer(middleware::from_fn(meter::requests::count));
    let router = controls.gate(router, name, neighbourhood.secret.clone());
    tasks.spawn(listener::serve(port, router, stop.clone(), tasks.clone()));
    tasks.spawn(meter::keep_up(stop.clone()));
    info!("{name} listens on {scheme}://{address}");
    if let Some(unsafe_for) = unsafe_for {
        warn!("INSECURE: {unsafe_for}");
    }

    let mut crashes = 0;
    let mut above = Incarnation(0);
    let code = loop {
        let now = clock.now();
        let me = Origin { node: name, incarnation: Incarnation::begun_at(now.wall).max(above.next_life()) };
        above = me.incarnation;
        ready.send_replace(false);
        info!(incarnation = me.incarnation.0, crashes, "{name} begins a life");
        gauge!(meter::node::LIFE_START.name).set(Duration::from_millis(me.incarnation.0));
        // An error's, so that no filter of lines takes it from those that it lets through.
        let span = error_span!("life", incarnation = me.incarnation.0);
        let mut machine = begin(me, crashes, now);
        let on_event = |machine: &M, event: M::Event| {
            if let Some(event) = M::replica_event(&event) {
                log(event);
                meter::replica::count(event);
                if matches!(event, replica::Event::Joined { .. }) {
                    ready.send_replace(true);
                } else if let replica::Event::Superseded { by, halts } = event {
                    report_unheard(machine.replica());
                    return ControlFlow::Break(LifeEnd::Superseded { by: *by, halts: *halts });
                }
            }
            on_event(event)
        };
        // The driver borrows what outlives it; after a panic nothing of this life is used again.
        let surroundings = Surroundings {
            neighbourhood: &neighbourhood,
            clock: &clock,
            stop: &stop,
            tasks: &tasks,
            joined: ready.subscribe(),
            controls: &mut controls,
        };
        let mut watcher = meter::replica::Watcher::new();
        let look = |machine: &M| watcher.look(machine.replica());
        let life = driver::drive(&mut machine, me, surroundings, &mut peers, &mut commands, on_event, look);
        let life = AssertUnwindSafe(life.instrument(span)).catch_unwind().await;
        let (cause, reason) = match life {
            Ok(Ended::Stopped) => break EXIT_STOPPED,
            Ok(Ended::Killed) => {
                error!("{name} was told to end at once");
                std::process::exit(EXIT_KILLED);
            }
            Ok(Ended::Broke(LifeEnd::Crashed(reason))) => ("bomb", reason),
            Ok(Ended::Broke(LifeEnd::Superseded { by, halts: false })) => {
                warn!("an earlier life of {name} was {by}, later than this one: the clock must have gone back; beginning a later life");
                // Somebody may have begun a life just above it before, and be gone: not that very one again.
                above = Incarnation(by.0.saturating_add(clock.now().wall.0 % LIFE_JUMP));
                counter!(meter::node::RESTARTS.name).increment(1);
                continue;
            }
            Ok(Ended::Broke(LifeEnd::Superseded { by, halts: true })) => {
                error!("another process is {name}/{by}, a later life than this one: {name}/{} halts", me.incarnation);
                break EXIT_FAILED;
            }
            Err(_) => ("panic", "it panicked".to_owned()),
        };
        crashes += 1;
        counter!(meter::node::CRASHES.name, "cause" => cause).increment(1);
        let incarnation = me.incarnation.0;
        if !intensity.allows_restart_after_crash(clock.now().mono) {
            error!(incarnation, "{name} crashed too often ({reason}; crash {crashes}): giving up");
            break EXIT_FAILED;
        }
        counter!(meter::node::RESTARTS.name).increment(1);
        warn!(incarnation, "{name} crashed ({reason}; crash {crashes}): all its memory is lost; restarting");
    };
    stop.cancel();
    tasks.close();
    if tokio::time::timeout(GOODBYE_PATIENCE, tasks.wait()).await.is_err() {
        debug!("some connections did not close in time");
    }
    info!("{name} has stopped");
    Ok(ExitCode::from(code))
}

fn stop_on_signals(stop: CancellationToken) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => info!("interrupted: stopping"),
            _ = terminate.recv() => info!("asked to stop"),
        }
        stop.cancel();
    });
    Ok(())
}

/// What orchestrators ask: is it alive, may it be used.
fn probes(ready: watch::Receiver<bool>) -> Router {
    let readyz = move || {
        let ready = *ready.borrow();
        async move { if ready { (StatusCode::OK, "joined\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "not joined yet\n") } }
    };
    Router::new().route("/healthz", get(|| async { "alive\n" })).route("/readyz", get(readyz))
}

/// Says which writes of a life that ends for another's sake nobody else is known to have: nothing is dropped in silence.
fn report_unheard(replica: &Replica) {
    for (hero, entry) in replica.unheard() {
        let name = entry.hero().map_or("(terminated)", |hero| &*hero.name);
        error!(%hero, name, stamp = %entry.stamp, "this write has not been passed on, and ends here");
    }
}

fn log(event: &replica::Event) {
    match event {
        replica::Event::Adopted { source, writes } => {
            warn!(%source, writes, "writes of lives that the others had closed were written anew");
        }
        replica::Event::Closed { before, lives } => debug!(%before, lives, "closed: every member has heard the same of these lives"),
        replica::Event::Forgotten { member } => warn!(%member, "forgotten, as it was asked for"),
        replica::Event::Fenced { source } => warn!(%source, "round refused: a later life of that name is known"),
        replica::Event::Committed { source, entries, changed: 0, full } => debug!(%source, entries, full, "pulled"),
        replica::Event::Committed { source, entries, changed, full } => info!(source = %source.node, entries, changed, full, "pulled"),
        replica::Event::Collected { tombstones } => {
            info!(tombstones = tombstones.len(), "collected: every member has heard of these deaths")
        }
        replica::Event::Buried { source, writes } => warn!(%source, writes, "writes to the dead came late, and were buried"),
        replica::Event::TooFarAhead { source, writer, ahead_ms } => {
            warn!(source = %source.node, %writer, ahead_ms, "round refused: its newest stamp is too far ahead of this clock");
        }
        replica::Event::OriginStolen { source } => error!(%source, "round refused: it claims writes of this life that were never made"),
        replica::Event::Diverged { peer } => error!(%peer, "DIVERGED: covers the same and holds something else"),
        replica::Event::GivenUp { source } => debug!(%source, "pull given up"),
        replica::Event::Joined { through: Some(source) } => info!(through = %source, "joined"),
        replica::Event::Joined { through: None } => info!("joined: nobody here has joined before"),
        replica::Event::Superseded { by, .. } => warn!(%by, "a later life of this name exists"),
    }
}
