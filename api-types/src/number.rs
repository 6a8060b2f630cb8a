//! Numbers in requests: amounts that may be fractions and are mostly whole, and whole numbers. JSON
//! has one type of number, so `2.0` and `2e0` are the whole number `2`.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserializer, Serializer};

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

/// Deserializes a whole number, which may be written with a zero fraction or an exponent.
///
/// # Errors
/// If the number has a fraction, or does not fit into the type.
pub(crate) fn whole<'de, T: TryFrom<i64>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    deserializer.deserialize_any(Whole(PhantomData))
}

/// Deserializes a whole number like [`whole`], or null as `None`.
///
/// # Errors
/// Those of [`whole`].
pub(crate) fn whole_or_null<'de, T: TryFrom<i64>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    deserializer.deserialize_option(WholeOrNull(PhantomData))
}

struct Whole<T>(PhantomData<T>);

impl<T: TryFrom<i64>> Visitor<'_> for Whole<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number within its bounds")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        T::try_from(number).map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        let fitting = i64::try_from(number).ok().and_then(|number| T::try_from(number).ok());
        fitting.ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        let refused = || E::invalid_value(Unexpected::Float(number), &self);
        if number.fract() != 0.0 || number.abs() > EXACT_MAX {
            return Err(refused());
        }
        #[expect(clippy::cast_possible_truncation, reason = "the number is whole and in range")]
        T::try_from(number as i64).map_err(|_| refused())
    }
}

struct WholeOrNull<T>(PhantomData<T>);

impl<'de, T: TryFrom<i64>> Visitor<'de> for WholeOrNull<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number or null")
    }

    fn visit_none<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        whole(deserializer).map(Some)
    }
}
