//! A cache: each value is held by the owner of its key, and loaded there once, however many nodes ask.
//!
//! - **Loading:** a value is loaded by a handler of calls, which the owner executes if it has it;
//!   otherwise the next node in the order of owners. A loader has 3 s at a node; if a node does not answer,
//!   the next one is asked, so a loader may be executed more than once.
//! - **End:** a value ends after its time to live, when the cache is full, and when its owner ends. When
//!   another node becomes the owner, it holds nothing yet.
//! - **Partition:** nodes that do not reach the same members may use different owners, so a value may be
//!   older than the last one that was put, until its time is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::Expiry;
use serde::{Deserialize, Serialize};

use crate::call::{CALL_BYTES_MAX, Call, CallError, Outcome};
use crate::id::NodeName;
use crate::link::{Cluster, Returned, Target};
use crate::services::silence::Silence;
use crate::services::{decode, encode};

/// The name of the handler.
const HANDLER: &str = "gossip/cache";
/// The end of the name of the handler that loads values. Loads take long, and must not take the places
/// of other requests.
const LOAD: &str = "/load";
/// The time limit of a call to an owner, for what it holds.
const WITHIN: Duration = Duration::from_secs(1);
/// The time limit of a call to an owner that may load a value.
const LOADING_WITHIN: Duration = Duration::from_secs(7);
/// The time limit of a loader at one node.
const LOADER_WITHIN: Duration = Duration::from_secs(3);
/// The largest value, in bytes. With its key, it fits into a call.
pub const VALUE_BYTES_MAX: usize = CALL_BYTES_MAX - 1_024;
/// The size of all values at one node, in bytes.
const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The longest time to live.
pub const TTL_MAX: Duration = Duration::from_secs(24 * 3_600);

/// The cache of one node. Clones share it.
#[derive(Clone)]
pub struct Cache {
    cluster: Cluster,
    handler: String,
    held: Held,
    silence: Silence,
}

/// A value, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cached {
    /// The value.
    pub value: Vec<u8>,
    /// The node that holds it, or has loaded it.
    pub from: NodeName,
    /// False if the owner did not answer, so that the value was loaded for this caller only.
    pub is_held: bool,
}

/// The values that one node holds.
type Held = moka::future::Cache<String, Arc<Item>>;

struct Item {
    value: Vec<u8>,
    ttl: Duration,
}

/// A request to the owner of a key.
#[derive(Serialize, Deserialize)]
enum Request {
    Get,
    Put { value: Vec<u8>, ttl: Duration },
    Delete,
}

/// A request to the owner of a key to load its value, unless it holds one.
#[derive(Serialize, Deserialize)]
struct Load {
    key: String,
    handler: String,
    args: Vec<u8>,
    ttl: Duration,
}

/// Ends each value after its own time to live.
struct TimesToLive;

impl Expiry<String, Arc<Item>> for TimesToLive {
    fn expire_after_create(&self, _: &String, item: &Arc<Item>, _: Instant) -> Option<Duration> {
        Some(item.ttl)
    }

    fn expire_after_update(
        &self,
        _: &String,
        item: &Arc<Item>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(item.ttl)
    }
}

impl Cache {
    /// Returns the cache of a node, which from now on holds the values of the keys that it owns.
    #[must_use]
    pub fn new(cluster: &Cluster) -> Self {
        Self::of(cluster, HANDLER.to_owned())
    }

    /// Returns a cache of a node with keys apart from all others: those of another name, and that without
    /// one.
    #[must_use]
    pub fn named(cluster: &Cluster, name: &str) -> Self {
        Self::of(cluster, format!("{HANDLER}/{name}"))
    }

    fn of(cluster: &Cluster, handler: String) -> Self {
        let weight = |key: &String, item: &Arc<Item>| {
            u32::try_from(key.len() + item.value.len()).unwrap_or(u32::MAX)
        };
        let held: Held = moka::future::Cache::builder()
            .max_capacity(BYTES_MAX)
            .weigher(weight)
            .expire_after(TimesToLive)
            .build();
        let silence = Silence::default();
        let cache = Self { cluster: cluster.clone(), handler, held, silence };
        let own = cache.clone();
        cluster.handle(&cache.handler, move |_, args| {
            let own = own.clone();
            async move {
                let (key, request) = decode::<(String, Request)>(&args)?;
                Ok(encode(&own.serve(key, request).await?))
            }
        });
        let own = cache.clone();
        cluster.handle(&format!("{}{LOAD}", cache.handler), move |_, args| {
            let own = own.clone();
            async move { own.load(decode(&args)?).await }
        });
        cache
    }

    /// Returns the value of a key, if its owner holds one, and the owner.
    ///
    /// # Errors
    /// [`CallError`], if no owner answers.
    pub async fn get(&self, key: &str) -> Result<(Option<Vec<u8>>, NodeName), CallError> {
        self.ask(key, Request::Get).await
    }

    /// Sets the value of a key at its owner, for this time. Returns the owner.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn put(&self, key: &str, value: &[u8], ttl: Duration) -> Result<NodeName, CallError> {
        let put = Request::Put { value: value.to_vec(), ttl };
        self.ask(key, put).await.map(|(_, owner)| owner)
    }

    /// Removes the value of a key from its owner. Returns whether there was one.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn delete(&self, key: &str) -> Result<bool, CallError> {
        self.ask(key, Request::Delete).await.map(|(value, _)| value.is_some())
    }

    /// Returns the value of a key. If its owner holds none, it calls `handler` with `args`, and holds the
    /// result for the time `ttl`; whoever asks meanwhile waits for the same result. If the owner does not
    /// answer, the handler is called for this caller only.
    ///
    /// # Errors
    /// [`CallError`], also that of the handler.
    pub async fn get_or_load(
        &self,
        key: &str,
        ttl: Duration,
        handler: &str,
        args: &[u8],
    ) -> Result<Cached, CallError> {
        Call::check(key, &[])?;
        let load =
            Load { key: key.to_owned(), handler: handler.to_owned(), args: args.to_vec(), ttl };
        let owners =
            self.cluster.snapshot().map(|snapshot| snapshot.owners(key)).unwrap_or_default();
        if owners.first().is_some_and(|owner| !self.silence.has(*owner)) {
            let at_owner = format!("{}{LOAD}", self.handler);
            let target = Target::Owner(key.to_owned());
            let loaded =
                self.cluster.call_within(LOADING_WITHIN, &target, &at_owner, &encode(&load)).await;
            match loaded {
                Ok(Returned { from, result }) => {
                    return Ok(Cached { value: result, from, is_held: true });
                }
                Err(CallError::Unknown(node)) => self.silence.note(node),
                Err(error) if error.outcome() == Outcome::Failed => return Err(error),
                Err(_) => {}
            }
        }
        let loaded = self.load_anywhere(&load).await?;
        Ok(Cached { value: loaded.result, from: loaded.from, is_held: false })
    }

    /// Calls the loader of a key at the first node that answers, in the order of its owners.
    async fn load_anywhere(&self, load: &Load) -> Result<Returned, CallError> {
        let Load { key, handler, args, .. } = load;
        let Some(snapshot) = self.cluster.snapshot() else { return Err(CallError::Stopped) };
        let mut order = snapshot.owners(key);
        order.sort_by_key(|node| self.silence.has(*node));
        let mut last = CallError::NoHandlers;
        for node in order {
            let target = Target::Node(node);
            match self.cluster.call_within(LOADER_WITHIN, &target, handler, args).await {
                Err(CallError::NoHandler { .. }) => {}
                Err(error) if error.may_succeed_elsewhere() => {
                    if let CallError::Unknown(node) = error {
                        self.silence.note(node);
                    }
                    last = error;
                }
                ended => return ended,
            }
        }
        Err(last)
    }

    /// Sends a request to the owner of a key. Returns the value that it concerned, and the owner.
    async fn ask(
        &self,
        key: &str,
        request: Request,
    ) -> Result<(Option<Vec<u8>>, NodeName), CallError> {
        Call::check(key, &[])?;
        let target = Target::Owner(key.to_owned());
        let args = encode(&(key, request));
        let Returned { from, result } =
            self.cluster.call_within(WITHIN, &target, &self.handler, &args).await?;
        let value = decode(&result).map_err(|text| CallError::Failed { node: from, text })?;
        Ok((value, from))
    }

    /// Answers a request for a key that this node owns, as far as its caller knows.
    async fn serve(&self, key: String, request: Request) -> Result<Option<Vec<u8>>, String> {
        let value = |item: Arc<Item>| item.value.clone();
        match request {
            Request::Get => Ok(self.held.get(&key).await.map(value)),
            Request::Put { value, ttl } => {
                check(&value)?;
                let ttl = ttl.min(TTL_MAX);
                self.held.insert(key, Arc::new(Item { value, ttl })).await;
                Ok(None)
            }
            Request::Delete => Ok(self.held.remove(&key).await.map(value)),
        }
    }

    /// Returns the value of a key, and loads it if necessary, once for all who ask meanwhile.
    async fn load(&self, load: Load) -> Result<Vec<u8>, String> {
        let (key, ttl) = (load.key.clone(), load.ttl.min(TTL_MAX));
        let load = async move {
            let loaded = self.load_anywhere(&load).await;
            let value = loaded.map_err(|error| error.to_string())?.result;
            check(&value)?;
            Ok::<_, String>(Arc::new(Item { value, ttl }))
        };
        let item = self.held.try_get_with(key, load).await;
        item.map(|item| item.value.clone()).map_err(|error| error.to_string())
    }
}

/// Checks the size of a value.
fn check(value: &[u8]) -> Result<(), String> {
    if value.len() > VALUE_BYTES_MAX {
        return Err(format!("a value must have at most {VALUE_BYTES_MAX} bytes"));
    }
    Ok(())
}
