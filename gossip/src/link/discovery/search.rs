//! The search of a node: it looks in every way again and again, and probes what it finds.
//!
//! Invariants: the number of names and of addresses is bounded, whatever the answers contain. A name
//! keeps the addresses that were found last.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info, warn};

use crate::id::NodeName;
use crate::link::discovery::probe::probe;
use crate::link::discovery::{AGAIN_MAX, AGAIN_MIN, Discovery, Found, Own};
use crate::link::log_limit::{Due, LogLimit, without_digits};
use crate::link::tls::Tls;
use crate::types::addresses::is_address;

/// The time limit for one look.
const LOOK_TIMEOUT: Duration = Duration::from_secs(10);
/// The maximum number of addresses of one look.
const ADDRESSES_MAX: usize = 256;
/// The maximum number of names.
const NAMES_MAX: usize = 256;
/// The maximum number of addresses of a name.
const ADDRESSES_PER_NAME_MAX: usize = 4;
/// The maximum number of probes of one way at the same time.
const PROBES_MAX: usize = 8;
/// The time after which an address is probed again, since another node may have it now.
const PROBE_AGAIN: Duration = Duration::from_secs(30);

/// The addresses that were found, by the name of the node there.
pub(in crate::link) type Located = BTreeMap<NodeName, Place>;

/// Where a node was found.
#[derive(Clone, Debug)]
pub(in crate::link) struct Place {
    /// The addresses, the last one first.
    pub(in crate::link) addresses: Vec<String>,
    /// The time of the last probe that found it.
    confirmed: Instant,
}

/// A search, and where its results go.
#[derive(Clone)]
pub(in crate::link) struct Search {
    pub(in crate::link) own: Arc<Own>,
    pub(in crate::link) tls: Option<Tls>,
    pub(in crate::link) frame_bytes_max: usize,
    pub(in crate::link) located: watch::Sender<Located>,
}

/// An address that was probed.
#[derive(Clone, Debug)]
struct Probed {
    at: Instant,
    /// The node there; `None` if there was no answer.
    name: Option<NodeName>,
}

/// Searches in one way, for ever.
pub(in crate::link) async fn search(search: Search, mut way: Box<dyn Discovery>) {
    let mut probed: BTreeMap<String, Probed> = BTreeMap::new();
    let errors: LogLimit<String> = LogLimit::default();
    let mut pause = AGAIN_MIN;
    let name = way.to_string();
    loop {
        let looked = timeout(LOOK_TIMEOUT, way.look(&search.own)).await;
        match looked.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within 10 s"))) {
            Ok(found) => {
                pause = found.valid_for.clamp(AGAIN_MIN, AGAIN_MAX);
                search.probe_all(&name, found, &mut probed).await;
            }
            Err(error) => {
                let error = format!("{error:#}");
                if let Some(Due { unlogged }) = errors.due(without_digits(&error), Instant::now()) {
                    warn!(way = name, unlogged, "cannot look for nodes: {error}");
                }
                pause = (pause * 2).min(AGAIN_MAX);
            }
        }
        sleep(pause).await;
    }
}

impl Search {
    /// Probes the addresses that are due, and notes who is there.
    async fn probe_all(&self, way: &str, found: Found, probed: &mut BTreeMap<String, Probed>) {
        let addresses: Vec<String> =
            found.addresses.into_iter().filter(|address| is_address(address)).collect();
        let addresses = &addresses[..addresses.len().min(ADDRESSES_MAX)];
        probed.retain(|address, _| addresses.contains(address));
        let now = Instant::now();
        let is_due = |address: &&String| match probed.get(*address) {
            Some(Probed { at, name: Some(_) }) => *at + PROBE_AGAIN <= now,
            Some(Probed { name: None, .. }) | None => true,
        };
        let probes = addresses.iter().filter(is_due).map(|address| async move {
            let name = probe(&self.own, self.tls.as_ref(), self.frame_bytes_max, address).await;
            (address, name)
        });
        // Noted as they arrive: one that does not answer holds up no other.
        let mut answers = stream::iter(probes.collect::<Vec<_>>()).buffer_unordered(PROBES_MAX);
        let mut noted = Vec::new();
        while let Some((address, answer)) = answers.next().await {
            let name = match answer {
                Ok(name) => {
                    if name != self.own.name && self.note(name, address) {
                        info!(peer = %name, %address, "found by {way}");
                    }
                    Some(name)
                }
                Err(error) => {
                    debug!(%address, way, "no node found: {error:#}");
                    None
                }
            };
            noted.push((address.clone(), Probed { at: now, name }));
        }
        drop(answers);
        probed.extend(noted);
    }

    /// Notes that the node of this name is at this address. Returns whether that is new.
    fn note(&self, name: NodeName, address: &str) -> bool {
        let confirmed = Instant::now();
        self.located.send_if_modified(|located| {
            if let Some(known) = located.get_mut(&name) {
                known.confirmed = confirmed;
                if known.addresses.iter().any(|known| known == address) {
                    return false;
                }
            }
            for known in located.values_mut() {
                known.addresses.retain(|known| known != address);
            }
            let place = Place { addresses: Vec::new(), confirmed };
            let known = &mut located.entry(name).or_insert(place).addresses;
            known.insert(0, address.to_owned());
            known.truncate(ADDRESSES_PER_NAME_MAX);
            located.retain(|_, known| !known.addresses.is_empty());
            if located.len() > NAMES_MAX {
                let others = located.iter().filter(|(other, _)| **other != name);
                let oldest = others.min_by_key(|(_, place)| place.confirmed).map(|(name, _)| *name);
                oldest.and_then(|oldest| located.remove(&oldest));
            }
            true
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::link::secret::Secret;

    fn name(text: &str) -> NodeName {
        text.parse().unwrap()
    }

    fn new_search() -> Search {
        let own = Own {
            cluster: name("cluster"),
            name: name("gotham"),
            listening: ([127, 0, 0, 1], 1).into(),
            secret: Secret::new("tests", "a secret"),
        };
        let located = watch::Sender::default();
        Search { own: Arc::new(own), tls: None, frame_bytes_max: 1 << 20, located }
    }

    #[test]
    fn name_keeps_the_addresses_that_were_found_last() {
        let search = new_search();
        for port in 1..=6 {
            assert!(search.note(name("capitol"), &format!("a:{port}")));
        }
        assert!(!search.note(name("capitol"), "a:6"));
        let addresses = || search.located.borrow()[&name("capitol")].addresses.clone();
        assert_eq!(addresses(), ["a:6", "a:5", "a:4", "a:3"]);
        assert!(search.note(name("metropolis"), "a:6"), "the address has another node now");
        assert_eq!(addresses(), ["a:5", "a:4", "a:3"]);
        for other in ["a:5", "a:4", "a:3"] {
            search.note(name("metropolis"), other);
        }
        assert!(!search.located.borrow().contains_key(&name("capitol")));
    }

    #[test]
    fn name_that_was_not_found_for_the_longest_time_makes_room() {
        let search = new_search();
        for number in 0..NAMES_MAX + 10 {
            search.note(name(&format!("node-{number}")), &format!("a:{}", number + 1));
            search.note(name("capitol"), "b:1");
        }
        let located = search.located.borrow();
        assert_eq!(located.len(), NAMES_MAX);
        assert!(located.contains_key(&name("capitol")) && !located.contains_key(&name("node-0")));
        assert!(located.contains_key(&name(&format!("node-{}", NAMES_MAX + 9))));
    }
}
