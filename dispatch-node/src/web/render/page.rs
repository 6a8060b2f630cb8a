//! The whole page: its fragments, and the document that contains them.

use askama::Template;

use node_api::access::tokens::Role;

use gossip::NodeName;

use crate::model::tables::TypeTable;
use crate::model::view::View;
use crate::text::title;
use crate::web::fragments::{Fragments, Number};
use crate::web::launcher::LauncherClient;
use crate::web::page_query::PageQuery;
use crate::web::render::at_risk::BombReportPanel;
use crate::web::render::cluster::ClusterPanel;
use crate::web::render::events::EventsPanel;
use crate::web::render::fault_forms::FaultForms;
use crate::web::render::faults::FaultsPanel;
use crate::web::render::forecast_curve::Predicted;
use crate::web::render::gossip::GossipPanel;
use crate::web::render::heroes::{self, RowCache};
use crate::web::render::html::html;
use crate::web::render::inspector::InspectorPanel;
use crate::web::render::lost_writes::LostWritesPanel;
use crate::web::render::status::VerdictPanel;
use crate::web::render::tables;
use crate::web::render::timeline::{self, Pieces};
use crate::web::render::topology::Topology;
use crate::web::scenario_runner::Playing;

/// Renders the fragments that all pages share.
pub(crate) fn shared(
    fragments: &mut Fragments,
    number: Number,
    view: &View,
    launcher: &LauncherClient,
    playing: Option<&Playing>,
    predicted: Option<&Predicted>,
) {
    fragments.panel(number, "title", format!("{} · Superhero Cluster", view.status.sentence));
    fragments.panel(number, "verdict", html(&VerdictPanel::of(view, predicted)));
    fragments.panel(number, "gossip", html(&GossipPanel::of(view)));
    fragments.panel(number, "cluster", html(&ClusterPanel::of(view, launcher, predicted)));
    fragments.panel(number, "faults", html(&FaultsPanel::of(view, playing)));
    let cities = view.cities.iter().map(|city| city.name);
    let nodes: Vec<NodeName> = cities.chain(view.dispatches.iter().copied()).collect();
    fragments.panel(number, "fault-forms", html(&FaultForms::of(&nodes)));
    fragments.panel(number, "events", html(&EventsPanel::of(view)));
    fragments.panel(number, "map", html(&Topology::of(view)));
    fragments.panel(number, "bomb-reports", html(&BombReportPanel::of(view)));
    fragments.panel(number, "lost-writes", html(&LostWritesPanel::of(view)));
    fragments.panel(number, "timeline-summary", timeline::summary(view));
    fragments.panel(number, "timeline-spans", timeline::bands::spans(view));
    fragments.panel(
        number,
        "timeline-differences",
        timeline::differences::differences(view, predicted),
    );
    fragments.panel(number, "timeline-forecast", timeline::outlook::forecast(view, predicted));
}

/// Renders the fragments that depend on the query of a page.
pub(crate) fn window(
    fragments: &mut Fragments,
    number: Number,
    view: &View,
    query: &PageQuery,
    cache: &mut RowCache,
) {
    fragments.panel(number, "tables-nav", tables::nav(view, query));
    if let Some(table) = query.table {
        fragments.panel(number, "table-columns", tables::columns(view, table));
        if !cache.note_tables(view) {
            return;
        }
        let selection = tables::select(view, table, query);
        fragments.panel(number, "table-chips", tables::chips(query, &selection));
        fragments.panel(number, "table-foot", tables::foot(query, &selection));
        fragments.list(number, "table-rows", tables::rows(view, query, &selection));
        return;
    }
    let selection = query.select(view);
    fragments.panel(number, "table-chips", heroes::chips(view, query));
    fragments.panel(number, "table-columns", heroes::columns(view));
    fragments.panel(number, "table-foot", heroes::foot(query, &selection));
    fragments.list(number, "table-rows", heroes::rows(view, query, &selection, None, cache));
    fragments.panel(number, "inspector", html(&InspectorPanel::of(view, query)));
}

/// The document: the fragments at their positions, and the fixed parts around them.
#[derive(Template)]
#[template(path = "page.html", whitespace = "minimize")]
struct Page<'a> {
    /// The run of dispatch, and the number of the frame.
    epoch: &'a str,
    /// The origins of other dispatches, separated by blanks.
    others: &'a str,
    number: Number,
    shared: &'a Fragments,
    window: &'a Fragments,
    /// The rows of the table.
    rows: String,
    /// The rendered timeline; true if it contains its seconds and table; and the address of this
    /// page with the opposite choice.
    timeline: String,
    with_history: bool,
    history_href: String,
    /// The table, unless it is that of the heroes.
    table: Option<TypeTable>,
    /// The words and names of the cities at which a form can write.
    cities: Vec<(String, String)>,
    /// The name that the user has chosen.
    me: &'a str,
    /// The search text.
    query: &'a str,
    /// The parameters that a search preserves.
    kept: Vec<(&'static str, String)>,
    /// The result of a command that was sent without JavaScript.
    notice: Option<Notice>,
    /// The role, if tokens are configured. The page of a viewer contains all buttons and hides them
    /// by CSS, because fragments are rendered once for all pages.
    role: Option<Role>,
    /// The reason for which the configuration of dispatch is insecure.
    unsafe_for: Option<&'a str>,
    /// A browser without JavaScript reloads the page periodically.
    refreshes: bool,
    /// The addresses of this page, and of this page with the opposite reload choice.
    here: String,
    other_pace: String,
}

/// The result of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    /// The text: `gotham has been destroyed`.
    pub(crate) text: String,
    /// The command was refused.
    pub(crate) bad: bool,
}

/// The parts of the page that are neither fragments nor derived from the query.
pub(crate) struct Surroundings<'a> {
    pub(crate) epoch: &'a str,
    /// The origins of other dispatches, separated by blanks.
    pub(crate) others: &'a str,
    pub(crate) notice: Option<Notice>,
    pub(crate) role: Option<Role>,
    pub(crate) unsafe_for: Option<&'a str>,
    /// The name that the user has chosen; empty if none.
    pub(crate) me: &'a str,
}

/// Renders the document with these fragments.
pub(crate) fn document(
    view: &View,
    number: Number,
    shared: &Fragments,
    history: &Fragments,
    window: &Fragments,
    query: &PageQuery,
    surroundings: Surroundings,
) -> String {
    // A page with scripts receives the history over its socket, so the document omits it.
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
        others: surroundings.others,
        number,
        shared,
        window,
        rows: window.list_html("table-rows"),
        timeline: timeline::skeleton(view, &pieces),
        with_history: query.with_history,
        history_href: other(PageQuery { with_history: !query.with_history, ..query.clone() }),
        table: query.table,
        cities: view.cities.iter().map(|it| (it.name.to_string(), title(it.name))).collect(),
        me: surroundings.me,
        query: &query.search,
        kept: query.kept_parameters(),
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
