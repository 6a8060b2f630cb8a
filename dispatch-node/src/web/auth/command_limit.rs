//! The limit on the commands of an address, counted in the whole cluster.
//!
//! Invariant: near the limit each command waits for the owner of its address to decide. Far from it, the
//! owner counts the command while it is executed, so that commands are as fast as without a limit.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use gossip::link::Cluster;
use gossip::services::limiter::{Quota, RateLimiter, Verdict};

/// The name of the limiter, which counts apart from the limits of the API.
const NAME: &str = "commands";
/// The share of the limit that must be left for a command not to wait: one part of so many.
const NEAR: u32 = 10;
/// The least number of commands that must be left for one not to wait.
const LEFT_MIN: u32 = 16;
/// The number of addresses whose remaining commands are remembered.
const ADDRESSES_MAX: usize = 10_000;

/// The limit on the commands of an address. Clones share it.
#[derive(Clone)]
pub(crate) struct CommandLimit {
    limiter: RateLimiter,
    quota: Quota,
    commands: u32,
    /// The number of commands that each address had left at its last command.
    left: Arc<Mutex<BTreeMap<String, u32>>>,
}

impl CommandLimit {
    /// Returns a limit of so many commands, within this quota.
    pub(crate) fn new(cluster: &Cluster, commands: u32, quota: Quota) -> Self {
        let limiter = RateLimiter::named(cluster, NAME);
        Self { limiter, quota, commands, left: Arc::default() }
    }

    /// Counts a command.
    ///
    /// # Errors
    /// The decision that the address has sent too many.
    pub(crate) async fn count(&self, address: &str) -> Result<(), Verdict> {
        if self.is_near(address) {
            return self.decide(address.to_owned()).await;
        }
        let (limit, address) = (self.clone(), address.to_owned());
        // Its decision counts for the next command.
        tokio::spawn(async move { limit.decide(address).await });
        Ok(())
    }

    fn is_near(&self, address: &str) -> bool {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        // Without a limit of its own, the first command of an address would not be counted in time.
        left.get(address).is_none_or(|left| *left < (self.commands / NEAR).max(LEFT_MIN))
    }

    async fn decide(&self, address: String) -> Result<(), Verdict> {
        let verdict = self.limiter.hit(NAME, &address, self.quota).await;
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if left.len() >= ADDRESSES_MAX && !left.contains_key(&address) {
            left.clear();
        }
        left.insert(address, verdict.remaining);
        drop(left);
        if verdict.allowed { Ok(()) } else { Err(verdict) }
    }
}
