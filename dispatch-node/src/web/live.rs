//! The live socket: each open page gets what changed of its four panels, at most four times a second.
//!
//! Invariant: no page waits for another. Each socket watches the newest view and, when it is ready for more, sends what is new
//! then; one that is slow skips what was in between. Panels that are the same for everybody are rendered once.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::happening::Kind;
use crate::view::View;
use crate::web::data;
use crate::web::desk::Desk;
use crate::web::error::Problem;
use crate::web::guard;
use crate::web::page::{self, Shared, Wish};

/// How many pages may be open at once.
const PAGES_MAX: usize = 2_000;
/// How often a page hears something, changed or not.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(1);
/// How long a page may take to accept one frame.
const SEND_PATIENCE: Duration = Duration::from_secs(10);
/// The largest message a page may send; the present page sends none.
const MESSAGE_BYTES_MAX: usize = 4_096;

/// What all live sockets share.
#[derive(Clone)]
pub(crate) struct Audience {
    desk: Desk,
    shared: watch::Receiver<Option<Arc<Shared>>>,
    places: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Audience {
    pub(crate) fn new(desk: &Desk, stop: CancellationToken) -> Self {
        let (rendered, shared) = watch::channel(None);
        tokio::spawn(render_shared(desk.clone(), rendered));
        Self { desk: desk.clone(), shared, places: Arc::new(Semaphore::new(PAGES_MAX)), stop }
    }
}

/// Renders, once for everybody, what is the same for everybody.
async fn render_shared(desk: Desk, rendered: watch::Sender<Option<Arc<Shared>>>) {
    let (mut views, mut playing) = (desk.views(), desk.stage().playing());
    loop {
        let changed = tokio::select! {
            changed = views.changed() => changed,
            changed = playing.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
        let view = views.borrow_and_update().clone();
        let playing = playing.borrow_and_update();
        rendered.send_replace(view.map(|view| Arc::new(Shared::render(view, desk.rebuilder(), playing.as_ref()))));
    }
}

/// `GET /live`
pub(crate) async fn live(
    State(audience): State<Audience>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if !guard::is_same_site(&headers) {
        return Problem::new(StatusCode::FORBIDDEN, "foreign_origin", "this comes from a page of another site").into_response();
    }
    let Ok(place) = Arc::clone(&audience.places).try_acquire_owned() else {
        return Problem::unavailable("full", format!("{PAGES_MAX} pages are open already")).into_response();
    };
    let query = query.unwrap_or_default();
    if data::is_wanted(&query) {
        let (desk, stop) = (audience.desk, audience.stop);
        return upgrade.max_message_size(MESSAGE_BYTES_MAX).on_upgrade(move |socket| data::tell(socket, desk, stop, place));
    }
    let wish = Wish::parse(&query);
    upgrade.max_message_size(MESSAGE_BYTES_MAX).on_upgrade(move |socket| show(socket, audience, wish, place))
}

#[derive(Serialize)]
#[serde(tag = "t", rename_all = "lowercase")]
enum Push<'a> {
    Frame { s: u64, title: &'a str, panels: Panels<'a> },
    Notice { text: &'a str },
    K { s: u64 },
}

/// The panels that changed.
#[derive(Default, Serialize)]
struct Panels<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    happened: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    heroes: Option<&'a str>,
}

async fn show(mut socket: WebSocket, mut audience: Audience, wish: Wish, _place: OwnedSemaphorePermit) {
    let stop = audience.stop.clone();
    let close = tokio::select! {
        close = keep_showing(&mut socket, &mut audience, &wish) => close,
        () = stop.cancelled() => Some((1001, "dispatch is stopping")),
    };
    say_goodbye(&mut socket, close).await;
}

/// Closes with this code and reason, if there is somebody to tell.
pub(super) async fn say_goodbye(socket: &mut WebSocket, close: Option<(u16, &'static str)>) {
    if let Some((code, reason)) = close {
        // Whoever is gone cannot be told.
        let _ = timeout(KEEP_ALIVE, socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() })))).await;
    }
}

/// Shows until the page goes or must go; then with what close code and reason.
async fn keep_showing(socket: &mut WebSocket, audience: &mut Audience, wish: &Wish) -> Option<(u16, &'static str)> {
    let mut keep_alive = interval(KEEP_ALIVE);
    let mut shown: Option<(Arc<Shared>, String)> = None;
    let mut number = 0;
    // What there is already is news to this page.
    audience.shared.mark_changed();
    loop {
        tokio::select! {
            changed = audience.shared.changed() => {
                if changed.is_err() {
                    return Some((1001, "dispatch is stopping"));
                }
                let Some(shared) = audience.shared.borrow_and_update().clone() else { continue };
                let heroes = page::heroes_html(&shared.view, wish);
                for text in news(shown.as_ref().map(|(shared, _)| &*shared.view), &shared.view) {
                    send(socket, &Push::Notice { text: &text }).await?;
                }
                let panels = changed_panels(shown.as_ref().map(|(shared, heroes)| (&**shared, heroes.as_str())), &shared, &heroes);
                if let Some(panels) = panels {
                    number += 1;
                    send(socket, &Push::Frame { s: number, title: &shared.title, panels }).await?;
                    keep_alive.reset();
                }
                shown = Some((shared, heroes));
            }
            _ = keep_alive.tick() => send(socket, &Push::K { s: number }).await?,
            message = socket.recv() => match message {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Text(_) | Message::Binary(_))) => return Some((1008, "this socket only shows; send commands as forms")),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
            },
        }
    }
}

/// What was destroyed between two views.
fn news(before: Option<&View>, now: &View) -> Vec<String> {
    let Some(last) = before.map(|view| view.happenings.last().map_or(0, |happening| happening.number)) else { return Vec::new() };
    let destroyed = now.happenings.iter().filter(|happening| happening.number > last && happening.kind == Kind::Destroyed);
    destroyed.map(|happening| happening.text.clone()).collect()
}

fn changed_panels<'a>(before: Option<(&Shared, &str)>, now: &'a Shared, heroes: &'a str) -> Option<Panels<'a>> {
    fn if_new<'a>(before: Option<&str>, now: &'a str) -> Option<&'a str> {
        (before != Some(now)).then_some(now)
    }
    let panels = Panels {
        verdict: if_new(before.map(|(shared, _)| shared.verdict.as_str()), &now.verdict),
        cluster: if_new(before.map(|(shared, _)| shared.cluster.as_str()), &now.cluster),
        trouble: if_new(before.map(|(shared, _)| shared.trouble.as_str()), &now.trouble),
        happened: if_new(before.map(|(shared, _)| shared.happened.as_str()), &now.happened),
        heroes: if_new(before.map(|(_, heroes)| heroes), heroes),
    };
    let any = [panels.verdict, panels.cluster, panels.trouble, panels.happened, panels.heroes].iter().any(Option::is_some);
    any.then_some(panels)
}

/// Sends a frame; `None` when the other end does not take it.
pub(super) async fn send(socket: &mut WebSocket, frame: &impl Serialize) -> Option<()> {
    let text = serde_json::to_string(frame).expect("a frame has only strings and numbers");
    timeout(SEND_PATIENCE, socket.send(Message::text(text))).await.ok()?.ok()
}
