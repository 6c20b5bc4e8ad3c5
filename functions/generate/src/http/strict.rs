//! Strict JSON types: integers and objects as JSON Schema understands them.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

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

/// An integer. As in JSON Schema, `7.0` is one too. One that is too large for its type is the largest of the type, so
/// that the check of its field's range names that.
pub struct Integer(i64);

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = Integer;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Integer, E> {
                Ok(Integer(i64::try_from(number).unwrap_or(i64::MAX)))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Integer, E> {
                Ok(Integer(number))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Integer, E> {
                match number.fract() {
                    0.0 => Ok(Integer(number as i64)),
                    _ => Err(E::invalid_type(de::Unexpected::Float(number), &self)),
                }
            }
        }

        deserializer.deserialize_any(Number)
    }
}

/// Deserializes an integer or null.
///
/// # Errors
/// If the value is no integer.
pub fn optional_integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(Option::<Integer>::deserialize(deserializer)?.map(|Integer(number)| number))
}

/// Deserializes a list of token ids.
///
/// # Errors
/// If one is no integer, or cannot be an id.
pub fn ids<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u32>, D::Error> {
    let numbers = Vec::<Integer>::deserialize(deserializer)?.into_iter();
    numbers.map(|Integer(number)| id(number).ok_or_else(|| de::Error::custom(not_an_id(number)))).collect()
}

/// Deserializes a list of token ids, or null.
///
/// # Errors
/// As of [`ids`].
pub fn optional_ids<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u32>>, D::Error> {
    struct Ids(Vec<u32>);

    impl<'de> Deserialize<'de> for Ids {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            ids(deserializer).map(Self)
        }
    }

    Ok(Option::<Ids>::deserialize(deserializer)?.map(|Ids(ids)| ids))
}

/// A number as a token id.
pub fn id(number: i64) -> Option<u32> {
    u32::try_from(number).ok()
}

fn not_an_id(number: i64) -> String {
    format!("{number} is no token id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_integers_however_they_are_written() {
        let number = |json: &str| serde_json::from_str::<Integer>(json).ok().map(|number| number.0);
        assert_eq!(
            [number("7"), number("7.0"), number("70e-1"), number("0"), number("-1"), number("-1.0")],
            [Some(7), Some(7), Some(7), Some(0), Some(-1), Some(-1)]
        );
        assert_eq!(
            [number("18446744073709551615"), number("1e300"), number("-1e300")],
            [Some(i64::MAX), Some(i64::MAX), Some(i64::MIN)]
        );
        assert_eq!([number("7.5"), number("-0.5"), number("\"7\""), number("true")], [None; 4]);
        let list = |json: &str| ids(&mut serde_json::Deserializer::from_str(json)).ok();
        assert_eq!([list("[1, 2.0]"), list("[-1]"), list("[4294967296]")], [Some(vec![1, 2]), None, None]);
        let optional = |json: &str| optional_ids(&mut serde_json::Deserializer::from_str(json)).ok();
        assert_eq!(
            [optional("null"), optional("[3]"), optional("3")],
            [Some(None), Some(Some(vec![3])), None]
        );
    }
}
