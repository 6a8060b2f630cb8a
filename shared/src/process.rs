//! The process of a node: signals, HTTP, metrics, exit codes.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::http::StatusCode;
use axum::middleware;
use axum::routing::get;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, error, info, warn};

use gossip::link::discovery::Discovery;
use gossip::link::{
    self, ClusterConfig, ClusterServer, IncarnationEnd, Node, NodeConfig, NodeEnd, Port, Progress,
    Supervisor, wrong_method,
};
use gossip::{Intensity, Machine, NodeName, Now, Origin};

use crate::app::Superheroes;
use crate::certificates::{self, Certificates};
use crate::meter::{self, Metric};
use crate::telemetry;

/// The highest limit on open files that a process requests. Some systems allow an unlimited number.
const OPEN_FILES_MAX: u64 = 65_536;
/// The lowest limit on open files with which a node starts. With fewer it could not link, or not
/// answer, and the reason would show nowhere.
const OPEN_FILES_MIN: u64 = 64;
/// The time limit for links and connections to close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The environment variable with the process id of the launcher, set for its nodes.
pub const LAUNCHER_ID_VARIABLE: &str = "SUPERHERO_LAUNCHER_ID";

/// The time limit for the last log lines of a process that was killed by the controller.
const KILLED_LOG_TIMEOUT: Duration = Duration::from_millis(50);

/// Exit code: stopped on request.
pub const EXIT_STOPPED: u8 = 0;
/// Exit code: failed while running.
pub const EXIT_FAILED: u8 = 1;
/// Exit code: invalid flags or configuration.
pub const EXIT_UNUSABLE: u8 = 2;
/// Exit code: exited immediately. It is the code that a shell reports after `kill -9`.
const EXIT_KILLED: i32 = 137;

/// A machine of this application.
pub trait HeroNode: Node + Machine<App = Superheroes> {
    /// The metrics of this machine in addition to those of every node.
    const METRICS: &'static [Metric] = &[];
}

/// The configuration of a process.
pub struct Process {
    /// The node's name.
    pub name: NodeName,
    /// The listening port.
    pub port: Port,
    /// The cluster of the node.
    pub cluster: ClusterConfig,
    /// The ways to find nodes whose addresses are not configured.
    pub discovery: Vec<Box<dyn Discovery>>,
    /// A description of the unsafe parts of the configuration, logged as a warning.
    pub unsafe_for: Option<String>,
    /// The number of crashes allowed within a time window.
    pub intensity: Intensity,
    /// Stops the process when cancelled. SIGINT and SIGTERM cancel it too.
    pub stop: CancellationToken,
    /// The seed of random decisions of faults.
    pub seed: u64,
}

/// Binds a listener to `address`.
///
/// # Errors
/// When the address cannot be bound; the error gives the likely reason.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| {
        let known = [
            (ErrorKind::AddrInUse, "address in use (is another node running?)"),
            (ErrorKind::PermissionDenied, "permission denied (ports below 1024 need privileges)"),
            (ErrorKind::AddrNotAvailable, "not an address of this machine"),
        ];
        match known.into_iter().find(|(kind, _)| *kind == error.kind()) {
            Some((_, reason)) => anyhow::anyhow!("cannot listen on {address}: {reason}"),
            None => anyhow::anyhow!("cannot listen on {address}: {error}"),
        }
    })
}

/// Queries the node `me` at `listen`. Returns exit code 0 if it has joined, 1 otherwise.
#[must_use]
pub fn healthcheck(cluster: &ClusterConfig, me: NodeName, listen: SocketAddr) -> ExitCode {
    block_on(async move { link::ready(cluster, me, listen).await.map(|()| ExitCode::SUCCESS) })
}

/// Raises the soft limit on open files to the hard limit, at most [`OPEN_FILES_MAX`]: the usual
/// soft limit is below the number of connections that a node serves.
///
/// # Errors
/// When the limit stays below [`OPEN_FILES_MIN`].
pub(crate) fn allow_open_files() -> anyhow::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).context("reading RLIMIT_NOFILE")?;
    let wanted = hard.min(OPEN_FILES_MAX);
    let mut limit = soft;
    if soft < wanted {
        match setrlimit(Resource::RLIMIT_NOFILE, wanted, hard) {
            Ok(()) => limit = wanted,
            Err(error) => debug!("cannot raise the limit on open files: {error}"),
        }
    }
    check_open_files(limit)
}

fn check_open_files(limit: u64) -> anyhow::Result<()> {
    anyhow::ensure!(
        limit >= OPEN_FILES_MIN,
        "the limit on open files is {limit}, and a node needs at least {OPEN_FILES_MIN} file \
         descriptors for its links, its port and its files: raise it with ulimit -n"
    );
    Ok(())
}

/// Runs a process: creates the runtime, converts the result of `run` into an exit code, and stops
/// all tasks.
pub fn block_on(run: impl Future<Output = anyhow::Result<ExitCode>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!("cannot start the runtime: {error}");
            return ExitCode::from(EXIT_FAILED);
        }
    };
    let code = runtime.block_on(run).unwrap_or_else(|error| {
        error!("{error:#}");
        ExitCode::from(EXIT_FAILED)
    });
    // Blocking tasks such as name lookups cannot be cancelled, so the wait for them is bounded.
    runtime.shutdown_timeout(Duration::from_millis(200));
    code
}

/// Runs a node until it is stopped or fails. `begin` creates the machine of each incarnation from
/// its origin, the number of previous crashes, and the time; `types` gets the answers and snapshots
/// of the library's types; `on_event` handles the machine's events.
///
/// # Errors
/// When the signal handlers or the listener cannot be set up.
pub async fn run<M: HeroNode>(
    process: Process,
    router: Router,
    commands: mpsc::Receiver<M::Command>,
    types: ClusterServer,
    begin: impl FnMut(Origin, u32, Now) -> M,
    mut on_event: impl FnMut(M::Event) -> ControlFlow<IncarnationEnd>,
) -> anyhow::Result<ExitCode> {
    let Process { name, port, cluster, discovery, unsafe_for, intensity, stop, seed } = process;
    stop_on_signals(stop.clone())?;
    meter::register(name, &[meter::node::ALL, M::METRICS]);
    let tasks = TaskTracker::new();
    // Not from the options: with port 0 the system selects the port.
    let address = port.listener.local_addr().context("reading the listening address")?;
    let scheme = if port.tls.is_some() { "https" } else { "http" };
    if let Some(tls) = &port.tls {
        let mut certificates = Certificates::new(tls.clone());
        certificates.report_start(certificates::now());
        tasks.spawn(certificates.watch(stop.clone()));
    }
    let supervisor = Supervisor::<M>::new(NodeConfig {
        name,
        cluster,
        intensity,
        seed,
        stop: stop.clone(),
        tasks: tasks.clone(),
        telemetry: Arc::new(meter::links::LinkMetrics),
        discovery,
        listening: address,
    });
    let router = router
        .merge(supervisor.cluster_route())
        .merge(probes(supervisor.ready(), supervisor.progress()))
        .merge(meter::router())
        .method_not_allowed_fallback(wrong_method);
    // The gate is the outermost layer, so a frozen node answers nothing, `/metrics` included.
    let router = supervisor.gate(router.layer(middleware::from_fn(meter::requests::count)));
    tasks.spawn(link::serve(port, router, stop.clone(), tasks.clone()));
    tasks.spawn(meter::run_upkeep(stop.clone()));
    info!("{name} listens on {scheme}://{address}");
    if let Some(unsafe_for) = unsafe_for {
        warn!("INSECURE: {unsafe_for}");
    }
    let on_event = |event: M::Event| {
        if let Some(event) = M::replica_event(&event) {
            meter::replica::count(event);
        }
        on_event(event)
    };
    let end = supervisor.run(commands, types, begin, meter::hooks::NodeHooks::new, on_event).await;
    let code = match end {
        NodeEnd::Stopped => EXIT_STOPPED,
        NodeEnd::Failed => EXIT_FAILED,
        // Without any cleanup: peers must see the same as after `kill -9`.
        NodeEnd::Killed => {
            telemetry::end(KILLED_LOG_TIMEOUT);
            std::process::exit(EXIT_KILLED)
        }
    };
    stop.cancel();
    tasks.close();
    if tokio::time::timeout(CLOSE_TIMEOUT, tasks.wait()).await.is_err() {
        debug!("some connections did not close within {CLOSE_TIMEOUT:?}");
    }
    info!("{name} has stopped");
    Ok(ExitCode::from(code))
}

/// Returns whether this process should run: it has no launcher, or its launcher still runs. From
/// then on the system sends it SIGTERM when the launcher ends, even by SIGKILL.
///
/// Only Linux can send such a signal. It is sent when the *thread* ends that started this process;
/// the launcher starts all nodes from its main thread.
#[must_use]
pub fn ends_with_launcher() -> bool {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::prctl::set_pdeathsig;
        use nix::sys::signal::Signal;

        let launcher = std::env::var(LAUNCHER_ID_VARIABLE).ok();
        if let Some(launcher) = launcher.and_then(|id| id.parse().ok()) {
            if let Err(error) = set_pdeathsig(Signal::SIGTERM) {
                warn!("cannot be stopped when the launcher ends: {error}");
            }
            // Checked afterwards, since a launcher that ended before sends no signal.
            return nix::unistd::getppid() == nix::unistd::Pid::from_raw(launcher);
        }
    }
    true
}

fn stop_on_signals(stop: CancellationToken) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => info!("stopping: received SIGINT"),
            _ = terminate.recv() => info!("stopping: received SIGTERM"),
        }
        stop.cancel();
    });
    Ok(())
}

/// Returns the liveness and readiness routes for orchestrators.
fn probes(ready: watch::Receiver<bool>, progress: Progress) -> Router {
    let stalled = |since: Duration| {
        let text = format!("stalled: no progress for {} s\n", since.as_secs());
        (StatusCode::SERVICE_UNAVAILABLE, text)
    };
    let liveness = progress.clone();
    let healthz = move || {
        let stalled = liveness.stalled().map(stalled);
        async move { stalled.unwrap_or((StatusCode::OK, "alive\n".to_owned())) }
    };
    let readyz = move || {
        let joined = if *ready.borrow() {
            (StatusCode::OK, "joined\n".to_owned())
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "not joined yet\n".to_owned())
        };
        let too_large = progress.too_large_frame().map(|bytes| {
            let text = format!("links lost: a frame of {bytes} bytes exceeds --max-frame-bytes\n");
            (StatusCode::SERVICE_UNAVAILABLE, text)
        });
        let response = progress.stalled().map(stalled).or(too_large).unwrap_or(joined);
        async move { response }
    };
    Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_low_limit_on_open_files_is_named() {
        assert!(check_open_files(OPEN_FILES_MIN).is_ok());
        let refused = check_open_files(12).unwrap_err().to_string();
        assert!(refused.contains("is 12") && refused.contains("ulimit -n"), "{refused}");
    }
}
