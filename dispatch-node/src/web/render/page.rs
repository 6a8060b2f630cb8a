//! The whole page: the fragments that it is made of, and the document around them.

use askama::Template;

use crate::model::view::View;
use crate::web::auth::tokens::Role;
use crate::web::fragments::{Fragments, Number};
use crate::web::launcher::LauncherClient;
use crate::web::page_query::PageQuery;
use crate::web::render::at_risk::AftermathPanel;
use crate::web::render::cluster::ClusterPanel;
use crate::web::render::events::EventsPanel;
use crate::web::render::faults::FaultsPanel;
use crate::web::render::forecast_curve::Predicted;
use crate::web::render::gossip::GossipPanel;
use crate::web::render::heroes::{self, RowCache};
use crate::web::render::html::html;
use crate::web::render::inspector::InspectorPanel;
use crate::web::render::lost_writes::LostWritesPanel;
use crate::web::render::status::VerdictPanel;
use crate::web::render::timeline::{self, Pieces};
use crate::web::render::topology::Map;
use crate::web::scenario_runner::Playing;

/// Renders what is the same on every page.
pub(crate) fn shared(
    fragments: &mut Fragments,
    number: Number,
    view: &View,
    launcher: &LauncherClient,
    playing: Option<&Playing>,
    predicted: Option<&Predicted>,
) {
    fragments.panel(number, "title", format!("{} · Superhero Cluster", view.status.sentence));
    fragments.panel(number, "verdict", html(&VerdictPanel::of(view)));
    fragments.panel(number, "gossip", html(&GossipPanel::of(view)));
    fragments.panel(number, "cluster", html(&ClusterPanel::of(view, launcher)));
    fragments.panel(number, "trouble", html(&FaultsPanel::of(view, playing)));
    fragments.panel(number, "happened", html(&EventsPanel::of(view)));
    fragments.panel(number, "map", html(&Map::of(view)));
    fragments.panel(number, "aftermath", html(&AftermathPanel::of(view)));
    fragments.panel(number, "lost-writes", html(&LostWritesPanel::of(view)));
    fragments.panel(number, "timeline-summary", timeline::summary(view));
    fragments.panel(number, "timeline-spans", timeline::bands::spans(view));
    fragments.panel(number, "timeline-differences", timeline::differences::differences(view, predicted));
    fragments.panel(number, "timeline-forecast", timeline::outlook::forecast(view, predicted));
}

/// Renders what only those pages show that were asked for this.
pub(crate) fn window(fragments: &mut Fragments, number: Number, view: &View, query: &PageQuery, cache: &mut RowCache) {
    let selection = query.select(view);
    fragments.panel(number, "heroes-chips", heroes::chips(view, query));
    fragments.panel(number, "heroes-columns", heroes::columns(view));
    fragments.panel(number, "heroes-foot", heroes::foot(query, &selection));
    fragments.list(number, "heroes-rows", heroes::rows(view, query, &selection, None, cache));
    fragments.panel(number, "inspector", html(&InspectorPanel::of(view, query.hero)));
}

/// The whole document: the fragments in their places, and what never changes around them.
#[derive(Template)]
#[template(path = "page.html", whitespace = "minimize")]
struct Page<'a> {
    /// The run of dispatch, and the number of the frame, that this page shows.
    epoch: &'a str,
    number: Number,
    shared: &'a Fragments,
    window: &'a Fragments,
    /// The rows of the table.
    rows: String,
    /// The timeline, rendered; whether its seconds and its table are there; and the page where that is the other way round.
    timeline: String,
    with_history: bool,
    history_href: String,
    /// What was searched for.
    query: &'a str,
    /// The parameters that a search has to keep.
    kept: Vec<(&'static str, String)>,
    /// The forms that cause trouble, rendered.
    cause: String,
    /// The outcome of a command that was sent without JavaScript.
    notice: Option<Notice>,
    /// What who looks may do, where people are told apart. A viewer's page has all buttons and shows none: it is made of the same pieces.
    role: Option<Role>,
    /// What is unsafe about how dispatch was started, in words.
    unsafe_for: Option<&'a str>,
    /// Whether a browser without JavaScript loads the page again and again.
    refreshes: bool,
    /// This very page; and the same where it does the other thing.
    here: String,
    other_pace: String,
}

/// The outcome of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    /// What came of it: `gotham has been destroyed`.
    pub(crate) text: String,
    /// Whether the command was refused.
    pub(crate) bad: bool,
}

/// What of the page is not in fragments, nor in what was wished for.
pub(crate) struct Surroundings<'a> {
    pub(crate) epoch: &'a str,
    pub(crate) cause: String,
    pub(crate) notice: Option<Notice>,
    pub(crate) role: Option<Role>,
    pub(crate) unsafe_for: Option<&'a str>,
}

/// The document of a page that shows these fragments.
pub(crate) fn document(
    view: &View,
    number: Number,
    shared: &Fragments,
    history: &Fragments,
    window: &Fragments,
    query: &PageQuery,
    surroundings: Surroundings,
) -> String {
    let all = |list| if query.with_history { history.list_html(list) } else { String::new() };
    let pieces = Pieces {
        summary: shared.html("timeline-summary"),
        spans: shared.html("timeline-spans"),
        differences: shared.html("timeline-differences"),
        forecast: shared.html("timeline-forecast"),
        seconds: &all("timeline-seconds"),
        rows: &all("timeline-rows"),
    };
    let other = |other: PageQuery| other.href();
    html(&Page {
        epoch: surroundings.epoch,
        number,
        shared,
        window,
        rows: window.list_html("heroes-rows"),
        timeline: timeline::skeleton(view, &pieces),
        with_history: query.with_history,
        history_href: other(PageQuery { with_history: !query.with_history, ..query.clone() }),
        query: &query.search,
        kept: query.kept_by_a_search(),
        cause: surroundings.cause,
        notice: surroundings.notice,
        role: surroundings.role,
        unsafe_for: surroundings.unsafe_for,
        refreshes: !query.still,
        here: query.href(),
        other_pace: other(PageQuery { still: !query.still, ..query.clone() }),
    })
}

#[cfg(test)]
mod tests;
