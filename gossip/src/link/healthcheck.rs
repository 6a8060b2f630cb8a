//! A readiness check of a node on this machine, for containers and units without another HTTP
//! client.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::http::{StatusCode, header};

use crate::id::NodeName;
use crate::link::config::ClusterConfig;
use crate::link::http_request;

/// Checks that the node `me`, which is configured to listen at `listen`, is ready.
///
/// # Errors
/// If it does not respond in time, or responds that it is not ready.
pub async fn ready(
    cluster: &ClusterConfig,
    me: NodeName,
    listen: SocketAddr,
) -> anyhow::Result<()> {
    // Nodes accept this host name from their own machine, regardless of the configured hosts.
    let request =
        hyper::Request::get("/readyz").header(header::HOST, "localhost").body(String::new())?;
    http_request::send(cluster, me, on_this_machine(listen), request, StatusCode::OK).await
}

/// Returns the address at which this machine reaches a listener at `listen`: loopback for a
/// wildcard address, which cannot be dialled.
fn on_this_machine(listen: SocketAddr) -> SocketAddr {
    let mut address = listen;
    match listen {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => {
            address.set_ip(Ipv4Addr::LOCALHOST.into())
        }
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
            address.set_ip(Ipv6Addr::LOCALHOST.into())
        }
        SocketAddr::V4(_) | SocketAddr::V6(_) => {}
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcard_listener_is_reached_on_loopback() {
        let asked = |listen: &str| on_this_machine(listen.parse().unwrap()).to_string();
        assert_eq!(asked("0.0.0.0:4900"), "127.0.0.1:4900");
        assert_eq!(asked("[::]:4900"), "[::1]:4900");
        assert_eq!(asked("10.0.0.7:4901"), "10.0.0.7:4901");
    }
}
