//! Places for who comes from outside: so many in all, and so many for one address. Who goes, gives the place back.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// The places.
#[derive(Clone, Debug)]
pub struct Places {
    taken: Arc<Mutex<Taken>>,
    max: usize,
    per_address_max: usize,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_address: BTreeMap<IpAddr, usize>,
}

/// A place that is taken, until this is dropped.
#[derive(Debug)]
pub struct Place {
    taken: Arc<Mutex<Taken>>,
    address: IpAddr,
}

/// Why there is no place. Nobody who has one loses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPlace {
    /// All of them are taken; so many there are.
    Full(usize),
    /// This address has as many as one may.
    FullForAddress(usize),
}

impl Places {
    /// So many places.
    #[must_use]
    pub fn new(max: usize, per_address_max: usize) -> Self {
        Self { taken: Arc::default(), max, per_address_max }
    }

    /// A place for somebody at this address.
    ///
    /// # Errors
    /// [`NoPlace`]
    pub fn take(&self, address: IpAddr) -> Result<Place, NoPlace> {
        let address = network(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= self.max {
            return Err(NoPlace::Full(self.max));
        }
        let Taken { all, by_address } = &mut *taken;
        let here = by_address.entry(address).or_default();
        if *here >= self.per_address_max {
            return Err(NoPlace::FullForAddress(self.per_address_max));
        }
        *here += 1;
        *all += 1;
        Ok(Place { taken: Arc::clone(&self.taken), address })
    }
}

impl Drop for Place {
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

/// What counts as one address: in IPv6 everybody has a network of 64 bits to choose from.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(places: &Places, address: &str) -> NoPlace {
        places.take(address.parse().unwrap()).expect_err("there is no place")
    }

    #[test]
    fn who_goes_gives_the_place_back_and_who_comes_too_late_takes_none() {
        let places = Places::new(3, 2);
        let take = |address: &str| places.take(address.parse().unwrap()).unwrap();
        let first = take("10.0.0.1");
        let _second = take("::ffff:10.0.0.1");
        assert_eq!(refusal(&places, "10.0.0.1"), NoPlace::FullForAddress(2));
        let third = take("2001:db8::1");
        assert_eq!(refusal(&places, "10.0.0.2"), NoPlace::Full(3));
        drop(first);
        let _fourth = take("2001:db8::2");
        drop(third);
        let _fifth = take("2001:db8:0:0:ffff::1");
        assert_eq!(refusal(&places, "2001:db8::5"), NoPlace::Full(3));
    }

    #[test]
    fn nothing_is_kept_of_who_has_gone() {
        let places = Places::new(1, 1);
        for last in 0..100 {
            drop(places.take(IpAddr::from([10, 0, 0, last])).unwrap());
        }
        assert!(places.taken.lock().unwrap().by_address.is_empty());
    }
}
