//! Numbers as text: ratios, times, bytes, and digit grouping.

use std::time::Duration;

/// Formats a ratio with about two digits.
#[must_use]
pub fn times(factor: f64) -> String {
    match factor {
        ..0.095 => format!("{factor:.3}"),
        ..0.95 => format!("{factor:.2}"),
        ..9.5 => format!("{factor:.1}"),
        _ => format!("{factor:.0}"),
    }
}

/// Formats a time with about three digits.
#[must_use]
pub fn time(time: Duration) -> String {
    match time.as_secs_f64() * 1e6 {
        micros @ ..100.0 => format!("{micros:.1} µs"),
        micros @ ..1e3 => format!("{micros:.0} µs"),
        micros @ ..1e5 => format!("{:.2} ms", micros / 1e3),
        micros => format!("{:.0} ms", micros / 1e3),
    }
}

/// Formats a number of bytes with about three digits.
#[must_use]
pub fn bytes(bytes: usize) -> String {
    match bytes as f64 {
        bytes @ ..1e3 => format!("{bytes:.0} B"),
        bytes @ ..1e6 => format!("{:.1} kB", bytes / 1e3),
        bytes => format!("{:.2} MB", bytes / 1e6),
    }
}

/// Formats a number with a comma between groups of three digits.
///
/// The page groups digits with a narrow space (`dispatch-node`). The code is not shared, since the
/// engine is built without dispatch.
#[must_use]
pub fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .filter_map(|group| std::str::from_utf8(group).ok())
        .collect();
    groups.join(",")
}
