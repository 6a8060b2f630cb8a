//! Names and numbers formatted for display.
//!
//! Invariant: nothing here depends on the subject of the text.

use std::time::Duration;

use gossip::NodeName;

/// Returns a node's name with a capital letter.
#[must_use]
pub fn title(name: NodeName) -> String {
    let text = name.as_str();
    let (first, rest) = text.split_at(1);
    first.to_ascii_uppercase() + rest
}

/// Returns a duration in seconds, with its unit.
#[must_use]
pub fn seconds(span: Duration) -> String {
    format!("{} s", span.as_secs_f64())
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
