//! Heroes: single, in lists, and as stored by each city; and the requests that write them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
#[cfg(feature = "schema")]
use utoipa::ToSchema;

use crate::number::whole_or_null;
#[cfg(feature = "schema")]
use crate::words::{Place, Reached};

/// A hero that is not deleted.
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
    /// `home` or the name of a city.
    #[cfg_attr(feature = "schema", schema(example = "gotham"))]
    pub location: String,
    /// True while the hero patrols. Only patrolling heroes fight.
    pub is_patrolling: bool,
    #[cfg_attr(feature = "schema", schema(minimum = 1, maximum = 100))]
    pub health: u8,
    pub stamp: Stamp,
}

/// The time and the author of a write. Stamps are ordered field by field; the highest wins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct Stamp {
    /// The wall clock of the writing node, in milliseconds since 1970.
    #[cfg_attr(feature = "schema", schema(example = 1_795_217_670_917_u64))]
    pub wall_ms: u64,
    /// The counter that orders writes within one millisecond.
    pub logical: u32,
    /// The node and incarnation that made the write.
    #[cfg_attr(feature = "schema", schema(example = "gotham/1795217670100"))]
    pub origin: String,
}

impl Stamp {
    /// Returns the sort key by which the cluster orders stamps: wall clock, counter, node,
    /// incarnation. The greater key wins.
    #[must_use]
    pub fn order(&self) -> (u64, u32, &str, u64) {
        // The origin is not validated by the type. A malformed one gets incarnation 0.
        let (node, incarnation) = self.origin.split_once('/').unwrap_or((&self.origin, "0"));
        (self.wall_ms, self.logical, node, incarnation.parse().unwrap_or(0))
    }
}

/// The heroes that are not deleted, and the number of tombstones of deleted ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Heroes {
    pub heroes: Vec<Hero>,
    /// The number of tombstones. A tombstone is removed once every member has seen it.
    pub tombstones: u64,
    /// The `after` of the next page; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The heroes that a city stores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct CityHeroes {
    #[cfg_attr(feature = "schema", schema(example = "gotham"))]
    pub city: String,
    #[cfg_attr(feature = "schema", schema(value_type = Reached))]
    pub status: String,
    /// The age of this observation, in milliseconds; null if the city was never observed.
    pub age_ms: Option<u64>,
    pub heroes: Vec<Hero>,
    pub tombstones: u64,
    /// The `after` of the next page; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The state of a hero at one node: the hero, the word `tombstone`, or null.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Held {
    /// The node stores the hero.
    Live(Hero),
    /// The node stores a tombstone: the hero is deleted.
    #[serde(with = "tombstone")]
    Tombstone,
    /// The node stores no entry for the hero.
    UnknownAtCity,
}

mod tombstone {
    //! The word `tombstone` as the representation of a variant of an untagged enum.

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
    //! The schema of [`Held`], written by hand: a derived schema cannot express that one variant is
    //! a constant word and another one null.

    use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
    use utoipa::openapi::{Ref, RefOr, Schema};
    use utoipa::{PartialSchema, ToSchema};

    use super::Held;

    const DESCRIPTION: &str = "The state of a hero at a node: the hero, the word `tombstone` if it \
        is deleted, or null if the node stores no entry for it.";

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

/// A hero and its state at each city.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct HeroEverywhere {
    pub hero: Hero,
    pub cities: BTreeMap<String, Held>,
}

/// A request to create one hero (with the given or a generated name), or `count` heroes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(ToSchema), schema(as = Create, example = json!({ "name": "Night Heron" })))]
pub struct CreateRequest {
    /// Control characters are not allowed; surrounding whitespace is removed.
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
    /// The number of heroes with generated names. Not allowed together with a name.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "whole_or_null")]
    #[cfg_attr(feature = "schema", schema(minimum = 1, maximum = 10_000))]
    pub count: Option<u32>,
}

/// The ids of the created heroes, if a count was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Ids {
    #[cfg_attr(feature = "schema", schema(value_type = Vec<uuid::Uuid>))]
    pub ids: Vec<String>,
}

/// The result of creating heroes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub enum Created {
    /// The hero, if no count was given.
    One(Hero),
    /// The ids, if a count was given.
    Many(Ids),
}

/// A request to assign a hero to a location.
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
    fn stamp_order_equals_that_of_the_cluster() {
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
    fn count_may_have_a_zero_fraction_but_no_other() {
        let count = |text: &str| {
            serde_json::from_str::<CreateRequest>(&format!("{{\"count\":{text}}}"))
                .map(|request| request.count)
        };
        for (text, expected) in [
            ("2", Some(2)),
            ("2.0", Some(2)),
            ("1e3", Some(1_000)),
            ("-0.0", Some(0)),
            ("null", None),
        ] {
            assert_eq!(count(text).expect(text), expected, "{text}");
        }
        assert_eq!(
            serde_json::from_str::<CreateRequest>("{}").expect("no field"),
            CreateRequest::default()
        );
        for text in [
            "2.5",
            "-1",
            "-1.0",
            "4294967296",
            "1e20",
            "1e300",
            "1e999",
            "NaN",
            "\"2\"",
            "[2]",
            "true",
        ] {
            let error = count(text).expect_err(text).to_string();
            let is_number = text.starts_with(['2', '-', '4']) || matches!(text, "1e20" | "1e300");
            assert!(!is_number || error.contains("a whole number"), "{text}: {error}");
        }
    }

    #[test]
    fn held_is_read_and_written_as_object_word_or_null() {
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
