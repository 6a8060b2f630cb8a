//! Lists of heroes: one page, or the whole list in chunks.
//!
//! Invariants: a page costs what its rows cost, however many heroes there are. The pages of one
//! walk contain each hero that exists throughout exactly once, because a hero's place in the order
//! never changes.

use std::convert::Infallible;
use std::ops::Bound;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt as _, stream};
use serde::Serialize;

use api_types::Hero;
use shared::Entry;
use shared::hero::HeroId;

use crate::model::rows::Row;
use crate::model::view::View;
use crate::web::extract::list::{HeroPage, Position, Which};
use crate::web::representation;

/// The maximum number of rows that one page looks at. Rows without a live hero are skipped, and
/// there may be many.
const ROWS_MAX: usize = 20_000;
/// The size of a chunk of a whole list, in heroes.
const CHUNK: usize = 1_000;

/// The node whose heroes are listed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Holder {
    Dispatch,
    /// The city in this column.
    City(usize),
}

impl Holder {
    fn entry(self, row: &Row) -> Option<&Entry> {
        match self {
            Self::Dispatch => row.own.as_deref(),
            Self::City(index) => row.cells[index].as_deref(),
        }
    }
}

/// Returns the heroes of one page, and the `after` of the next one.
pub(crate) fn page(view: &View, holder: Holder, page: &HeroPage) -> (Vec<Hero>, Option<String>) {
    let (heroes, next) = page_from(view, holder, page);
    (heroes, next.map(|next| next.to_string()))
}

fn page_from(view: &View, holder: Holder, page: &HeroPage) -> (Vec<Hero>, Option<Position>) {
    let mut heroes = Vec::new();
    let mut last = None;
    for (looked_at, row) in rows(view, page).enumerate() {
        if heroes.len() == page.limit || looked_at == ROWS_MAX {
            return (heroes, last.map(position));
        }
        heroes.extend(holder.entry(row).and_then(|entry| representation::hero(row.id, entry)));
        last = Some(row);
    }
    (heroes, None)
}

/// Returns the rows of a page and of those after it.
fn rows<'a>(view: &'a View, page: &'a HeroPage) -> Box<dyn Iterator<Item = &'a Arc<Row>> + 'a> {
    let after = page.after.as_ref();
    let key = |position: &Position| (position.name.clone(), position.id);
    match &page.which {
        Which::All => Box::new(
            view.rows
                .from_name(after.map_or(Bound::Unbounded, |after| Bound::Excluded(key(after)))),
        ),
        Which::Named(name) => {
            let first = (name.clone(), HeroId::MIN);
            let after = after.map(key).filter(|after| *after >= first);
            let rows = view.rows.from_name(after.map_or(Bound::Included(first), Bound::Excluded));
            Box::new(rows.take_while(move |row| row.name == *name))
        }
        Which::Ids(ids) => {
            let after = after.map(|after| after.id).filter(|after| after >= ids.start());
            let start = after.map_or(Bound::Included(*ids.start()), Bound::Excluded);
            Box::new(view.rows.from_id(start).take_while(move |row| row.id <= *ids.end()))
        }
    }
}

fn position(row: &Arc<Row>) -> Position {
    Position { id: row.id, name: row.name.clone() }
}

/// Returns the response with all heroes of this holder, in chunks, so that it is never in memory as
/// a whole. `empty` is the same response without heroes.
pub(crate) fn whole(view: Arc<View>, holder: Holder, empty: &impl Serialize) -> Response {
    let empty = serde_json::to_string(empty).expect("texts and numbers are JSON");
    let (head, tail) = empty.split_once("[]").expect("the list is empty");
    let [head, tail] = [format!("{head}["), format!("]{tail}")].map(Bytes::from);
    let first = HeroPage { which: Which::All, after: None, limit: CHUNK };
    let middle = stream::unfold(Some(Chunks { view, holder, page: first, is_first: true }), next);
    let ends = |bytes| stream::iter([Ok::<_, Infallible>(bytes)]);
    let body = Body::from_stream(ends(head).chain(middle).chain(ends(tail)));
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// The chunks of a list that are not sent yet.
struct Chunks {
    view: Arc<View>,
    holder: Holder,
    page: HeroPage,
    is_first: bool,
}

/// Returns the next chunk and those after it.
async fn next(chunks: Option<Chunks>) -> Option<(Result<Bytes, Infallible>, Option<Chunks>)> {
    let mut chunks = chunks?;
    let (heroes, after) = page_from(&chunks.view, chunks.holder, &chunks.page);
    let mut bytes = Vec::new();
    for hero in heroes {
        if !std::mem::take(&mut chunks.is_first) {
            bytes.push(b',');
        }
        serde_json::to_writer(&mut bytes, &hero).expect("texts and numbers are JSON");
    }
    let rest = after.map(|after| {
        chunks.page.after = Some(after);
        chunks
    });
    Some((Ok(bytes.into()), rest))
}

#[cfg(test)]
mod tests {
    use api_types::Heroes;

    use super::*;
    use crate::fixtures::{Fixture, dead, id, live, stamp};
    use crate::web::extract::list::HeroList;

    fn walk(view: &View, holder: Holder, query: &str) -> Vec<(String, String)> {
        let HeroList::Page(mut walked) =
            HeroList::parse(query).unwrap_or_else(|_| panic!("{query}"))
        else {
            panic!("{query} is the whole list")
        };
        let mut all = Vec::new();
        loop {
            let (heroes, next) = page(view, holder, &walked);
            assert!(heroes.len() <= walked.limit, "{query}");
            all.extend(heroes.into_iter().map(|hero| (hero.name, hero.id)));
            let Some(next) = next else { return all };
            walked.after = next.parse().ok();
        }
    }

    /// Returns the heroes that dispatch holds live, in the order of the rows.
    fn held(view: &View) -> Vec<Hero> {
        let rows = view.rows.iter();
        rows.filter_map(|row| representation::hero(row.id, row.own.as_deref()?)).collect()
    }

    /// Heroes 1 to 9, of which 3 is deleted at dispatch, and gotham holds 4 only.
    fn fixture() -> Fixture {
        let (entry, gone) =
            (live(stamp("gotham", 9_000), 84, None), dead(stamp("gotham", 8_000), None));
        (1..=9).fold(Fixture::new(), |fixture, hero| {
            let name = ["Granite", "Ada", "Zo\u{eb}"][usize::from(hero) % 3];
            let own = if hero == 3 { &gone } else { &entry };
            fixture.hold(hero, name, [(hero == 4).then_some(&entry), None, None, Some(own)])
        })
    }

    #[test]
    fn pages_of_any_size_contain_the_whole_list_in_its_order() {
        let view = fixture().view;
        let whole: Vec<_> = held(&view).into_iter().map(|hero| (hero.name, hero.id)).collect();
        assert_eq!(whole.len(), 8);
        for limit in 1..=9 {
            assert_eq!(walk(&view, Holder::Dispatch, &format!("limit={limit}")), whole, "{limit}");
        }
        let gotham = walk(&view, Holder::City(0), "limit=2");
        assert_eq!(gotham, [("Silver Kestrel".to_owned(), id(4).to_string())]);
    }

    #[test]
    fn page_after_a_deleted_hero_continues_at_its_place() {
        let fixture = fixture();
        let Ok(HeroList::Page(mut two)) = HeroList::parse("limit=2") else { panic!("a page") };
        let (first, next) = page(&fixture.view, Holder::Dispatch, &two);
        two.after = next.and_then(|next| next.parse().ok());
        let expected = page(&fixture.view, Holder::Dispatch, &two).0;
        let mut view = fixture.view;
        for hero in first {
            view.rows.put(hero.id.parse().unwrap(), None);
        }
        assert_eq!(page(&view, Holder::Dispatch, &two).0, expected);
    }

    #[test]
    fn names_and_ids_select_heroes() {
        let view = fixture().view;
        let ids = |query: &str| -> Vec<String> {
            walk(&view, Holder::Dispatch, query).into_iter().map(|(_, id)| id).collect()
        };
        let of =
            |heroes: &[u8]| heroes.iter().map(|hero| id(*hero).to_string()).collect::<Vec<_>>();
        assert_eq!(ids("name=Granite&limit=1"), of(&[6, 9]));
        assert_eq!(ids("name=Zoe%CC%88"), of(&[2, 5, 8]));
        assert_eq!(ids("name=zo%C3%AB"), of(&[]));
        assert_eq!(ids("name=Zo"), of(&[]));
        assert_eq!(ids("id=06"), of(&[6]));
        assert_eq!(ids("id=0&limit=3"), of(&[1, 2, 4, 5, 6, 7, 8, 9]));
        assert_eq!(ids("id=03"), of(&[]));
        // A position outside of the selected heroes.
        let after = |name: &str, hero: u8| format!("after={}:{name}", id(hero));
        assert_eq!(ids(&format!("name=Granite&{}", after("Ada", 9))), of(&[6, 9]));
        assert_eq!(ids(&format!("name=Granite&{}", after("Zz", 1))), of(&[]));
        assert_eq!(ids(&format!("id=06&{}", after("Zz", 7))), of(&[]));
    }

    #[tokio::test]
    async fn chunked_list_equals_the_list() {
        let view = Arc::new(fixture().view);
        let expected = Heroes { heroes: held(&view), tombstones: 7, next: None };
        let empty = Heroes { heroes: Vec::new(), ..expected.clone() };
        let response = whole(Arc::clone(&view), Holder::Dispatch, &empty);
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        assert_eq!(body, serde_json::to_vec(&expected).unwrap());
    }
}
