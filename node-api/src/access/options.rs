//! The options of the access control, the same at every node.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tracing::warn;

use crate::access::guard::Guard;
use crate::access::origin::{Authority, Origin};
use crate::access::policy::AccessPolicy;
use crate::access::tokens::Tokens;

/// The accepted length of a token in bytes: a shorter one could be guessed, a longer one is most
/// likely the wrong file.
const TOKEN_BYTES_MIN: usize = 16;
const TOKEN_BYTES_MAX: usize = 256;

/// The longest time for which browsers may be told to insist on TLS, in seconds.
const HSTS_S_MAX: u64 = 2 * 31_557_600;

/// The options of the access control.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Access")]
pub struct AccessOptions {
    /// Host name under which clients may reach this node, in addition to localhost and, beyond
    /// loopback, IP addresses; repeatable
    #[arg(
        long = "allow-host",
        value_name = "NAME",
        env = "SUPERHERO_ALLOW_HOST",
        value_delimiter = ',',
        value_parser = trimmed::<Authority>
    )]
    allow_hosts: Vec<Authority>,

    /// Other origin whose pages may read and change the cluster, as https://HOST or https://HOST:PORT;
    /// repeatable
    #[arg(
        long = "allow-origin",
        value_name = "ORIGIN",
        env = "SUPERHERO_ALLOW_ORIGIN",
        value_delimiter = ',',
        value_parser = trimmed::<Origin>
    )]
    allow_origins: Vec<Origin>,

    /// Time for which browsers that have once used TLS insist on it, for every port of this host; 0
    /// ends it. Requires TLS; not sent by default
    #[arg(long, value_name = "TIME", env = "SUPERHERO_HSTS", value_parser = hsts)]
    hsts: Option<Duration>,

    /// Admin token file; clients without it are read-only
    #[arg(long, value_name = "PATH", env = "SUPERHERO_HOST_TOKEN_FILE")]
    host_token_file: Option<PathBuf>,

    /// Viewer token file; reading then requires this token or the admin token
    #[arg(long, value_name = "PATH", env = "SUPERHERO_VIEWER_TOKEN_FILE")]
    viewer_token_file: Option<PathBuf>,
}

impl AccessOptions {
    /// Returns the tokens in the files given.
    ///
    /// # Errors
    /// If a file cannot be read, a token is too short or too long, both are equal, or only the
    /// viewer token is given.
    pub fn tokens(&self) -> anyhow::Result<Tokens> {
        let token = |path: &PathBuf| {
            let token = std::fs::read_to_string(path)
                .with_context(|| format!("reading the token in {}", path.display()))?;
            let token = token.trim().to_owned();
            anyhow::ensure!(
                (TOKEN_BYTES_MIN..=TOKEN_BYTES_MAX).contains(&token.len()),
                "the token in {} must have {TOKEN_BYTES_MIN} to {TOKEN_BYTES_MAX} bytes, not {}; \
                 generate one with: openssl rand -hex 32",
                path.display(),
                token.len()
            );
            anyhow::Ok(token)
        };
        let (host, viewer) = (self.host_token_file.as_ref(), self.viewer_token_file.as_ref());
        anyhow::ensure!(
            host.is_some() || viewer.is_none(),
            "--viewer-token-file requires --host-token-file"
        );
        Tokens::new(host.map(token).transpose()?, viewer.map(token).transpose()?)
    }

    /// Allows these origins, too.
    #[must_use]
    pub fn allowing(mut self, origins: impl IntoIterator<Item = Origin>) -> Self {
        self.allow_origins.extend(origins);
        self
    }

    /// Returns the access control of a node that listens at `listen`, and warns of what it permits.
    #[must_use]
    pub fn guard(self, tokens: Tokens, listen: SocketAddr, encrypted: bool) -> Guard {
        let on_loopback = listen.ip().is_loopback();
        if !on_loopback && !tokens.are_required() {
            warn!(
                "anyone who can reach {listen} may change the cluster; --host-token-file requires a \
                 token"
            );
        }
        let Self { allow_hosts: hosts, allow_origins: origins, hsts, .. } = self;
        if hsts.is_some() && !encrypted {
            warn!("--hsts has no effect without --tls-cert: browsers ignore it without TLS");
        }
        Guard::new(AccessPolicy { on_loopback, hosts, origins, tokens, encrypted, hsts })
    }
}

/// Parses one value of a list, in which blanks may follow the commas.
fn trimmed<T: FromStr>(text: &str) -> Result<T, T::Err> {
    text.trim().parse()
}

/// Parses the time for which browsers insist on TLS.
fn hsts(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let time = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; expected a duration such as 1h or 365d"))?;
    if (1..=HSTS_S_MAX).contains(&time.as_secs()) {
        Ok(time)
    } else {
        Err("expected 0, or 1s to 2years".into())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Options {
        #[command(flatten)]
        access: AccessOptions,
    }

    fn access(arguments: &[&str]) -> Result<AccessOptions, String> {
        let all = ["gotham"].into_iter().chain(arguments.iter().copied());
        Options::try_parse_from(all)
            .map(|options| options.access)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn lists_of_hosts_and_origins_may_contain_blanks_but_no_empty_entries() {
        let options = access(&[
            "--allow-host=heroes.example, b\u{fc}cher.example ,[::1]",
            "--allow-origin= https://class.example , http://Class.example:80",
        ])
        .expect("valid options");
        let hosts: Vec<String> = options.allow_hosts.iter().map(ToString::to_string).collect();
        let origins: Vec<String> = options.allow_origins.iter().map(ToString::to_string).collect();
        assert_eq!(hosts, ["heroes.example", "xn--bcher-kva.example", "[::1]"]);
        assert_eq!(origins, ["https://class.example", "http://class.example"]);
        for (argument, rule) in [
            ("--allow-host=heroes.example,,b.example", "expected a host"),
            ("--allow-host=", "expected a host"),
            ("--allow-host= ", "expected a host"),
            ("--allow-host=https://heroes.example/", "without a scheme"),
            ("--allow-origin=https://class.example/", "trailing slash"),
            ("--allow-origin=https://class.example,", "https://HOST"),
            ("--allow-origin=*", "https://HOST"),
        ] {
            let error = access(&[argument]).expect_err(argument);
            assert!(error.contains(rule), "{argument}: {error}");
        }
    }

    #[test]
    fn time_of_hsts_is_unset_zero_or_within_two_years() {
        assert_eq!(access(&[]).unwrap().hsts, None);
        for (text, seconds) in [("0", Some(0)), ("365d", Some(31_536_000)), ("1h", Some(3_600))] {
            let given = access(&["--hsts", text]).unwrap().hsts;
            assert_eq!(given.map(|time| time.as_secs()), seconds, "{text}");
        }
        for text in ["", "1", "10ms", "forever", "-1h", "100years"] {
            assert!(access(&[&format!("--hsts={text}")]).is_err(), "{text}");
        }
    }
}
