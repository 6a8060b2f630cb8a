//! Request parameters (path, query, headers): their parsing, and their OpenAPI descriptions.

use std::ops::RangeInclusive;
use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use utoipa::PartialSchema as _;

use api_types::words::CityWord;
use gossip::NodeName;
use gossip::fault::FaultId;
use node_api::described;
use node_api::parameters::segment;
use shared::hero::HeroId;

use crate::model::history::KEPT;
use crate::web::error::{Problem, shortened};
use crate::web::extract::domain::Domain;

/// The largest integer that JSON numbers represent exactly.
const NUMBER_MAX: u64 = (1 << 53) - 1;
/// The maximum length of a path segment repeated in an error, in characters.
const SHOWN_CHARS_MAX: usize = 100;

/// The hero in the path.
pub(crate) struct HeroPath(pub(crate) HeroId);

impl<S: Send + Sync> FromRequestParts<S> for HeroPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = segment(parts, state, SHOWN_CHARS_MAX).await?;
        text.parse().map(Self).map_err(|error| {
            Problem::malformed("invalid_id", format!("{text:?} is not a UUID: {error}"))
        })
    }
}

/// The city in the path.
pub(crate) struct CityPath(pub(crate) NodeName);

impl<S: Send + Sync> FromRequestParts<S> for CityPath
where
    Domain: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = segment(parts, state, SHOWN_CHARS_MAX).await?;
        city(&Domain::from_ref(state), &text).map(Self)
    }
}

fn city(domain: &Domain, text: &str) -> Result<NodeName, Problem> {
    domain.city(text).ok_or_else(|| {
        let detail = format!("there is no city {text:?}: {}", domain.known_cities());
        Problem::not_found("unknown_city", detail)
    })
}

/// The member in the path: a city, or another dispatch.
pub(crate) struct MemberPath(pub(crate) NodeName);

impl<S: Send + Sync> FromRequestParts<S> for MemberPath
where
    Domain: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = segment(parts, state, SHOWN_CHARS_MAX).await?;
        let domain = Domain::from_ref(state);
        domain.other_dispatch(&text).map_or_else(|| city(&domain, &text), Ok).map(Self)
    }
}

/// The fault in the path.
pub(crate) struct FaultPath(pub(crate) FaultId);

impl<S: Send + Sync> FromRequestParts<S> for FaultPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = segment(parts, state, SHOWN_CHARS_MAX).await?;
        text.parse().map(Self).map_err(|_| {
            let shown = shortened(&text, 40);
            Problem::not_found(
                "unknown_fault",
                format!("there is no fault {shown:?}; nothing was changed"),
            )
        })
    }
}

/// The name of a scenario in the path, which may not exist.
pub(crate) struct ScenarioPath(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for ScenarioPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        segment(parts, state, SHOWN_CHARS_MAX).await.map(Self)
    }
}

/// The number after which entries are returned; 0 if absent.
pub(crate) struct Since(pub(crate) u64);

impl<S: Send + Sync> FromRequestParts<S> for Since {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        number(parts, "since", "invalid_since", 0..=NUMBER_MAX)
            .map(|since| Self(since.unwrap_or(0)))
    }
}

/// The length of a recording; all that is kept if absent.
pub(crate) struct Last(pub(crate) Duration);

impl<S: Send + Sync> FromRequestParts<S> for Last {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let last = number(parts, "last", "invalid_last", 1..=KEPT.as_secs())?;
        Ok(Self(last.map_or(KEPT, Duration::from_secs)))
    }
}

/// Returns a number of the query; the last one if there are several.
fn number(
    parts: &Parts,
    name: &str,
    problem: &'static str,
    range: RangeInclusive<u64>,
) -> Result<Option<u64>, Problem> {
    let query = parts.uri.query().unwrap_or_default();
    let fields: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
    let Some((_, text)) = fields.iter().rev().find(|(field, _)| field == name) else {
        return Ok(None);
    };
    let number = text
        .parse()
        .ok()
        .filter(|number| range.contains(number) && text.bytes().all(|byte| byte.is_ascii_digit()));
    let (least, most) = range.into_inner();
    number.map(Some).ok_or_else(|| {
        Problem::malformed(problem, format!("{name} must be a number from {least} to {most}"))
    })
}

described! {
    HeroPath: Path "id", "the id of the hero", { "type": "string", "format": "uuid" };
    CityPath: Path "city", "the name of the city", (CityWord::schema());
    MemberPath: Path "city", "the name of the city, or of another dispatch", (CityWord::schema());
    FaultPath: Path "id", "the id of the fault", { "type": "string", "pattern": "^[0-9a-f]{8}$" };
    ScenarioPath: Path "name", "the name of the scenario",
        { "type": "string", "minLength": 1, "maxLength": 100 };
    Since: Query "since", "the number of the last item received; only later ones are returned",
        { "type": "integer", "minimum": 0, "maximum": NUMBER_MAX };
    Last: Query "last", "the length of the recording in seconds",
        { "type": "integer", "minimum": 1, "maximum": KEPT.as_secs() };
}
