//! Discovery by DNS: the addresses of a name (A and AAAA), or the records of a service (SRV).

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::{BoxFuture, join_all};
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use hickory_resolver::{ResolverBuilder, TokioResolver};
use tokio::time::Instant;

use crate::link::discovery::{Discovery, Found, Own};

/// The timeout for one query.
const QUERY_TIMEOUT: Duration = Duration::from_secs(2);
/// The maximum number of hosts of a service.
const HOSTS_MAX: usize = 64;

/// Discovery by DNS. The name is resolved again when its records have expired, at the latest after 5 s.
pub struct Dns {
    name: String,
    /// The port of the nodes; `None` if the records contain it.
    port: Option<u16>,
    /// The name server; `None` for those of the system.
    server: Option<SocketAddr>,
}

impl Dns {
    /// Returns the discovery of nodes at all addresses of a name, and at this port.
    #[must_use]
    pub fn hosts(name: &str, port: u16) -> Self {
        Self { name: name.to_owned(), port: Some(port), server: None }
    }

    /// Returns the discovery of the hosts and ports of a service, such as `_gossip._tcp.example.com`.
    #[must_use]
    pub fn service(name: &str) -> Self {
        Self { name: name.to_owned(), port: None, server: None }
    }

    /// Uses this name server instead of those of the system.
    #[must_use]
    pub fn at(mut self, server: SocketAddr) -> Self {
        self.server = Some(server);
        self
    }

    /// Returns a resolver, from the present files of the system.
    fn resolver(&self) -> anyhow::Result<TokioResolver> {
        let mut builder = self.builder().context("reading the system's name servers")?;
        let options = builder.options_mut();
        options.cache_size = 0;
        options.timeout = QUERY_TIMEOUT;
        options.attempts = 1;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        Ok(builder.build()?)
    }

    fn builder(&self) -> Result<ResolverBuilder<TokioRuntimeProvider>, NetError> {
        let Some(server) = self.server else { return TokioResolver::builder_tokio() };
        let connections =
            [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                connection.port = server.port();
                connection
            });
        let server = NameServerConfig::new(server.ip(), true, connections.into());
        let config = ResolverConfig::from_name_servers(vec![server]);
        Ok(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()))
    }

    async fn find(&self) -> anyhow::Result<Found> {
        let (name, resolver) = (&self.name, &self.resolver()?);
        match self.port {
            Some(port) => {
                let (addresses, valid_for) = hosts(resolver, name).await?;
                Ok(Found { addresses: with_port(addresses, port), valid_for })
            }
            None => services(resolver, name).await,
        }
    }
}

fn with_port(addresses: impl IntoIterator<Item = IpAddr>, port: u16) -> Vec<String> {
    addresses.into_iter().map(|ip| SocketAddr::new(ip, port).to_string()).collect()
}

/// Returns the addresses of a name, and for how long they are valid. There may be none.
async fn hosts(resolver: &TokioResolver, name: &str) -> anyhow::Result<(Vec<IpAddr>, Duration)> {
    match resolver.lookup_ip(name).await {
        Ok(found) => Ok((found.iter().collect(), time_to(found.valid_until()))),
        Err(error) if error.is_no_records_found() => Ok((Vec::new(), Duration::ZERO)),
        Err(error) => Err(error).with_context(|| format!("resolving {name}")),
    }
}

/// Returns the addresses of the hosts of a service.
async fn services(resolver: &TokioResolver, name: &str) -> anyhow::Result<Found> {
    let records = match resolver.lookup(name, RecordType::SRV).await {
        Ok(records) => records,
        Err(error) if error.is_no_records_found() => {
            return Ok(Found { addresses: Vec::new(), valid_for: Duration::ZERO });
        }
        Err(error) => return Err(error).with_context(|| format!("resolving {name}")),
    };
    let mut ports: BTreeMap<String, Vec<u16>> = BTreeMap::new();
    for record in records.answers() {
        if let RData::SRV(service) = &record.data
            && !service.target.is_root()
            && ports.len() < HOSTS_MAX
        {
            ports.entry(service.target.to_string()).or_default().push(service.port);
        }
    }
    let found = join_all(ports.keys().map(|host| hosts(resolver, host))).await;
    let mut valid_for = time_to(records.valid_until());
    let mut addresses = Vec::new();
    // A host that cannot be resolved leaves the others.
    for (ports, (ips, valid)) in ports.values().zip(found).filter_map(|(p, f)| Some((p, f.ok()?))) {
        valid_for = valid_for.min(valid);
        addresses.extend(ports.iter().flat_map(|port| with_port(ips.iter().copied(), *port)));
    }
    Ok(Found { addresses, valid_for })
}

fn time_to(end: std::time::Instant) -> Duration {
    Instant::from_std(end).saturating_duration_since(Instant::now())
}

impl fmt::Display for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "dns:{}:{port}", self.name),
            None => write!(f, "dns:{}", self.name),
        }
    }
}

impl Discovery for Dns {
    fn look<'a>(&'a mut self, _: &'a Own) -> BoxFuture<'a, anyhow::Result<Found>> {
        Box::pin(self.find())
    }
}
