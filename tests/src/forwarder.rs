//! Faulty links between the hosts of a [`Network`]: a second network whose packets all pass through
//! the test. A TUN device on each host delivers the host's packets to the forwarder; due packets
//! are written to the device of the receiving host.
//!
//! Each packet is delayed on its own, so packets are reordered.

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

/// The Ethernet MTU.
const MTU: u16 = 1_500;
/// The longest sleep of the forwarder, so that it notices a stop request.
const IDLE: Duration = Duration::from_millis(50);
/// The maximum number of packets read from one host before the others are served.
const BURST: usize = 64;

/// The faults applied to each packet.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkFaults {
    /// The delay in milliseconds, uniformly distributed.
    pub delay_ms: RangeInclusive<u64>,
    /// The probability that a packet is lost.
    pub loss: f64,
    /// The probability that a packet is duplicated.
    pub duplication: f64,
}

impl LinkFaults {
    /// No faults.
    pub const NONE: Self = Self { delay_ms: 0..=0, loss: 0.0, duplication: 0.0 };
}

/// Packet counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketCounts {
    /// Packets that arrived, duplicates included.
    pub arrived: u64,
    /// Packets that were lost.
    pub lost: u64,
    /// Packets that were duplicated.
    pub duplicated: u64,
    /// Packets that arrived after one that the same host sent later to the same host.
    pub reordered: u64,
}

impl AddAssign for PacketCounts {
    fn add_assign(&mut self, other: Self) {
        self.arrived += other.arrived;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
    }
}

/// The network of faulty links. It stops when dropped.
#[derive(Debug)]
pub struct Forwarder {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    faults: Mutex<LinkFaults>,
    counts: Mutex<PacketCounts>,
    stop: AtomicBool,
}

impl Forwarder {
    /// Gives each host a second address, announces the nodes there, and starts forwarding. Equal
    /// seeds draw equal random numbers.
    ///
    /// # Panics
    /// If this machine does not support it; `scripts/network` reports why.
    #[must_use]
    pub fn between(network: &Network, faults: LinkFaults, seed: u64) -> Self {
        let shared = Arc::new(Shared {
            faults: Mutex::new(faults),
            counts: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let ports = NODES.into_iter().zip(1..).map(|(node, number)| {
            let address = Ipv4Addr::new(10, 1, 0, number);
            let host = network.host(node);
            let device = host
                .enter(|| DeviceBuilder::new().name("bad0").enable(false).build_sync())
                .expect("root may make network devices");
            // One thread serves all devices, so no read may block.
            device.set_nonblocking(true).expect("a device can be non-blocking");
            host.run(&format!("ip addr add {address}/24 dev bad0"));
            host.run(&format!("ip link set bad0 mtu {MTU} up"));
            network.announce(node, address);
            Port { address, device }
        });
        let links = Links {
            ports: ports.collect(),
            shared: Arc::clone(&shared),
            rng: ChaCha8Rng::seed_from_u64(seed),
            watch: Stopwatch::start(),
            queue: BinaryHeap::new(),
            sent: 0,
            newest: BTreeMap::new(),
        };
        Self { shared, thread: Some(thread::spawn(|| links.run())) }
    }

    /// Sets the faults for packets sent from here on.
    pub fn set(&self, faults: LinkFaults) {
        *lock(&self.shared.faults) = faults;
    }

    /// Returns the counts since the start.
    #[must_use]
    pub fn counts(&self) -> PacketCounts {
        *lock(&self.shared.counts)
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        // A second panic during unwinding would hide the first.
        assert!(thread::panicking() || !matches!(ended, Some(Err(_))), "the forwarder panicked");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A host's connection to the forwarder.
struct Port {
    address: Ipv4Addr,
    device: SyncDevice,
}

/// A packet in flight, ordered by due time.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Packet {
    due: Duration,
    /// The send order; it breaks ties of the due time.
    number: u64,
    from: usize,
    to: usize,
    bytes: Vec<u8>,
}

struct Links {
    ports: Vec<Port>,
    shared: Arc<Shared>,
    rng: ChaCha8Rng,
    watch: Stopwatch,
    queue: BinaryHeap<Reverse<Packet>>,
    sent: u64,
    /// The number of the newest delivered packet, by sender and receiver.
    newest: BTreeMap<(usize, usize), u64>,
}

impl Links {
    fn run(mut self) {
        while !self.shared.stop.load(Ordering::Relaxed) {
            let next = self.queue.peek().map_or(IDLE, |Reverse(packet)| {
                packet.due.saturating_sub(self.watch.elapsed()).min(IDLE)
            });
            // Rounded up: a timeout that is too short would only poll again.
            let timeout = PollTimeout::try_from(next.as_micros().div_ceil(1_000))
                .expect("less than a minute");
            let mut waiting: Vec<PollFd> = self
                .ports
                .iter()
                .map(|port| PollFd::new(port.device.as_fd(), PollFlags::POLLIN))
                .collect();
            poll(&mut waiting, timeout).expect("devices can be polled");
            let faults = lock(&self.shared.faults).clone();
            let mut counts = PacketCounts::default();
            for from in 0..self.ports.len() {
                self.take(from, &faults, &mut counts);
            }
            self.deliver(&mut counts);
            *lock(&self.shared.counts) += counts;
        }
    }

    /// Reads the packets that a host sends.
    fn take(&mut self, from: usize, faults: &LinkFaults, counts: &mut PacketCounts) {
        let mut buffer = [0; MTU as usize];
        for _ in 0..BURST {
            let bytes = match self.ports[from].device.recv(&mut buffer) {
                Ok(length) => buffer[..length].to_vec(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("reading from a host's device: {error}"),
            };
            let receiver = receiver(&bytes);
            // Packets for other addresses are discarded, such as IPv6 router solicitations.
            let Some(to) = self.ports.iter().position(|port| Some(port.address) == receiver) else {
                continue;
            };
            if self.rng.random_bool(faults.loss) {
                counts.lost += 1;
                continue;
            }
            let twice = self.rng.random_bool(faults.duplication);
            counts.duplicated += u64::from(twice);
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

    /// Delivers the packets that are due.
    fn deliver(&mut self, counts: &mut PacketCounts) {
        let now = self.watch.elapsed();
        while self.queue.peek().is_some_and(|Reverse(packet)| packet.due <= now)
            && let Some(Reverse(packet)) = self.queue.pop()
        {
            // A host with full buffers loses packets, as on a real network.
            if self.ports[packet.to].device.send(&packet.bytes).is_err() {
                counts.lost += 1;
                continue;
            }
            counts.arrived += 1;
            let newest = self.newest.entry((packet.from, packet.to)).or_default();
            if packet.number < *newest {
                counts.reordered += 1;
            }
            *newest = packet.number.max(*newest);
        }
    }
}

/// Returns the destination of an IPv4 packet (RFC 791, section 3.1).
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
    fn receiver_reads_only_complete_ipv4_headers() {
        let mut packet = [0; 20];
        packet[0] = 0x45;
        packet[16..].copy_from_slice(&[10, 1, 0, 3]);
        assert_eq!(receiver(&packet), Some(Ipv4Addr::new(10, 1, 0, 3)));
        assert_eq!(receiver(&packet[..19]), None);
        assert_eq!(receiver(&[]), None);
        packet[0] = 0x60;
        assert_eq!(receiver(&packet), None, "IPv6 headers have another layout");
    }

    #[test]
    fn packets_are_ordered_by_due_time_then_send_order() {
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
