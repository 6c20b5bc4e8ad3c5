//! The most tokens of a text: a number, or as many as fit into the context.

use crate::http::error::ApiError;

/// The most tokens of a text that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxTokens {
    /// So many, or fewer if the server allows no more.
    Tokens(usize),
    /// As many as fit into the context after the prompt.
    Fitting,
}

impl MaxTokens {
    /// By the value of a field, in which -1 stands for as many as fit.
    pub fn of_field(value: i64) -> Self {
        usize::try_from(value).map_or(Self::Fitting, Self::Tokens)
    }
}

/// Checks a `max_tokens` field: -1, or `least` and more.
///
/// # Errors
/// If it is out of range; names the field.
pub fn check_max_tokens(field: &str, found: Option<i64>, least: i64) -> Result<(), ApiError> {
    match found {
        Some(found) if found != -1 && found < least => {
            let expected = format_args!("-1 for as many as fit, or {least} and more");
            Err(ApiError::out_of_range(field, found, expected))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_or_what_fits() {
        assert_eq!(MaxTokens::of_field(7), MaxTokens::Tokens(7));
        assert_eq!(MaxTokens::of_field(-1), MaxTokens::Fitting);
        for (found, is_valid) in
            [(None, true), (Some(-1), true), (Some(1), true), (Some(0), false), (Some(-2), false)]
        {
            assert_eq!(check_max_tokens("max_tokens", found, 1).is_ok(), is_valid, "{found:?}");
        }
    }
}
