//! A loopback address for each cluster. Linux accepts all of 127.0.0.0/8, so clusters that run in
//! parallel all use the well-known ports, each on an address of its own, and no test has to search
//! for free ports and race for them.

use std::net::Ipv4Addr;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// The maximum number of addresses of a test process. More would collide with those of the process
/// with the next id.
const PER_PROCESS: u32 = 64;
/// 127.2.0.1 to 127.250.255.254: the beginning of the network is left to interactive use, its end
/// to other special uses.
const SECOND: (u32, u32) = (2, 249);
const FOURTH: (u32, u32) = (1, 254);

static TAKEN: AtomicU32 = AtomicU32::new(0);

/// Returns an unused loopback address, derived from the process id and a counter.
#[must_use]
pub fn own_address() -> Ipv4Addr {
    nth_address(
        process::id().wrapping_mul(PER_PROCESS).wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed)),
    )
}

fn nth_address(n: u32) -> Ipv4Addr {
    let octet = |n: u32| u8::try_from(n).expect("a remainder below 256");
    let (fourth, n) = (FOURTH.0 + n % FOURTH.1, n / FOURTH.1);
    let (third, n) = (n % 256, n / 256);
    Ipv4Addr::new(127, octet(SECOND.0 + n % SECOND.1), octet(third), octet(fourth))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjacent_numbers_give_distinct_bindable_addresses() {
        let some: std::collections::BTreeSet<Ipv4Addr> =
            (4_000_000..4_100_000).map(nth_address).collect();
        assert_eq!(some.len(), 100_000);
        assert!(some.iter().chain([&nth_address(0), &nth_address(u32::MAX)]).all(|address| {
            let [first, second, _, fourth] = address.octets();
            first == 127 && (2..=250).contains(&second) && (1..=254).contains(&fourth)
        }));
        std::net::TcpListener::bind((own_address(), 0))
            .expect("every address of 127.0.0.0/8 is this machine");
    }
}
