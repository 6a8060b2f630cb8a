//! A chat on three nodes: rooms, presence, the last 50 messages, and a page of one file. Open the
//! printed addresses side by side.
//!
//! ```text
//! cargo run -p gossip --features net --example chat [FIRST_PORT]
//! ```

use axum::extract::{Path, Query, Request, State};
use axum::response::{Html, Response};
use axum::{Router, routing::get};
use futures_util::{SinkExt, StreamExt};
use gossip::NodeName;
use gossip::link::{Builder, Cluster, Secret, Socket, upgrade};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::{Message as Frame, protocol::WebSocketConfig};

const NAMES: [&str; 3] = ["ada", "bob", "eve"];
const PAGE: &str = include_str!("chat.html");

#[derive(Deserialize)]
struct User {
    user: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let first: u16 = std::env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let names = NAMES.map(|name| name.parse::<NodeName>().expect("a valid name"));
    let mut listeners = Vec::new();
    for (offset, name) in (0..).zip(names) {
        let port = if first == 0 { 0 } else { first + offset };
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        listeners.push((name, listener.local_addr()?.to_string(), listener));
    }
    let peers: Vec<_> =
        listeners.iter().map(|(name, address, _)| (*name, address.clone())).collect();
    let mut nodes = Vec::new();
    for (name, address, listener) in listeners {
        let secret = Secret::new("chat example", "a secret that all three share");
        let others = peers.iter().filter(|(peer, _)| *peer != name);
        let builder = others.fold(Builder::new(name, secret), |builder, (peer, address)| {
            builder.peer(*peer, address.clone())
        });
        nodes.push(builder.start_with(listener, routes));
        println!("{name}: http://{address}/");
    }
    tokio::signal::ctrl_c().await?;
    for node in nodes {
        node.stop().await;
    }
    Ok(())
}

fn routes(cluster: Cluster) -> Router {
    Router::new()
        .route("/", get(|| async { Html(PAGE) }))
        .route("/rooms/{room}", get(enter))
        .with_state(cluster)
}

async fn enter(
    State(cluster): State<Cluster>,
    Path(room): Path<String>,
    Query(User { user }): Query<User>,
    request: Request,
) -> Response {
    let limits = WebSocketConfig::default().max_message_size(Some(4_096));
    upgrade(request, limits, async move |socket| {
        // The browser reconnects if this fails, for example before the node has joined.
        let _ = chat(socket, &cluster, &room, &user).await;
    })
}

/// Serves one browser until it leaves.
async fn chat(
    mut socket: Socket,
    cluster: &Cluster,
    room: &str,
    user: &str,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let here = cluster.presence(room).track(user, b"").await?;
    let ended = serve(&mut socket, cluster, room, user).await;
    cluster.presence(room).untrack(&here).await?;
    ended
}

async fn serve(
    socket: &mut Socket,
    cluster: &Cluster,
    room: &str,
    user: &str,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut snapshots = cluster.snapshots();
    let mut shown = String::new();
    loop {
        // The same text for all that has not changed, so nothing is sent twice.
        let messages = cluster.room(room).recent(50);
        let messages: Vec<_> =
            messages.iter().map(|message| [&message.sender, &message.text]).collect();
        let mut users: Vec<_> =
            cluster.presence(room).list().into_iter().map(|present| present.key).collect();
        users.dedup();
        let state = serde_json::json!({ "messages": messages, "users": users }).to_string();
        if state != shown {
            socket.send(Frame::Text(state.clone().into())).await?;
            shown = state;
        }
        tokio::select! {
            changed = snapshots.changed() => changed?,
            frame = socket.next() => match frame {
                Some(Ok(Frame::Text(text))) => {
                    // A refused message is not shown, so its sender sees that.
                    let _ = cluster.room(room).say(user, text.as_str()).await;
                }
                Some(Ok(Frame::Close(_)) | Err(_)) | None => return Ok(()),
                Some(Ok(_)) => {}
            },
        }
    }
}
