//! The panel of the last events.

use std::sync::Arc;

use askama::Template;

use crate::event_log::{EventKind, LoggedEvent};
use crate::model::view::View;
use crate::web::render::wording::Time;

/// The number of events that a page shows.
const EVENTS_SHOWN: usize = 12;

/// The last events, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "events.html")]
pub(crate) struct EventsPanel {
    /// Newest first.
    pub(crate) events: Vec<EventLine>,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventLine {
    /// The time: `12:41:07`.
    pub(crate) at: Time,
    /// The same in milliseconds since 1970.
    pub(crate) at_ms: u64,
    /// The node: a city's key, or `dispatch`.
    pub(crate) key: String,
    /// A sentence without its full stop.
    pub(crate) text: String,
    /// The address of the explanation, of a write to a hero.
    pub(crate) explained_at: Option<String>,
    /// It is a loss.
    pub(crate) is_bad: bool,
}

impl EventsPanel {
    /// The newest events of this view.
    pub(crate) fn of(view: &View) -> Self {
        let latest = view.events.iter().rev().take(EVENTS_SHOWN);
        let event = |event: &Arc<LoggedEvent>| EventLine {
            at: Time::in_seconds(event.at, view.at.wall),
            at_ms: event.at.0,
            key: event.node.to_string(),
            text: event.text.clone(),
            explained_at: event.write.map(|write| format!("/?hero={}", write.hero)),
            is_bad: matches!(event.kind, EventKind::LostWrite | EventKind::Destroyed),
        };
        Self { events: latest.map(event).collect() }
    }
}
