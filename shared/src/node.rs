//! The start of a node's process, common to cities and dispatch: options, configuration, logs,
//! health check and traces.
//!
//! Invariant: no node runs with invalid options; `--print-config` and `--healthcheck` start no
//! node.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Command, FromArgMatches};
use tracing::info;

use gossip::NodeName;
use gossip::link::ClusterConfig;

use crate::configuration::{self, Loaded, Printout};
use crate::options::{NodeOptions, well_known_name};
use crate::process;
use crate::telemetry;

/// The options of one kind of node.
pub trait Options: FromArgMatches {
    /// Returns the options that every node has.
    fn node(&self) -> &NodeOptions;

    /// Returns the address on which the node listens.
    fn listen(&self) -> SocketAddr;

    /// Returns the name of the node, if it is given by an option.
    fn name(&self) -> Option<NodeName> {
        None
    }
}

/// The checked configuration of a node that is about to run.
pub struct Start<O, C> {
    /// The name of the node.
    pub name: NodeName,
    /// Its options.
    pub options: O,
    /// The result of `check`.
    pub checked: C,
    /// The cluster of the node.
    pub cluster: ClusterConfig,
    /// A description of the accepted risks of the configuration, if any.
    pub unsafe_for: Option<String>,
}

/// Starts a node of the program `program` with the options of this command line and returns its exit
/// code. Unless an option gives the name, it is that of the program. `check` rejects invalid options;
/// `run` runs the node.
pub fn main<O: Options, C>(
    program: &str,
    command: Command,
    check: impl FnOnce(&O) -> anyhow::Result<C>,
    run: impl FnOnce(Start<O, C>) -> ExitCode,
) -> ExitCode {
    let Loaded { options, printout, .. } = configuration::load::<O>(program, command);
    let name = options.name().unwrap_or_else(|| well_known_name(program));
    telemetry::init(name, options.node().log_format);
    let _log = telemetry::EndOnDrop;
    start(name, options, printout, check, run)
}

fn start<O: Options, C>(
    name: NodeName,
    options: O,
    printout: Option<Printout>,
    check: impl FnOnce(&O) -> anyhow::Result<C>,
    run: impl FnOnce(Start<O, C>) -> ExitCode,
) -> ExitCode {
    let cluster = options.node().cluster(name, options.listen());
    let ((cluster, unsafe_for), checked) =
        match cluster.and_then(|cluster| Ok((cluster, check(&options)?))) {
            Ok(usable) => usable,
            Err(error) => return configuration::unusable(&error),
        };
    if let Some(printout) = printout {
        return printout.print();
    }
    if options.node().healthcheck {
        return process::healthcheck(&cluster, name, options.listen());
    }
    if !process::ends_with_launcher() {
        info!("stopping: the launcher has ended");
        return ExitCode::from(process::EXIT_STOPPED);
    }
    if let Err(error) = process::allow_open_files() {
        return configuration::unusable(&error);
    }
    // Dropping it stops the export, so it is kept until the node has stopped.
    let _export_guard = match options.node().export_traces(name) {
        Ok(guard) => guard,
        Err(error) => return configuration::unusable(&error),
    };
    run(Start { name, options, checked, cluster, unsafe_for })
}
