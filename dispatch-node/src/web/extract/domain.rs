//! Values that depend on this cluster: its cities, its nodes, and the limit on the name of a hero.
//! Each function returns a valid value, or a problem that names the field and the rule.

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

    /// The cities, in the order of the columns of the page.
    pub(crate) fn cities(&self) -> &[NodeName] {
        &self.cities
    }

    /// The city of this name.
    pub(crate) fn city(&self, text: &str) -> Option<NodeName> {
        self.cities.iter().copied().find(|city| city.as_str() == text)
    }

    /// The names that `city` accepts, for a problem document.
    pub(crate) fn known_cities(&self) -> String {
        let names: Vec<&str> = self.cities.iter().map(NodeName::as_str).collect();
        format!("it is one of {}", names.join(", "))
    }

    /// A location that a hero can be assigned to.
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

    /// A node of this cluster, dispatch included.
    pub(crate) fn node(&self, field: &str, text: &str) -> Result<NodeName, Problem> {
        let dispatch = (text == DISPATCH).then(|| well_known_name(DISPATCH));
        self.city(text).or(dispatch).ok_or_else(|| {
            let all: Vec<&str> =
                self.cities.iter().map(NodeName::as_str).chain([DISPATCH]).collect();
            let shown = shortened(text, 40);
            Problem::not_allowed(
                "unknown_node",
                format!("{field} is one of {}, not {shown:?}; nothing was changed", all.join(", ")),
            )
        })
    }

    /// The name of a new hero, without the blanks around it.
    pub(crate) fn hero_name(&self, text: &str) -> Result<String, Problem> {
        let max = self.name_chars_max;
        let name = text.trim();
        let chars = name.chars().count();
        let refused = |detail: String| Err(Problem::not_allowed("invalid_name", detail));
        if !(1..=max).contains(&chars) {
            return refused(format!(
                "a name has 1 to {max} characters, not {chars}; nothing was created"
            ));
        }
        match name.chars().find(|c| c.is_control()) {
            Some(control) => refused(format!(
                "a name has no control characters such as {control:?}; nothing was created"
            )),
            None => Ok(name.to_owned()),
        }
    }
}
