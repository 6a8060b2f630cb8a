//! Amounts that are fractions in general and whole numbers in most requests.

use serde::Serializer;

/// Every whole number up to this one is an exact `f64`.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Serializes a whole number without a decimal point: `300`, not `300.0`.
///
/// # Errors
/// Those of the serializer.
pub(crate) fn shortest<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if number.fract() == 0.0 && number.abs() <= EXACT_MAX {
        #[expect(clippy::cast_possible_truncation, reason = "the number is whole and in range")]
        return serializer.serialize_i64(*number as i64);
    }
    serializer.serialize_f64(*number)
}

/// Serializes an amount as [`shortest`] does, and an absent one as null.
///
/// # Errors
/// Those of the serializer.
pub(crate) fn shortest_or_null<S: Serializer>(
    number: &Option<f64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match number {
        Some(number) => shortest(number, serializer),
        None => serializer.serialize_none(),
    }
}
