//! The words that the description of the API lists: names of cities and nodes, kinds of faults. Types for descriptions only.

use serde_json::json;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Words of which one is said: a type for descriptions only.
macro_rules! words {
    ($($(#[$meaning:meta])* $name:ident: $($word:literal)*;)*) => {$(
        $(#[$meaning])*
        pub(crate) enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                serde_json::from_value(json!({ "type": "string", "enum": [$($word),*] })).expect("a schema of OpenAPI")
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
    CityWord: "gotham" "metropolis" "capitol";
    /// Where a hero can be.
    Place: "home" "gotham" "metropolis" "capitol";
    /// A node.
    NodeWord: "gotham" "metropolis" "capitol" "dispatch";
    /// One node, or every other.
    FaultTarget: "*" "gotham" "metropolis" "capitol" "dispatch";
    /// The kinds of trouble.
    FaultKind: "cut" "delay" "loss" "duplicate" "reorder" "throttle" "freeze" "skew";
    /// What a node is.
    Role: "city" "dispatch";
    /// Whether a node is heard.
    Reached: "up" "unreachable" "down";
}

#[cfg(test)]
mod tests {
    use super::*;

    use shared::options::{well_known_cities, well_known_name};

    #[test]
    fn the_words_of_the_description_are_the_names_of_this_cluster() {
        let words = |schema: RefOr<Schema>| serde_json::to_value(schema).expect("JSON")["enum"].clone();
        let cities: Vec<String> = well_known_cities().iter().map(ToString::to_string).collect();
        let with = |word: &str, first: bool| {
            let (before, after) = if first { (Some(word), None) } else { (None, Some(word)) };
            json!(before.into_iter().chain(cities.iter().map(String::as_str)).chain(after).collect::<Vec<_>>())
        };
        assert_eq!(words(CityWord::schema()), json!(cities));
        assert_eq!(words(Place::schema()), with("home", true));
        assert_eq!(words(NodeWord::schema()), with(well_known_name("dispatch").as_str(), false));
    }
}
