//! Names and limits of this cluster: its cities, its nodes, and the length of a hero's name. Each
//! parsing function returns a valid value, or a problem with the field and the rule.

use std::sync::Arc;

use tokio::sync::watch;

use gossip::NodeName;
use node_api::name::{self, composed};
use shared::hero::Location;
use shared::options::well_known_name;
use shared::well_known::DISPATCH;

use crate::model::view::View;
use crate::request::RunExchange;
use crate::web::error::{Problem, shortened};

/// The cities of this cluster, and the limit on the name of a hero.
#[derive(Clone, Debug)]
pub(crate) struct Domain {
    configured: Arc<[NodeName]>,
    views: watch::Receiver<Option<Arc<View>>>,
    name_chars_max: usize,
}

impl Domain {
    /// Returns the values for the cities of the newest of these views, or for the `configured` ones
    /// before the first view, and for names of at most `name_chars_max` characters.
    pub(crate) fn new(
        configured: Vec<NodeName>,
        views: watch::Receiver<Option<Arc<View>>>,
        name_chars_max: usize,
    ) -> Self {
        Self { configured: configured.into(), views, name_chars_max }
    }

    /// Returns the cities, in the order of the columns on the page.
    pub(crate) fn cities(&self) -> Vec<NodeName> {
        let view = self.views.borrow();
        view.as_ref().map_or_else(
            || self.configured.to_vec(),
            |view| view.cities.iter().map(|city| city.name).collect(),
        )
    }

    /// Returns the dispatches, this one included.
    fn dispatches(&self) -> Vec<NodeName> {
        let view = self.views.borrow();
        view.as_ref()
            .map_or_else(|| vec![well_known_name(DISPATCH)], |view| view.dispatches.clone())
    }

    /// Returns the further dispatch with this name.
    pub(crate) fn other_dispatch(&self, text: &str) -> Option<NodeName> {
        let further = |dispatch: &NodeName| {
            dispatch.as_str() == text && *dispatch != well_known_name(DISPATCH)
        };
        self.dispatches().into_iter().find(further)
    }

    /// Returns the city with this name.
    pub(crate) fn city(&self, text: &str) -> Option<NodeName> {
        self.cities().into_iter().find(|city| city.as_str() == text)
    }

    /// Returns the names that `city` accepts, for a problem document.
    pub(crate) fn known_cities(&self) -> String {
        let cities = self.cities();
        let names: Vec<&str> = cities.iter().map(NodeName::as_str).collect();
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

    /// Parses the name of a node of this cluster, a dispatch included.
    pub(crate) fn node(&self, field: &str, text: &str) -> Result<NodeName, Problem> {
        let nodes: Vec<NodeName> = self.cities().into_iter().chain(self.dispatches()).collect();
        nodes.iter().copied().find(|node| node.as_str() == text).ok_or_else(|| {
            let all: Vec<&str> = nodes.iter().map(NodeName::as_str).collect();
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

    /// Parses the nodes of an exchange: `to` pulls from `from`. Those not given are chosen at random.
    pub(crate) fn exchange(
        &self,
        from: Option<&str>,
        to: Option<&str>,
    ) -> Result<RunExchange, Problem> {
        let source = from.map(|name| self.node("from", name)).transpose()?;
        let puller = to.map(|name| self.node("to", name)).transpose()?;
        match (source, puller) {
            (Some(source), Some(puller)) if source == puller => Err(Problem::not_allowed(
                "same_node",
                format!("from and to are both {source}; nothing was exchanged"),
            )),
            _ => Ok(RunExchange { source, puller }),
        }
    }

    /// Validates the name of a new hero, composes its characters (NFC), and trims surrounding
    /// whitespace.
    pub(crate) fn hero_name(&self, text: &str) -> Result<String, Problem> {
        let name = composed(text);
        let name = name.trim();
        name::check(name, self.name_chars_max).map_err(|rule| {
            Problem::not_allowed("invalid_name", format!("a name {rule}; nothing was created"))
        })?;
        Ok(name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain() -> Domain {
        Domain::new(Vec::new(), watch::channel(None).1, 10)
    }

    #[test]
    fn equal_looking_names_are_equal() {
        let names = ["Zo\u{eb}", "Zoe\u{308}", " Zo\u{eb}\u{3000}"];
        for name in names {
            assert_eq!(domain().hero_name(name).ok().as_deref(), Some("Zo\u{eb}"), "{name:?}");
        }
    }

    #[test]
    fn invisible_name_is_refused() {
        let invisible = [
            "\u{200b}",
            "\u{200d}\u{200c}",
            "\u{feff}",
            "\u{ad}",
            "\u{2060}\u{2063}",
            "\u{3164}",
            "\u{115f}\u{1160}",
            "\u{2800}",
            "\u{ffa0}",
            "\u{34f}",
            "\u{fe0f}",
            "\u{e0041}",
            "\u{a0}",
            "\u{180e}",
            "\u{301}",
        ];
        for name in invisible {
            let refused = domain().hero_name(name);
            assert!(refused.is_err_and(|problem| problem.code == "invalid_name"), "{name:?}");
        }
        for name in ["Ä", "猫", "👩\u{200d}🚀", "نور", "נור", "a\u{200b}"] {
            assert!(domain().hero_name(name).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn name_that_reorders_its_surroundings_is_refused() {
        for control in [
            '\u{202a}', '\u{202e}', '\u{2066}', '\u{2068}', '\u{2069}', '\u{2028}', '\u{2029}',
            '\u{85}',
        ] {
            assert!(domain().hero_name(&format!("a{control}b")).is_err(), "{control:?}");
        }
    }
}
