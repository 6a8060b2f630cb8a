//! Limits on connections: in total, and per address.
//!
//! Invariant: a permit counts from its acquisition until it is dropped.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// A limit on connections, in total and per address.
#[derive(Clone, Debug)]
pub struct ConnectionLimit {
    taken: Arc<Mutex<Taken>>,
    max: usize,
    per_address_max: usize,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_address: BTreeMap<IpAddr, usize>,
}

/// A permit for one connection, released on drop.
#[derive(Debug)]
pub struct Permit {
    taken: Arc<Mutex<Taken>>,
    address: IpAddr,
}

/// The reason why a permit was refused, with the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitReached {
    /// The total limit is reached.
    Full(usize),
    /// The limit for this address is reached.
    FullForAddress(usize),
}

impl ConnectionLimit {
    /// Returns a limit of `max` permits in total and `per_address_max` per address.
    #[must_use]
    pub fn new(max: usize, per_address_max: usize) -> Self {
        Self { taken: Arc::default(), max, per_address_max }
    }

    /// Acquires a permit for a connection from `address`.
    ///
    /// # Errors
    /// [`LimitReached`]
    pub fn acquire(&self, address: IpAddr) -> Result<Permit, LimitReached> {
        let address = network(address);
        // The counters are consistent whenever the lock is released, so poisoning is ignored.
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= self.max {
            return Err(LimitReached::Full(self.max));
        }
        let Taken { all, by_address } = &mut *taken;
        let here = by_address.entry(address).or_default();
        if *here >= self.per_address_max {
            return Err(LimitReached::FullForAddress(self.per_address_max));
        }
        *here += 1;
        *all += 1;
        Ok(Permit { taken: Arc::clone(&self.taken), address })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        if let Some(here) = taken.by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

/// Returns the address under which a client is counted. For IPv6 it is the /64 network, since a host can
/// usually choose any address in it.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(limit: &ConnectionLimit, address: &str) -> LimitReached {
        limit.acquire(address.parse().unwrap()).expect_err("the limit is reached")
    }

    #[test]
    fn dropped_permit_is_reusable_and_refusal_takes_none() {
        let limit = ConnectionLimit::new(3, 2);
        let take = |address: &str| limit.acquire(address.parse().unwrap()).unwrap();
        let first = take("10.0.0.1");
        let _second = take("::ffff:10.0.0.1");
        assert_eq!(refusal(&limit, "10.0.0.1"), LimitReached::FullForAddress(2));
        let third = take("2001:db8::1");
        assert_eq!(refusal(&limit, "10.0.0.2"), LimitReached::Full(3));
        drop(first);
        let _fourth = take("2001:db8::2");
        drop(third);
        let _fifth = take("2001:db8:0:0:ffff::1");
        assert_eq!(refusal(&limit, "2001:db8::5"), LimitReached::Full(3));
    }

    #[test]
    fn released_address_leaves_no_entry() {
        let limit = ConnectionLimit::new(1, 1);
        for last in 0..100 {
            drop(limit.acquire(IpAddr::from([10, 0, 0, last])).unwrap());
        }
        assert!(limit.taken.lock().unwrap().by_address.is_empty());
    }
}
