//! The table of heroes: a row for each hero, a cell for each city. Each row is a fragment, so that
//! a page receives only the rows that have changed.

use std::sync::Arc;

use askama::Template;

use gossip::Incarnation;
use shared::Entry;
use shared::hero::{Hero, HeroId, Location};

use crate::model::node_state::NodeState;
use crate::model::node_state::NodeStatus;
use crate::model::rows::{self, RowState};
use crate::model::view::View;
use crate::text::{grouped, title};
use crate::web::error::Refusal;
use crate::web::page_query::{PageQuery, Selection, Show, Sort};
use crate::web::render::html::html;
use crate::web::render::wording::age;

/// The filters and the order of the list.
#[derive(Debug, Template)]
#[template(path = "heroes_chips.html")]
struct Chips {
    chips: Vec<Chip>,
    sort: Chip,
}

/// A link that sets a filter or the order.
#[derive(Debug)]
pub(super) struct Chip {
    pub(super) label: &'static str,
    /// The number of matching rows; may be empty.
    pub(super) count: String,
    pub(super) href: String,
    pub(super) on: bool,
}

/// The names of the columns, and the age of each.
#[derive(Debug, Template)]
#[template(path = "heroes_columns.html", whitespace = "minimize")]
struct Columns {
    columns: Vec<Column>,
}

/// The head of a column.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) key: String,
    pub(super) name: String,
    /// The age of the column: `as of 4 s ago`.
    pub(super) age: String,
    /// The column is out of date, because the city is not up.
    pub(super) stale: bool,
}

/// The range of rows shown, and links to the others.
#[derive(Debug, Template)]
#[template(path = "heroes_foot.html")]
pub(super) struct Foot {
    /// The name of the list.
    of: &'static str,
    /// `1 to 50 of 10 000`. Empty for an empty list.
    range: String,
    previous: Option<String>,
    next: Option<String>,
    /// The possible numbers of rows: number, address, and true for the current one.
    sizes: Vec<(usize, String, bool)>,
}

/// One hero.
#[derive(Debug, Template)]
#[template(path = "heroes_row.html", whitespace = "minimize")]
struct Row<'a> {
    columns: &'a [Column],
    id: String,
    /// The id, abbreviated: `7f3a…c41`.
    short_id: String,
    name: &'a str,
    /// The common value, if all cities hold the same entry.
    agreed: Option<Cell>,
    /// The value at each city, in the order of the columns.
    cells: Vec<Cell>,
    /// `Agreed`, `Only copy`, `Delete pending`, `Differs` or `Terminated`.
    state: &'static str,
    /// `warn`, `bad`, or nothing.
    tone: &'static str,
    /// The address that inspects this hero.
    why: String,
    chosen: bool,
    /// The hero is not terminated, so its controls are shown.
    can_act: bool,
    /// The reason for which the last command to this hero was refused, for a browser without
    /// JavaScript.
    error: &'a str,
}

/// The row of an empty table.
#[derive(Debug, Template)]
#[template(path = "heroes_empty.html", whitespace = "minimize")]
struct Empty {
    width: usize,
    text: &'static str,
    /// There are no heroes at all.
    awaits_first_hero: bool,
}

/// The value of a hero at one city, or at all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Cell {
    /// The city holds a value of the hero.
    Live {
        /// The location: `gotham`, or `home`.
        place_key: String,
        /// The same as a name.
        place: String,
        /// The health, 0 to 100.
        health: u8,
        patrolling: bool,
        /// The value differs from that of the other cities.
        place_differs: bool,
        health_differs: bool,
        patrolling_differs: bool,
    },
    /// The city holds the tombstone.
    Terminated { differs: bool },
    /// The city holds no entry of the hero.
    Absent { differs: bool },
}

impl Cell {
    /// Returns true if a part of this cell is marked.
    fn differs(&self) -> bool {
        match *self {
            Self::Live { place_differs, health_differs, patrolling_differs, .. } => {
                place_differs || health_differs || patrolling_differs
            }
            Self::Terminated { differs } | Self::Absent { differs } => differs,
        }
    }
}

/// Renders the filters.
pub(crate) fn chips(view: &View, query: &PageQuery) -> String {
    let chip = |show: Show| Chip {
        label: show.label(),
        count: grouped(show.count(view) as u64),
        href: PageQuery { show, page: 0, ..query.clone() }.href(),
        on: show == query.show,
    };
    let first = query.sort == Sort::DifferingFirst;
    let other = if first { Sort::Name } else { Sort::DifferingFirst };
    let sort = Chip {
        label: "Differing first",
        count: String::new(),
        href: PageQuery { sort: other, page: 0, ..query.clone() }.href(),
        on: first,
    };
    html(&Chips { chips: Show::EVERY.map(chip).into(), sort })
}

/// Renders the head of the table.
pub(crate) fn columns(view: &View) -> String {
    html(&Columns { columns: columns_of(view) })
}

pub(super) fn columns_of(view: &View) -> Vec<Column> {
    let column = |city: &NodeState| Column {
        key: city.name.to_string(),
        name: title(city.name),
        age: age(city),
        stale: city.status != NodeStatus::Up,
    };
    view.cities.iter().map(column).collect()
}

/// Renders the foot of the table.
pub(crate) fn foot(query: &PageQuery, selection: &Selection) -> String {
    let Selection { rows, first, matching, page } = selection;
    html(&Foot::of(query, "heroes", rows.len(), *first, *matching, *page))
}

impl Foot {
    /// Returns the foot of page `page` of a list, which has `rows` rows from number `first` of the
    /// `matching` ones.
    pub(super) fn of(
        query: &PageQuery,
        list: &'static str,
        rows: usize,
        first: usize,
        matching: usize,
        page: usize,
    ) -> Self {
        let to = |page| PageQuery { page, ..query.clone() }.href();
        let last = first + rows;
        let number = |number: usize| grouped(number as u64);
        Self {
            of: list,
            range: if rows == 0 {
                String::new()
            } else {
                format!("{} to {} of {}", number(first + 1), number(last), number(matching))
            },
            previous: (page > 0).then(|| to(page - 1)),
            next: (last < matching).then(|| to(page + 1)),
            sizes: query.rows_choices(),
        }
    }
}

/// The incarnation and the status of a node.
type Known = (Option<Incarnation>, NodeStatus);

/// The rows rendered last, by hero. A row is reused while its entries and its context are
/// unchanged.
#[derive(Debug, Default)]
pub(crate) struct RowCache {
    /// The status of each city, the cities that count, and the address of the page.
    surroundings: (Vec<NodeStatus>, Vec<bool>, String),
    rows: std::collections::BTreeMap<HeroId, (Arc<rows::Row>, Arc<str>)>,
    /// What the rendered rows of a table depend on: the changes of all tables, the cities that count,
    /// and the incarnation and status of each node.
    tables: Option<(u64, u64, Vec<bool>, Vec<Known>)>,
}

impl RowCache {
    /// Notes the view of which the rows of a table are rendered. Returns whether they may differ from
    /// those of the view before.
    pub(super) fn note_tables(&mut self, view: &View) -> bool {
        let nodes = view.cities.iter().chain([&view.dispatch]);
        let nodes = nodes.map(|node| (node.incarnation, node.status)).collect();
        let lost = view.status.lost_writes;
        let surroundings = Some((view.tables.changes(), lost, view.counted.clone(), nodes));
        let is_new = self.tables != surroundings;
        self.tables = surroundings;
        is_new
    }
}

/// Renders the items of the table's body, with their ids.
pub(crate) fn rows(
    view: &View,
    query: &PageQuery,
    selection: &Selection,
    refusal: Option<&Refusal>,
    cache: &mut RowCache,
) -> Vec<(Arc<str>, Arc<str>)> {
    let columns = columns_of(view);
    let surroundings =
        (view.cities.iter().map(|city| city.status).collect(), view.counted.clone(), query.href());
    // A cached row would not contain the refusal.
    if cache.surroundings != surroundings || refusal.is_some() {
        *cache = RowCache { surroundings, ..RowCache::default() };
    }
    if selection.rows.is_empty() {
        let awaits_first_hero = query.search.is_empty() && query.show == Show::All;
        let empty = Empty { width: columns.len() + 3, text: nothing(query), awaits_first_hero };
        return vec![("table-empty".into(), html(&empty).into())];
    }
    let mut before = std::mem::take(&mut cache.rows);
    let mut items = Vec::with_capacity(selection.rows.len());
    for row in &selection.rows {
        // Rows are shared between views, so an unchanged row is the same allocation.
        let known = before.remove(&row.id).filter(|(same, _)| Arc::ptr_eq(same, row));
        let (row, html) = known.unwrap_or_else(|| {
            (Arc::clone(row), hero_row(view, query, row, refusal, &columns).into())
        });
        items.push((format!("h-{}", row.id).into(), Arc::clone(&html)));
        cache.rows.insert(row.id, (row, html));
    }
    items
}

/// The text of an empty table.
fn nothing(query: &PageQuery) -> &'static str {
    match query.show {
        _ if !query.search.is_empty() => "No hero matches this search.",
        Show::All => "There are no heroes yet.",
        Show::Differing => "All cities agree on every hero.",
        Show::OnlyCopy => "Every hero is held by more than one node.",
        Show::Lost => "No hero has lost a write.",
        Show::Terminated => "No tombstones are held.",
    }
}

/// Renders the row of one hero.
fn hero_row(
    view: &View,
    query: &PageQuery,
    row: &rows::Row,
    refusal: Option<&Refusal>,
    columns: &[Column],
) -> String {
    let id = row.id.to_string();
    // Cells are marked by their difference from the entry that most cities hold.
    let reference = most_held(&row.cells);
    let same = row.cells.windows(2).all(|pair| stamp(&pair[0]) == stamp(&pair[1]));
    let known = row.cells.first().is_some_and(Option::is_some);
    let (state, tone) = match view.state(row) {
        RowState::Agreed => ("Agreed", ""),
        RowState::Terminated => ("Terminated", ""),
        RowState::OnlyCopy => ("Only copy", "bad"),
        RowState::DeletePending => ("Delete pending", "warn"),
        RowState::Differs => ("Differs", "warn"),
    };
    // The entries of a city that does not count are unknown. Each is compared with itself, so that
    // nothing is marked.
    let cells = view.counted.iter().zip(&row.cells);
    html(&Row {
        columns,
        short_id: format!("{}…{}", &id[..4], &id[id.len() - 3..]),
        name: &row.name,
        // A city that is not up may have changed its entry since it was last observed.
        agreed: (same && known && columns.iter().all(|column| !column.stale))
            .then(|| cell(row.cells[0].as_deref(), reference)),
        cells: cells
            .map(|(counts, entry)| {
                cell(entry.as_deref(), if *counts { reference } else { entry.as_deref() })
            })
            .collect(),
        state,
        tone,
        why: PageQuery { hero: Some(row.id), ..query.clone() }.href(),
        chosen: query.hero == Some(row.id),
        can_act: row.pattern.is_alive(),
        error: refusal
            .filter(|refusal| refusal.hero == Some(row.id))
            .map_or("", |refusal| &refusal.problem.detail),
        id,
    })
}

fn stamp(entry: &Option<Arc<Entry>>) -> Option<gossip::Stamp> {
    entry.as_ref().map(|entry| entry.stamp)
}

/// Returns the entry that most cities hold; among equals, the winning one.
fn most_held(cells: &[Option<Arc<Entry>>]) -> Option<&Entry> {
    let holders = |entry: &Option<Arc<Entry>>| {
        cells.iter().filter(|other| stamp(other) == stamp(entry)).count()
    };
    let rank =
        |entry: &&Option<Arc<Entry>>| (holders(entry), entry.as_ref().map(|entry| entry.rank()));
    cells.iter().max_by_key(rank).and_then(|entry| entry.as_deref())
}

/// Renders the cell of a city, with the differences from `reference` marked.
fn cell(entry: Option<&Entry>, reference: Option<&Entry>) -> Cell {
    let differs = entry.map(|entry| entry.stamp) != reference.map(|entry| entry.stamp);
    let Some(entry) = entry else { return Cell::Absent { differs } };
    let Some(hero) = entry.live() else { return Cell::Terminated { differs } };
    let other = reference.and_then(Entry::live);
    let unlike =
        |same: fn(&Hero, &Hero) -> bool| differs && other.is_none_or(|other| !same(hero, other));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{Fixture, live, stamp};

    #[test]
    fn row_is_rendered_again_when_a_city_starts_to_count() {
        let entry = live(stamp("gotham", 9_000), 84, None);
        let mut fixture = Fixture::new().held([Some(&entry), Some(&entry), None, Some(&entry)]);
        let (query, mut cache) = (PageQuery::default(), RowCache::default());
        let mut differs = |view: &View| {
            rows(view, &query, &query.select(view), None, &mut cache)[0].1.contains("Differs")
        };
        fixture.view.counted = vec![true, true, false];
        assert!(!differs(&fixture.view), "the third city has not been read yet");
        fixture.view.counted = vec![true; 3];
        assert!(differs(&fixture.view), "the third city has been read and holds nothing");
    }
}
