//! Spans of time as people write them: `250ms`, `3s`, `-3s`, `2m`.

use std::time::Duration;

/// No span is longer: a day.
const SPAN_MAX: Duration = Duration::from_secs(24 * 3600);

/// A span of time: `250ms`, `1s`, `2m`.
///
/// # Errors
/// Says what is expected.
pub fn duration(text: &str) -> Result<Duration, String> {
    // Also "0", which needs no unit.
    let span = if text == "0" {
        Duration::ZERO
    } else {
        humantime::parse_duration(text).map_err(|error| format!("{error}; write 250ms, 3s or 2m"))?
    };
    if span > SPAN_MAX { Err("at most a day".into()) } else { Ok(span) }
}

/// A number of milliseconds, ahead or behind: `3s`, `+3s`, `-250ms`.
///
/// # Errors
/// Says what is expected.
pub fn signed_ms(text: &str) -> Result<i64, String> {
    let (sign, span) = match text.strip_prefix('-') {
        Some(span) => (-1, span),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    Ok(sign * i64::try_from(whole_ms(duration(span)?)?).map_err(|_| "at most a day")?)
}

/// A span in whole milliseconds.
///
/// # Errors
/// When it has a part of one.
pub fn whole_ms(span: Duration) -> Result<u64, String> {
    if !span.subsec_nanos().is_multiple_of(1_000_000) {
        return Err(format!("{} has parts of a millisecond", humantime::format_duration(span)));
    }
    u64::try_from(span.as_millis()).map_err(|_| "at most a day".into())
}

/// A span as people write it.
#[must_use]
pub fn written(span: Duration) -> String {
    humantime::format_duration(span).to_string()
}

/// Milliseconds, ahead or behind, as people write them.
#[must_use]
pub fn written_signed(ms: i64) -> String {
    let span = written(Duration::from_millis(ms.unsigned_abs()));
    if ms < 0 { format!("-{span}") } else { span }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_a_unit_and_a_limit() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        assert!(duration("5").unwrap_err().contains("3s"), "a number without a unit");
        for wrong in ["", "-1s", "two", "2d", "9999999999999999y"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn signed_spans_keep_their_sign_and_are_whole_milliseconds() {
        assert_eq!((signed_ms("3s"), signed_ms("+3s"), signed_ms("-250ms")), (Ok(3_000), Ok(3_000), Ok(-250)));
        assert_eq!((written_signed(-1_500).as_str(), written_signed(3_000).as_str()), ("-1s 500ms", "3s"));
        for wrong in ["--3s", "3", "-", "1us", "-2d"] {
            assert!(signed_ms(wrong).is_err(), "{wrong}");
        }
    }
}
