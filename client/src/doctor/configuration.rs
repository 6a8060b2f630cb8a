//! Whether each node can use a configuration file. Only the node itself can say: it is asked by
//! `--print-config`, and starts nothing.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use api_types::NODES;

use super::finding::Finding;

/// How long a node may take to say what its options are.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How much of what it says is read, in bytes.
const BYTES_MAX: u64 = 1 << 20;

/// The options that nodes would run with.
#[derive(Debug, Default)]
pub(super) struct Known {
    nodes: Vec<(&'static str, toml::Table)>,
}

impl Known {
    /// All options that are texts, with their nodes.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&'static str, &str, &str)> {
        self.nodes.iter().flat_map(|(node, options)| {
            options.iter().filter_map(|(key, value)| Some((*node, key.as_str(), value.as_str()?)))
        })
    }

    /// What a node is told by this option.
    pub(super) fn text(&self, node: &str, key: &str) -> Option<&str> {
        let (_, options) = self.nodes.iter().find(|(name, _)| *name == node)?;
        options.get(key)?.as_str()
    }

    /// Where dispatch dials a node.
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

/// Asks each node.
pub(super) fn examine(config: &Path, findings: &mut Vec<Finding>) -> Known {
    let mut known = Known::default();
    for node in NODES {
        let check = format!("configuration of {node}");
        match ask(node, config) {
            Ok(options) => {
                findings.push(Finding::ok(check, format!("{} can be used", config.display())));
                known.nodes.push((node, options));
            }
            Err(why) => findings.push(Finding::fail(
                check,
                why,
                format!("mend it; {node} --print-config says what would be in force"),
            )),
        }
    }
    known
}

fn ask(node: &str, config: &Path) -> Result<toml::Table, String> {
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
        .map_err(|error| format!("{} cannot be asked: {error}", program.display()))?;
    let (said, saying) = mpsc::channel();
    if let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) {
        thread::spawn(move || {
            let read = |from: &mut dyn std::io::Read| {
                let mut text = String::new();
                from.take(BYTES_MAX).read_to_string(&mut text).map(|_| text)
            };
            let (mut out, mut err) = (out, err);
            // Nobody may be waiting any more.
            let _ = said.send(read(&mut out).and_then(|out| Ok((out, read(&mut err)?))));
        });
    }
    let heard = saying.recv_timeout(TIMEOUT);
    // It has ended, or is not worth waiting for.
    if heard.is_err() {
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    let (out, err) = heard
        .map_err(|_| format!("{node} does not say what its options are"))?
        .map_err(|error| error.to_string())?;
    if !status.success() {
        return Err(err
            .lines()
            .next()
            .unwrap_or("it does not say why")
            .trim_start_matches("error: ")
            .to_owned());
    }
    out.parse().map_err(|error: toml::de::Error| {
        format!("{} is not a node of this version: {}", program.display(), error.message())
    })
}
