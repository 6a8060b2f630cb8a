//! `superhero-certs`: writes an authority and node certificates to files. The authority's key is not
//! stored, so adding a certificate requires a new authority and new certificates for all nodes.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use time::OffsetDateTime;

use certs::{Authority, Validity};

/// The mode of a file that all users may read.
const PUBLIC: u32 = 0o644;
/// The mode of a file that only its owner may read.
const SECRET: u32 = 0o600;

/// Creates a certificate authority and node certificates for trying TLS in a superhero cluster
#[derive(Parser)]
#[command(name = "superhero-certs", version, about)]
struct Options {
    /// Directory for ca.pem, and NODE.pem and NODE-key.pem of each node; created if missing
    #[arg(default_value = "my-certs")]
    directory: PathBuf,

    /// Name of a node; repeat for each
    #[arg(
        long = "node",
        value_name = "NAME",
        default_values = ["gotham", "metropolis", "capitol", "dispatch"]
    )]
    nodes: Vec<String>,

    /// Host name or address of the nodes for browsers, in addition to localhost; repeat for each
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,

    /// Do nothing if the directory already contains an authority
    #[arg(long)]
    keep: bool,

    /// Validity of the certificates, in days
    #[arg(
        long,
        value_name = "N",
        default_value = "30",
        value_parser = clap::value_parser!(u16).range(1..=825)
    )]
    days: u16,
}

fn main() -> ExitCode {
    let done = match Options::try_parse() {
        Ok(options) => run(&options).and_then(|line| print(&line)).map(|()| ExitCode::SUCCESS),
        // An invalid command line, or the text of `--help` or `--version`.
        Err(error) => answered(&error),
    };
    done.unwrap_or_else(|error| {
        // Not with `eprintln!`, which panics when standard error is closed.
        let _ = writeln!(io::stderr(), "error: {error:#}");
        ExitCode::FAILURE
    })
}

fn answered(error: &clap::Error) -> anyhow::Result<ExitCode> {
    let printed = error.print().and_then(|()| io::stdout().flush());
    if !error.use_stderr() {
        written(printed)?;
    }
    Ok(ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2)))
}

/// Prints a line to standard output.
fn print(line: &str) -> anyhow::Result<()> {
    written(writeln!(io::stdout(), "{line}").and_then(|()| io::stdout().flush()))
}

/// Returns the error of standard output. A reader that closes the pipe is none.
fn written(result: io::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}

/// Writes the files. Returns the line to print.
fn run(Options { directory, nodes, hosts, keep, days }: &Options) -> anyhow::Result<String> {
    fs::create_dir_all(directory).with_context(|| format!("creating {}", directory.display()))?;
    if *keep && directory.join("ca.pem").exists() {
        return Ok(format!("{}: kept unchanged", directory.display()));
    }
    let validity = Validity::days(OffsetDateTime::now_utc(), *days);
    let authority = Authority::new(validity)?;
    // Every certificate contains all hosts, so a node's name among them would let every node
    // impersonate that node.
    if let Some(node) =
        hosts.iter().find(|host| nodes.iter().any(|node| node.eq_ignore_ascii_case(host)))
    {
        anyhow::bail!("--host {node}: already the name of a node, whose certificate contains it");
    }
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    names.extend(hosts.iter().cloned());
    write(&directory.join("ca.pem"), &authority.certificate(), PUBLIC)?;
    for node in nodes {
        let signed = authority.sign(node, &names, validity)?;
        write(&directory.join(format!("{node}.pem")), &signed.certificate, PUBLIC)?;
        write(&directory.join(format!("{node}-key.pem")), &signed.key, SECRET)?;
    }
    Ok(format!(
        "{}: wrote ca.pem and certificates for {}, valid for {days} days",
        directory.display(),
        nodes.join(", ")
    ))
}

/// Writes a new file. An existing file is not replaced, since it may still be in use.
fn write(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    // The mode applies only to new files; with `create_new` a key is never in a readable file.
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = file.with_context(|| {
        format!("creating {} (existing files are kept; remove them first)", path.display())
    })?;
    file.write_all(text.as_bytes()).with_context(|| format!("writing {}", path.display()))
}
