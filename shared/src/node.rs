//! The start of a node's process, as far as a city and dispatch share it: options, configuration,
//! logs, health check and traces.
//!
//! Invariant: nothing runs with unusable options; `--print-config` and `--healthcheck` start
//! nothing.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Command, FromArgMatches};

use gossip::NodeName;
use gossip::link::ClusterConfig;

use crate::configuration::{self, Loaded};
use crate::options::{NodeOptions, well_known_name};
use crate::process;
use crate::telemetry;

/// The options of one kind of node.
pub trait Options: FromArgMatches {
    /// Returns the options that every node has.
    fn node(&self) -> &NodeOptions;

    /// Returns the address at which the node listens.
    fn listen(&self) -> SocketAddr;
}

/// A node that is about to run.
pub struct Start<O, C> {
    /// The name of the node.
    pub name: NodeName,
    /// Its options.
    pub options: O,
    /// What `check` made of the options.
    pub checked: C,
    /// Its cluster.
    pub cluster: ClusterConfig,
    /// The reason for which its configuration is unsafe, if that was allowed.
    pub unsafe_for: Option<String>,
}

/// Starts the node `name` with the options of this command line, and returns its exit code. `check`
/// rejects options that are unusable; `run` runs the node.
pub fn main<O: Options, C>(
    name: &str,
    command: Command,
    check: impl FnOnce(&O) -> anyhow::Result<C>,
    run: impl FnOnce(Start<O, C>) -> ExitCode,
) -> ExitCode {
    let Loaded { options, printout, .. } = configuration::load::<O>(name, command);
    let name = well_known_name(name);
    telemetry::init(name, options.node().log_format);
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
    // Traces are exported until the node has ended.
    let _exporting = match options.node().export_traces(name) {
        Ok(exporting) => exporting,
        Err(error) => return configuration::unusable(&error),
    };
    run(Start { name, options, checked, cluster, unsafe_for })
}
