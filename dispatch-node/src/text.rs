//! Names and numbers formatted for display.
//!
//! Invariant: nothing here depends on the subject of the text.

use std::borrow::Cow;
use std::time::Duration;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use gossip::NodeName;
use node_api::name::controls_direction;

/// Returns a node's name with capital letters: `Star City` for `star-city`.
#[must_use]
pub fn title(name: NodeName) -> String {
    let capitalized = |word: &str| match word.split_at_checked(1) {
        Some((first, rest)) => first.to_ascii_uppercase() + rest,
        None => String::new(),
    };
    name.as_str().split('-').map(capitalized).collect::<Vec<_>>().join(" ")
}

/// Returns a duration in seconds, with its unit.
#[must_use]
pub fn seconds(span: Duration) -> String {
    format!("{} s", span.as_secs_f64())
}

/// Returns a hero's name for the middle of a sentence. A name with characters that are written from
/// right to left is isolated (FSI, PDI), so that it does not reorder the words around it.
#[must_use]
pub fn isolated(name: &str) -> Cow<'_, str> {
    if name.chars().any(affects_direction) {
        format!("\u{2068}{name}\u{2069}").into()
    } else {
        name.into()
    }
}

/// Returns whether the character is written from right to left, or controls the direction.
fn affects_direction(c: char) -> bool {
    controls_direction(c)
        || matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefe}')
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

/// Returns a text for a search that ignores case and accents: `RENÉE` becomes `renee`.
#[must_use]
pub fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect()
}

/// Returns a number followed by the noun in the matching form.
#[must_use]
pub fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number as u64), if number == 1 { one } else { many })
}

/// Returns a number with thin spaces between its groups of three digits, as in 10 000.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_ignores_case_accents_and_forms() {
        for text in ["Rene\u{301}e", "Ren\u{e9}e", "RENÉE", "ＲＥＮＥＥ"] {
            assert_eq!(folded(text), "renee", "{text:?}");
        }
        assert_eq!(folded("Straße 4"), "straße 4");
    }

    #[test]
    fn only_names_that_affect_the_direction_are_isolated() {
        for name in ["Granite", "Zoë", "猫"] {
            assert_eq!(isolated(name), name);
        }
        for name in ["نور", "a\u{202e}b", "\u{200f}x"] {
            assert_eq!(isolated(name), format!("\u{2068}{name}\u{2069}"));
        }
    }
}
