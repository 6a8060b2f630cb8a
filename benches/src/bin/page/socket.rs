//! A live socket of the page, and its frames.

use std::net::SocketAddr;

use futures_util::StreamExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

/// A WebSocket at `/live`.
pub(crate) type Socket = WebSocketStream<TcpStream>;

/// Opens a live socket, optionally with a receive buffer of this size, in bytes.
///
/// # Errors
/// Returns the error of the connection or handshake.
pub(crate) async fn open(
    address: SocketAddr,
    path: &str,
    buffer: Option<u32>,
) -> Result<Socket, String> {
    let socket = TcpSocket::new_v4().map_err(|error| error.to_string())?;
    if let Some(bytes) = buffer {
        socket.set_recv_buffer_size(bytes).map_err(|error| error.to_string())?;
    }
    let stream = socket.connect(address).await.map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let (socket, _) = client_async(format!("ws://{address}{path}"), stream)
        .await
        .map_err(|error| error.to_string())?;
    Ok(socket)
}

/// Returns the next text message.
///
/// # Errors
/// Returns the close frame or the error if the socket is closed.
pub(crate) async fn next_text(socket: &mut Socket) -> Result<String, String> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return Ok(text.to_string()),
            Some(Ok(Message::Close(why))) => return Err(format!("{why:?}")),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error.to_string()),
            None => return Err("the socket was closed".to_owned()),
        }
    }
}

/// Returns the number of a frame, or `None` for any other message.
pub(crate) fn frame_number(text: &str) -> Option<u64> {
    let rest = text.strip_prefix(r#"{"t":"d","s":"#)?;
    rest.split(',').next()?.parse().ok()
}

/// Returns the heroes whose rows are in a frame: `"h-ID":"<tr…`.
pub(crate) fn rows_in(text: &str) -> Vec<String> {
    const ID: usize = 36;
    let starts = text.match_indices(r#""h-"#).map(|(at, key)| &text[at + key.len()..]);
    starts
        .filter(|rest| rest.get(ID..).is_some_and(|rest| rest.starts_with(r#"":"#)))
        .map(|rest| rest[..ID].to_owned())
        .collect()
}
