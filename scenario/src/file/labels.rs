//! The heroes and faults that a step can name: those of the setup and of the steps before it.

use std::collections::BTreeSet;

use api_types::ALL;
use toml::Spanned;

use crate::operation::HeroSelector;

use super::mistake::{Mistake, mistake};

/// The longest name of a hero, in characters: the limit of the API.
const NAME_CHARS_MAX: usize = 100;
/// The number of known heroes that a mistake lists.
const SHOWN_MAX: usize = 10;

/// The labels that are known so far.
#[derive(Default)]
pub(super) struct Labels {
    heroes: BTreeSet<String>,
    faults: BTreeSet<String>,
}

impl Labels {
    /// Adds the labels of this many heroes with invented names.
    pub(super) fn add_invented(&mut self, count: u32) {
        self.heroes.extend((1..=count).map(|number| format!("#{number}")));
    }

    /// Adds a hero with a name of its own.
    pub(super) fn add_hero(&mut self, name: &Spanned<String>) -> Result<(), Mistake> {
        let text = name.get_ref();
        let has_length = (1..=NAME_CHARS_MAX).contains(&text.chars().count());
        if !has_length || text.trim() != text || text.chars().any(char::is_control) {
            let what = format!(
                "a hero's name has 1 to {NAME_CHARS_MAX} characters, and neither blanks around it \
                 nor control characters"
            );
            return Err(mistake(name, what));
        }
        if text == ALL || text.starts_with('#') {
            let what =
                format!("{text:?} stands for heroes with invented names; choose another name");
            return Err(mistake(name, what));
        }
        if !self.heroes.insert(text.clone()) {
            let what = format!(
                "there is a hero {text:?} already; in a scenario each has a name of its own"
            );
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
            "none is made before this".to_owned()
        } else {
            format!("known are {}", some.join(", "))
        };
        Err(mistake(name, format!("there is no hero {text:?}: {known}")))
    }

    /// Checks the label of one hero, or `*` for each.
    pub(super) fn heroes(&self, name: &Spanned<String>) -> Result<HeroSelector, Mistake> {
        if name.get_ref() != ALL {
            return self.hero(name).map(HeroSelector::One);
        }
        if self.heroes.is_empty() {
            return Err(mistake(name, "there is no hero: none is made before this"));
        }
        Ok(HeroSelector::Each)
    }

    /// Adds a fault.
    pub(super) fn add_fault(&mut self, name: &Spanned<String>) -> Result<(), Mistake> {
        let text = name.get_ref();
        if self.faults.insert(text.clone()) {
            return Ok(());
        }
        let what = format!("there is a fault {text:?} already; each has a name of its own");
        Err(mistake(name, what))
    }

    /// Returns whether a fault has this label.
    pub(super) fn has_fault(&self, name: &str) -> bool {
        self.faults.contains(name)
    }
}
