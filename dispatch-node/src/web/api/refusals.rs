//! The problems of dispatch's own calls: the list of all of them, and the subset that each kind of
//! call can return.

use node_api::problems::{BODY, CHANGE, Known};
use node_api::refusals;

/// The problems of dispatch in addition to those of every node, each with its status, type and meaning.
#[rustfmt::skip]
const ALL: &[Known] = &[
    (400, "invalid_id", "the id is not a UUID"),
    (400, "invalid_last", "last is not a number of seconds in range"),
    (400, "invalid_since", "since is not a number in range"),
    (404, "unknown_city", "there is no such city"),
    (404, "unknown_fault", "there is no such fault"),
    (404, "unknown_hero", "the hero is unknown"),
    (404, "unknown_scenario", "there is no such scenario"),
    (409, "alive", "the city is up"),
    (409, "city_exists", "there is a city of this name"),
    (409, "not_heard_of", "the city does not hold this hero, and a cut prevents sending it"),
    (409, "not_ours", "no launcher manages the city, or it refuses; the detail describes a start by hand"),
    (409, "not_waiting", "no scenario waits for a continue"),
    (409, "playing", "another scenario is running"),
    (409, "too_far_ahead", "the newest write to this hero has a stamp too far in the future"),
    (409, "too_many_cities", "there are 32 cities"),
    (409, "too_many_faults", "64 faults are in force"),
    (409, "too_many_heroes", "hero limit reached (--max-heroes)"),
    (409, "under_way", "another exchange is in progress"),
    (410, "healed", "the fault is already healed"),
    (410, "terminated", "the hero is terminated"),
    (422, "count_out_of_range", "count must be 1 to 10000"),
    (422, "invalid_city_name", "a city cannot have this name"),
    (422, "missing_field", "a fault of this kind requires an amount, or a second node"),
    (422, "name_and_count", "give a name or a count, not both"),
    (422, "not_allowed", "dispatch cannot be frozen"),
    (422, "same_node", "from and to are the same node"),
    (422, "unknown_kind", "there is no such kind of fault"),
    (422, "unknown_location", "there is no such location"),
    (422, "unknown_node", "there is no such node"),
    (503, "no_answer", "a required node is unreachable; nothing was changed"),
    (503, "unconfirmed", "no confirmation in time: the fault was withdrawn, or ends later at some nodes"),
    (503, "too_many_tombstones", "tombstone limit reached (--max-tombstones)"),
];

const HERO: &[&str] = &["invalid_id", "invalid_path", "unknown_hero", "terminated"];
const CITY: &[&str] = &["invalid_path", "unknown_city"];

refusals! { ALL =>
    Reading: ;
    ReadingSince: &["invalid_since"];
    Recording: &["invalid_last"];
    ReadingEvents: &["invalid_since", "invalid_query"];
    OfHero: HERO;
    Explaining: &["invalid_id", "invalid_path", "unknown_hero"];
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
    Founding: CHANGE, BODY, &["city_exists", "too_many_cities", "not_ours", "invalid_city_name"];
    Removing: CHANGE, CITY, &["alive", "no_answer", "joining"];
    Injecting: CHANGE, BODY, &["missing_field", "not_allowed", "out_of_range", "same_node"],
        &["unknown_kind", "unknown_node", "too_many_faults", "no_answer", "unconfirmed"];
    Healing: CHANGE, &["invalid_path", "unknown_fault", "healed", "unconfirmed"];
    AcceptingStamps: CHANGE, BODY, &["out_of_range"];
    Pacing: CHANGE, BODY, &["out_of_range"];
    Stepping: CHANGE, BODY, &["same_node", "unknown_node", "under_way", "no_answer"];
    Beginning: CHANGE, BODY, &["invalid_path", "unknown_scenario", "playing", "no_answer"];
    Continuing: CHANGE, &["not_waiting"];
}
