//! Names that people choose: their one form, and the characters that they may have.

use unicode_normalization::UnicodeNormalization as _;
use unicode_width::UnicodeWidthChar as _;

use crate::error::Problem;

/// The maximum length of a name, in characters.
pub const NAME_CHARS_MAX: usize = 100;

/// Returns the composed form of a text (NFC), so that equal texts have equal characters.
#[must_use]
pub fn composed(text: &str) -> String {
    text.nfc().collect()
}

/// Returns whether the character embeds, overrides or isolates a direction (UAX #9). It takes
/// effect until its end, which may be missing.
#[must_use]
pub fn controls_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Checks a composed name of at most `chars_max` characters.
///
/// # Errors
/// The rule that the name breaks.
pub fn check(name: &str, chars_max: usize) -> Result<(), String> {
    let chars = name.chars().count();
    if !(1..=chars_max).contains(&chars) {
        return Err(format!("must have 1 to {chars_max} characters, not {chars}"));
    }
    let is_refused =
        |c: &char| c.is_control() || controls_direction(*c) || matches!(c, '\u{2028}' | '\u{2029}');
    match name.chars().find(is_refused) {
        Some(control) => Err(format!("must not contain control characters such as {control:?}")),
        None if !name.chars().any(is_visible) => Err("must have a visible character".to_owned()),
        None => Ok(()),
    }
}

/// Returns the composed form of a name. `what` names it in the problem.
///
/// # Errors
/// `invalid_name`; nothing was changed.
pub fn parse(what: &str, text: &str) -> Result<String, Problem> {
    let name = composed(text);
    check(&name, NAME_CHARS_MAX).map_err(|rule| {
        let detail = format!("the name of a {what} {rule}; nothing was changed");
        Problem::not_allowed("invalid_name", detail)
    })?;
    Ok(name)
}

/// Returns whether the character is drawn. Some characters have a width and are blank.
fn is_visible(c: char) -> bool {
    const BLANK: [char; 5] = ['\u{115f}', '\u{1160}', '\u{2800}', '\u{3164}', '\u{ffa0}'];
    !c.is_whitespace() && c.width().is_some_and(|width| width > 0) && !BLANK.contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_are_equal() {
        assert_eq!(parse("room", "Zoe\u{308}"), Ok("Zo\u{eb}".to_owned()));
    }

    #[test]
    fn empty_long_invisible_and_control_names_are_refused() {
        let long = "x".repeat(NAME_CHARS_MAX + 1);
        for name in ["", &long, "a\nb", "\0", "\u{85}", "\u{200b}", " ", "a\u{202e}b", "\u{2028}"] {
            assert_eq!(parse("room", name).expect_err(name).code, "invalid_name", "{name:?}");
        }
        // Characters count, not bytes.
        assert!(parse("room", &"猫".repeat(NAME_CHARS_MAX)).is_ok());
    }
}
