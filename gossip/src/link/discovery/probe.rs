//! A probe: it learns the name of the node at an address.
//!
//! It starts a handshake and ends it once the other end has told its name. The name is not proved; it
//! only decides which dialer tries the address. With TLS, the other end must have a certificate of the
//! cluster.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::lookup_host;
use tokio::time::timeout;

use crate::id::NodeName;
use crate::link::close::close;
use crate::link::dialer;
use crate::link::discovery::Own;
use crate::link::handshake;
use crate::link::tls::{Expected, Tls};

/// The timeout for resolving a name, and for the probe of one address.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The maximum number of addresses of a name that are tried.
const ADDRESSES_MAX: usize = 4;

/// Returns the name of the node at this address, HOST:PORT.
pub(super) async fn probe(
    own: &Own,
    tls: Option<&Tls>,
    frame_bytes_max: usize,
    address: &str,
) -> anyhow::Result<NodeName> {
    let resolved = timeout(TIMEOUT, lookup_host(address)).await;
    let resolved = resolved.context("name resolution timed out")??;
    let mut last = anyhow::anyhow!("the name has no addresses");
    for at in resolved.take(ADDRESSES_MAX) {
        let asked = timeout(TIMEOUT, ask(own, tls, frame_bytes_max, address, at)).await;
        match asked.context("no answer within 2 s").flatten() {
            Ok(name) => return Ok(name),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn ask(
    own: &Own,
    tls: Option<&Tls>,
    frame_bytes_max: usize,
    address: &str,
    at: SocketAddr,
) -> anyhow::Result<NodeName> {
    let expected = Expected::AnyNode { me: own.name };
    let mut socket = dialer::open(tls, expected, address, at, frame_bytes_max).await?;
    let name = handshake::ask_name(&mut socket, own.cluster, own.name).await?;
    // Without a reason: an error would be logged there.
    let _ = socket.close(None).await;
    close(&mut socket, None).await;
    Ok(name)
}
