//! Bad lines between the hosts of a [`Network`]: a second network, every packet of which passes
//! through the test. A device of each host (TUN) hands over what the host sends; what is due goes
//! to the device of the host it is meant for.
//!
//! Each packet is delayed on its own, so packets overtake each other.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::ops::{AddAssign, RangeInclusive};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tun_rs::{DeviceBuilder, SyncDevice};

use crate::netns::Network;
use crate::nodes::NODES;
use superhero::Stopwatch;

/// The largest packet, as everywhere on Ethernet.
const MTU: u16 = 1_500;
/// How long the forwarder sleeps at most, so that it notices when it is to end.
const IDLE: Duration = Duration::from_millis(50);
/// How many packets of one host are taken before the others have their turn.
const BURST: usize = 64;

/// What is done to each packet.
#[derive(Clone, Debug, PartialEq)]
pub struct Faults {
    /// How long it is under way, in milliseconds; all times are equally likely.
    pub delay_ms: RangeInclusive<u64>,
    /// How probable it is that it is lost.
    pub loss: f64,
    /// How probable it is that it arrives twice.
    pub duplication: f64,
}

impl Faults {
    /// None.
    pub const NONE: Self = Self { delay_ms: 0..=0, loss: 0.0, duplication: 0.0 };
}

/// What was done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Packets that arrived, repeated ones too.
    pub arrived: u64,
    /// Packets that were lost.
    pub lost: u64,
    /// Packets that were repeated.
    pub repeated: u64,
    /// Packets that arrived after one that was sent later, by the same host to the same host.
    pub overtaken: u64,
}

impl AddAssign for Done {
    fn add_assign(&mut self, other: Self) {
        self.arrived += other.arrived;
        self.lost += other.lost;
        self.repeated += other.repeated;
        self.overtaken += other.overtaken;
    }
}

/// The network of bad lines. It ends with this.
#[derive(Debug)]
pub struct Forwarder {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    faults: Mutex<Faults>,
    done: Mutex<Done>,
    stop: AtomicBool,
}

impl Forwarder {
    /// Gives each host a second address, announces the nodes there, and begins. The same seed draws
    /// the same numbers.
    ///
    /// # Panics
    /// When this machine cannot do it; `scripts/network` says why.
    #[must_use]
    pub fn between(network: &Network, faults: Faults, seed: u64) -> Self {
        let shared = Arc::new(Shared {
            faults: Mutex::new(faults),
            done: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let ports = NODES.into_iter().zip(1..).map(|(node, number)| {
            let address = Ipv4Addr::new(10, 1, 0, number);
            let host = network.host(node);
            let device = host
                .on(|| DeviceBuilder::new().name("bad0").enable(false).build_sync())
                .expect("root may make network devices");
            device.set_nonblocking(true).expect("a device can be asked without waiting");
            host.run(&format!("ip addr add {address}/24 dev bad0"));
            host.run(&format!("ip link set bad0 mtu {MTU} up"));
            network.announce(node, address);
            Port { address, device }
        });
        let lines = Lines {
            ports: ports.collect(),
            shared: Arc::clone(&shared),
            rng: ChaCha8Rng::seed_from_u64(seed),
            watch: Stopwatch::start(),
            queue: BinaryHeap::new(),
            sent: 0,
            newest: BTreeMap::new(),
        };
        Self { shared, thread: Some(thread::spawn(|| lines.run())) }
    }

    /// What is done from now on to what is sent from now on.
    pub fn set(&self, faults: Faults) {
        *lock(&self.shared.faults) = faults;
    }

    /// What was done so far.
    #[must_use]
    pub fn done(&self) -> Done {
        *lock(&self.shared.done)
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        // During a panic a second one would hide the first.
        assert!(thread::panicking() || !matches!(ended, Some(Err(_))), "the forwarder panicked");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a host is connected.
struct Port {
    address: Ipv4Addr,
    device: SyncDevice,
}

/// A packet under way; what is due first comes first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Packet {
    due: Duration,
    /// Counts what was sent, so that equals keep their order.
    number: u64,
    from: usize,
    to: usize,
    bytes: Vec<u8>,
}

struct Lines {
    ports: Vec<Port>,
    shared: Arc<Shared>,
    rng: ChaCha8Rng,
    watch: Stopwatch,
    queue: BinaryHeap<Reverse<Packet>>,
    sent: u64,
    /// The number of the newest packet that arrived, by sender and receiver.
    newest: BTreeMap<(usize, usize), u64>,
}

impl Lines {
    fn run(mut self) {
        while !self.shared.stop.load(Ordering::Relaxed) {
            let next = self.queue.peek().map_or(IDLE, |Reverse(packet)| {
                packet.due.saturating_sub(self.watch.elapsed()).min(IDLE)
            });
            // Rounded up: too early would only mean to ask again.
            let timeout = PollTimeout::try_from(next.as_micros().div_ceil(1_000))
                .expect("less than a minute");
            let mut waiting: Vec<PollFd> = self
                .ports
                .iter()
                .map(|port| PollFd::new(port.device.as_fd(), PollFlags::POLLIN))
                .collect();
            poll(&mut waiting, timeout).expect("devices can be waited for");
            let faults = lock(&self.shared.faults).clone();
            let mut done = Done::default();
            for from in 0..self.ports.len() {
                self.take(from, &faults, &mut done);
            }
            self.deliver(&mut done);
            *lock(&self.shared.done) += done;
        }
    }

    /// Takes what a host sends.
    fn take(&mut self, from: usize, faults: &Faults, done: &mut Done) {
        let mut buffer = [0; MTU as usize];
        for _ in 0..BURST {
            let bytes = match self.ports[from].device.recv(&mut buffer) {
                Ok(length) => buffer[..length].to_vec(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("reading what a host sends: {error}"),
            };
            let receiver = receiver(&bytes);
            // What is meant for none of them (a host asks for routers, in IPv6) goes nowhere.
            let Some(to) = self.ports.iter().position(|port| Some(port.address) == receiver) else {
                continue;
            };
            if self.rng.random_bool(faults.loss) {
                done.lost += 1;
                continue;
            }
            let twice = self.rng.random_bool(faults.duplication);
            done.repeated += u64::from(twice);
            for _ in 0..1 + usize::from(twice) {
                let delay = Duration::from_millis(self.rng.random_range(faults.delay_ms.clone()));
                self.sent += 1;
                let packet = Packet {
                    due: self.watch.elapsed() + delay,
                    number: self.sent,
                    from,
                    to,
                    bytes: bytes.clone(),
                };
                self.queue.push(Reverse(packet));
            }
        }
    }

    /// Hands over what is due.
    fn deliver(&mut self, done: &mut Done) {
        let now = self.watch.elapsed();
        while self.queue.peek().is_some_and(|Reverse(packet)| packet.due <= now)
            && let Some(Reverse(packet)) = self.queue.pop()
        {
            // A host whose buffers are full loses what arrives, as hosts do.
            if self.ports[packet.to].device.send(&packet.bytes).is_err() {
                done.lost += 1;
                continue;
            }
            done.arrived += 1;
            let newest = self.newest.entry((packet.from, packet.to)).or_default();
            if packet.number < *newest {
                done.overtaken += 1;
            }
            *newest = packet.number.max(*newest);
        }
    }
}

/// To whom a packet of IP version 4 is addressed (RFC 791, section 3.1).
fn receiver(packet: &[u8]) -> Option<Ipv4Addr> {
    if packet.first()? >> 4 != 4 {
        return None;
    }
    let octets: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
    Some(octets.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_addresses_of_version_4_are_read() {
        let mut packet = [0; 20];
        packet[0] = 0x45;
        packet[16..].copy_from_slice(&[10, 1, 0, 3]);
        assert_eq!(receiver(&packet), Some(Ipv4Addr::new(10, 1, 0, 3)));
        assert_eq!(receiver(&packet[..19]), None);
        assert_eq!(receiver(&[]), None);
        packet[0] = 0x60;
        assert_eq!(receiver(&packet), None, "version 6 has its addresses elsewhere");
    }

    #[test]
    fn what_is_due_first_comes_first_and_equals_keep_their_order() {
        let packet = |due, number| {
            Reverse(Packet {
                due: Duration::from_millis(due),
                number,
                from: 0,
                to: 1,
                bytes: Vec::new(),
            })
        };
        let mut queue = BinaryHeap::from([packet(70, 1), packet(50, 2), packet(50, 3)]);
        let order: Vec<u64> =
            std::iter::from_fn(|| queue.pop()).map(|Reverse(packet)| packet.number).collect();
        assert_eq!(order, [2, 3, 1]);
    }
}
