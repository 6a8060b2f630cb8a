//! `superhero-certs`: an authority and certificates for the four nodes, in files. The key of the
//! authority is not kept: another certificate means a new authority and new certificates for all.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use time::OffsetDateTime;

use certs::{Authority, Validity};

/// The mode of a file that all may read.
const PUBLIC: u32 = 0o644;
/// The mode of a file that only its owner may read.
const SECRET: u32 = 0o600;

/// Makes an authority and certificates for the nodes of a superhero cluster, to try TLS with
#[derive(Parser)]
#[command(name = "superhero-certs", version, about)]
struct Options {
    /// The directory for ca.pem, and NODE.pem and NODE-key.pem for each node; made if it is not
    /// there
    #[arg(default_value = "my-certs")]
    directory: PathBuf,

    /// A node. Repeat it for each
    #[arg(long = "node", value_name = "NAME", default_values = ["gotham", "metropolis", "capitol", "dispatch"])]
    nodes: Vec<String>,

    /// A name or address by which browsers reach the nodes, beside localhost. Repeat it for each
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,

    /// Do nothing where there is an authority in the directory already
    #[arg(long)]
    keep: bool,

    /// For how many days they hold
    #[arg(long, value_name = "N", default_value = "30", value_parser = clap::value_parser!(u16).range(1..=825))]
    days: u16,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(Options { directory, nodes, hosts, keep, days }: &Options) -> anyhow::Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
    if *keep && directory.join("ca.pem").exists() {
        println!("{}: kept as it is", directory.display());
        return Ok(());
    }
    let validity = Validity::days(OffsetDateTime::now_utc(), *days);
    let authority = Authority::new(validity)?;
    // Else every node's certificate would be that node's, too.
    if let Some(node) =
        hosts.iter().find(|host| nodes.iter().any(|node| node.eq_ignore_ascii_case(host)))
    {
        anyhow::bail!("--host {node}: that is a node's name, which its own certificate has anyway");
    }
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    names.extend(hosts.iter().cloned());
    write(&directory.join("ca.pem"), &authority.certificate(), PUBLIC)?;
    for node in nodes {
        let signed = authority.sign(node, &names, validity)?;
        write(&directory.join(format!("{node}.pem")), &signed.certificate, PUBLIC)?;
        write(&directory.join(format!("{node}-key.pem")), &signed.key, SECRET)?;
    }
    println!(
        "{}: ca.pem, and certificates for {}, for {days} days",
        directory.display(),
        nodes.join(", ")
    );
    Ok(())
}

/// Writes a file that does not exist yet: none that may still be needed is replaced.
fn write(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = file.with_context(|| {
        format!("making {} (one that is there is kept; remove it first)", path.display())
    })?;
    file.write_all(text.as_bytes()).with_context(|| format!("writing {}", path.display()))
}
