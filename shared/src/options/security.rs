//! TLS certificates, and the check that a node is not reachable without protection.
//!
//! Invariant: a port that other machines can reach is encrypted and requires a secret cookie,
//! unless
//! `--insecure` is given.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Args;

use gossip::link::TlsFiles as Files;

/// The security options of every node.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Security")]
pub struct SecurityOptions {
    /// Certificate of this node (PEM) with its name as a DNS name; turns on TLS for the whole port.
    /// `make certs` creates certificates for testing
    #[arg(long, value_name = "PATH", env = "SUPERHERO_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,

    /// Private key of --tls-cert (PEM)
    #[arg(long, value_name = "PATH", env = "SUPERHERO_TLS_KEY")]
    pub tls_key: Option<PathBuf>,

    /// Certificates of the authorities that sign for nodes of this cluster (PEM)
    #[arg(long, value_name = "PATH", env = "SUPERHERO_TLS_CA")]
    pub tls_ca: Option<PathBuf>,

    /// Allow listening beyond this machine without TLS or with the built-in cookie; the log and the
    /// page show a warning
    #[arg(
        long,
        env = "SUPERHERO_INSECURE",
        num_args = 0..=1,
        default_value = "false",
        default_missing_value = "true",
        require_equals = true
    )]
    pub insecure: bool,
}

impl SecurityOptions {
    /// Returns the paths of the certificates; `None` if no path is given.
    ///
    /// # Errors
    /// When only some of the three files are given. Clap's `requires` cannot check this, since it
    /// ignores values from the configuration file.
    pub(super) fn files(&self) -> anyhow::Result<Option<Files>> {
        match (self.tls_cert.clone(), self.tls_key.clone(), self.tls_ca.clone()) {
            (None, None, None) => Ok(None),
            (Some(certificate), Some(key), Some(authorities)) => {
                Ok(Some(Files { certificate, key, authorities }))
            }
            _ => anyhow::bail!(
                "--tls-cert, --tls-key and --tls-ca must be given together or not at all"
            ),
        }
    }

    /// Returns a description of the risks of listening at `listen` and dialling `peers`
    /// (HOST:PORT); `None` if there is no risk.
    ///
    /// # Errors
    /// When `listen` is reachable from other machines, the configuration is unsafe, and
    /// `--insecure` is not given.
    pub(super) fn check<'a>(
        &self,
        listen: SocketAddr,
        peers: impl IntoIterator<Item = &'a str>,
        is_development_cookie: bool,
    ) -> anyhow::Result<Option<String>> {
        if listen.ip().is_loopback() {
            let goes_out = peers.into_iter().any(|peer| !is_local(peer))
                && (self.tls_cert.is_none() || is_development_cookie);
            return Ok(goes_out.then(|| {
                "nodes on other machines are dialled without TLS or with the built-in cookie".into()
            }));
        }
        let (mut unsafe_for, mut remedies) = (Vec::new(), Vec::new());
        if is_development_cookie {
            unsafe_for.push("the built-in cookie is public");
            remedies.push("--cookie-file or SUPERHERO_COOKIE");
        }
        if self.tls_cert.is_none() {
            unsafe_for.push("traffic is not encrypted");
            remedies.push("--tls-cert, --tls-key and --tls-ca (make certs)");
        }
        if unsafe_for.is_empty() {
            return Ok(None);
        }
        let unsafe_for = unsafe_for.join(" and ");
        anyhow::ensure!(
            self.insecure,
            "--listen {listen} is reachable from other machines, but {unsafe_for}: set {}, or pass \
             --insecure to accept this",
            remedies.join(" and ")
        );
        Ok(Some(unsafe_for))
    }
}

/// Returns whether this HOST:PORT is on this machine. A host name other than `localhost` counts as
/// another machine, since it is not resolved.
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

    fn check(
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
        options.check(listen.parse().unwrap(), [], known).map_err(|error| error.to_string())
    }

    #[test]
    fn reachable_port_needs_cookie_and_certificate_or_insecure() {
        for local in ["127.0.0.1:1", "127.9.8.7:1", "[::1]:1"] {
            assert_eq!(check(local, false, false, true), Ok(None), "{local}");
        }
        let none = SecurityOptions { tls_cert: None, tls_key: None, tls_ca: None, insecure: false };
        let dialling =
            |peer, known| none.check("127.0.0.1:1".parse().unwrap(), [peer], known).unwrap();
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
            assert_eq!(check(open, true, false, false), Ok(None), "{open}");
            let refused = check(open, false, false, true).unwrap_err();
            for word in ["--cookie-file", "--tls-cert", "--insecure", "encrypted", "cookie"] {
                assert!(refused.contains(word), "{refused}");
            }
            let refused = check(open, true, false, true).unwrap_err();
            assert!(
                refused.contains("--cookie-file") && !refused.contains("--tls-cert"),
                "{refused}"
            );
            let refused = check(open, false, false, false).unwrap_err();
            assert!(
                !refused.contains("--cookie-file") && refused.contains("--tls-cert"),
                "{refused}"
            );
            assert_eq!(
                check(open, false, true, false),
                Ok(Some("traffic is not encrypted".into()))
            );
            assert_eq!(
                check(open, true, true, true),
                Ok(Some("the built-in cookie is public".into()))
            );
        }
    }
}
