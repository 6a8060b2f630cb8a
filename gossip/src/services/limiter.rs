//! A rate limiter: how often something may happen, counted for the whole cluster at the owner of its key.
//!
//! - **Algorithm:** GCRA. A key may be hit `burst` times at once; then one hit is refilled every
//!   `period / burst`. It is not a window that starts anew.
//! - **Owner silent or unreachable:** this node decides by itself, and the [`Verdict`] says so. Then a key
//!   may be hit `burst` times at each node.
//! - **Owner changed:** the new owner has counted nothing yet, so a key may be hit `burst` times more.
//!
//! Invariant: a node counts a limited number of keys. When there are more, hits of further keys are
//! refused, and those of counted keys are decided as before.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::id::NodeName;
use crate::link::{Cluster, Target};
use crate::services::silence::Silence;
use crate::services::{decode, encode};
use crate::table::NAME_BYTES_MAX;

/// The name of the handler.
const HANDLER: &str = "gossip/limit";
/// The time for which a caller waits for the owner.
const WITHIN: Duration = Duration::from_secs(1);
/// The shortest time between two searches for keys that have all their hits again.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);
/// The number of keys that one node counts.
const KEYS_MAX: usize = 100_000;
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
        if quota.interval().is_zero() || period > PERIOD_MAX {
            return Err(QuotaError::Period);
        }
        Ok(quota)
    }

    /// Returns the time after which one hit is refilled.
    fn interval(self) -> Duration {
        self.period / self.burst.get()
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
    handler: String,
    counts: Arc<Mutex<Counts>>,
    silence: Silence,
}

/// What one node has counted: for each key, the time at which it has all its hits again.
struct Counts {
    full_at: BTreeMap<Hit, Instant>,
    swept_at: Option<Instant>,
}

/// A hit, for the owner of its key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
        Self::of(cluster, HANDLER.to_owned())
    }

    /// Returns a rate limiter of a node that counts apart from all others: those of another name, and
    /// that without one.
    #[must_use]
    pub fn named(cluster: &Cluster, name: &str) -> Self {
        Self::of(cluster, format!("{HANDLER}/{name}"))
    }

    fn of(cluster: &Cluster, handler: String) -> Self {
        let counts = Counts { full_at: BTreeMap::new(), swept_at: None };
        let counts = Arc::new(Mutex::new(counts));
        let own = Arc::clone(&counts);
        cluster.handle(&handler, move |_, args| {
            let decided = decode(&args).and_then(|hit: Hit| {
                // What a peer sends is checked like what this program does.
                Quota::new(hit.quota.burst.get(), hit.quota.period)
                    .map_err(|error| error.to_string())?;
                if hit.limit.len().max(hit.key.len()) > NAME_BYTES_MAX {
                    return Err(format!("a name must have at most {NAME_BYTES_MAX} bytes"));
                }
                Ok(encode(&locked(&own).hit(hit, Instant::now())))
            });
            std::future::ready(decided)
        });
        Self { cluster: cluster.clone(), handler, counts, silence: Silence::default() }
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
        let is_asked = owner.is_some_and(|owner| !self.silence.has(owner));
        if is_asked {
            let target = Target::Owner(owned);
            let call =
                self.cluster.call_within(WITHIN, &target, &self.handler, &encode(&hit)).await;
            let decided = call.ok().and_then(|returned| {
                Some((returned.from, decode::<Decision>(&returned.result).ok()?))
            });
            if let Some((decided_by, decision)) = decided {
                return decision.verdict(decided_by, false);
            }
            if let Some(owner) = owner {
                self.silence.note(owner);
            }
        }
        let decision = locked(&self.counts).hit(hit, Instant::now());
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
    fn hit(&mut self, hit: Hit, now: Instant) -> Decision {
        if self.full_at.len() >= KEYS_MAX && !self.full_at.contains_key(&hit) {
            self.sweep(now);
            if self.full_at.len() >= KEYS_MAX {
                // A limiter that cannot count must not allow everything.
                return Decision { allowed: false, remaining: 0, retry_after: SWEEP_INTERVAL };
            }
        }
        let (interval, period) =
            (hit.quota.interval(), hit.quota.interval() * hit.quota.burst.get());
        let full_at = self.full_at.entry(hit).or_insert(now);
        // Each hit takes one interval; at most all of them may be taken.
        let taken = full_at.saturating_duration_since(now);
        let (allowed, taken) = match taken + interval {
            then if then <= period => (true, then),
            _ => (false, taken),
        };
        *full_at = now + taken;
        let left = period.saturating_sub(taken);
        let remaining = u32::try_from(left.as_nanos() / interval.as_nanos()).unwrap_or(u32::MAX);
        let retry_after =
            if allowed { Duration::ZERO } else { (taken + interval).saturating_sub(period) };
        Decision { allowed, remaining, retry_after }
    }

    /// Forgets the keys that have all their hits again, unless that was done a short time ago.
    fn sweep(&mut self, now: Instant) {
        let is_due = |at: Instant| now.saturating_duration_since(at) >= SWEEP_INTERVAL;
        if self.swept_at.is_none_or(is_due) {
            self.full_at.retain(|_, full_at| *full_at > now);
            self.swept_at = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn counts() -> Counts {
        Counts { full_at: BTreeMap::new(), swept_at: None }
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
        let (mut counts, start) = (counts(), Instant::now());
        let quota = Quota::new(10, HOUR).unwrap();
        let mut hit_at = |key, quota, after: Duration| {
            let Decision { allowed, remaining, retry_after } =
                counts.hit(hit(key, quota), start + after);
            (allowed, remaining, retry_after)
        };
        for remaining in (0..10).rev() {
            assert_eq!(hit_at("ada", quota, Duration::ZERO), (true, remaining, Duration::ZERO));
        }
        assert_eq!(hit_at("ada", quota, Duration::ZERO), (false, 0, HOUR / 10));
        let minute = HOUR / 60;
        assert_eq!(hit_at("ada", quota, minute), (false, 0, minute * 5));
        assert_eq!(hit_at("ada", quota, minute * 6), (true, 0, Duration::ZERO));
        assert_eq!(hit_at("ada", quota, minute * 6), (false, 0, minute * 6));
        assert_eq!(hit_at("ada", quota, minute * 30), (true, 3, Duration::ZERO));
        assert_eq!(hit_at("ada", quota, HOUR * 5), (true, 9, Duration::ZERO));
        // Another key and another quota count by themselves.
        assert_eq!(hit_at("grace", quota, HOUR * 5), (true, 9, Duration::ZERO));
        let eleven = Quota::new(11, HOUR).unwrap();
        assert_eq!(hit_at("ada", eleven, HOUR * 5), (true, 10, Duration::ZERO));
    }

    #[test]
    fn keys_are_limited_and_those_that_are_counted_still_count() {
        let (mut counts, start) = (counts(), Instant::now());
        let quota = Quota::new(2, HOUR).unwrap();
        for number in 0..KEYS_MAX {
            assert!(counts.hit(hit(&number.to_string(), quota), start).allowed);
        }
        let further = |counts: &mut Counts, after| counts.hit(hit("further", quota), start + after);
        assert!(!further(&mut counts, Duration::ZERO).allowed);
        assert!(counts.hit(hit("7", quota), start).allowed);
        assert!(!counts.hit(hit("7", quota), start).allowed);
        // Those with all their hits make room.
        assert!(further(&mut counts, HOUR).allowed);
        assert_eq!(counts.full_at.len(), 1);
    }
}
