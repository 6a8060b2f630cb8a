//! Discovery by multicast, on the local network.
//!
//! In each look, a node announces its port to a group of addresses, and listens for others. An
//! announcement carries a proof of the cluster's secret. What a datagram is worth if it is sent again
//! by somebody else is an address to try.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use crate::id::NodeName;
use crate::link::discovery::{Discovery, Found, Own};
use crate::link::log_limit::{Due, LogLimit};
use crate::link::secret::Purpose;

/// The default group and port. The group is one of those for use within an organization (RFC 2365).
const GROUP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(239, 255, 73, 49), 4_973);
/// The first bytes of each announcement.
const MAGIC: [u8; 4] = *b"GSP1";
/// The size limit of an announcement, in bytes.
const DATAGRAM_BYTES_MAX: usize = 256;
/// The length of a proof, in bytes.
const PROOF_BYTES: usize = 32;
/// The time for which a look listens.
const LISTENS_FOR: Duration = Duration::from_secs(1);
/// The maximum number of datagrams that are read in one look.
const DATAGRAMS_MAX: usize = 1_000;
/// The maximum number of senders that are tried for a name.
const SENDERS_MAX: usize = 4;
/// The number of looks after which the group is joined again, since the interface may have changed.
const LOOKS_MAX: u32 = 30;
/// The purpose of the proof in an announcement.
const ANNOUNCING: Purpose = Purpose::new("announcing");

/// Discovery by multicast. If the node listens at one address, announcements leave and arrive at its
/// interface; otherwise at the one that the system's routes select.
#[derive(Debug)]
pub struct Multicast {
    group: SocketAddrV4,
    socket: Option<UdpSocket>,
    /// The number of looks with this socket.
    looks: u32,
    /// The senders of refused announcements logged recently.
    refused: LogLimit<IpAddr>,
}

/// An announcement. It follows `MAGIC`, and the proof follows it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Announcement {
    cluster: NodeName,
    name: NodeName,
    port: u16,
}

/// What a datagram is.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Node(Announcement),
    /// An announcement of this cluster without a proof of its secret.
    Unproved(NodeName),
    /// A datagram of another cluster or program.
    Other,
}

impl Default for Multicast {
    fn default() -> Self {
        Self::to(GROUP)
    }
}

impl Multicast {
    /// Returns the discovery of nodes that use this group and port.
    #[must_use]
    pub fn to(group: SocketAddrV4) -> Self {
        Self { group, socket: None, looks: 0, refused: LogLimit::default() }
    }

    fn socket(&mut self, own: &Own) -> anyhow::Result<&UdpSocket> {
        self.looks += 1;
        if self.socket.is_none() || self.looks > LOOKS_MAX {
            self.looks = 0;
            let socket = join(self.group, own.listening.ip())
                .with_context(|| format!("joining the multicast group {}", self.group))?;
            self.socket = Some(socket);
        }
        self.socket.as_ref().context("it was set")
    }

    async fn find(&mut self, own: &Own) -> anyhow::Result<Found> {
        let group = self.group;
        let end = Instant::now() + LISTENS_FOR;
        let socket = self.socket(own)?;
        let sent = socket.send_to(&announcement(own), group).await;
        sent.with_context(|| format!("announcing to the multicast group {group}"))?;
        let mut buffer = [0; DATAGRAM_BYTES_MAX];
        let mut addresses: BTreeMap<NodeName, Vec<SocketAddr>> = BTreeMap::new();
        let mut unproved = Vec::new();
        for _ in 0..DATAGRAMS_MAX {
            let Ok(received) = timeout_at(end, socket.recv_from(&mut buffer)).await else { break };
            let (bytes, from) = received.context("receiving announcements")?;
            match hear(own, &buffer[..bytes]) {
                Heard::Node(Announcement { name, port, .. }) if name != own.name => {
                    let address = SocketAddr::new(from.ip(), port);
                    let heard = addresses.entry(name).or_default();
                    // An announcement that is sent again by somebody else has another sender.
                    if heard.len() < SENDERS_MAX && !heard.contains(&address) {
                        heard.push(address);
                    }
                }
                Heard::Unproved(name) => unproved.push((name, from)),
                Heard::Node(_) | Heard::Other => {}
            }
        }
        for (name, from) in unproved {
            if let Some(Due { unlogged }) = self.refused.due(from.ip(), Instant::now()) {
                warn!(%from, %name, unlogged, "announcement refused: wrong cookie");
            }
        }
        let addresses = addresses.into_values().flatten().map(|address| address.to_string());
        Ok(Found { addresses: addresses.collect(), valid_for: Duration::ZERO })
    }
}

/// Returns the datagram that announces this node.
fn announcement(own: &Own) -> Vec<u8> {
    let announcement =
        Announcement { cluster: own.cluster, name: own.name, port: own.listening.port() };
    let mut datagram = MAGIC.to_vec();
    datagram
        .extend(postcard::to_stdvec(&announcement).expect("names and numbers have an encoding"));
    let proof = own.secret.prove(ANNOUNCING, &[&datagram]);
    datagram.extend(proof);
    datagram
}

fn hear(own: &Own, datagram: &[u8]) -> Heard {
    let Some((message, proof)) = datagram
        .len()
        .checked_sub(PROOF_BYTES)
        .map(|bytes| datagram.split_at(bytes))
        .filter(|(message, _)| message.starts_with(&MAGIC))
    else {
        return Heard::Other;
    };
    match postcard::from_bytes::<Announcement>(&message[MAGIC.len()..]) {
        Ok(heard) if heard.cluster != own.cluster => Heard::Other,
        Ok(heard) if own.secret.is_proved(ANNOUNCING, &[message], proof) => Heard::Node(heard),
        Ok(heard) => Heard::Unproved(heard.name),
        Err(_) => Heard::Other,
    }
}

/// Returns a socket that receives what is sent to the group. Other sockets of this machine may do so
/// too.
fn join(group: SocketAddrV4, listening: IpAddr) -> io::Result<UdpSocket> {
    let interface = match listening {
        IpAddr::V4(ip) => ip,
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
    };
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::V4(group).into())?;
    socket.join_multicast_v4(group.ip(), &interface)?;
    socket.set_multicast_if_v4(&interface)?;
    socket.set_multicast_loop_v4(true)?;
    UdpSocket::from_std(socket.into())
}

impl fmt::Display for Multicast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "multicast:{}", self.group)
    }
}

impl Discovery for Multicast {
    fn look<'a>(&'a mut self, own: &'a Own) -> BoxFuture<'a, anyhow::Result<Found>> {
        Box::pin(async move {
            let found = self.find(own).await;
            if found.is_err() {
                self.socket = None;
            }
            found
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::link::secret::Secret;

    fn own(cluster: &str, name: &str, secret: &str) -> Own {
        Own {
            cluster: cluster.parse().unwrap(),
            name: name.parse().unwrap(),
            listening: ([127, 0, 0, 1], 4901).into(),
            secret: Secret::new("tests", secret),
        }
    }

    #[test]
    fn only_proved_announcements_of_the_cluster_are_heard() {
        let me = own("heroes", "gotham", "a secret");
        let from = |cluster, secret| announcement(&own(cluster, "capitol", secret));
        let Heard::Node(heard) = hear(&me, &from("heroes", "a secret")) else {
            panic!("it was proved")
        };
        assert_eq!((heard.name.as_str(), heard.port), ("capitol", 4901));
        let capitol = "capitol".parse().unwrap();
        assert_eq!(hear(&me, &from("heroes", "another")), Heard::Unproved(capitol));
        assert_eq!(hear(&me, &from("others", "a secret")), Heard::Other);
        let whole = from("heroes", "a secret");
        for bytes in 0..whole.len() {
            assert!(!matches!(hear(&me, &whole[..bytes]), Heard::Node(_)), "{bytes} bytes");
        }
        let mut changed = whole.clone();
        for index in 0..whole.len() {
            changed[index] ^= 1;
            assert!(!matches!(hear(&me, &changed), Heard::Node(_)), "byte {index}");
            changed[index] ^= 1;
        }
        assert!(whole.len() <= DATAGRAM_BYTES_MAX);
    }
}
