//! Chat rooms.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use tokio::time::timeout;

use api_types::{Messages, RoomMessage, RoomSize, Rooms, SendRequest};
use gossip::Stamp;
use gossip::types::request::{Done, Request};
use gossip::types::room::{KEPT, Message};
use gossip::types::snapshot::Snapshot;

use crate::body::JsonBody;
use crate::error::{Problem, unanswered};
use crate::idempotency::IdempotencyKey;
use crate::name;
use crate::parameters::Query;
use crate::types::refusals::{Listing, Scanning, Sending};
use crate::types::{Reply, Types, path_of_names, stamp_of};

/// The number of messages in a response, unless the request has another limit.
const SHOWN: usize = 50;
/// The number of rooms at which no new one is begun.
const ROOMS_MAX: usize = 1_000;

/// The time limit for waiting until other new rooms have begun.
const NEW_ROOM_TIMEOUT: Duration = Duration::from_secs(2);

path_of_names! { RoomPath: "room" "room"; }

/// The limit in the query.
pub(crate) enum Limit {}

crate::described! {
    Limit: Query "limit", "the largest number of messages",
        { "type": "integer", "minimum": 1, "maximum": KEPT, "default": SHOWN };
}

/// All rooms
///
/// Those that have messages, sorted by name.
#[utoipa::path(get, path = "/rooms", tag = "rooms", responses(
    (status = 200, description = "the rooms", body = Rooms),
    Listing,
))]
pub(crate) async fn rooms(State(types): State<Types>) -> Result<Json<Rooms>, Problem> {
    let rooms = types.snapshot()?.rooms().into_iter();
    Ok(Json(Rooms { rooms: rooms.map(|(name, messages)| RoomSize { name, messages }).collect() }))
}

/// One room
///
/// Its newest messages, oldest first: a reply follows its question. The last 100 are kept. A room
/// without messages is the same as one that never had any.
#[utoipa::path(
    get, path = "/rooms/{room}", tag = "rooms", params(RoomPath, Limit),
    responses((status = 200, description = "the messages", body = Messages), Scanning)
)]
pub(crate) async fn room(
    State(types): State<Types>,
    path: RoomPath,
    query: Query,
) -> Result<Json<Messages>, Problem> {
    let [room] = path.into_names();
    let limit = query.get("limit")?.map_or(Ok(SHOWN), limit)?;
    let messages = types.snapshot()?.room(&room, limit).into_iter().map(described);
    Ok(Json(Messages { messages: messages.collect() }))
}

/// Send a message
///
/// A sender may send 10 messages a second at one node. A room begins with its first message; there
/// are at most 1000.
#[utoipa::path(
    post, path = "/rooms/{room}", tag = "rooms", params(RoomPath, IdempotencyKey),
    request_body = SendRequest,
    responses((status = 201, description = "the message", body = RoomMessage), Sending)
)]
pub(crate) async fn send(
    State(types): State<Types>,
    path: RoomPath,
    key: IdempotencyKey,
    JsonBody(SendRequest { sender, text, reply_to }): JsonBody<SendRequest>,
) -> Result<Reply, Problem> {
    let [room] = path.into_names();
    let sender = name::parse("sender", &sender)?;
    let change = ("send", room.clone(), sender.clone(), text.clone(), reply_to.clone());
    let asked = types.clone();
    let execute = async move {
        let question = |snapshot: &Snapshot| match &reply_to {
            Some(id) => message_with(snapshot, &room, id).map(Some),
            None => Ok(None),
        };
        let reply_to = question(&asked.joined()?)?;
        // Held until the message is shown, so that the next new room counts this one.
        let new_rooms = if is_new(&asked.joined()?, &room) {
            let lock = timeout(NEW_ROOM_TIMEOUT, asked.new_rooms.lock());
            let new_rooms = lock.await.map_err(|_| Problem::overloaded())?;
            check_rooms(&asked.joined()?, &room)?;
            Some(new_rooms)
        } else {
            None
        };
        let sent = asked.ask(Request::Send { room, sender, text, reply_to }).await;
        drop(new_rooms);
        let Done::Sent(message) = sent? else { return Err(unanswered()) };
        Ok(Reply::new(StatusCode::CREATED, &described(message)))
    };
    types.once(key, &change, execute).await
}

/// Parses the limit in the query.
fn limit(text: &str) -> Result<usize, Problem> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| is_number && (1..=KEPT).contains(number));
    number.ok_or_else(|| {
        Problem::malformed("invalid_query", format!("limit must be a number from 1 to {KEPT}"))
    })
}

fn is_new(snapshot: &Snapshot, room: &str) -> bool {
    snapshot.room(room, 1).is_empty()
}

/// Refuses a room beyond the limit.
fn check_rooms(snapshot: &Snapshot, room: &str) -> Result<(), Problem> {
    if !is_new(snapshot, room) || snapshot.rooms_count() < ROOMS_MAX {
        return Ok(());
    }
    let detail = format!("there are {ROOMS_MAX} rooms, the most allowed; nothing was changed");
    Err(Problem::conflict("too_many_rooms", detail))
}

/// Returns the stamp of the message with this id.
fn message_with(snapshot: &Snapshot, room: &str, id: &str) -> Result<Stamp, Problem> {
    let messages = snapshot.room(room, KEPT).into_iter();
    let found = messages.map(|message| message.stamp).find(|stamp| stamp.to_string() == id);
    found.ok_or_else(|| {
        Problem::not_allowed(
            "unknown_message",
            "the room does not show the message of reply_to; nothing was changed",
        )
    })
}

fn described(Message { stamp, sender, text, reply_to }: Message) -> RoomMessage {
    RoomMessage {
        id: stamp.to_string(),
        sender,
        text,
        node: stamp.origin.node.to_string(),
        stamp: stamp_of(stamp),
        reply_to: reply_to.map(|question| question.to_string()),
    }
}
