//! The words that the description of the API lists: names of cities and nodes, kinds of faults.
//! Types for descriptions only.

use serde_json::json;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Defines types that only describe a set of words.
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
    /// A location of a hero.
    Place: "home" "gotham" "metropolis" "capitol";
    /// A node.
    NodeWord: "gotham" "metropolis" "capitol" "dispatch";
    /// A node, or all other nodes.
    FaultTarget: "*" "gotham" "metropolis" "capitol" "dispatch";
    /// The kinds of faults.
    FaultKind: "cut" "delay" "loss" "duplicate" "reorder" "throttle" "freeze" "skew";
    /// The role of a node.
    Role: "city" "dispatch";
    /// The reachability of a node.
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
