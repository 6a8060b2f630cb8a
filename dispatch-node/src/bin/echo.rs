//! Serves both sockets of a node, `/cluster` and `/live`, as echo servers on one port. Used by
//! `make autobahn`.

use std::net::Ipv4Addr;
use std::time::Duration;

use dispatch_node::web::echo;
use gossip::link::{self, Limits, Port};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("{}", listener.local_addr()?);
    let timeout = Duration::from_secs(30);
    let limits = Limits {
        connections: 64,
        connections_per_address: 64,
        header_timeout: timeout,
        idle_timeout: timeout,
    };
    let port = Port { listener, tls: None, limits };
    link::serve(
        port,
        link::echo::route().merge(echo::route()),
        CancellationToken::new(),
        TaskTracker::new(),
    )
    .await;
    Ok(())
}
