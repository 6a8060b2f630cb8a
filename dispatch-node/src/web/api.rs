//! The JSON API, version 1: a file for each thing that can be asked about. What they share is here.
//!
//! Invariant: each handler carries its own description, from which both its route and its place in [`description`] are made.

pub(crate) mod cities;
pub(crate) mod cluster;
pub(crate) mod description;
pub(crate) mod faults;
pub(crate) mod gossip;
pub(crate) mod heroes;
pub(crate) mod lost_writes;
pub(crate) mod refusals;
pub(crate) mod scenarios;

use serde::Serialize;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use shared::crdt::Entry;
use shared::id::{HeroId, NodeName};

/// A living hero.
#[derive(Serialize, ToSchema)]
pub(crate) struct Hero<'a> {
    #[schema(format = Uuid, example = "3f2b8c1e-6a4d-4f0b-9a57-0d7c1b2e4f60")]
    id: String,
    #[schema(min_length = 1, max_length = 100, example = "Silver Falcon")]
    name: &'a str,
    /// `home`, or a city.
    #[schema(example = "gotham")]
    location: &'a str,
    /// Whether the hero walks the streets, and so may be met by a villain.
    is_patrolling: bool,
    #[schema(minimum = 1, maximum = 100)]
    health: u8,
    stamp: Stamp,
}

/// When and by whom something was written. Stamps are ordered by their fields, in this order; the highest wins.
#[derive(Serialize, ToSchema)]
pub(crate) struct Stamp {
    /// The writer's wall clock, in milliseconds since 1970.
    #[schema(example = 1_795_217_670_917_u64)]
    wall_ms: u64,
    /// Counts writes within one millisecond.
    logical: u32,
    /// The node, and the life of it, that wrote.
    #[schema(example = "gotham/1795217670100")]
    origin: String,
}

impl Stamp {
    pub(crate) fn of(stamp: shared::clock::Stamp) -> Self {
        Self { wall_ms: stamp.hlc.wall.0, logical: stamp.hlc.logical, origin: stamp.origin.to_string() }
    }
}

impl<'a> Hero<'a> {
    /// The hero of this entry, unless it is a tombstone.
    pub(crate) fn of(id: HeroId, entry: &'a Entry) -> Option<Self> {
        let hero = entry.hero()?;
        Some(Self {
            id: id.to_string(),
            name: &hero.name,
            location: hero.location.as_str(),
            is_patrolling: hero.is_patrolling,
            health: hero.health,
            stamp: Stamp::of(entry.stamp),
        })
    }
}

/// What one city holds of a hero.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Held<'a> {
    Live(Hero<'a>),
    Tombstone(&'static str),
    NotHeardOf,
}

impl<'a> Held<'a> {
    pub(crate) fn of(id: HeroId, entry: Option<&'a Entry>) -> Self {
        match entry {
            None => Self::NotHeardOf,
            Some(entry) => Hero::of(id, entry).map_or(Self::Tombstone("tombstone"), Self::Live),
        }
    }
}

// By hand, since no derived schema says that a variant is one word, and another nothing at all.
impl PartialSchema for Held<'_> {
    fn schema() -> RefOr<Schema> {
        let tombstone = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["tombstone"]));
        OneOfBuilder::new()
            .description(Some("What a node holds of a hero: the hero, the word `tombstone`, or null where it has not heard of it."))
            .item(Ref::from_schema_name("Hero"))
            .item(tombstone)
            .item(ObjectBuilder::new().schema_type(Type::Null))
            .into()
    }
}

impl ToSchema for Held<'_> {
    fn name() -> std::borrow::Cow<'static, str> {
        "Held".into()
    }
}

/// Which city it was.
#[derive(Serialize, ToSchema)]
pub(crate) struct City {
    #[schema(example = "gotham")]
    city: String,
}

impl City {
    pub(crate) fn named(city: NodeName) -> Self {
        Self { city: city.to_string() }
    }
}
