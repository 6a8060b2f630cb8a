//! The problems of the calls on the types.

use crate::problems::{BODY, CHANGE, Known};
use crate::refusals;

/// The problems of the types in addition to those of every call.
#[rustfmt::skip]
const OWN: &[Known] = &[
    (404, "unknown_counter", "the node knows no such counter"),
    (404, "unknown_element", "the set has no such element"),
    (404, "unknown_key", "the table has no such key"),
    (404, "unknown_name", "no node holds the name"),
    (409, "not_held", "another node holds the name"),
    (409, "taken", "a reachable node holds the name: `owner`"),
    (409, "too_far_ahead", "the newest write to this key has a stamp too far in the future"),
    (409, "too_many", "a limit of the node's tables is reached"),
    (409, "too_many_rooms", "there are 1000 rooms"),
    (422, "invalid_text", "a text must have 1 to 1024 bytes"),
    (422, "overflow", "the counter would exceed 64 bits"),
    (422, "unknown_message", "the room does not show the message to reply to"),
    (429, "too_fast", "a sender may send 10 messages a second"),
];

const NAME: &[&str] = &["invalid_path", "invalid_name"];
const WRITE: &[&str] = &["too_far_ahead", "too_many"];
/// The problem of a node that has no snapshot yet.
const JOINING: &[&str] = &["joining"];

refusals! { OWN =>
    Listing: JOINING;
    Reading: JOINING, NAME;
    ReadingCounter: JOINING, NAME, &["unknown_counter"];
    Adding: JOINING, NAME, CHANGE, BODY, WRITE, &["out_of_range", "overflow"];
    Inserting: JOINING, NAME, CHANGE, WRITE;
    Removing: JOINING, NAME, CHANGE, WRITE, &["unknown_element"];
    Scanning: JOINING, NAME, &["invalid_query"];
    ReadingKey: JOINING, NAME, &["unknown_key"];
    Writing: JOINING, NAME, CHANGE, BODY, WRITE;
    Deleting: JOINING, NAME, CHANGE, WRITE, &["unknown_key"];
    Sending: JOINING, NAME, CHANGE, BODY, WRITE, &["invalid_text", "unknown_message"],
        &["too_fast", "too_many_rooms"];
    Publishing: NAME, BODY, &["invalid_query", "foreign_origin", "viewer", "limited"];
    ReadingName: JOINING, NAME, &["unknown_name"];
    Registering: JOINING, NAME, CHANGE, BODY, WRITE, &["taken"];
    Releasing: JOINING, NAME, CHANGE, WRITE, &["unknown_name", "not_held"];
}
