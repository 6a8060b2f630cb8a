//! The user of an open page, tracked as present while the page is open.
//!
//! Invariants: no user of a closed page stays tracked for more than a moment, unless the node did not
//! answer in time when it was asked to track. The page never waits for the tracking.

use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::debug;

use gossip::link::{AskError, Cluster};
use gossip::types::presence::Present;
use node_api::access::tokens::Role;

/// The topic of the pages.
const TOPIC: &str = "pages";
/// The key of those who have chosen no name.
const GUEST: &str = "guest";
/// The time that a page must be open to be tracked, so that reloading it writes nothing; and the
/// interval between attempts.
const DELAY: Duration = Duration::from_secs(1);

/// The number of attempts to untrack. If all fail, the node is overloaded, or is ending.
const ATTEMPTS: usize = 60;
/// The requests of all pages at one time, so that they leave room for others when many pages
/// reconnect.
static TURNS: Semaphore = Semaphore::const_new(16);

/// The user of a page.
#[derive(Clone)]
pub(crate) struct Visitor {
    cluster: Cluster,
    key: String,
    meta: &'static [u8],
}

/// The time during which the page is open. The visit ends when this is dropped.
#[must_use = "the visit ends when this is dropped"]
pub(crate) struct Visit(DropGuard);

impl Visit {
    pub(crate) fn end(self) {
        drop(self.0);
    }
}

impl Visitor {
    /// Returns the user with this name, and with this role if roles are configured.
    pub(crate) fn new(cluster: Cluster, name: Option<String>, role: Option<Role>) -> Self {
        let meta: &[u8] = match role {
            None => b"null",
            Some(Role::Admin) => b"\"admin\"",
            Some(Role::Viewer) => b"\"viewer\"",
        };
        Self { cluster, key: name.unwrap_or_else(|| GUEST.to_owned()), meta }
    }

    /// Tracks the user until the visit ends.
    pub(crate) fn begin(self) -> Visit {
        let closed = CancellationToken::new();
        let visit = Visit(closed.clone().drop_guard());
        tokio::spawn(async move {
            let mut tracked = None;
            while self.is_due(&closed, tracked.as_ref()).await {
                // Not cancelled when the page is closed: its place would stay taken.
                let _turn = TURNS.acquire().await;
                match self.cluster.presence(TOPIC).track(&self.key, self.meta).await {
                    Ok(present) => tracked = Some(present),
                    Err(error) => debug!("page not tracked: {error}"),
                }
            }
            if let Some(tracked) = tracked {
                self.untrack(&tracked).await;
            }
        });
        visit
    }

    /// Waits until the user must be tracked, by this incarnation of the node or the next one. False
    /// once the page is closed, or the node has ended.
    async fn is_due(&self, closed: &CancellationToken, tracked: Option<&Present>) -> bool {
        let joined = async {
            sleep(DELAY).await;
            self.cluster.joined_after(tracked.map(|tracked| tracked.owner)).await.is_some()
        };
        tokio::select! {
            () = closed.cancelled() => false,
            joined = joined => joined,
        }
    }

    async fn untrack(&self, tracked: &Present) {
        let topic = self.cluster.presence(TOPIC);
        for _ in 0..ATTEMPTS {
            let turn = TURNS.acquire().await;
            let untracked = topic.untrack(tracked).await;
            // Not held during the pause.
            drop(turn);
            match untracked {
                // Repeating it is harmless.
                Err(AskError::Busy | AskError::Unknown) => {}
                Ok(()) | Err(AskError::Refused(_)) => return,
            }
            sleep(DELAY).await;
        }
    }
}
