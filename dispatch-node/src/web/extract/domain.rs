//! Names and limits of this cluster: its cities, its nodes, and the length of a hero's name. Each
//! parsing function returns a valid value, or a problem with the field and the rule.

use std::sync::Arc;

use gossip::NodeName;
use shared::hero::Location;
use shared::options::well_known_name;
use shared::well_known::DISPATCH;

use crate::web::error::{Problem, shortened};

/// The cities of this cluster, and the limit on the name of a hero.
#[derive(Clone, Debug)]
pub(crate) struct Domain {
    cities: Arc<[NodeName]>,
    name_chars_max: usize,
}

impl Domain {
    /// Returns the values for these cities, in the order of the columns of the page, and for names
    /// of at most `name_chars_max` characters.
    pub(crate) fn new(cities: Vec<NodeName>, name_chars_max: usize) -> Self {
        Self { cities: cities.into(), name_chars_max }
    }

    /// Returns the cities, in the order of the columns on the page.
    pub(crate) fn cities(&self) -> &[NodeName] {
        &self.cities
    }

    /// Returns the city with this name.
    pub(crate) fn city(&self, text: &str) -> Option<NodeName> {
        self.cities.iter().copied().find(|city| city.as_str() == text)
    }

    /// Returns the names that `city` accepts, for a problem document.
    pub(crate) fn known_cities(&self) -> String {
        let names: Vec<&str> = self.cities.iter().map(NodeName::as_str).collect();
        format!("expected one of {}", names.join(", "))
    }

    /// Parses a location that a hero can be assigned to.
    pub(crate) fn location(&self, text: &str) -> Result<Location, Problem> {
        if text == "home" {
            return Ok(Location::Home);
        }
        let text = shortened(text, 100);
        self.city(&text).map(Location::City).ok_or_else(|| {
            let detail = format!(
                "there is no location {text:?}: {}, home; nothing was changed",
                self.known_cities()
            );
            Problem::not_allowed("unknown_location", detail)
        })
    }

    /// Parses the name of a node of this cluster, dispatch included.
    pub(crate) fn node(&self, field: &str, text: &str) -> Result<NodeName, Problem> {
        let dispatch = (text == DISPATCH).then(|| well_known_name(DISPATCH));
        self.city(text).or(dispatch).ok_or_else(|| {
            let all: Vec<&str> =
                self.cities.iter().map(NodeName::as_str).chain([DISPATCH]).collect();
            let shown = shortened(text, 40);
            Problem::not_allowed(
                "unknown_node",
                format!(
                    "{field} must be one of {}, not {shown:?}; nothing was changed",
                    all.join(", ")
                ),
            )
        })
    }

    /// Validates the name of a new hero, and trims surrounding whitespace.
    pub(crate) fn hero_name(&self, text: &str) -> Result<String, Problem> {
        let max = self.name_chars_max;
        let name = text.trim();
        let chars = name.chars().count();
        let refused = |detail: String| Err(Problem::not_allowed("invalid_name", detail));
        if !(1..=max).contains(&chars) {
            return refused(format!(
                "a name must have 1 to {max} characters, not {chars}; nothing was created"
            ));
        }
        match name.chars().find(|c| c.is_control()) {
            Some(control) => refused(format!(
                "a name must not contain control characters such as {control:?}; \
                 nothing was created"
            )),
            None => Ok(name.to_owned()),
        }
    }
}
