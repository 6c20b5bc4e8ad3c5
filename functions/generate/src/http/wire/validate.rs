//! Range checks of request fields.

use std::fmt::Display;
use std::ops::RangeInclusive;

use crate::http::error::ApiError;
use crate::http::limits::{MAX_TEMPERATURE, MAX_TOP_K};
use artifact::Sampling;

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

/// Checks the fields that decide how tokens are sampled.
///
/// # Errors
/// Names the first field that is out of range.
pub fn check_sampling(temperature: f64, top_k: Option<usize>, top_p: Option<f64>) -> Result<(), ApiError> {
    check("temperature", temperature, 0.0..=MAX_TEMPERATURE)?;
    if let Some(top_k) = top_k {
        check("top_k", top_k, 1..=MAX_TOP_K)?;
    }
    match top_p {
        Some(top_p) if !(top_p > 0.0 && top_p <= 1.0) => {
            Err(ApiError::out_of_range("top_p", top_p, "more than 0, at most 1"))
        }
        _ => Ok(()),
    }
}

/// Sampling by fields that have been checked. A `top_p` that is positive as a double stays positive.
pub fn sampling(temperature: f64, top_k: Option<usize>, top_p: Option<f64>) -> Sampling {
    let top_p = top_p.map(|top_p| (top_p as f32).max(f32::MIN_POSITIVE));
    Sampling::new(temperature as f32, top_k).with_top_p(top_p)
}
