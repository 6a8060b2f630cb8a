//! The hero that an argument names: by ID, ID prefix or name.
//!
//! Invariant: a hero is used only if it is the only one that matches. A name in exactly this case
//! is preferred to one in another case.

use std::fmt;

use api_types::{Hero, Heroes};
use superhero::{Api, Pages};

use crate::output::Failure;

/// The number of matching heroes that an error names.
const FOUND_SHOWN: usize = 3;
/// The longest name that a hero can have, in characters.
const NAME_CHARS_MAX: usize = 100;

/// A hero that was found.
pub(crate) struct Match {
    pub(crate) id: String,
    /// The name. A hero that is given by its full ID is not looked up.
    name: Option<String>,
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name.as_ref().unwrap_or(&self.id))
    }
}

/// Returns the hero with this ID, ID prefix, or name.
///
/// # Errors
/// There is no such hero, or there are several, or dispatch does not answer.
pub(crate) fn find(api: &Api, text: &str) -> Result<Match, Failure> {
    let is_id = text.len() == 36 && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    if is_id {
        // A full ID is not looked up: a city may hold the hero before dispatch does.
        return Ok(Match { id: text.to_ascii_lowercase(), name: None });
    }
    let mut found = Found::default();
    if is_name(text) {
        found.add(api.heroes_named(text), |_| true)?;
    }
    // IDs are lower case. A hero that was found by name is counted already.
    let prefix = text.to_ascii_lowercase();
    if is_id_prefix(&prefix) {
        let name = found.first.first().map(|hero| hero.name.clone());
        found.add(api.heroes_with_id(&prefix), |hero| Some(&hero.name) != name.as_ref())?;
    }
    // Dispatch looks names up in exactly this case only, so this reads the whole list.
    if found.count == 0 && is_name(text) {
        let name = text.trim().to_lowercase();
        found.add(api.heroes(), |hero| hero.name.to_lowercase() == name)?;
    }
    match (found.count, found.first.as_slice()) {
        (1, [hero]) => Ok(Match { id: hero.id.clone(), name: Some(hero.name.clone()) }),
        (0, _) => Err(Failure::No(format!("no hero has the name or ID prefix {text:?}"))),
        (count, first) => {
            let some: Vec<String> =
                first.iter().map(|hero| format!("{} ({})", hero.id, hero.name)).collect();
            let more = if count > some.len() { ", …" } else { "" };
            Err(Failure::No(format!(
                "{text:?} matches {count} heroes; use an ID: {}{more}",
                some.join(", ")
            )))
        }
    }
}

/// The heroes that match a text: their number, and the first of them.
#[derive(Default)]
struct Found {
    first: Vec<Hero>,
    count: usize,
}

impl Found {
    /// Adds those heroes that are to be counted.
    fn add(&mut self, pages: Pages<Heroes>, counts: impl Fn(&Hero) -> bool) -> Result<(), Failure> {
        for page in pages {
            for hero in page?.heroes.into_iter().filter(&counts) {
                self.count += 1;
                if self.first.len() < FOUND_SHOWN {
                    self.first.push(hero);
                }
            }
        }
        Ok(())
    }
}

/// Returns whether a hero could have this name.
fn is_name(text: &str) -> bool {
    (1..=NAME_CHARS_MAX).contains(&text.trim().chars().count())
}

/// Returns whether an ID could begin with this text.
fn is_id_prefix(text: &str) -> bool {
    let is_dash = |place: usize| matches!(place, 8 | 13 | 18 | 23);
    let fits = |(place, c): (usize, char)| {
        if is_dash(place) { c == '-' } else { c.is_ascii_hexdigit() }
    };
    (1..=36).contains(&text.len()) && text.chars().enumerate().all(fits)
}
