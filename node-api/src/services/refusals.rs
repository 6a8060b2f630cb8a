//! The problems of the calls on the services.

use crate::problems::{BODY, CHANGE, Known};
use crate::refusals;

/// The problems of the services in addition to those of every call.
#[rustfmt::skip]
const OWN: &[Known] = &[
    (404, "unknown_handler", "no node that may execute the call has a handler of this name"),
    (404, "unknown_key", "the cache holds no such key"),
    (422, "unknown_node", "the node is no member of the cluster"),
    (502, "handler_failed", "the handler was executed, and failed"),
    (503, "unreachable", "there is no link to the node; nothing was executed"),
    (504, "outcome_unknown", "no answer in time, or the link was lost: the handler may have been executed, or still be"),
];

const NAME: &[&str] = &["invalid_path", "invalid_name"];
/// The problems of calls that a request makes.
const CALL: &[&str] = &["unknown_handler", "unreachable", "handler_failed", "504:outcome_unknown"];

refusals! { OWN =>
    Listing: ;
    Calling: NAME, CHANGE, BODY, CALL, &["out_of_range", "unknown_node"];
    Mapping: NAME, CHANGE, BODY, &["out_of_range"];
    Hitting: NAME, BODY, &["out_of_range", "foreign_origin", "viewer", "limited"];
    Caching: NAME, BODY, CALL, &["out_of_range", "foreign_origin", "viewer", "limited"];
    Reading: NAME, CALL, &["unknown_key"];
    Removing: NAME, CALL, &["unknown_key", "foreign_origin", "viewer", "limited"];
    Counting: NAME, BODY, &["foreign_origin", "viewer", "limited"];
    Ranking: NAME, &["invalid_query"];
}
