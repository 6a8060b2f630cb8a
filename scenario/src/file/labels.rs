//! The heroes and faults that a step can name: those of the setup and of earlier steps.

use std::collections::BTreeSet;

use api_types::ALL;
use toml::Spanned;

use crate::operation::HeroSelector;

use super::mistake::{Mistake, mistake};

/// The longest name of a hero, in characters. It is the limit of the API.
const NAME_CHARS_MAX: usize = 100;
/// The largest number of known heroes that an error lists.
const SHOWN_MAX: usize = 10;

/// The labels that are defined so far.
#[derive(Default)]
pub(super) struct Labels {
    heroes: BTreeSet<String>,
    faults: BTreeSet<String>,
}

impl Labels {
    /// Adds the labels of this many heroes with generated names.
    pub(super) fn add_invented(&mut self, count: u32) {
        self.heroes.extend((1..=count).map(|number| format!("#{number}")));
    }

    /// Adds a hero whose label is its name.
    pub(super) fn add_hero(&mut self, name: &Spanned<String>) -> Result<(), Mistake> {
        let text = name.get_ref();
        let has_length = (1..=NAME_CHARS_MAX).contains(&text.chars().count());
        if !has_length || text.trim() != text || text.chars().any(char::is_control) {
            let what = format!(
                "a hero name must have 1 to {NAME_CHARS_MAX} characters, without surrounding \
                 whitespace or control characters"
            );
            return Err(mistake(name, what));
        }
        if text == ALL || text.starts_with('#') {
            let what =
                format!("{text:?} is reserved for heroes with generated names; use another name");
            return Err(mistake(name, what));
        }
        if !self.heroes.insert(text.clone()) {
            let what = format!("duplicate hero {text:?}; names must be unique in a scenario");
            return Err(mistake(name, what));
        }
        Ok(())
    }

    /// Checks the label of one hero.
    pub(super) fn hero(&self, name: &Spanned<String>) -> Result<String, Mistake> {
        let text = name.get_ref();
        if self.heroes.contains(text) {
            return Ok(text.clone());
        }
        let some: Vec<&str> = self.heroes.iter().take(SHOWN_MAX).map(String::as_str).collect();
        let known = if some.is_empty() {
            "no hero is defined before this".to_owned()
        } else {
            format!("known heroes: {}", some.join(", "))
        };
        Err(mistake(name, format!("unknown hero {text:?}; {known}")))
    }

    /// Checks the label of one hero, or `*` for every hero.
    pub(super) fn heroes(&self, name: &Spanned<String>) -> Result<HeroSelector, Mistake> {
        if name.get_ref() != ALL {
            return self.hero(name).map(HeroSelector::One);
        }
        if self.heroes.is_empty() {
            return Err(mistake(name, "no hero is defined before this"));
        }
        Ok(HeroSelector::Each)
    }

    /// Adds a fault.
    pub(super) fn add_fault(&mut self, name: &Spanned<String>) -> Result<(), Mistake> {
        let text = name.get_ref();
        if self.faults.insert(text.clone()) {
            return Ok(());
        }
        let what = format!("duplicate fault {text:?}; names must be unique in a scenario");
        Err(mistake(name, what))
    }

    /// Returns whether a fault has this label.
    pub(super) fn has_fault(&self, name: &str) -> bool {
        self.faults.contains(name)
    }
}
