//! The values of arguments: names of nodes in any letter case, and percentages with or without `%`.

use std::convert::Infallible;
use std::time::Duration;

use scenario::span;

/// The time for which dispatch keeps its history.
const KEPT: Duration = Duration::from_secs(600);
/// The allowed gossip rate, in percent of the configured one.
const SPEED: std::ops::RangeInclusive<u32> = 10..=1_000;

/// Parses the name of a node, or a word in its place such as `home` and `all`, in any letter case.
/// All of these are lower case, so no two differ in case only.
#[expect(clippy::unnecessary_wraps, reason = "the type of a value parser")]
pub(crate) fn node(text: &str) -> Result<String, Infallible> {
    Ok(text.to_ascii_lowercase())
}

/// Parses the target of a call: the name of a node in any letter case, or `owner:KEY`.
#[expect(clippy::unnecessary_wraps, reason = "the type of a value parser")]
pub(crate) fn target(text: &str) -> Result<String, Infallible> {
    // A key is distinguished by its case.
    Ok(if text.contains(':') { text.to_owned() } else { text.to_ascii_lowercase() })
}

/// Parses a percentage: `20`, `0.5` or `20%`.
///
/// # Errors
/// A message with the expected notation.
pub(crate) fn percent(text: &str) -> Result<f64, String> {
    number(text).parse().map_err(|_| "expected a percentage such as 20 or 20%".to_owned())
}

/// Parses a duration for which dispatch keeps its history: `30s`, `2m`.
///
/// # Errors
/// A message with the expected notation, or the limit.
pub(crate) fn kept(text: &str) -> Result<Duration, String> {
    let duration = span::duration(text)?;
    if duration > KEPT {
        Err("dispatch keeps ten minutes: at most 10m".to_owned())
    } else {
        Ok(duration)
    }
}

/// Parses a gossip rate in percent: `300` or `300%`.
///
/// # Errors
/// A message with the allowed range.
pub(crate) fn speed(text: &str) -> Result<u32, String> {
    let percent =
        number(text).parse().map_err(|_| "expected a percentage such as 300".to_owned())?;
    if SPEED.contains(&percent) {
        Ok(percent)
    } else {
        Err(format!("{percent} is not in {}..={}", SPEED.start(), SPEED.end()))
    }
}

fn number(percentage: &str) -> &str {
    percentage.strip_suffix('%').unwrap_or(percentage).trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_sign_is_optional() {
        assert_eq!(
            ["20", "20%", "20 %", "0.5%"].map(percent),
            [Ok(20.0), Ok(20.0), Ok(20.0), Ok(0.5)]
        );
        assert_eq!(["300", "300%"].map(speed), [Ok(300), Ok(300)]);
        for wrong in ["", "%", "20%%", "%20", "many"] {
            assert!(percent(wrong).is_err() && speed(wrong).is_err(), "{wrong:?}");
        }
        assert!(speed("9").unwrap_err().contains("10..=1000"));
    }

    #[test]
    fn names_are_lower_case_and_keys_are_kept() {
        assert_eq!(node("Gotham"), Ok("gotham".to_owned()));
        assert_eq!(
            ["GOTHAM", "owner:Ada"].map(target),
            ["gotham", "owner:Ada"].map(|it| Ok(it.to_owned()))
        );
    }
}
