//! Counts and lists in messages.

/// Formats a count with its noun: `1 hero`, `2 heroes`.
#[must_use]
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Formats names as a list: `a, b and c`.
pub(crate) fn listed(names: &[String]) -> String {
    match names {
        [] => "none".into(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// Formats names as the subject of a verb: `a holds`, `a and b hold`.
pub(crate) fn subject(names: &[String], one: &str, many: &str) -> String {
    format!("{} {}", listed(names), if names.len() == 1 { one } else { many })
}
