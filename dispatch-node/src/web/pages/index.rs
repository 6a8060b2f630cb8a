//! The page: views put into words. What a person reads is computed here from what is known, and from nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::{Extension, RawQuery, State};
use axum::response::{Html, IntoResponse, Response};

use shared::fault::{Pace, Trouble};
use shared::id::{HeroId, NodeName};

use crate::model::faults::describe;
use crate::model::node_state::NodeState;
use crate::model::node_state::NodeStatus;
use crate::model::status::{ClusterStatus, Phrase};
use crate::model::view::View;
use crate::text::{counted, grouped, title};
use crate::web::auth::tokens::Role;
use crate::web::error::Problem;
use crate::web::fragments::{Fragments, Number};
use crate::web::launcher::Rebuilder;
use crate::web::live::broadcaster::Snapshot;
use crate::web::page_query::Wish;
use crate::web::render::at_risk::AftermathPanel;
use crate::web::render::cluster::cluster_panel;
use crate::web::render::faults::{CauseForms, GossipPanel, TroublePanel};
use crate::web::render::heroes::{self, RowCache};
use crate::web::render::inspector::InspectorPanel;
use crate::web::render::lost_writes::LostPanel;
use crate::web::render::panels::{self, HappenedPanel, Happening, Notice, Page, Stat, Tone, VerdictPanel};
use crate::web::render::timeline::{self, Pieces, Predicted};
use crate::web::render::topology::Map;
use crate::web::render::wording::{CLOCK_TOLD_MS, capitalised, tenths, time_of_day};
use crate::web::scenario_runner::Playing;
use crate::web::state::Site;

/// How many happenings a page shows.
const HAPPENINGS_SHOWN: usize = 12;
/// Knowledge younger than this counts as the present.
const PRESENT: Duration = Duration::from_millis(1_500);

/// A command that was refused, to be shown beside its control.
pub(crate) struct Refusal {
    pub(crate) hero: Option<HeroId>,
    pub(crate) problem: Problem,
}

/// What the page says when a city was bombed.
pub(crate) fn destroyed(city: NodeName) -> String {
    format!("{city} has been destroyed")
}

/// Renders what is the same on every page.
pub(crate) fn shared(
    fragments: &mut Fragments,
    number: Number,
    view: &View,
    rebuilder: &Rebuilder,
    playing: Option<&Playing>,
    predicted: Option<&Predicted>,
) {
    fragments.panel(number, "title", format!("{} · Superhero Cluster", view.status.sentence));
    fragments.panel(number, "verdict", html(&verdict_panel(view)));
    fragments.panel(number, "gossip", html(&GossipPanel::of(view)));
    fragments.panel(number, "cluster", html(&cluster_panel(view, rebuilder)));
    fragments.panel(number, "trouble", html(&TroublePanel::of(view, playing)));
    fragments.panel(number, "happened", html(&happened_panel(view)));
    fragments.panel(number, "map", html(&Map::of(view)));
    fragments.panel(number, "aftermath", html(&AftermathPanel::of(view)));
    fragments.panel(number, "lost-writes", html(&LostPanel::of(view)));
    fragments.panel(number, "timeline-summary", timeline::summary(view));
    fragments.panel(number, "timeline-spans", timeline::spans(view));
    fragments.panel(number, "timeline-differences", timeline::differences(view, predicted));
    fragments.panel(number, "timeline-forecast", timeline::forecast(view, predicted));
}

/// Renders what only those pages show that were asked for this.
pub(crate) fn window(fragments: &mut Fragments, number: Number, view: &View, wish: &Wish, cache: &mut RowCache) {
    let selection = wish.select(view);
    fragments.panel(number, "heroes-chips", heroes::chips(view, wish));
    fragments.panel(number, "heroes-columns", heroes::columns(view));
    fragments.panel(number, "heroes-foot", heroes::foot(wish, &selection));
    fragments.list(number, "heroes-rows", heroes::rows(view, wish, &selection, None, cache));
    fragments.panel(number, "inspector", html(&InspectorPanel::of(view, wish.hero)));
}

pub(crate) fn html(template: &impl Template) -> String {
    template.render().expect("templates write to memory only")
}

/// `GET /`
pub(crate) async fn page(
    State(site): State<Site>,
    Extension(role): Extension<Role>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = query.unwrap_or_default();
    let (desk, wish) = (&site.desk, Wish::parse(&query));
    let fields: BTreeMap<String, String> = serde_urlencoded::from_str(&query).unwrap_or_default();
    let destroyed = fields.get("destroyed").and_then(|name| desk.cities().iter().find(|city| city.as_str() == name));
    let notice = destroyed.map(|city| Notice { text: self::destroyed(*city), bad: false });
    // Whoever has just sent a form sees what came of it.
    let view = desk.now().await?;
    let snapshot = Arc::clone(&site.board.follow(wish.clone(), Some(view)).await?.borrow());
    Ok(document(&site, role, &snapshot, &wish, notice).into_response())
}

#[derive(Template)]
#[template(path = "help.html")]
struct Help;

/// `GET /help`
pub(crate) async fn help() -> Html<String> {
    Html(html(&Help))
}

/// The page, with why a command was refused.
pub(crate) async fn refused(site: &Site, wish: Wish, refusal: Refusal) -> Response {
    let status = refusal.problem.status;
    match with_refusal(site, &wish, refusal).await {
        Ok(page) => (status, page).into_response(),
        Err(problem) => problem.into_response(),
    }
}

async fn with_refusal(site: &Site, wish: &Wish, refusal: Refusal) -> Result<Html<String>, Problem> {
    let view = site.desk.now().await?;
    let snapshot = Arc::clone(&site.board.follow(wish.clone(), Some(Arc::clone(&view))).await?.borrow());
    let rows = heroes::rows(&view, wish, &wish.select(&view), Some(&refusal), &mut RowCache::default());
    let mut window = snapshot.window.clone();
    window.list(snapshot.number, "heroes-rows", rows);
    let snapshot = snapshot.with_window(window);
    // Only a host's commands get as far as to be refused here.
    Ok(document(site, Role::Host, &snapshot, wish, Some(Notice { text: refusal.problem.detail, bad: true })))
}

/// What of the page is not in fragments, nor in what was wished for.
struct Surroundings<'a> {
    epoch: &'a str,
    cause: String,
    notice: Option<Notice>,
    role: Option<Role>,
    unsafe_for: Option<&'a str>,
}

fn document(site: &Site, role: Role, snapshot: &Snapshot, wish: &Wish, notice: Option<Notice>) -> Html<String> {
    let Snapshot { number, view, shared, history, window, .. } = snapshot;
    let surroundings = Surroundings {
        epoch: site.board.epoch(),
        cause: html(&CauseForms::of(site.desk.cities())),
        notice,
        role: site.entrance.tokens.are_asked_for().then_some(role),
        unsafe_for: site.unsafe_for.as_deref(),
    };
    Html(whole(view, *number, shared, history, window, wish, surroundings))
}

fn whole(
    view: &View,
    number: Number,
    shared: &Fragments,
    history: &Fragments,
    window: &Fragments,
    wish: &Wish,
    surroundings: Surroundings,
) -> String {
    let all = |list| if wish.with_history { history.list_html(list) } else { String::new() };
    let pieces = Pieces {
        summary: shared.html("timeline-summary"),
        spans: shared.html("timeline-spans"),
        differences: shared.html("timeline-differences"),
        forecast: shared.html("timeline-forecast"),
        seconds: &all("timeline-seconds"),
        rows: &all("timeline-rows"),
    };
    let other = |other: Wish| other.href();
    html(&Page {
        epoch: surroundings.epoch,
        number,
        shared,
        window,
        rows: window.list_html("heroes-rows"),
        timeline: timeline::skeleton(view, &pieces),
        with_history: wish.with_history,
        history_href: other(Wish { with_history: !wish.with_history, ..wish.clone() }),
        query: &wish.query,
        kept: wish.kept_by_a_search(),
        cause: surroundings.cause,
        notice: surroundings.notice,
        role: surroundings.role,
        unsafe_for: surroundings.unsafe_for,
        refreshes: !wish.still,
        here: wish.href(),
        other_pace: other(Wish { still: !wish.still, ..wish.clone() }),
    })
}

fn verdict_panel(view: &View) -> VerdictPanel {
    let verdict = &view.status;
    let phrase = |phrase: &Phrase| panels::Phrase {
        text: phrase.to_string(),
        tone: match phrase {
            Phrase::Plain(_) => Tone::Plain,
            Phrase::City(name) => Tone::City(name.to_string()),
            Phrase::Apart(_) => Tone::Mark,
            Phrase::Bad(_) => Tone::Bad,
        },
    };
    let (oldest, oldest_unit) = match verdict.oldest_difference {
        None => ("none".to_owned(), ""),
        Some(age) => (age.as_secs().to_string(), "s"),
    };
    let stat = |label, value, unit: String, bad| Stat { label, value, unit, bad };
    VerdictPanel {
        sentence: verdict.phrases.iter().map(phrase).collect(),
        past: verdict.past(),
        converged: verdict.converged,
        detail: detail(view),
        stats: vec![
            stat("Heroes agreed on", grouped(verdict.agreed_on as u64), format!("of {}", grouped(verdict.heroes as u64)), false),
            stat("Oldest difference", oldest, oldest_unit.to_owned(), false),
            stat("Held by one node only", grouped(verdict.only_copies as u64), String::new(), verdict.only_copies > 0),
            stat("Writes lost for good", grouped(verdict.lost_writes), String::new(), verdict.lost_writes > 0),
        ],
    }
}

fn detail(view: &View) -> String {
    let ClusterStatus { converged, differences, only_copies, heroes, .. } = view.status;
    let case = if !view.joined {
        "Dispatch has just started and looks for cities that know more.".into()
    } else if converged && heroes == 0 {
        "Create some heroes, assign them to cities, then bomb one and watch the others bring it back.".into()
    } else if converged {
        "Dispatch holds the same. Bomb a city and watch the others bring it back.".into()
    } else if only_copies > 0 {
        format!("{} by one node alone: if that one goes now, so do they.", counted(only_copies, "hero is held", "heroes are held"))
    } else if differences > 0 {
        format!("{} heard the same everywhere.", counted(differences, "hero is not", "heroes are not"))
    } else if view.cities.iter().any(|city| city.status != NodeStatus::Up) {
        "What is shown of a city that does not answer is what was last known.".into()
    } else {
        "Dispatch's own copy is still catching up.".into()
    };
    [case]
        .into_iter()
        .chain(hindrance(view, differences > 0))
        .chain(view.cities.iter().filter_map(fast_clock))
        .collect::<Vec<_>>()
        .join(" ")
}

/// Why what differs does not come to agree, or that it will.
fn hindrance(view: &View, differs: bool) -> Option<String> {
    let cut = view.faults.iter().map(|fault| &fault.fault).find(|fault| fault.trouble == Trouble::Cut);
    match (view.pace == Pace::PAUSED, cut) {
        (true, _) => Some("Gossip is paused.".into()),
        (false, Some(cut)) => Some(format!("{}.", capitalised(&describe(cut)))),
        (false, None) => (differs && view.cities.iter().all(|city| city.status == NodeStatus::Up)).then(|| "Gossip will tell.".into()),
    }
}

/// What comes of a city's clock that is ahead.
fn fast_clock(city: &NodeState) -> Option<String> {
    let ahead = city.clock_ahead_ms.and_then(|ahead| u64::try_from(ahead).ok()).filter(|ahead| *ahead >= CLOCK_TOLD_MS)?;
    let is_known = city.status == NodeStatus::Up;
    is_known.then(|| format!("{}'s clock is {} ahead: its writes beat later ones.", title(city.name), tenths(ahead)))
}

pub(crate) fn age(city: &NodeState) -> String {
    match city.age {
        None => "never heard".into(),
        Some(age) if age < PRESENT => "as of now".into(),
        Some(age) => format!("as of {} s ago", age.as_secs()),
    }
}

// What happened.

fn happened_panel(view: &View) -> HappenedPanel {
    let latest = view.events.iter().rev().take(HAPPENINGS_SHOWN);
    let happening = |happening: &Arc<crate::event_log::LoggedEvent>| Happening {
        at: time_of_day(happening.at),
        key: happening.node.to_string(),
        text: happening.text.clone(),
    };
    HappenedPanel { events: latest.map(happening).collect() }
}

#[cfg(test)]
mod tests;
