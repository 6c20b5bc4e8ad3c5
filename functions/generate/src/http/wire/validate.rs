//! Range checks of request fields.

use std::fmt::Display;
use std::ops::RangeInclusive;

use crate::http::error::ApiError;

/// Checks a number.
///
/// # Errors
/// If it is out of range; names the field.
pub fn check<T: PartialOrd + Display>(
    field: &str,
    found: T,
    range: RangeInclusive<T>,
) -> Result<(), ApiError> {
    if range.contains(&found) {
        return Ok(());
    }
    Err(ApiError::out_of_range(field, found, format_args!("{} to {}", range.start(), range.end())))
}

/// Checks a number that need not be given.
///
/// # Errors
/// As of [`check`].
pub fn check_given<T: PartialOrd + Display>(
    field: &str,
    found: Option<T>,
    range: RangeInclusive<T>,
) -> Result<(), ApiError> {
    found.map_or(Ok(()), |found| check(field, found, range))
}

/// Checks the length of a text, in characters.
///
/// # Errors
/// If it is out of range; names the field.
pub fn check_text(field: &str, text: &str, range: RangeInclusive<usize>) -> Result<(), ApiError> {
    let chars = text.chars().count();
    if range.contains(&chars) {
        return Ok(());
    }
    let expected = format_args!("{} to {}", range.start(), range.end());
    Err(ApiError::out_of_range(field, format_args!("{chars} characters long"), expected))
}

/// Checks the length of a list.
///
/// # Errors
/// If it is out of range; names the field.
pub fn check_list<T>(field: &str, list: &[T], range: RangeInclusive<usize>) -> Result<(), ApiError> {
    if range.contains(&list.len()) {
        return Ok(());
    }
    let expected = format_args!("{} to {}", range.start(), range.end());
    Err(ApiError::out_of_range(field, format_args!("{} entries long", list.len()), expected))
}
