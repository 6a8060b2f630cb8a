//! The live socket for programs, `GET /live?as=data`: the verdict, the faults, the pace of gossip
//! and the events, as JSON.
//!
//! Invariant: no program waits for another. A slow program skips views, but none of the events that
//! dispatch still keeps.

use std::sync::Arc;

use futures_util::StreamExt as _;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use api_types::{Event, Fault, Gossip, Verdict};
use gossip::link::{Permit, Socket, close};
use node_api::socket::{Allowance, Close, KEEP_ALIVE, incoming, send};
use shared::meter::counter;

use crate::metrics::{self, Watched};
use crate::model::view::View;
use crate::web::representation;

/// The number of past events in the first message.
const EVENTS_AT_FIRST: u64 = 20;

/// The views as they are published, `None` before the first.
type Views = watch::Receiver<Option<Arc<View>>>;

/// A message to a program.
#[derive(Serialize)]
#[serde(tag = "t", rename_all = "lowercase")]
enum Push {
    Data(Box<Data>),
    K,
}

/// The content of one view, with the events since the previous message.
#[derive(Serialize)]
struct Data {
    verdict: Verdict,
    faults: Vec<Fault>,
    gossip: Gossip,
    events: Vec<Event>,
}

/// Returns true if this query requests data.
pub(crate) fn is_requested(query: &str) -> bool {
    query.split('&').any(|field| field == "as=data")
}

/// Sends views to a program until it closes the socket or exceeds a limit.
pub(crate) async fn run(
    mut socket: Socket,
    views: Views,
    stop: CancellationToken,
    _permit: Permit,
) {
    let _watched = Watched::by("program");
    let reason = tokio::select! {
        reason = send_views(&mut socket, views) => reason,
        () = stop.cancelled() => Some((1001, "dispatch is stopping")),
    };
    close(&mut socket, reason).await;
}

/// Sends views until the socket must be closed. Returns the reason, if there is one.
async fn send_views(socket: &mut Socket, mut views: Views) -> Option<Close> {
    let mut keep_alive = interval(KEEP_ALIVE);
    let mut allowance = Allowance::new();
    let mut last = None;
    // The current view is sent at once, not only the next one.
    views.mark_changed();
    loop {
        tokio::select! {
            changed = views.changed() => {
                if changed.is_err() {
                    return Some((1001, "dispatch is stopping"));
                }
                let Some(view) = views.borrow_and_update().clone() else { continue };
                let newest = view.events.last().map_or(0, |event| event.number);
                // After a crash of the machine, events are numbered from 1 again.
                let since = last
                    .filter(|last| *last <= newest)
                    .unwrap_or(newest.saturating_sub(EVENTS_AT_FIRST));
                send(socket, &Push::Data(Box::new(data(&view, since)))).await?;
                counter!(metrics::FRAMES_SENT.name, "to" => "program").increment(1);
                last = Some(newest);
                keep_alive.reset();
            }
            _ = keep_alive.tick() => send(socket, &Push::K).await?,
            message = socket.next() => match incoming(message, &mut allowance) {
                Err(close) => return close,
                Ok(None) => {}
                Ok(Some(_)) => {
                    return Some((1008, "this socket is read-only; send commands through the API"));
                }
            },
        }
    }
}

fn data(view: &View, since: u64) -> Data {
    Data {
        verdict: representation::verdict(&view.status),
        faults: view.faults.iter().map(representation::fault).collect(),
        gossip: representation::gossip(view.pace),
        events: representation::events(view, since, usize::MAX),
    }
}
