//! The queries of lists: which heroes, and how many heroes or events.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use axum::extract::{FromRequestParts, RawQuery};
use axum::http::request::Parts;
use node_api::name::composed;
use node_api::parameters::described;
use serde_json::json;
use shared::hero::{HERO_NAME_CHARS_MAX, HeroId, HeroName};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use crate::web::error::{Problem, shortened};

/// The largest page.
pub(crate) const LIMIT_MAX: usize = 10_000;
/// The size of a page whose query has no limit.
const LIMIT: usize = 1_000;
/// The length of an id as text.
const ID_CHARS: usize = 36;
/// The length of the longest value repeated in an error, in characters.
const SHOWN_CHARS_MAX: usize = 40;

/// The query of a list of heroes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HeroList {
    /// All heroes at once.
    Whole,
    /// One page of them.
    Page(HeroPage),
}

/// One page of the heroes that match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeroPage {
    pub(crate) which: Which,
    /// The end of the page before.
    pub(crate) after: Option<Position>,
    /// The maximum number of heroes.
    pub(crate) limit: usize,
}

/// The heroes of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    All,
    /// Those with this name.
    Named(HeroName),
    /// Those with an id in this range.
    Ids(RangeInclusive<HeroId>),
}

/// The position of a hero in the list. It stays valid when the hero is deleted, because it contains
/// the name by which the list is ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) id: HeroId,
    pub(crate) name: HeroName,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.id, self.name)
    }
}

impl FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (id, name) = text.split_at_checked(ID_CHARS).ok_or(())?;
        let name = name.strip_prefix(':').ok_or(())?;
        if !(1..=HERO_NAME_CHARS_MAX).contains(&name.chars().count()) {
            return Err(());
        }
        Ok(Self { id: id.parse().map_err(|_| ())?, name: name.into() })
    }
}

impl HeroList {
    /// Parses the query of an address. Parameters with other names are ignored.
    pub(crate) fn parse(query: &str) -> Result<Self, Problem> {
        let fields = fields(query);
        let field = |name| single(&fields, name);
        let (after, limit) = (field("after")?, field("limit")?);
        let which = match (field("name")?, field("id")?) {
            (None, None) if after.is_none() && limit.is_none() => return Ok(Self::Whole),
            (None, None) => Which::All,
            (Some(name), None) => Which::Named(hero_name(name)?),
            (None, Some(id)) => Which::Ids(ids(id)?),
            (Some(_), Some(_)) => return Err(invalid("give a name or an id, not both")),
        };
        let after = after.map(position).transpose()?;
        let limit = limit.map_or(Ok(LIMIT), page_size)?;
        Ok(Self::Page(HeroPage { which, after, limit }))
    }
}

fn fields(query: &str) -> Vec<(String, String)> {
    serde_urlencoded::from_str(query).unwrap_or_default()
}

/// Returns the value of this parameter, which may be given once.
fn single<'a>(fields: &'a [(String, String)], name: &str) -> Result<Option<&'a str>, Problem> {
    let mut values = fields.iter().filter(|(field, _)| field == name);
    let value = values.next().map(|(_, value)| value.as_str());
    if values.next().is_some() {
        return Err(invalid(format!("{name} is given more than once")));
    }
    Ok(value)
}

/// The maximum number of items to return, if the query has one.
pub(crate) struct Limit(pub(crate) Option<usize>);

impl<S: Send + Sync> FromRequestParts<S> for Limit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = query(parts, state).await;
        single(&fields(&query), "limit")?.map(page_size).transpose().map(Self)
    }
}

/// Returns the query of the address, which may be empty.
async fn query<S: Send + Sync>(parts: &mut Parts, state: &S) -> String {
    let query = RawQuery::from_request_parts(parts, state).await;
    query.unwrap_or_else(|never| match never {}).0.unwrap_or_default()
}

fn position(text: &str) -> Result<Position, Problem> {
    text.parse().map_err(|()| {
        let shown = shortened(text, SHOWN_CHARS_MAX);
        invalid(format!("after must be the next of another page, not {shown:?}"))
    })
}

fn page_size(text: &str) -> Result<usize, Problem> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let limit = text.parse().ok().filter(|limit| is_number && (1..=LIMIT_MAX).contains(limit));
    limit.ok_or_else(|| {
        let shown = shortened(text, SHOWN_CHARS_MAX);
        invalid(format!("limit must be a number from 1 to {LIMIT_MAX}, not {shown:?}"))
    })
}

/// Parses the name of a hero, as new names are parsed: composed, without surrounding whitespace.
fn hero_name(text: &str) -> Result<HeroName, Problem> {
    let name = composed(text);
    let name = name.trim();
    let chars = name.chars().count();
    if (1..=HERO_NAME_CHARS_MAX).contains(&chars) {
        return Ok(name.into());
    }
    Err(invalid(format!("name must have 1 to {HERO_NAME_CHARS_MAX} characters, not {chars}")))
}

/// Returns the ids that begin with this text, which may be a whole id.
fn ids(prefix: &str) -> Result<RangeInclusive<HeroId>, Problem> {
    const FIRST: &str = "00000000-0000-0000-0000-000000000000";
    const LAST: &str = "ffffffff-ffff-ffff-ffff-ffffffffffff";
    let fits = (1..=ID_CHARS).contains(&prefix.len())
        && prefix.chars().zip(FIRST.chars()).all(|(given, expected)| match expected {
            '-' => given == '-',
            _ => given.is_ascii_hexdigit(),
        });
    let filled = |rest: &str| format!("{prefix}{}", &rest[prefix.len()..]).parse();
    match (fits.then(|| filled(FIRST)), fits.then(|| filled(LAST))) {
        (Some(Ok(first)), Some(Ok(last))) => Ok(first..=last),
        _ => {
            let shown = shortened(prefix, SHOWN_CHARS_MAX);
            Err(invalid(format!("id must be a UUID or the beginning of one, not {shown:?}")))
        }
    }
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::malformed("invalid_query", detail)
}

impl<S: Send + Sync> FromRequestParts<S> for HeroList {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Self::parse(&query(parts, state).await)
    }
}

impl IntoParams for Limit {
    fn into_params(_place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let schema = json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX });
        let description = "the maximum number of items; the first ones after `since` are returned";
        described("limit", ParameterIn::Query, description, schema)
    }
}

impl IntoParams for HeroList {
    fn into_params(_place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let query =
            |name, description, schema| described(name, ParameterIn::Query, description, schema);
        let after = "The `next` of the page before; the first page without it. A list is ordered \
            by name, then by id; with `id`, by id.";
        let limit = "The maximum number of heroes of a page. The last page has no `next`. \
            Without any of the four parameters, all heroes are returned at once.";
        let name = "Only the heroes with exactly this name, after composition (NFC) and without \
            surrounding whitespace.";
        let id = "Only the heroes whose id is this one, or begins with it.";
        [
            query(
                "after",
                after,
                json!({
                    "type": "string",
                    "minLength": 38,
                    "maxLength": 137,
                    "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}:",
                }),
            ),
            query(
                "limit",
                limit,
                json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT }),
            ),
            query(
                "name",
                name,
                json!({
                    "type": "string", "minLength": 1, "maxLength": 100, "pattern": "\\S",
                }),
            ),
            query(
                "id",
                id,
                json!({
                    "type": "string",
                    "pattern": concat!(
                        "^([0-9A-Fa-f]{1,8}",
                        "|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){0,2}-[0-9A-Fa-f]{0,4}",
                        "|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{0,12})$",
                    ),
                }),
            ),
        ]
        .concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str) -> HeroPage {
        match HeroList::parse(query) {
            Ok(HeroList::Page(page)) => page,
            other => panic!("{query}: {:?}", other.map_err(|problem| problem.detail)),
        }
    }

    #[test]
    fn query_without_the_parameters_is_the_whole_list() {
        for query in ["", "since=3", "&&", "x"] {
            assert!(matches!(HeroList::parse(query), Ok(HeroList::Whole)), "{query}");
        }
    }

    #[test]
    fn names_are_compared_as_new_names_are_stored() {
        for query in ["name=Zo%C3%AB", "name=Zoe%CC%88", "name=+Zo%C3%AB%E3%80%80"] {
            assert_eq!(page(query).which, Which::Named("Zo\u{eb}".into()), "{query}");
        }
    }

    #[test]
    fn id_selects_all_ids_that_begin_with_it() {
        let range = |id: &str| page(&format!("id={id}")).which;
        let ids = |first, last| Which::Ids(HeroId::from_u128(first)..=HeroId::from_u128(last));
        assert_eq!(range("A"), ids(0xa << 124, (0xb << 124) - 1));
        assert_eq!(
            range("aaaaaaaa-0"),
            ids(0xaaaa_aaaa << 96, (0xaaaa_aaaa << 96) + (1 << 92) - 1)
        );
        let whole = "aaaaaaaa-0000-4000-8000-000000000001";
        let id = whole.parse::<HeroId>().unwrap();
        assert_eq!(range(whole), Which::Ids(id..=id));
    }

    #[test]
    fn position_survives_the_address() {
        let position = Position { id: HeroId::from_u128(7), name: "a:b c&d=\u{eb}".into() };
        let query = serde_urlencoded::to_string([("after", position.to_string())]).unwrap();
        assert_eq!(page(&query).after, Some(position));
    }

    #[test]
    fn invalid_parameters_are_refused_by_name() {
        let long = format!("name={}", "x".repeat(101));
        let cursor = |name: &str| format!("after={}:{name}", HeroId::from_u128(7));
        let long_cursor = cursor(&"x".repeat(101));
        for (query, name) in [
            ("limit=0", "limit"),
            ("limit=-1", "limit"),
            ("limit=%2B1", "limit"),
            ("limit=10001", "limit"),
            ("limit=99999999999999999999", "limit"),
            ("limit=1.0", "limit"),
            ("limit=ten", "limit"),
            ("limit=", "limit"),
            ("limit=5&limit=5", "limit"),
            ("after=", "after"),
            ("after=batman", "after"),
            ("after=aaaaaaaa-0000-4000-8000-000000000001", "after"),
            ("after=%F0%9F%A6%B8%F0%9F%A6%B8%F0%9F%A6%B8%F0%9F%A6%B8", "after"),
            (cursor("").as_str(), "after"),
            (long_cursor.as_str(), "after"),
            ("after=a&after=b", "after"),
            ("name=", "name"),
            ("name=+", "name"),
            (long.as_str(), "name"),
            ("name=a&name=b", "name"),
            ("name=a&id=b", "name"),
            ("id=", "id"),
            ("id=xyz", "id"),
            ("id=aaaaaaaaa", "id"),
            ("id=aaaaaaaa-0000-4000-8000-0000000000011", "id"),
            ("id=a&id=a", "id"),
        ] {
            let problem = HeroList::parse(query).expect_err(query);
            assert_eq!((problem.code, problem.status.as_u16()), ("invalid_query", 400), "{query}");
            assert!(problem.detail.contains(name), "{query}: {}", problem.detail);
        }
    }
}
