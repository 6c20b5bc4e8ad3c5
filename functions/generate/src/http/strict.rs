//! Strict JSON types: integers and objects as JSON Schema understands them.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use crate::domain::seed::MAX_SEED;

/// A value that must be a JSON object: a derived `Deserialize` alone also takes an array of the fields'
/// values.
#[derive(Clone, Debug, PartialEq)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(Fields(PhantomData))
    }
}

/// An integer from 0 to 2^53 - 1. As in JSON Schema, `7.0` is an integer too.
pub struct Whole(u64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = Whole;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from 0 to {MAX_SEED}")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Whole, E> {
                if number <= MAX_SEED {
                    return Ok(Whole(number));
                }
                Err(E::invalid_value(Unexpected::Unsigned(number), &self))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Whole, E> {
                let number = u64::try_from(number);
                number
                    .map_err(|_| E::custom("expected a number that is not negative"))
                    .and_then(|n| self.visit_u64(n))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Whole, E> {
                if number.fract() == 0.0 && (0.0..=MAX_SEED as f64).contains(&number) {
                    return Ok(Whole(number as u64));
                }
                Err(E::invalid_value(Unexpected::Float(number), &self))
            }
        }

        deserializer.deserialize_any(Number)
    }
}

/// Deserializes an integer of any width.
///
/// # Errors
/// If the value is no integer, or too large.
pub fn whole<'de, D: Deserializer<'de>, T: TryFrom<u64>>(deserializer: D) -> Result<T, D::Error> {
    narrow(Whole::deserialize(deserializer)?)
}

/// Deserializes an integer or null.
///
/// # Errors
/// As of [`whole`].
pub fn optional_whole<'de, D: Deserializer<'de>, T: TryFrom<u64>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::<Whole>::deserialize(deserializer)?.map(narrow).transpose()
}

/// Deserializes a list of integers.
///
/// # Errors
/// As of [`whole`].
pub fn wholes<'de, D: Deserializer<'de>, T: TryFrom<u64>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Vec::<Whole>::deserialize(deserializer)?.into_iter().map(narrow).collect()
}

fn narrow<T: TryFrom<u64>, E: de::Error>(Whole(number): Whole) -> Result<T, E> {
    T::try_from(number).map_err(|_| E::custom(format!("{number} is too large")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_whole_however_they_are_written() {
        let number = |json: &str| serde_json::from_str::<Whole>(json).ok().map(|whole| whole.0);
        assert_eq!(
            [number("7"), number("7.0"), number("70e-1"), number("0")],
            [Some(7), Some(7), Some(7), Some(0)]
        );
        assert_eq!([number("9007199254740991"), number("9007199254740992")], [Some(MAX_SEED), None]);
        assert_eq!(
            [number("7.5"), number("-1"), number("-0.5"), number("1e300"), number("\"7\"")],
            [None; 5]
        );
        let narrow = |json: &str| whole::<_, u8>(&mut serde_json::Deserializer::from_str(json)).ok();
        assert_eq!([narrow("255"), narrow("256")], [Some(255), None]);
    }
}
