//! The page of what the cities do together: a picture in tiles, the most frequent events, and the members.
//!
//! Invariant: the number of different tiles is limited, so that requests cannot make the cities draw
//! without end.

use std::time::Duration;

use askama::Template;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::header;
use axum::response::{Html, IntoResponse as _, Response};
use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::json;
use time::OffsetDateTime;

use gossip::LinkDown;
use gossip::link::{MemberState, MemberStatus};
use node_api::services::problem;

use crate::event_log::EVENTS;
use crate::text::title;
use crate::web::error::Problem;
use crate::web::render::html::html;
use crate::web::state::AppState;

/// The columns and rows of tiles of a picture.
const COLUMNS: u32 = 8;
const ROWS: u32 = 5;
/// The number of pictures.
const VIEWS: u32 = 5;
/// The time between two drawings of a picture that differ.
const DRAWING_S: u64 = 5;
/// The number of drawings after which the page draws anew by itself.
const KEPT: u64 = 60;
/// The number of past drawings that are still drawn.
const PAST: u64 = 240;
/// The time for which a tile is cached.
const TTL: Duration = Duration::from_secs(600);
/// The number of events that are shown.
const EVENTS_SHOWN: usize = 10;

/// The page.
#[derive(Template)]
#[template(path = "work.html")]
struct Work {
    view: u32,
    drawing: u64,
    next: u64,
    pictures: Vec<PictureLink>,
    tiles: Vec<(u32, u32)>,
    /// The events, and how often each has happened.
    events: Vec<(String, String)>,
    /// The nodes that have not told their events, if there are any.
    silent: Option<String>,
    members: Vec<MemberRow>,
}

/// A link to a picture.
struct PictureLink {
    number: u32,
    label: String,
    is_shown: bool,
}

/// A member, as shown.
struct MemberRow {
    name: String,
    state: &'static str,
    why: &'static str,
    since: String,
    address: String,
}

/// The picture in the query.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Picture {
    view: u32,
    drawing: Option<u64>,
}

/// Returns the number of the newest drawing: one begins every few seconds, so that their number is
/// limited, and each is drawn by the cities of its time.
fn newest_drawing() -> u64 {
    u64::try_from(OffsetDateTime::now_utc().unix_timestamp()).unwrap_or(0) / DRAWING_S
}

/// `GET /work`
pub(crate) async fn page(State(state): State<AppState>, RawQuery(raw): RawQuery) -> Html<String> {
    let Picture { view, drawing } =
        serde_urlencoded::from_str(&raw.unwrap_or_default()).unwrap_or_default();
    let top = state.types.services().tracker.top(EVENTS, EVENTS_SHOWN).await;
    let silent = (top.answered < top.of)
        .then(|| format!("{} of {} nodes have answered.", top.answered, top.of));
    let members = state.types.cluster().members().into_iter().map(row).collect();
    let (view, newest) = (view % VIEWS, newest_drawing());
    let drawing = drawing.filter(|drawing| is_drawn(*drawing)).unwrap_or(newest / KEPT * KEPT);
    let picture = |number| PictureLink {
        number,
        label: format!("Picture {}", number + 1),
        is_shown: number == view,
    };
    Html(html(&Work {
        view,
        drawing,
        next: newest,
        pictures: (0..VIEWS).map(picture).collect(),
        tiles: (0..ROWS).flat_map(|y| (0..COLUMNS).map(move |x| (x, y))).collect(),
        events: top.events.into_iter().map(|(event, count)| (event, times(count))).collect(),
        silent,
        members,
    }))
}

/// Returns whether a drawing is neither too old nor of the future.
fn is_drawn(drawing: u64) -> bool {
    newest_drawing().checked_sub(drawing).is_some_and(|age| age <= PAST)
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

fn row(member: MemberStatus) -> MemberRow {
    let (state, why) = match (member.state, member.cause) {
        (MemberState::Up, _) => ("up", ""),
        (MemberState::Suspect, _) => ("suspect", "its link was just lost"),
        (MemberState::Down, Some(LinkDown::Refused)) => ("down", "its process has stopped"),
        (MemberState::Down, Some(LinkDown::TimedOut)) => ("down", "nothing was received in time"),
        (MemberState::Down, Some(LinkDown::Lost) | None) => ("down", "its connection failed"),
    };
    let millis = i128::from(member.since.0) * 1_000_000;
    let since = OffsetDateTime::from_unix_timestamp_nanos(millis).map(|since| {
        let (hour, minute, second) = since.to_hms();
        format!("{hour:02}:{minute:02}:{second:02} UTC")
    });
    MemberRow {
        name: title(member.name),
        state,
        why,
        since: since.unwrap_or_default(),
        address: member.address.unwrap_or_else(|| "this node".to_owned()),
    }
}

/// A drawn tile, as cities return it.
#[derive(Deserialize)]
struct Drawn {
    png: String,
}

/// `GET /tiles/{view}/{drawing}/{x}/{y}`: a tile of a picture, drawn by the city that owns it.
pub(crate) async fn tile(
    State(state): State<AppState>,
    path: Result<Path<(u32, u64, u32, u32)>, PathRejection>,
) -> Result<Response, Problem> {
    let no_tile = || Problem::not_found("unknown_path", "there is no such tile");
    let Path((view, drawing, x, y)) = path.map_err(|_| no_tile())?;
    if view >= VIEWS || x >= COLUMNS || y >= ROWS || !is_drawn(drawing) {
        return Err(no_tile());
    }
    let args = json!({ "view": view, "x": x, "y": y, "columns": COLUMNS, "rows": ROWS });
    let args = serde_json::to_vec(&args).expect("it is JSON");
    let key = format!("{view}/{drawing}/{x}/{y}");
    let cached = state.tiles.get_or_load(&key, TTL, "tile", &args).await;
    let cached = cached.map_err(|error| problem(&error))?;
    let malformed = || Problem::unavailable("unreachable", "the city has not returned a picture");
    let drawn: Drawn = serde_json::from_slice(&cached.value).map_err(|_| malformed())?;
    let png = BASE64.decode(drawn.png.as_bytes()).map_err(|_| malformed())?;
    Ok(([(header::CONTENT_TYPE, "image/png")], png).into_response())
}
