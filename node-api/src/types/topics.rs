//! Topics: messages to those who listen at the moment, at any node.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::Json;
use axum::extract::{ConnectInfo, Request as HttpRequest, State};
use axum::http::{StatusCode, header};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use futures_util::stream::unfold;

use api_types::{Published, TopicEvent};
use gossip::link::{News, Socket, Subscription, close, upgrade, upgrade_problem};
use gossip::{NodeName, PublishError};

use crate::access::guard::refused;
use crate::access::policy::foreign_origin;
use crate::body::AnyJsonBody;
use crate::error::Problem;
use crate::parameters::Query;
use crate::socket::{Allowance, Close, Heartbeat, incoming, limits, send};
use crate::types::refusals::Publishing;
use crate::types::{Types, bytes_of, path_of_names, permit, problem, value_of};

/// The largest message of a listener, in bytes. It has nothing to say.
const MESSAGE_BYTES_MAX: usize = 1_024;

path_of_names! { TopicPath: "topic" "topic"; }

/// The receiver in the query.
pub(crate) enum To {}

crate::described! {
    To: Query "to", "the only node that receives the message", { "type": "string" };
}

/// Publish a message
///
/// The body is the message: any JSON. Those who listen to the topic at the moment receive it, at this
/// node and at all nodes that are linked to it, or only at the node `to`. `nodes` is the number of
/// nodes to which it was sent; whether it arrives is not known. Messages are not stored, and a repeated
/// request publishes again.
#[utoipa::path(
    post, path = "/topics/{topic}", tag = "topics", params(TopicPath, To), request_body = serde_json::Value,
    responses((status = 202, description = "the message was sent", body = Published), Publishing)
)]
pub(crate) async fn publish(
    State(types): State<Types>,
    path: TopicPath,
    query: Query,
    AnyJsonBody(message): AnyJsonBody,
) -> Result<(StatusCode, Json<Published>), Problem> {
    let [topic] = path.into_names();
    let body = bytes_of(&message)?;
    let topic = types.cluster.topic(&topic);
    let sent = match query.get("to")? {
        None => topic.publish(&body).await,
        Some(node) => {
            let node: NodeName = node.parse().map_err(|error| {
                let detail = format!("to is no node name: {error}; nothing was published");
                Problem::not_allowed("invalid_name", detail)
            })?;
            topic.publish_to(node, &body).await.map(usize::from)
        }
    };
    let nodes = sent.map_err(|error| match error {
        PublishError::Topic { .. } => {
            Problem::not_allowed("invalid_name", format!("{error}; nothing was published"))
        }
        PublishError::TooLarge { bytes } => problem::too_large(bytes),
        PublishError::Busy | PublishError::Stopped => Problem::overloaded(),
    })?;
    Ok((StatusCode::ACCEPTED, Json(Published { nodes })))
}

/// `GET /topics/{topic}/listen`: a stream of server-sent events, or a WebSocket. It has no end, so it
/// is not described like the other calls.
pub(crate) async fn listen(
    State(types): State<Types>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    path: TopicPath,
    request: HttpRequest,
) -> Response {
    let headers = request.headers();
    let is_socket = headers.contains_key(header::UPGRADE);
    // The same-origin policy does not apply to WebSockets.
    if is_socket && !types.guard.access.is_same_site(headers) {
        return refused(foreign_origin(headers));
    }
    if let Some(problem) = upgrade_problem(headers).filter(|_| is_socket) {
        return gossip::link::not_upgraded(problem);
    }
    let permit = match permit(&types, address) {
        Ok(permit) => permit,
        Err(problem) => return problem.into_response(),
    };
    let [topic] = path.into_names();
    let subscription = types.cluster.topic(&topic).subscribe();
    if is_socket {
        return upgrade(request, limits(MESSAGE_BYTES_MAX), move |mut socket| async move {
            let _permit = permit;
            let reason = serve(&mut socket, &types, subscription).await;
            close(&mut socket, reason).await;
        });
    }
    let stop = types.stop.clone();
    let events = unfold((subscription, permit), async |(mut subscription, permit)| {
        let event = described(subscription.next().await?);
        let event = sse::Event::default().json_data(event).expect("the types of the API are JSON");
        Some((Ok::<_, Infallible>(event), (subscription, permit)))
    });
    Sse::new(events.take_until(async move { stop.cancelled().await }))
        .keep_alive(KeepAlive::new().interval(Heartbeat::INTERVAL))
        .into_response()
}

/// Serves a socket until it must be closed. Returns the reason, if there is one.
async fn serve(
    socket: &mut Socket,
    types: &Types,
    mut subscription: Subscription,
) -> Option<Close> {
    let (mut heartbeat, mut allowance) = (Heartbeat::new(), Allowance::new());
    loop {
        tokio::select! {
            () = types.stop.cancelled() => return Some((1001, "the node is stopping")),
            news = subscription.next() => {
                let Some(news) = news else { return Some((1001, "the node is stopping")) };
                send(socket, &described(news)).await?;
            }
            () = heartbeat.due() => {
                if let Err(reason) = heartbeat.ping(socket).await {
                    return reason;
                }
            }
            message = socket.next() => {
                heartbeat.heard();
                if let Err(close) = incoming(message, &mut allowance) {
                    return close;
                }
            }
        }
    }
}

fn described(news: News) -> TopicEvent {
    match news {
        News::Message { from, body } => TopicEvent {
            from: Some(from.node.to_string()),
            body: Some(value_of(&body)),
            missed: None,
        },
        News::Missed { from, count } => {
            TopicEvent { from: from.map(|node| node.to_string()), body: None, missed: Some(count) }
        }
    }
}
