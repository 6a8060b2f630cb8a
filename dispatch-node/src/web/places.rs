//! The places on the live socket: so many in all, and so many for one address. Who goes, gives the place back.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;

use crate::web::error::Problem;

/// The places.
#[derive(Clone, Debug)]
pub(crate) struct Places {
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
pub(crate) struct Place {
    taken: Arc<Mutex<Taken>>,
    address: IpAddr,
}

impl Places {
    /// So many places.
    pub(crate) fn new(max: usize, per_address_max: usize) -> Self {
        Self { taken: Arc::default(), max, per_address_max }
    }

    /// A place for somebody at this address.
    ///
    /// # Errors
    /// `full`; `too_many_from_address`. Nobody who has a place loses it.
    pub(crate) fn take(&self, address: IpAddr) -> Result<Place, Problem> {
        let address = network(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= self.max {
            return Err(Problem::unavailable("full", format!("{} pages are open already", self.max)));
        }
        let Taken { all, by_address } = &mut *taken;
        let here = by_address.entry(address).or_default();
        if *here >= self.per_address_max {
            let detail = format!("{} pages are open from this address already", self.per_address_max);
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_from_address", detail));
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

    fn refusal(places: &Places, address: &str) -> &'static str {
        places.take(address.parse().unwrap()).expect_err("there is no place").code
    }

    #[test]
    fn who_goes_gives_the_place_back_and_who_comes_too_late_takes_none() {
        let places = Places::new(3, 2);
        let take = |address: &str| places.take(address.parse().unwrap()).unwrap();
        let first = take("10.0.0.1");
        let _second = take("::ffff:10.0.0.1");
        assert_eq!(refusal(&places, "10.0.0.1"), "too_many_from_address");
        let third = take("2001:db8::1");
        assert_eq!(refusal(&places, "10.0.0.2"), "full");
        drop(first);
        let _fourth = take("2001:db8::2");
        drop(third);
        let _fifth = take("2001:db8:0:0:ffff::1");
        assert_eq!(refusal(&places, "2001:db8::5"), "full");
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
