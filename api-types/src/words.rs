//! The schemas of fields that accept one word of a list. The types exist only for the schemas and
//! have no values.

use serde_json::json;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::names::{ALL, CITIES, FAULT_KINDS, NODES};

macro_rules! words {
    ($($(#[$meaning:meta])* $name:ident: $words:expr;)*) => {$(
        $(#[$meaning])*
        pub enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let schema = json!({ "type": "string", "enum": $words });
                serde_json::from_value(schema).expect("a valid OpenAPI schema")
            }
        }

        impl ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
        }
    )*};
}

words! {
    /// A city.
    CityWord: CITIES;
    /// The location of a hero.
    Place: [&["home"], &CITIES[..]].concat();
    /// A node.
    NodeWord: NODES;
    /// A node, or `*` for every other node.
    FaultTarget: [&[ALL], &NODES[..]].concat();
    /// A kind of fault.
    FaultKind: FAULT_KINDS;
    /// The role of a node.
    Role: ["city", "dispatch"];
    /// The status of a node as dispatch observes it.
    Reached: ["up", "unreachable", "down"];
}
