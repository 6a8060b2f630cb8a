//! The problems of the API: the list of all of them, and the subset that each kind of call can
//! return.
//!
//! Invariant: a description names only problems in [`ALL`], and lists those of one status in one
//! response.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response};

/// All problems, each with its status, type and meaning.
#[rustfmt::skip]
const ALL: &[(u16, &str, &str)] = &[
    (400, "body_required", "a body is required"),
    (400, "invalid_body", "the body could not be read completely"),
    (400, "invalid_host", "the request does not name one valid host"),
    (400, "invalid_id", "the id is not a UUID"),
    (400, "invalid_idempotency_key", "the key is too long, or not visible ASCII"),
    (400, "invalid_json", "the body is not JSON"),
    (400, "invalid_path", "the path is not valid text"),
    (400, "invalid_query", "a parameter is out of its range, not of its form, or given twice"),
    (400, "invalid_since", "since is not a number in range"),
    (401, "sign_in", "a token is required"),
    (403, "foreign_origin", "the request comes from a page of another site"),
    (403, "viewer", "viewers are read-only; the admin token is required"),
    (404, "unknown_city", "there is no such city"),
    (404, "unknown_fault", "there is no such fault"),
    (404, "unknown_hero", "the hero is unknown"),
    (404, "unknown_scenario", "there is no such scenario"),
    (408, "too_slow", "the body did not arrive within 10 s"),
    (409, "alive", "the city is up"),
    (409, "not_heard_of", "the city does not hold this hero, and a cut prevents sending it"),
    (409, "not_ours", "no launcher manages the city; the detail describes a start by hand"),
    (409, "playing", "another scenario is running"),
    (409, "too_far_ahead", "the newest write to this hero has a stamp too far in the future"),
    (409, "too_many_faults", "64 faults are in force"),
    (409, "too_many_heroes", "hero limit reached (--max-heroes)"),
    (409, "under_way", "another exchange is in progress"),
    (410, "healed", "the fault is already healed"),
    (410, "terminated", "the hero is terminated"),
    (413, "too_large", "the body has more than 64 KiB"),
    (415, "not_json", "Content-Type must be application/json"),
    (421, "foreign_host", "the requested host is not this one"),
    (422, "count_out_of_range", "count must be 1 to 10000"),
    (422, "idempotency_key_reused", "this key was used for a different request"),
    (422, "invalid_field", "a field is missing, unknown, or of another type"),
    (422, "invalid_name", "a name must have 1 to 100 characters, one of them visible, and no control characters"),
    (422, "missing_field", "a fault of this kind requires an amount, or a second node"),
    (422, "name_and_count", "give a name or a count, not both"),
    (422, "not_allowed", "dispatch cannot be frozen"),
    (422, "out_of_range", "an amount is out of its range"),
    (422, "same_node", "from and to are the same node"),
    (422, "unknown_kind", "there is no such kind of fault"),
    (422, "unknown_location", "there is no such location"),
    (422, "unknown_node", "there is no such node"),
    (429, "overloaded", "the request queue is full"),
    (503, "joining", "the node has just started, and has not caught up"),
    (503, "no_answer", "a required node is unreachable; nothing was changed"),
    (503, "no_place", "connection limit reached (--max-connections)"),
    (503, "outcome_unknown", "no reply in time: outcome unknown, but nothing is executed later"),
    (503, "unconfirmed", "no confirmation in time: the fault was withdrawn, or ends later at some nodes"),
    (503, "too_many_tombstones", "tombstone limit reached (--max-tombstones)"),
];

/// The problems that every call can return.
const ANY: &[&str] =
    &["invalid_host", "sign_in", "foreign_host", "overloaded", "no_place", "outcome_unknown"];
/// The problems that every call that changes something can return.
const CHANGE: &[&str] =
    &["foreign_origin", "viewer", "invalid_idempotency_key", "idempotency_key_reused"];
const BODY: &[&str] = &[
    "body_required",
    "invalid_body",
    "invalid_json",
    "too_slow",
    "too_large",
    "not_json",
    "invalid_field",
];
const HERO: &[&str] = &["invalid_id", "invalid_path", "unknown_hero", "terminated"];
const CITY: &[&str] = &["invalid_path", "unknown_city"];

/// Defines types that describe the problems of each kind of call.
macro_rules! refusals {
    ($($name:ident: $($codes:expr),*;)*) => {$(
        /// The problems that a call of this kind can return.
        pub(crate) enum $name {}

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                merged(&[ANY, $($codes),*])
            }
        }
    )*};
}

refusals! {
    Reading: ;
    ReadingSince: &["invalid_since"];
    ReadingEvents: &["invalid_since", "invalid_query"];
    OfHero: HERO;
    ReadingList: &["invalid_query"];
    ListOfCity: CITY, &["invalid_query"];
    Changing: CHANGE;
    Creating: CHANGE, BODY, &["name_and_count", "count_out_of_range", "invalid_name"],
        &["too_many_heroes", "joining"];
    Assigning: CHANGE, HERO, BODY, &["unknown_location", "not_heard_of", "too_far_ahead"],
        &["no_answer", "joining"];
    Terminating: CHANGE, HERO, &["not_heard_of", "too_far_ahead", "too_many_tombstones"],
        &["no_answer", "joining"];
    Bombing: CHANGE, CITY, &["no_answer", "joining"];
    BombingAny: CHANGE, &["no_answer", "joining"];
    Forgetting: CHANGE, CITY, &["alive", "no_answer", "joining"];
    Ending: CHANGE, CITY, &["no_answer"];
    Rebuilding: CHANGE, CITY, &["alive", "not_ours"];
    Injecting: CHANGE, BODY, &["missing_field", "not_allowed", "out_of_range", "same_node"],
        &["unknown_kind", "unknown_node", "too_many_faults", "no_answer", "unconfirmed"];
    Healing: CHANGE, &["invalid_path", "unknown_fault", "healed", "unconfirmed"];
    AcceptingStamps: CHANGE, BODY, &["out_of_range"];
    Pacing: CHANGE, BODY, &["out_of_range"];
    Stepping: CHANGE, BODY, &["same_node", "unknown_node", "under_way", "no_answer"];
    Beginning: CHANGE, &["invalid_path", "unknown_scenario", "playing", "no_answer"];
}

fn merged(families: &[&[&str]]) -> BTreeMap<String, RefOr<Response>> {
    let codes: Vec<&str> = families.concat();
    let mut statuses: BTreeMap<u16, Vec<(&str, &str)>> = BTreeMap::new();
    for code in codes {
        let (status, code, meaning) = ALL
            .iter()
            .find(|(_, known, _)| *known == code)
            .expect("every listed problem is in `ALL`");
        statuses.entry(*status).or_default().push((code, meaning));
    }
    statuses
        .into_iter()
        .map(|(status, problems)| (status.to_string(), response(status, &problems)))
        .collect()
}

/// Returns the description of a response that contains one of these problems.
fn response(status: u16, problems: &[(&str, &str)]) -> RefOr<Response> {
    let codes: Vec<&str> = problems.iter().map(|(code, _)| *code).collect();
    let meanings: Vec<String> =
        problems.iter().map(|(code, meaning)| format!("`{code}`: {meaning}")).collect();
    let schema = json!({ "allOf": [
        { "$ref": "#/components/schemas/Problem" },
        { "type": "object", "properties": {
            "type": { "type": "string", "enum": codes },
            "status": { "type": "integer", "enum": [status] },
        } },
    ] });
    let header = |description: &str, schema: Value| {
        json!({
            "description": description,
            "required": true,
            "schema": schema,
        })
    };
    let headers = match status {
        401 => {
            let scheme = header("the authentication scheme", json!({ "type": "string" }));
            json!({ "WWW-Authenticate": scheme })
        }
        429 | 503 => {
            let seconds = json!({ "type": "integer", "minimum": 1 });
            json!({ "Retry-After": header("the seconds after which to retry", seconds) })
        }
        _ => json!({}),
    };
    let response = json!({
        "description": meanings.join("; "),
        "headers": headers,
        "content": { "application/problem+json": { "schema": schema } },
    });
    RefOr::T(serde_json::from_value(response).expect("a valid OpenAPI response"))
}
