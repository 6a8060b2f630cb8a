//! The page: views put into words. What a person reads is computed here from what is known, and from nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use askama::Template as _;
use axum::extract::{RawQuery, State};
use axum::response::{Html, IntoResponse, Response};

use shared::crdt::Entry;
use shared::hero::{Hero, Location};
use shared::id::{HeroId, NodeName};
use shared::time::UnixMillis;

use crate::mirror::Status;
use crate::rows::{self, RowState};
use crate::verdict::{self, Phrase, Verdict, counted, grouped, title};
use crate::view::{NodeView, View};
use crate::web::desk::Desk;
use crate::web::error::Problem;
use crate::web::panels::{
    self, Cell, Chip, CityCard, ClusterPanel, Column, HappenedPanel, Happening, HeroesPanel, Notice, Page, Row, RowTone, Stat, Tone,
    VerdictPanel,
};
use crate::web::rebuild::Rebuilder;
use crate::web::stage::Playing;
use crate::web::trouble::{CauseForms, TroublePanel};

/// How many heroes a page shows.
const PAGE_ROWS: usize = 50;
/// How many happenings a page shows.
const HAPPENINGS_SHOWN: usize = 12;
/// Knowledge younger than this counts as the present.
const PRESENT: Duration = Duration::from_millis(1_500);
/// From how far off a clock is spoken of, in milliseconds: less comes and goes with the way that the news takes.
const CLOCK_TOLD_MS: u64 = 500;
/// The longest search text, in characters.
const QUERY_CHARS_MAX: usize = 100;

/// Which heroes a page shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Show {
    #[default]
    All,
    Differing,
    OnlyCopy,
    Terminated,
}

impl Show {
    const EVERY: [Self; 4] = [Self::All, Self::Differing, Self::OnlyCopy, Self::Terminated];

    /// Its value in the address.
    fn key(self) -> &'static str {
        match self {
            Self::All => "",
            Self::Differing => "differing",
            Self::OnlyCopy => "only-copy",
            Self::Terminated => "terminated",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::All => "All",
            Self::Differing => "Differing",
            Self::OnlyCopy => "Only copy",
            Self::Terminated => "Terminated",
        }
    }

    fn includes(self, state: RowState) -> bool {
        match self {
            // A hero is gone from the list only when everybody knows of the death.
            Self::All => state != RowState::Terminated,
            Self::Differing => state.differs(),
            Self::OnlyCopy => state == RowState::OnlyCopy,
            Self::Terminated => state == RowState::Terminated,
        }
    }
}

/// What a page was asked to show: the parameters of its address. What makes no sense is left out, not refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    query: String,
    show: Show,
    /// From 0.
    page: usize,
    /// A city that was just destroyed from this page.
    destroyed: Option<String>,
}

impl Wish {
    pub(crate) fn parse(query: &str) -> Self {
        let fields: BTreeMap<String, String> = serde_urlencoded::from_str(query).unwrap_or_default();
        let field = |name| fields.get(name).map(String::as_str).unwrap_or_default();
        Self {
            query: field("q").trim().chars().take(QUERY_CHARS_MAX).collect(),
            show: Show::EVERY.into_iter().find(|show| show.key() == field("show")).unwrap_or_default(),
            page: field("page").parse::<usize>().unwrap_or(1).saturating_sub(1),
            destroyed: fields.get("destroyed").cloned(),
        }
    }

    /// The same page, telling that this city was destroyed.
    pub(crate) fn with_news(self, destroyed: Option<NodeName>) -> Self {
        Self { destroyed: destroyed.map(|city| city.to_string()), ..self }
    }

    /// The address of the page that shows this.
    pub(crate) fn href(&self) -> String {
        let page = (self.page + 1).to_string();
        let fields = [
            ("q", Some(self.query.as_str()).filter(|query| !query.is_empty())),
            ("show", Some(self.show.key()).filter(|show| !show.is_empty())),
            ("page", Some(page.as_str()).filter(|_| self.page > 0)),
            ("destroyed", self.destroyed.as_deref()),
        ];
        let fields: Vec<(&str, &str)> = fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        match serde_urlencoded::to_string(fields) {
            Ok(query) if !query.is_empty() => format!("/?{query}"),
            Ok(_) | Err(_) => "/".to_owned(),
        }
    }

    /// Whether the row is one that was searched for; `query` is the text in lower case.
    fn matches(query: &str, row: &rows::Row) -> bool {
        query.is_empty() || row.name.to_lowercase().contains(query) || row.id.to_string().starts_with(query)
    }
}

/// A command that was refused, to be shown beside its control.
pub(crate) struct Refusal {
    pub(crate) hero: Option<HeroId>,
    pub(crate) problem: Problem,
}

/// What the page says when a city was bombed.
pub(crate) fn destroyed(city: NodeName) -> String {
    format!("{city} has been destroyed")
}

/// The panels that are the same on every page.
pub(crate) struct Shared {
    pub(crate) view: Arc<View>,
    pub(crate) title: String,
    pub(crate) verdict: String,
    pub(crate) cluster: String,
    pub(crate) trouble: String,
    pub(crate) happened: String,
}

impl Shared {
    pub(crate) fn render(view: Arc<View>, rebuilder: &Rebuilder, playing: Option<&Playing>) -> Self {
        Self {
            title: document_title(&view),
            verdict: html(verdict_panel(&view).render()),
            cluster: html(cluster_panel(&view, rebuilder).render()),
            trouble: html(TroublePanel::of(&view, playing).render()),
            happened: html(happened_panel(&view).render()),
            view,
        }
    }
}

/// The heroes panel of a page that was asked to show this.
pub(crate) fn heroes_html(view: &View, wish: &Wish) -> String {
    html(heroes_panel(view, wish, None).render())
}

fn html(rendered: askama::Result<String>) -> String {
    rendered.expect("templates write to memory only")
}

/// `GET /`
pub(crate) async fn page(State(desk): State<Desk>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let wish = Wish::parse(&query.unwrap_or_default());
    let view = desk.now().await?;
    let news = wish.destroyed.as_deref().and_then(|name| desk.cities().iter().find(|city| city.as_str() == name));
    let notice = news.map(|city| Notice { text: destroyed(*city), bad: false });
    Ok(document(&desk, &view, &wish, notice, None).into_response())
}

/// The page, with why a command was refused.
pub(crate) async fn refused(desk: &Desk, refusal: Refusal) -> Response {
    let status = refusal.problem.status;
    match desk.now().await {
        Ok(view) => {
            let notice = Notice { text: refusal.problem.detail.clone(), bad: true };
            (status, document(desk, &view, &Wish::default(), Some(notice), Some(&refusal))).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

fn document(desk: &Desk, view: &View, wish: &Wish, notice: Option<Notice>, refusal: Option<&Refusal>) -> Html<String> {
    let page = Page {
        title: document_title(view),
        verdict: verdict_panel(view),
        cluster: cluster_panel(view, desk.rebuilder()),
        heroes: heroes_panel(view, wish, refusal),
        trouble: html(TroublePanel::of(view, desk.stage().playing().borrow().as_ref()).render()),
        cause: html(CauseForms::of(desk.cities()).render()),
        happened: happened_panel(view),
        notice,
        refresh_href: Wish { destroyed: None, ..wish.clone() }.href(),
    };
    Html(html(page.render()))
}

fn document_title(view: &View) -> String {
    format!("{} · Superhero Cluster", view.verdict.sentence)
}

// The heading.

fn verdict_panel(view: &View) -> VerdictPanel {
    let verdict = &view.verdict;
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
    let Verdict { converged, differences, only_copies, .. } = view.verdict;
    if !view.joined {
        "Dispatch has just started and looks for cities that know more.".into()
    } else if converged && view.verdict.heroes == 0 {
        "Create some heroes, assign them to cities, then bomb one and watch the others bring it back.".into()
    } else if converged {
        "Dispatch holds the same. Bomb a city and watch the others bring it back.".into()
    } else if only_copies > 0 {
        format!("{} by one node alone: if that one goes now, so do they.", counted(only_copies, "hero is held", "heroes are held"))
    } else if differences > 0 {
        format!("{} heard the same everywhere; gossip will tell.", counted(differences, "hero is not", "heroes are not"))
    } else if view.cities.iter().any(|city| city.status != Status::Up) {
        "What is shown of a city that does not answer is what was last known.".into()
    } else {
        "Dispatch's own copy is still catching up.".into()
    }
}

// The processes.

fn cluster_panel(view: &View, rebuilder: &Rebuilder) -> ClusterPanel {
    let silent = view.cities.iter().filter(|city| city.status != Status::Up).count();
    let processes = view.cities.len() + 1;
    let summary = match silent {
        0 => format!("{processes} processes, all answer"),
        _ => format!("{processes} processes, {silent} without an answer"),
    };
    let most = view.cities.iter().chain([&view.dispatch]).map(|node| node.heroes).max().unwrap_or(0);
    let leader = verdict::leader(&view.cities);
    ClusterPanel {
        summary,
        cities: (0..view.cities.len()).map(|index| city_card(view, index, leader, most, rebuilder)).collect(),
        dispatch: format!(
            "holds {} and {}",
            counted_u64(view.dispatch.heroes, "hero", "heroes"),
            counted_u64(view.dispatch.tombstones, "tombstone", "tombstones")
        ),
    }
}

fn counted_u64(number: u64, one: &str, many: &str) -> String {
    counted(usize::try_from(number).unwrap_or(usize::MAX), one, many)
}

fn city_card(view: &View, index: usize, leader: Option<usize>, most: u64, rebuilder: &Rebuilder) -> CityCard {
    let city = &view.cities[index];
    let apart = match leader {
        Some(leader) => verdict::changes(&view.rows, index, leader),
        None => verdict::changes_from_any(&view.cities, &view.rows, index),
    };
    let (status, state) = match city.status {
        Status::Unreachable if city.age.is_none() => (panels::Status::Unreachable, "not heard yet".to_owned()),
        Status::Unreachable if city.frozen => (panels::Status::Unreachable, "frozen from here".to_owned()),
        Status::Unreachable => (panels::Status::Unreachable, "gives no answer".to_owned()),
        Status::Down => (panels::Status::Down, "has stopped".to_owned()),
        Status::Up if !city.is_read && !city.recovering => (panels::Status::Up, "not heard yet".to_owned()),
        Status::Up if city.recovering => (panels::Status::Up, "destroyed, recovering".to_owned()),
        Status::Up if apart > 0 => (panels::Status::Up, format!("{} apart", counted(apart, "change", "changes"))),
        Status::Up => (panels::Status::Up, "agrees".to_owned()),
    };
    let state = match clock(city) {
        Some(clock) => format!("{state}, {clock}"),
        None => state,
    };
    let percent = (city.heroes * 100).checked_div(most).unwrap_or(100);
    CityCard {
        key: city.name.to_string(),
        name: title(city.name),
        heroes: grouped(city.heroes),
        of: if city.heroes < most { format!("of {}", grouped(most)) } else { String::new() },
        fill: u8::try_from(percent).unwrap_or(100),
        status,
        state,
        differs: city.status == Status::Up && (apart > 0 || city.recovering),
        age: age(city),
        life: if city.crashes == 0 { String::new() } else { format!("{} life", ordinal(city.crashes + 1)) },
        fingerprint: if city.age.is_none() { String::new() } else { city.fingerprint.to_string().chars().take(8).collect() },
        rebuild: (city.status == Status::Down).then(|| match rebuilder.by_hand(city.name) {
            None => panels::Rebuild::Button,
            Some(how) => panels::Rebuild::ByHand(format!("To start it again, {how}.")),
        }),
    }
}

/// What is wrong with the clock of a city that answers, if it is worth telling.
fn clock(city: &NodeView) -> Option<String> {
    let ahead_ms = city.clock_ahead_ms.filter(|ahead_ms| city.status == Status::Up && ahead_ms.unsigned_abs() >= CLOCK_TOLD_MS)?;
    let tenths = ahead_ms.unsigned_abs().div_ceil(100);
    Some(format!("clock {}.{} s {}", tenths / 10, tenths % 10, if ahead_ms > 0 { "ahead" } else { "behind" }))
}

fn age(city: &NodeView) -> String {
    match city.age {
        None => "never heard".into(),
        Some(age) if age < PRESENT => "as of now".into(),
        Some(age) => format!("as of {} s ago", age.as_secs()),
    }
}

fn ordinal(number: u32) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

// The table.

fn heroes_panel(view: &View, wish: &Wish, refusal: Option<&Refusal>) -> HeroesPanel {
    let query = wish.query.to_lowercase();
    let fits = |row: &&Arc<rows::Row>| wish.show.includes(view.state(row)) && Wish::matches(&query, row);
    let rows: Vec<&Arc<rows::Row>> = view.rows.iter().filter(fits).collect();
    let page = wish.page.min(rows.len().saturating_sub(1) / PAGE_ROWS);
    let shown: Vec<Row> = rows.iter().skip(page * PAGE_ROWS).take(PAGE_ROWS).map(|row| hero_row(view, row, refusal)).collect();
    let to = |page| Wish { page, destroyed: None, ..wish.clone() }.href();
    let (first, last) = (page * PAGE_ROWS + 1, page * PAGE_ROWS + shown.len());
    let chip = |show: Show| Chip {
        label: show.label(),
        show: show.key(),
        count: grouped(view.rows.count(|pattern| show.includes(pattern.state(&view.counted))) as u64),
        href: Wish { show, page: 0, destroyed: None, ..wish.clone() }.href(),
        on: show == wish.show,
    };
    HeroesPanel {
        columns: view
            .cities
            .iter()
            .map(|city| Column { key: city.name.to_string(), name: title(city.name), age: age(city), stale: city.status != Status::Up })
            .collect(),
        query: wish.query.clone(),
        range: if shown.is_empty() {
            String::new()
        } else {
            format!("{} to {} of {}", grouped(first as u64), grouped(last as u64), grouped(rows.len() as u64))
        },
        previous: (page > 0).then(|| to(page - 1)),
        next: (last < rows.len()).then(|| to(page + 1)),
        filter: Show::EVERY.map(chip).to_vec(),
        empty: shown.is_empty().then(|| nothing(wish)),
        rows: shown,
    }
}

fn nothing(wish: &Wish) -> &'static str {
    match wish.show {
        _ if !wish.query.is_empty() => "No hero matches this search.",
        Show::All => "There are no heroes yet.",
        Show::Differing => "The cities say the same of every hero.",
        Show::OnlyCopy => "Every hero is held by more than one node.",
        Show::Terminated => "No hero has been terminated.",
    }
}

fn hero_row(view: &View, row: &rows::Row, refusal: Option<&Refusal>) -> Row {
    let id = row.id.to_string();
    let reference = most_held(&row.cells);
    let same = row.cells.windows(2).all(|pair| stamp(&pair[0]) == stamp(&pair[1]));
    let known = row.cells.first().is_some_and(Option::is_some);
    let (state, tone) = match view.state(row) {
        RowState::Agreed => ("Agreed", RowTone::Quiet),
        RowState::Terminated => ("Terminated", RowTone::Quiet),
        RowState::OnlyCopy => ("Only copy", RowTone::Bad),
        RowState::DeathNotHeard => ("Delete not heard", RowTone::Warn),
        RowState::Differs => ("Differs", RowTone::Warn),
    };
    Row {
        short_id: format!("{}…{}", &id[..4], &id[id.len() - 3..]),
        name: row.name.to_string(),
        agreed: (same && known).then(|| cell(row.cells[0].as_deref(), reference)),
        cells: view
            .cities
            .iter()
            .zip(&row.cells)
            .map(|(city, entry)| cell(entry.as_deref(), if city.status == Status::Up { reference } else { entry.as_deref() }))
            .collect(),
        state: state.to_owned(),
        tone,
        can_act: row.pattern.lives(),
        error: refusal.filter(|refusal| refusal.hero == Some(row.id)).map(|refusal| refusal.problem.detail.clone()).unwrap_or_default(),
        id,
    }
}

fn stamp(entry: &Option<Arc<Entry>>) -> Option<shared::clock::Stamp> {
    entry.as_ref().map(|entry| entry.stamp)
}

/// What most cities hold; of as many, what wins.
fn most_held(cells: &[Option<Arc<Entry>>]) -> Option<&Entry> {
    let holders = |entry: &Option<Arc<Entry>>| cells.iter().filter(|other| stamp(other) == stamp(entry)).count();
    let rank = |entry: &&Option<Arc<Entry>>| (holders(entry), entry.as_ref().map(|entry| (entry.is_tombstone(), entry.stamp)));
    cells.iter().max_by_key(rank).and_then(|entry| entry.as_deref())
}

/// A city's cell, with what differs from `reference` marked.
fn cell(entry: Option<&Entry>, reference: Option<&Entry>) -> Cell {
    let differs = entry.map(|entry| entry.stamp) != reference.map(|entry| entry.stamp);
    let Some(entry) = entry else { return Cell::NotHeard { differs } };
    let Some(hero) = entry.hero() else { return Cell::Terminated { differs } };
    let other = reference.and_then(Entry::hero);
    let unlike = |same: fn(&Hero, &Hero) -> bool| differs && other.is_none_or(|other| !same(hero, other));
    Cell::Live {
        place_key: hero.location.to_string(),
        place: match hero.location {
            Location::Home => "Home".into(),
            Location::City(name) => title(name),
        },
        health: hero.health,
        patrolling: hero.is_patrolling,
        place_differs: unlike(|a, b| a.location == b.location),
        health_differs: unlike(|a, b| a.health == b.health),
        patrolling_differs: unlike(|a, b| a.is_patrolling == b.is_patrolling),
    }
}

// What happened.

fn happened_panel(view: &View) -> HappenedPanel {
    let latest = view.happenings.iter().rev().take(HAPPENINGS_SHOWN);
    let happening = |happening: &Arc<crate::happening::Happening>| Happening {
        at: time_of_day(happening.at),
        key: happening.node.to_string(),
        text: happening.text.clone(),
    };
    HappenedPanel { events: latest.map(happening).collect() }
}

/// Hours, minutes and seconds, UTC.
fn time_of_day(at: UnixMillis) -> String {
    let seconds = at.0 / 1_000 % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests;
