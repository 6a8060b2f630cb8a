//! A rate limiter: how often something may happen, counted for the whole cluster at the owner of its key.
//!
//! - **Algorithm:** GCRA. A key may be hit `burst` times at once; then one hit is refilled every
//!   `period / burst`. It is not a window that starts anew.
//! - **Owner silent or unreachable:** this node decides by itself, and the [`Verdict`] says so. Then a key
//!   may be hit `burst` times at each node.
//! - **Owner changed:** the new owner has counted nothing yet, so a key may be hit `burst` times more.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::HashMapStateStore;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::id::NodeName;
use crate::link::{Cluster, Target};
use crate::services::{decode, encode};
use crate::table::NAME_BYTES_MAX;

/// The name of the handler.
const HANDLER: &str = "gossip/limit";
/// The time for which a caller waits for the owner.
const WITHIN: Duration = Duration::from_millis(250);
/// The time for which an owner that did not answer is not asked again.
const SILENT_FOR: Duration = Duration::from_secs(1);
/// The interval at which keys that were not hit for a while are forgotten.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);
/// The number of keys that one node counts.
const KEYS_MAX: usize = 100_000;
/// The number of different quotas that one node counts with.
const QUOTAS_MAX: usize = 100;
/// The longest period.
pub const PERIOD_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);

/// How often a key may be hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Quota {
    burst: NonZeroU32,
    period: Duration,
}

/// The reason why a quota is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuotaError {
    /// Nothing would be allowed.
    #[error("a limit must be at least 1")]
    Zero,
    /// The period is zero or too long, or shorter than a nanosecond for each hit.
    #[error("a period must be more than 1 ns for each hit, and at most {PERIOD_MAX:?}")]
    Period,
}

impl Quota {
    /// Returns the quota of `burst` hits in each `period`.
    ///
    /// # Errors
    /// [`QuotaError`]
    pub fn new(burst: u32, period: Duration) -> Result<Self, QuotaError> {
        let burst = NonZeroU32::new(burst).ok_or(QuotaError::Zero)?;
        let quota = Self { burst, period };
        if quota.as_governor().is_none() || period > PERIOD_MAX {
            return Err(QuotaError::Period);
        }
        Ok(quota)
    }

    fn as_governor(self) -> Option<governor::Quota> {
        let quota = governor::Quota::with_period(self.period / self.burst.get())?;
        Some(quota.allow_burst(self.burst))
    }
}

/// The decision about one hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// True if the hit is allowed, and counted.
    pub allowed: bool,
    /// The number of hits that are allowed now.
    pub remaining: u32,
    /// The time until a hit is allowed; zero if it is allowed now.
    pub retry_after: Duration,
    /// The node that has decided.
    pub decided_by: NodeName,
    /// True if the owner did not answer, so that this node decided with what it has counted itself.
    pub is_local: bool,
}

/// The rate limiter of one node. Clones share it.
#[derive(Clone)]
pub struct RateLimiter {
    cluster: Cluster,
    counts: Arc<Mutex<Counts>>,
    silent: Arc<Mutex<BTreeMap<NodeName, Instant>>>,
}

type Limiter = governor::RateLimiter<
    (String, String),
    HashMapStateStore<(String, String)>,
    DefaultClock,
    StateInformationMiddleware,
>;

/// What one node has counted.
struct Counts {
    limiters: BTreeMap<Quota, Limiter>,
    swept_at: Instant,
}

/// A hit, for the owner of its key.
#[derive(Serialize, Deserialize)]
struct Hit {
    limit: String,
    key: String,
    quota: Quota,
}

/// What an owner decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Decision {
    allowed: bool,
    remaining: u32,
    retry_after: Duration,
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // The value is consistent whenever the lock is released.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RateLimiter {
    /// Returns the rate limiter of a node, which from now on decides about the keys that it owns.
    #[must_use]
    pub fn new(cluster: &Cluster) -> Self {
        let counts = Counts { limiters: BTreeMap::new(), swept_at: Instant::now() };
        let counts = Arc::new(Mutex::new(counts));
        let own = Arc::clone(&counts);
        cluster.handle(HANDLER, move |_, args| {
            let decided = decode(&args).and_then(|hit: Hit| {
                // The quota of a peer is checked like one of this program.
                Quota::new(hit.quota.burst.get(), hit.quota.period)
                    .map_err(|error| error.to_string())?;
                Ok(encode(&locked(&own).hit(hit)))
            });
            std::future::ready(decided)
        });
        Self { cluster: cluster.clone(), counts, silent: Arc::default() }
    }

    /// Hits a key of a limit. Names of more than 400 bytes count by their first 400 bytes.
    pub async fn hit(&self, limit: &str, key: &str, quota: Quota) -> Verdict {
        let [limit, key] =
            [limit, key].map(|name| name[..name.floor_char_boundary(NAME_BYTES_MAX)].to_owned());
        let hit = Hit { limit, key, quota };
        // A limit is a part of what is hashed, so that the limits of one user are at different nodes.
        let owned = format!("{}\0{}", hit.limit, hit.key);
        let snapshot = self.cluster.snapshot();
        let owner = snapshot.as_ref().and_then(|snapshot| snapshot.owners(&owned).first().copied());
        let is_asked = owner.is_some_and(|owner| {
            let silent = locked(&self.silent);
            silent.get(&owner).is_none_or(|since| since.elapsed() >= SILENT_FOR)
        });
        if is_asked {
            let target = Target::Owner(owned);
            let call = self.cluster.call_within(WITHIN, &target, HANDLER, &encode(&hit)).await;
            let decided = call.ok().and_then(|returned| {
                Some((returned.from, decode::<Decision>(&returned.result).ok()?))
            });
            if let Some((decided_by, decision)) = decided {
                return decision.verdict(decided_by, false);
            }
            if let Some(owner) = owner {
                locked(&self.silent).insert(owner, Instant::now());
            }
        }
        let decision = locked(&self.counts).hit(hit);
        decision.verdict(self.cluster.node(), true)
    }
}

impl Decision {
    fn verdict(self, decided_by: NodeName, is_local: bool) -> Verdict {
        let Self { allowed, remaining, retry_after } = self;
        Verdict { allowed, remaining, retry_after, decided_by, is_local }
    }
}

impl Counts {
    fn hit(&mut self, Hit { limit, key, quota }: Hit) -> Decision {
        if self.swept_at.elapsed() >= SWEEP_INTERVAL {
            self.sweep();
        }
        if !self.has_room(quota) {
            self.sweep();
        }
        if !self.has_room(quota) {
            // A limiter that cannot count must not allow everything.
            return Decision { allowed: false, remaining: 0, retry_after: SWEEP_INTERVAL };
        }
        let limiter = self.limiters.entry(quota).or_insert_with(|| {
            let quota = quota.as_governor().expect("a quota has a period");
            governor::RateLimiter::hashmap(quota).with_middleware()
        });
        match limiter.check_key(&(limit, key)) {
            Ok(state) => Decision {
                allowed: true,
                remaining: state.remaining_burst_capacity(),
                retry_after: Duration::ZERO,
            },
            Err(refused) => Decision {
                allowed: false,
                remaining: 0,
                retry_after: refused.wait_time_from(limiter.clock().now()),
            },
        }
    }

    fn has_room(&self, quota: Quota) -> bool {
        let keys: usize = self.limiters.values().map(Limiter::len).sum();
        keys < KEYS_MAX && (self.limiters.len() < QUOTAS_MAX || self.limiters.contains_key(&quota))
    }

    /// Forgets the keys that have all their hits again.
    fn sweep(&mut self) {
        self.limiters.retain(|_, limiter| {
            limiter.retain_recent();
            !limiter.is_empty()
        });
        self.swept_at = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn counts() -> Counts {
        Counts { limiters: BTreeMap::new(), swept_at: Instant::now() }
    }

    fn hit(key: &str, quota: Quota) -> Hit {
        Hit { limit: "login".to_owned(), key: key.to_owned(), quota }
    }

    #[test]
    fn quotas_are_checked() {
        assert_eq!(Quota::new(0, HOUR), Err(QuotaError::Zero));
        assert_eq!(Quota::new(1, Duration::ZERO), Err(QuotaError::Period));
        assert_eq!(Quota::new(u32::MAX, Duration::from_nanos(1)), Err(QuotaError::Period));
        assert_eq!(Quota::new(1, PERIOD_MAX + HOUR), Err(QuotaError::Period));
        assert!(Quota::new(u32::MAX, HOUR).is_ok() && Quota::new(1, PERIOD_MAX).is_ok());
    }

    #[test]
    fn burst_is_allowed_and_then_one_hit_each_part_of_the_period() {
        let mut counts = counts();
        let quota = Quota::new(10, HOUR).unwrap();
        for remaining in (0..10).rev() {
            let decision = counts.hit(hit("ada", quota));
            assert_eq!((decision.allowed, decision.remaining), (true, remaining));
        }
        let decision = counts.hit(hit("ada", quota));
        assert!(!decision.allowed && decision.retry_after <= HOUR / 10);
        assert!(decision.retry_after > HOUR / 10 - Duration::from_secs(60));
        assert!(counts.hit(hit("grace", quota)).allowed);
        // Another quota counts by itself.
        assert!(counts.hit(hit("ada", Quota::new(11, HOUR).unwrap())).allowed);
    }

    #[test]
    fn keys_and_quotas_are_limited_and_unused_ones_are_forgotten() {
        let mut counts = counts();
        let quick = Quota::new(1, Duration::from_nanos(2)).unwrap();
        for number in 0..KEYS_MAX + 10 {
            assert!(counts.hit(hit(&number.to_string(), quick)).allowed);
        }
        let hour = Quota::new(1, HOUR).unwrap();
        for number in 0..KEYS_MAX {
            counts.hit(hit(&number.to_string(), hour));
        }
        let refused = counts.hit(hit("one more", hour));
        assert_eq!((refused.allowed, refused.retry_after), (false, SWEEP_INTERVAL));
        let mut counts = self::counts();
        for burst in 1..=QUOTAS_MAX as u32 {
            assert!(counts.hit(hit("ada", Quota::new(burst, HOUR).unwrap())).allowed);
        }
        assert!(!counts.hit(hit("ada", Quota::new(1_000, HOUR).unwrap())).allowed);
    }
}
