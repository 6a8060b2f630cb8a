//! What keeps strangers out: certificates, and what is refused without them.
//!
//! Invariant: nothing that other machines can reach is unencrypted or open to everybody, unless
//! somebody has said so in so many words.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Args;

use gossip::link::TlsFiles as Files;

/// The options of every node that keep strangers out.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Security")]
pub struct SecurityOptions {
    /// This node's certificate, in PEM, with its name as a DNS name; the whole port then speaks
    /// TLS. `make certs` makes some to try
    #[arg(long, value_name = "PATH", env = "SUPERHERO_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,

    /// The key to --tls-cert, in PEM
    #[arg(long, value_name = "PATH", env = "SUPERHERO_TLS_KEY")]
    pub tls_key: Option<PathBuf>,

    /// The certificates of the authorities that sign for nodes of this cluster, in PEM
    #[arg(long, value_name = "PATH", env = "SUPERHERO_TLS_CA")]
    pub tls_ca: Option<PathBuf>,

    /// Listen beyond this machine without TLS, or with the cookie that everybody knows; the log and
    /// the page say so
    #[arg(long, env = "SUPERHERO_INSECURE", num_args = 0..=1, default_value = "false", default_missing_value = "true", require_equals = true)]
    pub insecure: bool,
}

impl SecurityOptions {
    /// Where the certificates are, if there are any.
    ///
    /// # Errors
    /// When only some of the three files are given. (Not by clap's `requires`, which knows nothing
    /// of the configuration file.)
    pub(super) fn files(&self) -> anyhow::Result<Option<Files>> {
        match (self.tls_cert.clone(), self.tls_key.clone(), self.tls_ca.clone()) {
            (None, None, None) => Ok(None),
            (Some(certificate), Some(key), Some(authorities)) => {
                Ok(Some(Files { certificate, key, authorities }))
            }
            _ => anyhow::bail!(
                "--tls-cert, --tls-key and --tls-ca belong together: give all three, or none"
            ),
        }
    }

    /// What is unsafe about listening at `listen` and dialling `peers` (HOST:PORT), if anything is.
    ///
    /// # Errors
    /// When other machines could reach this one so, and that was not asked for.
    pub(super) fn judge<'a>(
        &self,
        listen: SocketAddr,
        peers: impl IntoIterator<Item = &'a str>,
        is_development_cookie: bool,
    ) -> anyhow::Result<Option<String>> {
        if listen.ip().is_loopback() {
            let goes_out = peers.into_iter().any(|peer| !is_local(peer))
                && (self.tls_cert.is_none() || is_development_cookie);
            return Ok(goes_out.then(|| "nodes on other machines are dialled without TLS, or with the cookie that everybody knows".into()));
        }
        let (mut unsafe_for, mut remedies) = (Vec::new(), Vec::new());
        if is_development_cookie {
            unsafe_for.push("everybody knows the built-in cookie");
            remedies.push("--cookie-file or SUPERHERO_COOKIE");
        }
        if self.tls_cert.is_none() {
            unsafe_for.push("what is said here is not encrypted");
            remedies.push("--tls-cert, --tls-key and --tls-ca (make certs)");
        }
        if unsafe_for.is_empty() {
            return Ok(None);
        }
        let unsafe_for = unsafe_for.join(", and ");
        anyhow::ensure!(
            self.insecure,
            "--listen {listen} is reachable from other machines, and {unsafe_for}: give {}; or --insecure, if that is what you want",
            remedies.join(", and ")
        );
        Ok(Some(unsafe_for))
    }
}

/// Whether this HOST:PORT is one of this machine.
fn is_local(peer: &str) -> bool {
    let host = peer
        .rsplit_once(':')
        .map_or(peer, |(host, _)| host)
        .trim_start_matches('[')
        .trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(
        listen: &str,
        tls: bool,
        insecure: bool,
        known: bool,
    ) -> Result<Option<String>, String> {
        let path = tls.then(PathBuf::new);
        let options = SecurityOptions {
            tls_cert: path.clone(),
            tls_key: path.clone(),
            tls_ca: path,
            insecure,
        };
        options.judge(listen.parse().unwrap(), [], known).map_err(|error| error.to_string())
    }

    #[test]
    fn what_others_can_reach_has_a_cookie_and_a_certificate_or_says_that_it_has_not() {
        for local in ["127.0.0.1:1", "127.9.8.7:1", "[::1]:1"] {
            assert_eq!(judge(local, false, false, true), Ok(None), "{local}");
        }
        let none = SecurityOptions { tls_cert: None, tls_key: None, tls_ca: None, insecure: false };
        let dialling =
            |peer, known| none.judge("127.0.0.1:1".parse().unwrap(), [peer], known).unwrap();
        for here in ["127.0.0.1:4901", "[::1]:4901", "localhost:4901", "127.9.9.9:1"] {
            assert_eq!(dialling(here, true), None, "{here}");
        }
        for elsewhere in ["10.0.0.1:4901", "gotham:4901", "[fe80::1]:4901"] {
            assert!(
                dialling(elsewhere, false)
                    .is_some_and(|unsafe_for| unsafe_for.contains("dialled without TLS")),
                "{elsewhere}"
            );
        }
        for open in ["0.0.0.0:1", "10.0.0.1:1", "[::]:1", "[fe80::1]:1"] {
            assert_eq!(judge(open, true, false, false), Ok(None), "{open}");
            let refused = judge(open, false, false, true).unwrap_err();
            for word in ["--cookie-file", "--tls-cert", "--insecure", "encrypted", "cookie"] {
                assert!(refused.contains(word), "{refused}");
            }
            let refused = judge(open, true, false, true).unwrap_err();
            assert!(
                refused.contains("--cookie-file") && !refused.contains("--tls-cert"),
                "{refused}"
            );
            let refused = judge(open, false, false, false).unwrap_err();
            assert!(
                !refused.contains("--cookie-file") && refused.contains("--tls-cert"),
                "{refused}"
            );
            assert_eq!(
                judge(open, false, true, false),
                Ok(Some("what is said here is not encrypted".into()))
            );
            assert_eq!(
                judge(open, true, true, true),
                Ok(Some("everybody knows the built-in cookie".into()))
            );
        }
    }
}
