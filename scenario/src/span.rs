//! Durations in human notation: `250ms`, `3s`, `-3s`, `2m`.
//!
//! Invariant: a parsed duration is at most one day.

use std::time::Duration;

/// The longest duration: one day.
const SPAN_MAX: Duration = Duration::from_secs(24 * 3600);

/// Parses a duration: `250ms`, `1s`, `2m`.
///
/// # Errors
/// A message with the expected notation.
pub fn duration(text: &str) -> Result<Duration, String> {
    // humantime requires a unit even for zero.
    let span = if text == "0" {
        Duration::ZERO
    } else {
        humantime::parse_duration(text)
            .map_err(|error| format!("{error}; write 250ms, 3s or 2m"))?
    };
    if span > SPAN_MAX { Err("at most one day".into()) } else { Ok(span) }
}

/// Parses a signed duration as milliseconds: `3s`, `+3s`, `-250ms`.
///
/// # Errors
/// A message with the expected notation.
pub fn signed_ms(text: &str) -> Result<i64, String> {
    // humantime parses no signs.
    let (sign, span) = match text.strip_prefix('-') {
        Some(span) => (-1, span),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    Ok(sign * i64::try_from(whole_ms(duration(span)?)?).map_err(|_| "at most one day")?)
}

/// Returns a duration in milliseconds.
///
/// # Errors
/// The duration is not a whole number of milliseconds.
pub fn whole_ms(span: Duration) -> Result<u64, String> {
    if !span.subsec_nanos().is_multiple_of(1_000_000) {
        let span = humantime::format_duration(span);
        return Err(format!("{span} is not a whole number of milliseconds"));
    }
    u64::try_from(span.as_millis()).map_err(|_| "at most one day".into())
}

/// Formats a duration: `1m 30s`.
#[must_use]
pub fn written(span: Duration) -> String {
    humantime::format_duration(span).to_string()
}

/// Formats a signed number of milliseconds: `-1s 500ms`.
#[must_use]
pub fn written_signed(ms: i64) -> String {
    let span = written(Duration::from_millis(ms.unsigned_abs()));
    if ms < 0 { format!("-{span}") } else { span }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_require_a_unit_and_have_a_limit() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        assert!(duration("5").unwrap_err().contains("3s"), "a number without a unit");
        for wrong in ["", "-1s", "two", "2d", "9999999999999999y"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn signed_spans_keep_their_sign_and_are_whole_milliseconds() {
        let read = ["3s", "+3s", "-250ms"].map(signed_ms);
        assert_eq!(read, [Ok(3_000), Ok(3_000), Ok(-250)]);
        assert_eq!([-1_500, 3_000].map(written_signed), ["-1s 500ms", "3s"]);
        for wrong in ["--3s", "3", "-", "1us", "-2d"] {
            assert!(signed_ms(wrong).is_err(), "{wrong}");
        }
    }
}
