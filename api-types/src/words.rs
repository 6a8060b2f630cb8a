//! The schemas of fields that accept a name, or one word of a list. The types exist only for the schemas and
//! have no values.

use serde_json::json;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::names::{ALL, FAULT_KINDS};

macro_rules! named {
    ($($(#[$meaning:meta])* $name:ident: $pattern:expr, $example:expr;)*) => {$(
        $(#[$meaning])*
        pub enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let schema = json!({ "type": "string", "pattern": $pattern, "example": $example });
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

/// The names that nodes can have.
const NAME: &str = "^[a-z0-9-]{1,16}$";

named! {
    /// A city.
    CityWord: NAME, "gotham";
    /// The location of a hero: `home` or a city.
    Place: NAME, "home";
    /// A node.
    NodeWord: NAME, "gotham";
    /// A node, or `*` for every other node.
    FaultTarget: "^([*]|[a-z0-9-]{1,16})$", ALL;
}

words! {
    /// A kind of fault.
    FaultKind: FAULT_KINDS;
    /// The role of a node.
    Role: ["city", "dispatch"];
    /// The status of a node as dispatch observes it.
    Reached: ["up", "unreachable", "down"];
}
