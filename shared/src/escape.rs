//! Text from outside, escaped for logs and terminals.
//!
//! Invariant: an escaped text is one line, and does not act on a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Returns the text with each hostile character escaped as in Rust: `\n`, `\u{1b}`, `\u{202e}`.
#[must_use]
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hostile) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_hostile(character) {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped.into()
}

/// Returns JSON with each hostile character escaped as in JSON: `\u001b`. The values are unchanged.
pub(crate) fn escaped_json(json: &str) -> Cow<'_, str> {
    if !json.contains(is_hostile) {
        return json.into();
    }
    let mut escaped = String::with_capacity(json.len() + 8);
    for character in json.chars() {
        if is_hostile(character) {
            // All of them are below U+10000, so one escape is enough.
            let _ = write!(escaped, "\\u{:04x}", u32::from(character));
        } else {
            escaped.push(character);
        }
    }
    escaped.into()
}

/// Returns whether the character controls a terminal, ends a line, or controls the direction of
/// text.
fn is_hostile(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{206f}'
                | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_characters_are_escaped_and_others_kept() {
        let harmless = "Ada, Émile, 影の英雄, \u{5d0}\u{5d1}, a\u{301}, 👩\u{200d}🚒 \\n \"";
        assert!(matches!(escaped(harmless), Cow::Borrowed(text) if text == harmless));
        assert_eq!(escaped("a\nb\r\t\0c"), "a\\nb\\r\\t\\u{0}c");
        assert_eq!(escaped("\u{1b}[2J\u{9b}\u{85}\u{7f}"), "\\u{1b}[2J\\u{9b}\\u{85}\\u{7f}");
        for hostile in ('\0'..'\u{3000}').filter(|character| is_hostile(*character)) {
            let text = escaped(&format!("a{hostile}b")).into_owned();
            assert!(text.starts_with("a\\") && text.ends_with('b') && !text.contains(hostile));
        }
    }

    #[test]
    fn escaped_json_has_the_same_value() {
        let json = r#"{"a":"x\n"#.to_owned() + "\u{202e}\u{9b}\u{2028}\u{7f}\u{e9}\"}";
        let escaped = escaped_json(&json);
        assert_eq!(escaped, r#"{"a":"x\n\u202e\u009b\u2028\u007fé"}"#);
        let [one, other] = [&*json, &*escaped]
            .map(|text| serde_json::from_str::<serde_json::Value>(text).unwrap());
        assert_eq!(one, other);
    }
}
