//! One request to one node, in whatever way its port is spoken with: for what is not said over a link.

use std::fmt::Display;
use std::time::Duration;

use anyhow::Context as _;
use axum::http::StatusCode;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio::time::timeout;

use crate::id::NodeName;
use crate::link::driver::Neighbourhood;
use crate::link::tls;

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks `node`, which listens at `address`, and expects this status.
///
/// # Errors
/// When it cannot be reached or does not answer in time, or answers something else.
pub(super) async fn ask(
    neighbourhood: &Neighbourhood,
    node: NodeName,
    address: impl ToSocketAddrs + Display,
    request: hyper::Request<String>,
    expected: StatusCode,
) -> anyhow::Result<()> {
    let asked = async {
        let stream = TcpStream::connect(&address).await.with_context(|| format!("connecting to {address}"))?;
        let stream =
            tls::connect(neighbourhood.tls.as_ref(), node, stream).await.with_context(|| format!("speaking TLS with {address}"))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let answer = sender.send_request(request);
        tokio::select! {
            biased;
            answer = answer => Ok(answer?.status()),
            ended = connection => Err(ended.map_or_else(anyhow::Error::from, |()| anyhow::anyhow!("{address} closed the connection"))),
        }
    };
    let status = timeout(PATIENCE, asked).await.with_context(|| format!("{address} gives no answer"))??;
    anyhow::ensure!(status == expected, "{address} answers {status}");
    Ok(())
}
