//! Certificate files that change while the node runs.

use tracing::debug;

use super::Tls;
use super::pem::Contents;

/// Finds changes of a node's certificate files, and loads them.
///
/// Files that do not fit together, or that other nodes would refuse at present, are not used: those
/// loaded before stay in use.
#[derive(Debug)]
pub struct Reloader {
    tls: Tls,
    /// The fingerprints of the files: those in use, those found by the last check, and those
    /// reported as unusable.
    used: Vec<u8>,
    found: Vec<u8>,
    reported: Vec<u8>,
}

impl Reloader {
    /// Returns the reloader for a configuration that was just loaded.
    #[must_use]
    pub fn new(tls: Tls) -> Self {
        let used = tls.current().fingerprint.clone();
        Self { tls, found: used.clone(), reported: Vec::new(), used }
    }

    /// Loads the files if they have changed, and have not changed since the previous check: several
    /// files are not replaced at once. Returns whether they were replaced; `None` without a change.
    /// An error is returned once for the same files.
    ///
    /// # Errors
    /// If the changed files are not usable.
    pub fn check(&mut self) -> Option<anyhow::Result<()>> {
        let contents = Contents::read(&self.tls.shared.files);
        let fingerprint = contents.fingerprint();
        let before = std::mem::replace(&mut self.found, fingerprint.clone());
        if fingerprint == self.used || fingerprint != before {
            return None;
        }
        match self.tls.replace(contents) {
            Ok(()) => {
                self.used = fingerprint;
                self.reported = Vec::new();
                Some(Ok(()))
            }
            // Loaded again at the next check: a certificate may become valid.
            Err(error) if self.reported == fingerprint => {
                debug!("certificate files are still not usable: {error:#}");
                None
            }
            Err(error) => {
                self.reported = fingerprint;
                Some(Err(error))
            }
        }
    }
}
