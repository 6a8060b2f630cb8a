//! Checks that each node accepts a configuration file.
//!
//! Only a node's own binary can decide that. It is run with `--print-config`, which starts no node.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use api_types::NODES;

use super::finding::Finding;

/// The timeout of `--print-config`.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The largest output that is read, in bytes.
const BYTES_MAX: u64 = 1 << 20;

/// The effective options of the nodes that accept the file.
#[derive(Debug, Default)]
pub(super) struct Known {
    nodes: Vec<(&'static str, toml::Table)>,
}

impl Known {
    /// Returns all options with a text value, as node, key and value.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&'static str, &str, &str)> {
        self.nodes.iter().flat_map(|(node, options)| {
            options.iter().filter_map(|(key, value)| Some((*node, key.as_str(), value.as_str()?)))
        })
    }

    /// Returns the text value of a node's option.
    pub(super) fn text(&self, node: &str, key: &str) -> Option<&str> {
        let (_, options) = self.nodes.iter().find(|(name, _)| *name == node)?;
        options.get(key)?.as_str()
    }

    /// Returns the address at which dispatch dials a node.
    pub(super) fn address(&self, node: &str) -> Option<&str> {
        let (_, dispatch) = self.nodes.iter().find(|(name, _)| *name == "dispatch")?;
        let peers = dispatch.get("peer")?.as_array()?;
        peers
            .iter()
            .filter_map(|peer| peer.as_str()?.split_once('='))
            .find(|(name, _)| *name == node)
            .map(|(_, address)| address)
    }
}

/// Checks the file with each node's binary.
pub(super) fn examine(config: &Path, findings: &mut Vec<Finding>) -> Known {
    let mut known = Known::default();
    for node in NODES {
        let check = format!("configuration of {node}");
        match effective_options(node, config) {
            Ok(options) => {
                findings.push(Finding::ok(check, format!("{} is valid", config.display())));
                known.nodes.push((node, options));
            }
            Err(why) => findings.push(Finding::fail(
                check,
                why,
                format!("correct the file, then check with {node} --print-config"),
            )),
        }
    }
    known
}

fn effective_options(node: &str, config: &Path) -> Result<toml::Table, String> {
    // The nodes' binaries are in the same directory as this one.
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let program = here.with_file_name(node);
    let mut child = Command::new(&program)
        .arg("--config")
        .arg(config)
        .arg("--print-config")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run {}: {error}", program.display()))?;
    let (sender, receiver) = mpsc::channel();
    if let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) {
        // A blocking read has no timeout, so it has its own thread.
        thread::spawn(move || {
            let read = |from: &mut dyn std::io::Read| {
                let mut text = String::new();
                from.take(BYTES_MAX).read_to_string(&mut text).map(|_| text)
            };
            let (mut out, mut err) = (out, err);
            // The receiver is gone after the timeout.
            let _ = sender.send(read(&mut out).and_then(|out| Ok((out, read(&mut err)?))));
        });
    }
    let output = receiver.recv_timeout(TIMEOUT);
    if output.is_err() {
        // An error means that the process has exited already.
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    let (out, err) = output
        .map_err(|_| format!("{node} --print-config timed out after {} s", TIMEOUT.as_secs()))?
        .map_err(|error| error.to_string())?;
    if !status.success() {
        return Err(err
            .lines()
            .next()
            .unwrap_or("--print-config failed without a message")
            .trim_start_matches("error: ")
            .to_owned());
    }
    out.parse().map_err(|error: toml::de::Error| {
        format!("{} printed no valid configuration: {}", program.display(), error.message())
    })
}
