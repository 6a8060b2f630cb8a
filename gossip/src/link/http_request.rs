//! A single HTTP request to a node, over TLS if the cluster uses it.

use std::fmt::Display;
use std::time::Duration;

use anyhow::Context as _;
use axum::http::StatusCode;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio::time::timeout;

use crate::id::NodeName;
use crate::link::config::ClusterConfig;
use crate::link::tls::{self, Expected};

/// The timeout for the whole exchange.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);

/// Sends `request` to `node` at `address`, and expects the status `expected`.
///
/// # Errors
/// If the node is unreachable, does not respond in time, or responds with another status.
pub(super) async fn send(
    cluster: &ClusterConfig,
    node: NodeName,
    address: impl ToSocketAddrs + Display,
    request: hyper::Request<String>,
    expected: StatusCode,
) -> anyhow::Result<()> {
    let asked = async {
        let stream = TcpStream::connect(&address)
            .await
            .with_context(|| format!("connecting to {address}"))?;
        let stream = tls::connect(cluster.tls.as_ref(), Expected::Node(node), stream)
            .await
            .with_context(|| format!("TLS handshake with {address}"))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let answer = sender.send_request(request);
        tokio::select! {
            // The response is checked first: a server may close the connection right after it.
            biased;
            answer = answer => Ok(answer?.status()),
            ended = connection => Err(ended.map_or_else(
                anyhow::Error::from,
                |()| anyhow::anyhow!("{address} closed the connection"),
            )),
        }
    };
    let status = timeout(REQUEST_TIMEOUT, asked)
        .await
        .with_context(|| format!("request to {address} timed out"))??;
    anyhow::ensure!(status == expected, "{address} responded with {status}");
    Ok(())
}
