//! A node's question to its own port: has the node that listens there joined? For images and units that hold no other program that
//! could ask. It reads one answer, and knows nothing of the machine behind it.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use axum::http::{StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::id::NodeName;
use crate::link::driver::Neighbourhood;

/// How long the node may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks the node `me`, which was told to listen at `listen`, whether it is ready.
///
/// # Errors
/// When it does not answer in time, or answers that it is not.
pub(super) async fn ready(neighbourhood: &Neighbourhood, me: NodeName, listen: SocketAddr) -> anyhow::Result<()> {
    let address = on_this_machine(listen);
    let asked = async {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        match &neighbourhood.tls {
            None => ask(stream).await,
            Some(tls) => ask(tls.connect(me, stream).await.with_context(|| format!("speaking TLS with {address}"))?).await,
        }
    };
    let status = timeout(PATIENCE, asked).await.with_context(|| format!("{address} gives no answer"))??;
    anyhow::ensure!(status == StatusCode::OK, "{address} answers {status}");
    Ok(())
}

async fn ask(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> anyhow::Result<StatusCode> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Whatever names a node goes by outside, here it is this one.
    let request = hyper::Request::get("/readyz").header(header::HOST, "localhost").body(String::new())?;
    let answer = sender.send_request(request);
    tokio::select! {
        biased;
        answer = answer => Ok(answer?.status()),
        ended = connection => Err(ended.map_or_else(anyhow::Error::from, |()| anyhow::anyhow!("the connection was closed"))),
    }
}

/// Where a process of this machine reaches what listens at `listen`: all addresses are no address.
fn on_this_machine(listen: SocketAddr) -> SocketAddr {
    let mut address = listen;
    match listen {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        SocketAddr::V4(_) | SocketAddr::V6(_) => {}
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_everywhere_is_asked_on_loopback() {
        let asked = |listen: &str| on_this_machine(listen.parse().unwrap()).to_string();
        assert_eq!(asked("0.0.0.0:4900"), "127.0.0.1:4900");
        assert_eq!(asked("[::]:4900"), "[::1]:4900");
        assert_eq!(asked("10.0.0.7:4901"), "10.0.0.7:4901");
    }
}
