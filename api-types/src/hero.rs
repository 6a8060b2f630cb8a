//! Heroes: alone, in lists, and as each city holds them; and the requests that write to them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
#[cfg(feature = "schema")]
use utoipa::ToSchema;

#[cfg(feature = "schema")]
use crate::words::{Place, Reached};

/// A living hero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Hero {
    #[cfg_attr(
        feature = "schema",
        schema(format = Uuid, example = "3f2b8c1e-6a4d-4f0b-9a57-0d7c1b2e4f60")
    )]
    pub id: String,
    #[cfg_attr(
        feature = "schema",
        schema(min_length = 1, max_length = 100, example = "Silver Falcon")
    )]
    pub name: String,
    /// `home`, or a city.
    #[cfg_attr(feature = "schema", schema(example = "gotham"))]
    pub location: String,
    /// Whether the hero walks the streets, and so may be met by a villain.
    pub is_patrolling: bool,
    #[cfg_attr(feature = "schema", schema(minimum = 1, maximum = 100))]
    pub health: u8,
    pub stamp: Stamp,
}

/// When and by whom something was written. Stamps are ordered by their fields, in this order; the highest wins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct Stamp {
    /// The writer's wall clock, in milliseconds since 1970.
    #[cfg_attr(feature = "schema", schema(example = 1_795_217_670_917_u64))]
    pub wall_ms: u64,
    /// Counts writes within one millisecond.
    pub logical: u32,
    /// The node, and the life of it, that wrote.
    #[cfg_attr(feature = "schema", schema(example = "gotham/1795217670100"))]
    pub origin: String,
}

impl Stamp {
    /// Returns the key by which the cluster compares stamps: wall clock, counter, node and
    /// incarnation. The greater key wins.
    #[must_use]
    pub fn order(&self) -> (u64, u32, &str, u64) {
        let (node, incarnation) = self.origin.split_once('/').unwrap_or((&self.origin, "0"));
        (self.wall_ms, self.logical, node, incarnation.parse().unwrap_or(0))
    }
}

/// The living heroes, and how many are remembered as dead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Heroes {
    pub heroes: Vec<Hero>,
    /// Falls again: a tombstone that every member has heard of is dropped.
    pub tombstones: u64,
}

/// What a city holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct CityHeroes {
    #[cfg_attr(feature = "schema", schema(example = "gotham"))]
    pub city: String,
    #[cfg_attr(feature = "schema", schema(value_type = Reached))]
    pub status: String,
    /// How old this is, in milliseconds; null where the city was never heard.
    pub age_ms: Option<u64>,
    pub heroes: Vec<Hero>,
    pub tombstones: u64,
}

/// The state of a hero at one node: alive, dead (the word `tombstone`), or unknown (null).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Held {
    /// The living hero.
    Live(Hero),
    /// The node knows that the hero is dead.
    #[serde(with = "tombstone")]
    Tombstone,
    /// The node has no entry for the hero.
    UnknownAtCity,
}

mod tombstone {
    //! The word `tombstone`, for a variant of an untagged enum.

    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    const WORD: &str = "tombstone";

    pub(super) fn serialize<S: Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(WORD)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            WORD => Ok(()),
            other => Err(D::Error::custom(format!("expected {WORD:?}, not {other:?}"))),
        }
    }
}

#[cfg(feature = "schema")]
mod held_schema {
    //! The schema of [`Held`] by hand: no derived schema says that one variant is a word and
    //! another one null.

    use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
    use utoipa::openapi::{Ref, RefOr, Schema};
    use utoipa::{PartialSchema, ToSchema};

    use super::Held;

    const DESCRIPTION: &str = "What a node holds of a hero: the hero, the word `tombstone`, or \
        null where it has not heard of it.";

    impl PartialSchema for Held {
        fn schema() -> RefOr<Schema> {
            let tombstone =
                ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["tombstone"]));
            OneOfBuilder::new()
                .description(Some(DESCRIPTION))
                .item(Ref::from_schema_name("Hero"))
                .item(tombstone)
                .item(ObjectBuilder::new().schema_type(Type::Null))
                .into()
        }
    }

    impl ToSchema for Held {
        fn name() -> std::borrow::Cow<'static, str> {
            "Held".into()
        }
    }
}

/// A hero, and what each city has of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct HeroEverywhere {
    pub hero: Hero,
    pub cities: BTreeMap<String, Held>,
}

/// What is to be created: one hero with a name or an invented one, or so many with invented names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(ToSchema), schema(as = Create))]
pub struct CreateRequest {
    /// Without control characters; blanks around it are dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schema(
            min_length = 1,
            max_length = 100,
            pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\x00-\x1f\x7f-\x9f\s][^\x00-\x1f\x7f-\x9f]*$"
        )
    )]
    pub name: Option<String>,
    /// Not together with a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(minimum = 1, maximum = 10_000))]
    pub count: Option<u32>,
}

/// Who was created, where a count was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Ids {
    #[cfg_attr(feature = "schema", schema(value_type = Vec<uuid::Uuid>))]
    pub ids: Vec<String>,
}

/// One hero, or many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub enum Created {
    /// Where no count was given.
    One(Hero),
    /// Where a count was.
    Many(Ids),
}

/// Where a hero is to go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(ToSchema), schema(as = Assign))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct AssignRequest {
    #[cfg_attr(feature = "schema", schema(value_type = Place))]
    pub location: String,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn stamps_are_ordered_as_the_cluster_orders_them() {
        let stamp =
            |wall_ms, logical, origin: &str| Stamp { wall_ms, logical, origin: origin.into() };
        let rising = [
            stamp(1, 9, "z/9"),
            stamp(2, 0, "z/9"),
            stamp(2, 1, "a/10"),
            stamp(2, 1, "b/9"),
            stamp(2, 1, "b/10"),
        ];
        assert!(rising.windows(2).all(|pair| pair[0].order() < pair[1].order()));
    }

    #[test]
    fn a_held_hero_is_an_object_a_word_or_null_in_both_directions() {
        let hero = json!({
            "id": "3f2b8c1e-6a4d-4f0b-9a57-0d7c1b2e4f60", "name": "Ada", "location": "home",
            "is_patrolling": false, "health": 100,
            "stamp": { "wall_ms": 1, "logical": 0, "origin": "dispatch/1" },
        });
        for value in [hero, json!("tombstone"), Value::Null] {
            let held: Held = serde_json::from_value(value.clone()).expect("one of the three");
            assert_eq!(serde_json::to_value(&held).expect("JSON"), value);
        }
        assert!(serde_json::from_value::<Held>(json!("alive")).is_err());
    }
}
