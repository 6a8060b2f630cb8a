//! A live socket of the page, and the frames on it.

use std::net::SocketAddr;

use futures_util::StreamExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

/// A live socket.
pub(crate) type Socket = WebSocketStream<TcpStream>;

/// Opens a live socket, with a receive buffer of this size if one is given.
///
/// # Errors
/// Returns the reason for which it did not open.
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

/// Returns the next text that a page is sent.
///
/// # Errors
/// Returns the reason for which there is none.
pub(crate) async fn next_text(socket: &mut Socket) -> Result<String, String> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return Ok(text.to_string()),
            Some(Ok(Message::Close(why))) => return Err(format!("{why:?}")),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error.to_string()),
            None => return Err("the socket ended".to_owned()),
        }
    }
}

/// Returns the number of a frame; none if the text is something else.
pub(crate) fn frame_number(text: &str) -> Option<u64> {
    let rest = text.strip_prefix(r#"{"t":"d","s":"#)?;
    rest.split(',').next()?.parse().ok()
}

/// Returns the heroes whose rows a frame brings: `"h-ID":"<tr…`.
pub(crate) fn rows_in(text: &str) -> Vec<String> {
    const ID: usize = 36;
    let starts = text.match_indices(r#""h-"#).map(|(at, key)| &text[at + key.len()..]);
    starts
        .filter(|rest| rest.get(ID..).is_some_and(|rest| rest.starts_with(r#"":"#)))
        .map(|rest| rest[..ID].to_owned())
        .collect()
}
