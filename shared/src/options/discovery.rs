//! The option `--discover`: ways to find other nodes.

use std::fmt;
use std::net::{SocketAddr, SocketAddrV4};
use std::str::FromStr;

use gossip::link::discovery::{AddressList, Discovery, Dns, Kubernetes, Multicast};

use super::host_and_port;

/// The characters of a name in DNS or Kubernetes.
const NAME_CHARS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
/// The length limit of a name.
const NAME_CHARS_MAX: usize = 253;

/// A way to find other nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// A node may be at this HOST:PORT.
    Static(String),
    /// Nodes are at all addresses of a name, at this port.
    Hosts {
        /// The name.
        name: String,
        /// The port.
        port: u16,
    },
    /// Nodes are the hosts of this service (SRV).
    Service(String),
    /// Nodes announce themselves on the local network, to this group or the default one.
    Multicast(Option<SocketAddrV4>),
    /// Nodes are the endpoints of a service of Kubernetes.
    Kubernetes {
        /// The namespace of the service; `None` for that of the pod.
        namespace: Option<String>,
        /// The service.
        service: String,
        /// The port of the nodes; `None` for the first one of the service.
        port: Option<u16>,
    },
}

impl Way {
    /// Returns the discovery.
    #[must_use]
    pub fn discovery(&self) -> Box<dyn Discovery> {
        match self {
            Self::Static(address) => Box::new(AddressList::new([address.clone()])),
            Self::Hosts { name, port } => Box::new(Dns::hosts(name, *port)),
            Self::Service(name) => Box::new(Dns::service(name)),
            Self::Multicast(None) => Box::new(Multicast::default()),
            Self::Multicast(Some(group)) => Box::new(Multicast::to(*group)),
            Self::Kubernetes { namespace, service, port } => {
                let mut way = Kubernetes::new(service);
                if let Some(namespace) = namespace {
                    way = way.namespace(namespace);
                }
                if let Some(port) = port {
                    way = way.port(*port);
                }
                Box::new(way)
            }
        }
    }

    /// Returns what the node dials, as HOST:PORT, for a judgement of its security. `None` if a node
    /// that listens here can find only nodes of its machine.
    pub(super) fn dials(&self, listening: SocketAddr) -> Option<&str> {
        match self {
            Self::Static(address) => Some(address),
            Self::Hosts { name, .. } | Self::Service(name) => Some(name),
            // It announces itself at the interface of its own address.
            Self::Multicast(_) if listening.ip().is_loopback() => None,
            Self::Multicast(_) => Some("multicast"),
            Self::Kubernetes { service, .. } => Some(service),
        }
    }
}

impl FromStr for Way {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, rest) =
            text.split_once(':').map_or((text, None), |(kind, rest)| (kind, Some(rest)));
        match (kind, rest) {
            ("static", Some(address)) => Ok(Self::Static(host_and_port(address)?)),
            ("dns", Some(service)) if service.starts_with('_') => Ok(Self::Service(name(service)?)),
            ("dns", Some(address)) => {
                let address = host_and_port(address)?;
                let (host, port) = address.rsplit_once(':').ok_or("expected dns:NAME:PORT")?;
                let port = port.parse().map_err(|_| "expected dns:NAME:PORT")?;
                Ok(Self::Hosts { name: name(host)?, port })
            }
            ("multicast", None) => Ok(Self::Multicast(None)),
            ("multicast", Some(group)) => {
                let group: SocketAddrV4 =
                    group.parse().map_err(|_| "expected multicast:GROUP:PORT, an IPv4 address")?;
                if !group.ip().is_multicast() || group.port() == 0 {
                    return Err(format!("{group} is not a multicast group and a port"));
                }
                Ok(Self::Multicast(Some(group)))
            }
            ("kubernetes", Some(service)) => {
                let (namespace, service) = match service.split_once('/') {
                    Some((namespace, service)) => (Some(name(namespace)?), service),
                    None => (None, service),
                };
                let (service, port) = match service.split_once(':') {
                    Some((service, port)) => (service, Some(port)),
                    None => (service, None),
                };
                let port = port.map(|port| match port.parse::<u16>() {
                    Ok(port @ 1..) => Ok(port),
                    Ok(0) | Err(_) => Err(format!("expected a PORT from 1 to 65535, not {port:?}")),
                });
                Ok(Self::Kubernetes { namespace, service: name(service)?, port: port.transpose()? })
            }
            _ => {
                Err("expected static:HOST:PORT, dns:NAME:PORT, dns:_SERVICE._tcp.NAME, multicast, \
                      multicast:GROUP:PORT, or kubernetes:[NAMESPACE/]SERVICE[:PORT]"
                    .to_owned())
            }
        }
    }
}

/// Displays the option's value.
impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Multicast(None) => f.write_str("multicast"),
            Self::Static(_)
            | Self::Hosts { .. }
            | Self::Service(_)
            | Self::Multicast(Some(_))
            | Self::Kubernetes { .. } => self.discovery().fmt(f),
        }
    }
}

fn name(text: &str) -> Result<String, String> {
    let is_name = (1..=NAME_CHARS_MAX).contains(&text.len())
        && text.chars().all(|character| NAME_CHARS.contains(character));
    if is_name { Ok(text.to_owned()) } else { Err(format!("{text:?} is not a name")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_are_displayed_as_they_are_written() {
        for text in [
            "static:10.0.0.1:4901",
            "static:[::1]:4901",
            "dns:heroes.example:4901",
            "dns:_gossip._tcp.heroes.example",
            "multicast",
            "multicast:239.1.2.3:4000",
            "kubernetes:heroes",
            "kubernetes:city/heroes",
            "kubernetes:city/heroes:4900",
        ] {
            assert_eq!(text.parse::<Way>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn wrong_ways_are_refused() {
        let long = format!("dns:{}:1", "a".repeat(254));
        for text in [
            "",
            "static",
            "static:gotham",
            "dns",
            "dns:heroes",
            "dns:heroes:0",
            "dns:he roes:1",
            "multicast:10.0.0.1:4000",
            "multicast:239.1.2.3:0",
            "multicast:239.1.2.3",
            "kubernetes",
            "kubernetes:",
            "kubernetes:a/b/c",
            "kubernetes:heroes:0",
            "consul:heroes",
            &long,
        ] {
            assert!(text.parse::<Way>().is_err(), "{text:?}");
        }
    }
}
