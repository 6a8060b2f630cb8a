//! Serialization of amounts that may be fractions and are whole numbers in most requests.

use serde::Serializer;

/// The limit up to which an `f64` represents every whole number exactly (2^53).
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Serializes a whole number without a decimal point: `300`, not `300.0`.
///
/// # Errors
/// Returns the errors of the serializer.
pub(crate) fn shortest<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if number.fract() == 0.0 && number.abs() <= EXACT_MAX {
        #[expect(clippy::cast_possible_truncation, reason = "the number is whole and in range")]
        return serializer.serialize_i64(*number as i64);
    }
    serializer.serialize_f64(*number)
}

/// Serializes an amount like [`shortest`], and `None` as null.
///
/// # Errors
/// Returns the errors of the serializer.
pub(crate) fn shortest_or_null<S: Serializer>(
    number: &Option<f64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match number {
        Some(number) => shortest(number, serializer),
        None => serializer.serialize_none(),
    }
}
