//! The tables of the library's types: a row for each counter, element, key, message and so on, and a
//! cell for each city. Each row is a fragment, like those of heroes.
//!
//! Invariant: a cell shows what the city itself holds, and is marked if that differs from what most
//! cities hold.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;

use gossip::types::counter::{Counter, Shard};
use gossip::types::room::Message;
use gossip::types::{counter, names, presence, registers, room};
use gossip::{Key, NodeName, Origin, Stamp};
use shared::{Entry, Value};

use crate::model::lost_writes::Lost;
use crate::model::node_state::NodeStatus;
use crate::model::rows::RowState;
use crate::model::tables::{Row, Title, TypeTable, worst};
use crate::model::view::View;
use crate::text::{folded, grouped, title};
use crate::web::page_query::{PageQuery, Show};
use crate::web::render::heroes::{Chip, Column, Foot, columns_of};
use crate::web::render::html::html;
use crate::web::render::wording::moment;

/// The number of characters of a value that a cell shows.
const VALUE_CHARS_MAX: usize = 80;
/// The number of explanations in one row.
const REASONS_MAX: usize = 3;

/// The links to all tables.
#[derive(Debug, Template)]
#[template(path = "tables_nav.html", whitespace = "minimize")]
struct Nav {
    links: Vec<Link>,
}

#[derive(Debug)]
struct Link {
    label: &'static str,
    href: String,
    on: bool,
    /// Some entries differ.
    differs: bool,
}

/// Renders the links to all tables.
pub(crate) fn nav(view: &View, query: &PageQuery) -> String {
    let link = |table: Option<TypeTable>| {
        let differs = match table {
            None => view.status.differences > 0,
            Some(table) => view.status.table_differences.contains_key(&table),
        };
        let kept = PageQuery { still: query.still, ..PageQuery::default() };
        Link {
            label: table.map_or("Heroes", TypeTable::label),
            // The page is loaded again, so it is scrolled to the table.
            href: PageQuery { table, ..kept }.href() + "#table-title",
            on: query.table == table,
            differs,
        }
    };
    let tables = [None].into_iter().chain(TypeTable::ALL.map(Some));
    html(&Nav { links: tables.map(link).collect() })
}

/// The filters.
#[derive(Debug, Template)]
#[template(path = "tables_chips.html")]
struct Chips {
    label: &'static str,
    chips: Vec<Chip>,
}

/// The names of the columns.
#[derive(Debug, Template)]
#[template(path = "tables_columns.html", whitespace = "minimize")]
struct Columns {
    first: &'static str,
    columns: Vec<Column>,
}

/// One row.
#[derive(Debug, Template)]
#[template(path = "tables_row.html", whitespace = "minimize")]
struct RowHtml<'a> {
    id: String,
    heading: String,
    detail: String,
    columns: &'a [Column],
    /// The common value, if all cities hold the same.
    agreed: Option<String>,
    cells: Vec<Cell>,
    state: &'static str,
    /// `warn`, `bad`, or nothing.
    tone: &'static str,
    reasons: Vec<String>,
}

/// What one city holds.
#[derive(Debug)]
struct Cell {
    text: Option<String>,
    differs: bool,
}

/// The row of an empty table.
#[derive(Debug, Template)]
#[template(path = "tables_empty.html", whitespace = "minimize")]
struct Empty {
    width: usize,
    text: &'static str,
    hint: &'static str,
}

/// The rows of one title, which are shown as one.
struct Group<'a> {
    title: &'a Title,
    rows: Vec<&'a Arc<Row>>,
    state: RowState,
}

/// A window of the groups of a table.
pub(crate) struct Selection<'a> {
    table: TypeTable,
    groups: Vec<Group<'a>>,
    counts: [usize; 2],
    first: usize,
    matching: usize,
    page: usize,
}

/// Selects the rows to show.
pub(crate) fn select<'a>(view: &'a View, table: TypeTable, query: &PageQuery) -> Selection<'a> {
    let all = groups(view, table);
    let is_differing = |group: &Group<'_>| group.state.differs();
    let counts = [all.len(), all.iter().filter(|group| is_differing(group)).count()];
    let search = folded(&query.search);
    let fits = |group: &Group<'_>| {
        (query.show != Show::Differing || is_differing(group))
            && (search.is_empty() || {
                let (heading, detail) = described(view, table, group);
                folded(&heading).contains(&search) || folded(&detail).contains(&search)
            })
    };
    let mut groups: Vec<Group<'_>> = all.into_iter().filter(fits).collect();
    let (matching, per_page) = (groups.len(), query.rows());
    let page = query.page.min(matching.saturating_sub(1) / per_page);
    let first = page * per_page;
    groups.drain(..first);
    groups.truncate(per_page);
    Selection { table, groups, counts, first, matching, page }
}

/// Returns the groups of a table that anybody may look for: without those that are deleted
/// everywhere.
fn groups(view: &View, table: TypeTable) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for row in view.tables.rows(table) {
        let state = row.pattern.state(&view.counted);
        match groups.last_mut() {
            // Each message is a row of its own.
            Some(group) if group.title == &row.name && table != TypeTable::Radio => {
                group.state = worst(group.state, state);
                group.rows.push(row);
            }
            Some(_) | None => groups.push(Group { title: &row.name, rows: vec![row], state }),
        }
    }
    groups.retain(|group| {
        group.state.differs() || (0..view.cities.len()).any(|city| is_shown(table, group, city))
    });
    if table == TypeTable::Radio {
        groups.sort_by_cached_key(|group| Reverse(newest(group).map(|entry| entry.stamp)));
    }
    groups
}

/// Renders the filters.
pub(crate) fn chips(query: &PageQuery, selection: &Selection<'_>) -> String {
    let [all, differing] = selection.counts;
    let chip = |show: Show, count: usize| Chip {
        label: show.label(),
        count: grouped(count as u64),
        href: PageQuery { show, page: 0, ..query.clone() }.href(),
        on: (show == Show::Differing) == (query.show == Show::Differing),
    };
    let chips = vec![chip(Show::All, all), chip(Show::Differing, differing)];
    html(&Chips { label: selection.table.label(), chips })
}

/// Renders the head of the table.
pub(crate) fn columns(view: &View, table: TypeTable) -> String {
    let first = match table {
        TypeTable::Counters => "Counter",
        TypeTable::Sets => "Element",
        TypeTable::Tables => "Key",
        TypeTable::Radio => "Message",
        TypeTable::Presence => "Who",
        TypeTable::Names => "Name",
    };
    html(&Columns { first, columns: columns_of(view) })
}

/// Renders the foot of the table.
pub(crate) fn foot(query: &PageQuery, selection: &Selection<'_>) -> String {
    let Selection { groups, first, matching, page, .. } = selection;
    html(&Foot::of(query, "the table", groups.len(), *first, *matching, *page))
}

/// Renders the items of the table's body, with their ids.
pub(crate) fn rows(
    view: &View,
    query: &PageQuery,
    selection: &Selection<'_>,
) -> Vec<(Arc<str>, Arc<str>)> {
    let columns = columns_of(view);
    if selection.groups.is_empty() {
        let (text, hint) = nothing(selection.table, query);
        let empty = Empty { width: columns.len() + 2, text, hint };
        return vec![("table-empty".into(), html(&empty).into())];
    }
    let is_record = |lost: &&Arc<Lost>| lost.key.table().is_some();
    let lost: Vec<&Arc<Lost>> = view.lost.iter().filter(is_record).collect();
    let row = |group: &Group<'_>| {
        let id = format!("r-{}", group.rows[0].id);
        let mut row = row(view, selection.table, group, &columns, id.clone());
        row.reasons.extend(losses(&lost, selection.table, group));
        let html = html(&row);
        (id.into(), html.into())
    };
    selection.groups.iter().map(row).collect()
}

fn nothing(table: TypeTable, query: &PageQuery) -> (&'static str, &'static str) {
    if !query.search.is_empty() {
        return ("Nothing matches this search.", "");
    }
    if query.show == Show::Differing {
        return ("All cities agree.", "");
    }
    match table {
        TypeTable::Counters => ("Nothing was counted yet.", "Create a hero, or add to a counter."),
        TypeTable::Sets => ("There are no sets yet.", "Add an element to one."),
        TypeTable::Tables => ("There are no tables yet.", "Set a key of one."),
        TypeTable::Radio => ("There are no messages yet.", "Say something."),
        TypeTable::Presence => ("No page or client is present.", "Each open page is tracked."),
        TypeTable::Names => ("No name is held.", "Register one."),
    }
}

fn row<'a>(
    view: &View,
    table: TypeTable,
    group: &Group<'_>,
    columns: &'a [Column],
    id: String,
) -> RowHtml<'a> {
    let held: Vec<Vec<Option<Stamp>>> = (0..view.cities.len())
        .map(|city| group.rows.iter().map(|row| stamp_at(row, city)).collect())
        .collect();
    let holders = |stamps: &Vec<Option<Stamp>>| held.iter().filter(|held| *held == stamps).count();
    // Cells are marked by their difference from what most cities hold.
    let reference =
        held.iter().max_by_key(|stamps| (holders(stamps), stamps.iter().max())).cloned();
    let cells: Vec<Cell> = (0..view.cities.len())
        .map(|city| Cell {
            text: value(table, group, city),
            differs: view.counted[city] && Some(&held[city]) != reference.as_ref(),
        })
        .collect();
    let all_same = cells.iter().all(|cell| !cell.differs);
    let is_fresh = columns.iter().all(|column| !column.stale) && view.counted.iter().all(|is| *is);
    // Of registers, a later write wins over a deletion.
    let is_set = newest(group).is_some_and(|entry| !entry.is_tombstone());
    let (state, tone) = match group.state {
        RowState::DeletePending if is_set => ("Differs", "warn"),
        RowState::Agreed => ("Agreed", ""),
        RowState::Terminated => ("Deleted", ""),
        RowState::OnlyCopy => ("Only copy", "bad"),
        RowState::DeletePending => ("Delete pending", "warn"),
        RowState::Differs => ("Differs", "warn"),
    };
    let (heading, detail) = described(view, table, group);
    RowHtml {
        id,
        heading,
        detail,
        columns,
        agreed: cells.first().and_then(|cell| cell.text.clone()).filter(|_| all_same && is_fresh),
        cells,
        state,
        tone,
        reasons: if group.state.differs() { reasons(view, table, group) } else { Vec::new() },
    }
}

/// Returns the heading of a row, and what is said of it below.
fn described(view: &View, table: TypeTable, group: &Group<'_>) -> (String, String) {
    let Title { group: of, member } = group.title;
    match table {
        TypeTable::Counters => (of.to_string(), shares(group)),
        TypeTable::Sets => (member.to_string(), format!("in {of}")),
        TypeTable::Tables => (member.to_string(), format!("in {of}")),
        TypeTable::Names => (member.to_string(), holder(view, group)),
        TypeTable::Presence => (member.to_string(), tracked(view, group)),
        TypeTable::Radio => match newest(group).and_then(|entry| message(entry)) {
            Some(Message { sender, text, stamp, reply_to }) => {
                let (at, node) = (moment(stamp.hlc.wall), title(stamp.origin.node));
                let replies = if reply_to.is_some() { ", a reply" } else { "" };
                (format!("{sender}: {text}"), format!("{at} at {node}, in {of}{replies}"))
            }
            None => (of.to_string(), String::new()),
        },
    }
}

/// Returns the name of a row for a list of rows of all tables: that of its newest entry, or the last
/// one that it had. `None` without any.
pub(crate) fn name(view: &View, key: Key, entries: [Option<&Arc<Entry>>; 2]) -> Option<String> {
    let table = TypeTable::of(key)?;
    let titled = |entry: &Arc<Entry>| table.title(record(entry)?, entry.stamp);
    let of_entries = || entries.into_iter().flatten().find_map(titled);
    let title = view.tables.get(key).map(|row| row.name.clone()).or_else(of_entries)?;
    let parts = [table.label(), &title.group, &title.member];
    Some(parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": "))
}

/// Describes what an entry of a table says, shortened for the page.
pub(crate) fn written(table: TypeTable, entry: &Entry) -> String {
    shortened(written_in_full(table, entry).as_bytes())
}

/// Describes what an entry of a table says, as a part of a sentence. A text in JSON has its own quotes.
fn quoted(table: TypeTable, entry: &Entry) -> String {
    let text = written(table, entry);
    if table == TypeTable::Radio { format!("“{text}”") } else { text }
}

/// Describes what an entry of a table says.
pub(crate) fn written_in_full(table: TypeTable, entry: &Entry) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = || match table {
        TypeTable::Counters => shard(entry).map(|(_, shard)| format!("{:+}", shard.value())),
        TypeTable::Sets | TypeTable::Presence => Some("present".to_owned()),
        TypeTable::Tables => registers::decode(record(entry)?).map(|(.., value)| text(value)),
        TypeTable::Radio => message(entry).map(|message| message.text),
        TypeTable::Names => {
            let (_, held) = names::decode(record(entry)?, entry.stamp)?;
            Some(format!("{}: {}", title(held.owner.node), text(&held.value)))
        }
    };
    if entry.is_tombstone() { "deleted".to_owned() } else { said().unwrap_or_default() }
}

/// Describes what each node has added to a counter.
fn shares(group: &Group<'_>) -> String {
    let newest = group.rows.iter().filter_map(|row| newest_of(row));
    let shards: Vec<_> = newest.filter_map(|entry| shard(entry)).collect();
    let shares = Counter::of(&shards)
        .shares
        .into_iter()
        .map(|(node, share)| format!("{} {share}", title(node)));
    shares.collect::<Vec<_>>().join(", ")
}

/// Describes where somebody is tracked.
fn tracked(view: &View, group: &Group<'_>) -> String {
    let owners = group.rows.iter().filter_map(|row| {
        let newest = newest_of(row)?;
        content(newest, &group.title.member).map(|_| newest.stamp.origin)
    });
    let mut places: BTreeMap<(NodeName, bool), usize> = BTreeMap::new();
    for owner in owners {
        *places.entry((owner.node, is_up(view, owner))).or_default() += 1;
    }
    let places = places.into_iter().map(|((node, is_up), count)| {
        let hidden = if is_up { "" } else { " (out of reach, so hidden)" };
        match count {
            1 => format!("at {}{hidden}", title(node)),
            _ => format!("{count} at {}{hidden}", title(node)),
        }
    });
    let places: Vec<String> = places.collect();
    let places = if places.is_empty() { "gone".to_owned() } else { places.join(", ") };
    format!("{places}, in {}", group.title.group)
}

/// Returns whether this incarnation runs, as far as dispatch knows.
fn is_up(view: &View, incarnation: Origin) -> bool {
    view.cities.iter().chain([&view.dispatch]).any(|node| {
        node.name == incarnation.node
            && node.incarnation == Some(incarnation.incarnation)
            && node.status == NodeStatus::Up
    })
}

/// Describes a name whose holder is out of reach or has ended.
fn holder(view: &View, group: &Group<'_>) -> String {
    let newest = newest(group);
    let held = newest.and_then(|entry| names::decode(record(entry)?, entry.stamp));
    let is_free = held.is_some_and(|(_, held)| !is_up(view, held.owner));
    if is_free {
        "free to take: its holder is out of reach or has ended".to_owned()
    } else {
        String::new()
    }
}

/// Returns whether [`value`] returns a text, which costs more.
fn is_shown(table: TypeTable, group: &Group<'_>, city: usize) -> bool {
    let mut held = group.rows.iter().filter_map(|row| row.cells[city].as_deref());
    held.any(|entry| match table {
        TypeTable::Presence => content(entry, &group.title.member).is_some(),
        TypeTable::Counters
        | TypeTable::Sets
        | TypeTable::Tables
        | TypeTable::Radio
        | TypeTable::Names => !entry.is_tombstone(),
    })
}

/// Returns the text of what one city holds; `None` if it holds nothing.
fn value(table: TypeTable, group: &Group<'_>, city: usize) -> Option<String> {
    let held = || group.rows.iter().filter_map(|row| row.cells[city].as_deref());
    match table {
        TypeTable::Counters => {
            let shards: Vec<_> = held().filter_map(shard).collect();
            (!shards.is_empty()).then(|| Counter::of(&shards).total.to_string())
        }
        TypeTable::Sets => held().any(|entry| !entry.is_tombstone()).then(|| "present".to_owned()),
        TypeTable::Radio => {
            // An earlier message may have the same place in the ring.
            let is_it = |entry: &Entry| newest(group).is_some_and(|it| it.stamp == entry.stamp);
            held().any(is_it).then(|| "received".to_owned())
        }
        TypeTable::Presence => {
            let mut metas: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
            for meta in held().filter_map(|entry| content(entry, &group.title.member)) {
                *metas.entry(meta).or_default() += 1;
            }
            let metas = metas.into_iter().map(|(meta, count)| {
                let text = if meta == b"null" { "present".to_owned() } else { shortened(&meta) };
                if count == 1 { text } else { format!("{count} × {text}") }
            });
            let metas: Vec<String> = metas.collect();
            (!metas.is_empty()).then(|| shortened(metas.join(", ").as_bytes()))
        }
        TypeTable::Tables => held().map(|entry| written(table, entry)).next(),
        TypeTable::Names => {
            held().filter(|entry| !entry.is_tombstone()).map(|entry| written(table, entry)).next()
        }
    }
}

/// Explains why the cities differ: which writes some of them have not received.
fn reasons(view: &View, table: TypeTable, group: &Group<'_>) -> Vec<String> {
    let mut reasons = Vec::new();
    for row in &group.rows {
        let Some(newest) = newest_of(row) else { continue };
        // The cities that hold the same earlier entry lack the same.
        let mut lacking: BTreeMap<Option<Stamp>, Vec<usize>> = BTreeMap::new();
        for city in (0..view.cities.len()).filter(|city| view.counted[*city]) {
            let held = stamp_at(row, city);
            if held != Some(newest.stamp) {
                lacking.entry(held).or_default().push(city);
            }
        }
        for cities in lacking.into_values() {
            let before = row.cells[cities[0]].as_deref();
            let names: Vec<String> =
                cities.iter().map(|city| title(view.cities[*city].name)).collect();
            let has = if names.len() == 1 { "has" } else { "have" };
            let node = title(newest.stamp.origin.node);
            let (what, at) = (missing(table, newest, before), moment(newest.stamp.hlc.wall));
            let names = names.join(" and ");
            // The entries of owned keys are all based on each other.
            let unseen =
                |before: &&Entry| !row.id.kind().is_owned() && !newest.had_seen(before.stamp);
            let reason = match before.filter(unseen) {
                Some(before) => {
                    let loser = title(before.stamp.origin.node);
                    let (text, of) = (quoted(table, before), moment(before.stamp.hlc.wall));
                    format!(
                        "{names} {has} {loser}’s {text} of {of}, which will be lost: {node}’s \
                         {what} of {at} is later and had not seen it"
                    )
                }
                None => format!("{names} {has} not received {node}’s {what} of {at}"),
            };
            reasons.push(reason);
        }
    }
    reasons.truncate(REASONS_MAX);
    reasons
}

/// Describes the writes to the rows of a group that were lost.
fn losses(lost: &[&Arc<Lost>], table: TypeTable, group: &Group<'_>) -> Vec<String> {
    let of_group = lost.iter().rev().filter(|lost| group.rows.iter().any(|row| row.id == lost.key));
    let line = |lost: &&Arc<Lost>| {
        let writer = title(lost.entry.stamp.origin.node);
        let (text, why) = (quoted(table, &lost.entry), lost.why());
        format!("Lost: {writer}’s {text} of {}: {why}", moment(lost.entry.stamp.hlc.wall))
    };
    of_group.take(REASONS_MAX).map(line).collect()
}

/// Names the write that a city lacks which holds `before`.
fn missing(table: TypeTable, newest: &Entry, before: Option<&Entry>) -> String {
    match table {
        TypeTable::Counters => {
            let value = |entry| shard(entry).map_or(0, |(_, shard)| shard.value());
            format!("{:+}", value(newest) - before.map_or(0, value))
        }
        TypeTable::Radio => "message".to_owned(),
        TypeTable::Sets | TypeTable::Tables | TypeTable::Presence | TypeTable::Names
            if newest.is_tombstone() =>
        {
            "deletion".to_owned()
        }
        TypeTable::Sets => "addition".to_owned(),
        TypeTable::Tables | TypeTable::Presence | TypeTable::Names => "write".to_owned(),
    }
}

fn stamp_at(row: &Row, city: usize) -> Option<Stamp> {
    row.cells[city].as_ref().map(|entry| entry.stamp)
}

/// Returns the entry that wins over the others of a row.
fn newest_of(row: &Row) -> Option<&Arc<Entry>> {
    row.own.iter().chain(row.cells.iter().flatten()).max_by_key(|entry| entry.rank())
}

/// Returns the entry of the highest rank in a group.
fn newest<'a>(group: &Group<'a>) -> Option<&'a Arc<Entry>> {
    group.rows.iter().filter_map(|row| newest_of(row)).max_by_key(|entry| entry.rank())
}

fn record(entry: &Entry) -> Option<&[u8]> {
    match &entry.value {
        Value::Record(bytes) => Some(bytes),
        Value::Live(_) | Value::Tombstone | Value::Unset => None,
    }
}

/// Returns the shard of a counter in this entry.
fn shard(entry: &Entry) -> Option<(Origin, Shard)> {
    let (_, shard) = record(entry).and_then(counter::decode)?;
    Some((entry.stamp.origin, shard))
}

fn message(entry: &Entry) -> Option<Message> {
    room::decode(record(entry)?, entry.stamp).map(|(_, message)| message)
}

/// Returns what is known of `key`, if the place is its.
fn content(entry: &Entry, key: &str) -> Option<Vec<u8>> {
    let (_, content) = presence::decode(record(entry)?)?;
    content.filter(|(held, ..)| held == key).map(|(_, meta, _)| meta)
}

/// Returns the start of a value as text.
fn shortened(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}

#[cfg(test)]
mod tests;
