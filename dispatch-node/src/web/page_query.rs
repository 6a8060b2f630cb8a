//! The query of a page: the parameters of its address. Invalid parameters are ignored, not refused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gossip::NodeName;
use shared::hero::HeroId;

use crate::model::rows::{Row, RowState};
use crate::model::tables::TypeTable;
use crate::model::view::View;
use crate::text::folded;
use crate::web::render::lost_writes;

/// The default number of heroes per page, and the available choices.
const ROWS: usize = 50;
const ROWS_CHOICES: [usize; 3] = [25, 50, 100];
/// The maximum length of the search text, in characters.
const QUERY_CHARS_MAX: usize = 100;

/// The filter of the list of heroes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Show {
    #[default]
    All,
    Differing,
    OnlyCopy,
    Lost,
    Terminated,
}

impl Show {
    pub(crate) const EVERY: [Self; 5] =
        [Self::All, Self::Differing, Self::OnlyCopy, Self::Lost, Self::Terminated];

    /// Returns the value used in the address.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::All => "",
            Self::Differing => "differing",
            Self::OnlyCopy => "only-copy",
            Self::Lost => "lost",
            Self::Terminated => "terminated",
        }
    }

    /// Returns the label on the page.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::All => "All",
            Self::Differing => "Differing",
            Self::OnlyCopy => "Only copy",
            Self::Lost => "With lost writes",
            Self::Terminated => "Terminated",
        }
    }

    /// Returns whether the filter includes this state. Lost writes are not part of the state.
    pub(crate) fn includes(self, state: RowState) -> bool {
        match self {
            // A terminated hero stays listed until no counted node holds it live.
            Self::All => state != RowState::Terminated,
            Self::Differing => state.differs(),
            Self::OnlyCopy => state == RowState::OnlyCopy,
            Self::Lost => true,
            Self::Terminated => state == RowState::Terminated,
        }
    }

    /// Returns the number of heroes that the filter includes.
    pub(crate) fn count(self, view: &View) -> usize {
        match self {
            Self::Lost => lost_heroes(view).count(),
            Self::All | Self::Differing | Self::OnlyCopy | Self::Terminated => {
                view.rows.count(|pattern| self.includes(pattern.state(&view.counted)))
            }
        }
    }
}

/// The order of the list of heroes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Sort {
    #[default]
    Name,
    /// Heroes that differ come before those that agree.
    DifferingFirst,
}

/// The query of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PageQuery {
    /// The table; `None` for the heroes.
    pub(crate) table: Option<TypeTable>,
    pub(crate) search: String,
    pub(crate) show: Show,
    pub(crate) sort: Sort,
    /// The number of the page, from 0.
    pub(crate) page: usize,
    pub(crate) rows: Option<usize>,
    /// True if a page without JavaScript does not reload automatically.
    pub(crate) still: bool,
    /// True if a page without JavaScript contains the whole history.
    pub(crate) with_history: bool,
    /// The inspected hero.
    pub(crate) hero: Option<HeroId>,
    /// The heroes whose rows keep their positions.
    pub(crate) pinned: Vec<HeroId>,
}

/// The heroes on one page of the list.
pub(crate) struct Selection {
    pub(crate) rows: Vec<Arc<Row>>,
    /// The position of the first row among all matches, from 0.
    pub(crate) first: usize,
    /// The number of matches.
    pub(crate) matching: usize,
    /// The number of the page; the last one if the query gives a higher number.
    pub(crate) page: usize,
}

impl PageQuery {
    /// Parses the query of an address. Invalid parameters are ignored.
    pub(crate) fn parse(query: &str) -> Self {
        let fields: BTreeMap<String, String> =
            serde_urlencoded::from_str(query).unwrap_or_default();
        let field = |name| fields.get(name).map(String::as_str).unwrap_or_default();
        Self {
            table: TypeTable::ALL.into_iter().find(|table| table.word() == field("table")),
            search: field("q").trim().chars().take(QUERY_CHARS_MAX).collect(),
            show: Show::EVERY
                .into_iter()
                .find(|show| show.key() == field("show"))
                .unwrap_or_default(),
            sort: if field("sort") == "differing" { Sort::DifferingFirst } else { Sort::Name },
            page: field("page").parse::<usize>().unwrap_or(1).saturating_sub(1),
            rows: field("rows")
                .parse()
                .ok()
                .filter(|rows| *rows != ROWS && ROWS_CHOICES.contains(rows)),
            still: fields.contains_key("still"),
            with_history: fields.contains_key("history"),
            hero: field("hero").parse().ok(),
            pinned: Vec::new(),
        }
    }

    /// Returns the same query with the rows of these heroes pinned.
    pub(crate) fn with_pinned(mut self, heroes: Vec<HeroId>) -> Self {
        self.pinned = heroes;
        self.pinned.truncate(ROWS_CHOICES[2]);
        self
    }

    /// Returns the number of rows per page.
    pub(crate) fn rows(&self) -> usize {
        self.rows.unwrap_or(ROWS)
    }

    /// Returns the choices for the number of rows: the number, its address, and whether it is
    /// current.
    pub(crate) fn rows_choices(&self) -> Vec<(usize, String, bool)> {
        let href = |rows| {
            Self { rows: Some(rows).filter(|rows| *rows != ROWS), page: 0, ..self.clone() }.href()
        };
        ROWS_CHOICES.map(|rows| (rows, href(rows), rows == self.rows())).to_vec()
    }

    /// Returns the parameters that a search preserves.
    pub(crate) fn kept_parameters(&self) -> Vec<(&'static str, String)> {
        let kept = Self { search: String::new(), page: 0, hero: None, ..self.clone() }.href();
        let kept: BTreeMap<String, String> = kept
            .strip_prefix("/?")
            .and_then(|query| serde_urlencoded::from_str(query).ok())
            .unwrap_or_default();
        let named = |name| kept.get(name).map(|value| (name, value.clone()));
        ["table", "show", "sort", "rows", "still"].into_iter().filter_map(named).collect()
    }

    /// Returns the address of the page for this query.
    pub(crate) fn href(&self) -> String {
        self.href_with(None)
    }

    /// Returns the address of the page for this query, with a notice that this city was destroyed.
    pub(crate) fn href_with(&self, destroyed: Option<NodeName>) -> String {
        let page = (self.page + 1).to_string();
        let (rows, hero) =
            (self.rows.map(|rows| rows.to_string()), self.hero.map(|hero| hero.to_string()));
        let fields = [
            ("table", self.table.map(TypeTable::word)),
            ("q", Some(self.search.as_str()).filter(|search| !search.is_empty())),
            ("show", Some(self.show.key()).filter(|show| !show.is_empty())),
            ("sort", (self.sort == Sort::DifferingFirst).then_some("differing")),
            ("page", Some(page.as_str()).filter(|_| self.page > 0)),
            ("rows", rows.as_deref()),
            ("hero", hero.as_deref()),
            ("still", self.still.then_some("1")),
            ("history", self.with_history.then_some("1")),
            ("destroyed", destroyed.as_ref().map(NodeName::as_str)),
        ];
        let fields: Vec<(&str, &str)> =
            fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        match serde_urlencoded::to_string(fields) {
            Ok(query) if !query.is_empty() => format!("/?{query}"),
            Ok(_) | Err(_) => "/".to_owned(),
        }
    }

    /// Selects the heroes to show.
    pub(crate) fn select(&self, view: &View) -> Selection {
        let search = folded(&self.search);
        let fits = |row: &Row| self.show.includes(view.state(row)) && matches(&search, row);
        let all = || -> Box<dyn Iterator<Item = Arc<Row>>> {
            match (self.show, self.sort) {
                (Show::Lost, _) => Box::new(lost_heroes(view).map(|id| lost_row(view, id))),
                (_, Sort::Name) => Box::new(view.rows.iter().cloned()),
                (_, Sort::DifferingFirst) => {
                    let of = |differing| {
                        view.rows.iter().filter(move |row| view.state(row).differs() == differing)
                    };
                    Box::new(of(true).chain(of(false)).cloned())
                }
            }
        };
        let per_page = self.rows();
        let matching = if search.is_empty() {
            // Counted by pattern, without a scan of all rows.
            self.show.count(view)
        } else {
            all().filter(|row| fits(row)).count()
        };
        let page = self.page.min(matching.saturating_sub(1) / per_page);
        let first = page * per_page;
        let rows = if self.pinned.is_empty() {
            all().filter(|row| fits(row)).skip(first).take(per_page).collect()
        } else {
            let pinned = self.pinned.iter().filter_map(|id| view.rows.get(*id));
            pinned.filter(|row| fits(row)).cloned().collect()
        };
        Selection { rows, first, matching, page }
    }
}

/// Returns whether a row matches the search; `search` is the folded text.
fn matches(search: &str, row: &Row) -> bool {
    search.is_empty()
        || folded(&row.name).contains(search)
        || row.id.to_string().starts_with(search)
}

/// Returns the heroes of the listed lost writes, each once. Those that no node holds any more are
/// among them.
fn lost_heroes(view: &View) -> impl Iterator<Item = HeroId> {
    let of_heroes = view.lost.iter().filter(|lost| lost.key.table().is_none());
    let heroes: BTreeSet<HeroId> = of_heroes.map(|lost| lost.key).collect();
    heroes.into_iter()
}

/// Returns the row of a hero with a lost write.
fn lost_row(view: &View, hero: HeroId) -> Arc<Row> {
    let gone = || {
        let lost = view.lost.iter().rev().find(|lost| lost.key == hero);
        let name = lost.map_or_else(|| hero.to_string(), |lost| lost_writes::name(view, lost));
        Arc::new(Row::gone(hero, name.into(), view.cities.len()))
    };
    view.rows.get(hero).cloned().unwrap_or_else(gone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{Fixture, live, stamp};

    #[test]
    fn invalid_parameters_are_ignored() {
        let query = PageQuery::parse(
            "q=%20Kestrel%20&show=differing&sort=differing&page=3&rows=25&junk=1&destroyed=gotham",
        );
        let expected = PageQuery {
            search: "Kestrel".into(),
            show: Show::Differing,
            sort: Sort::DifferingFirst,
            page: 2,
            rows: Some(25),
            ..PageQuery::default()
        };
        assert_eq!(query, expected);
        let nonsense = [
            "page=-1",
            "page=0",
            "page=x",
            "show=everything",
            "sort=up",
            "rows=7",
            "rows=50",
            "hero=batman",
            "%zz",
            "q=",
            "",
        ];
        for nonsense in nonsense {
            assert_eq!(PageQuery::parse(nonsense), PageQuery::default(), "{nonsense}");
        }
        assert_eq!(
            PageQuery::parse(&format!("q={}", "x".repeat(500))).search.len(),
            QUERY_CHARS_MAX
        );
    }

    #[test]
    fn address_contains_non_defaults_and_round_trips() {
        assert_eq!(PageQuery::default().href(), "/");
        let hero = Some(HeroId::from_u128(7));
        let query = PageQuery {
            search: "a&b=c é".into(),
            show: Show::Lost,
            page: 4,
            rows: Some(100),
            hero,
            ..PageQuery::default()
        };
        assert_eq!(PageQuery::parse(query.href().strip_prefix("/?").unwrap()), query);
        assert!(query.href_with(Some("gotham".parse().unwrap())).ends_with("&destroyed=gotham"));
    }

    #[test]
    fn search_among_lost_writes_counts_their_heroes_only() {
        let entry = live(stamp("gotham", 9_000), 84, None);
        let fixture = (1..=60)
            .fold(Fixture::new(), |fixture, hero| fixture.hold(hero, "Granite", [Some(&entry); 4]))
            .lost(7, &entry, None);
        let selection = PageQuery {
            search: "granite".into(),
            show: Show::Lost,
            page: 1,
            ..PageQuery::default()
        }
        .select(&fixture.view);
        assert_eq!((selection.matching, selection.page, selection.rows.len()), (1, 0, 1));
    }
}
