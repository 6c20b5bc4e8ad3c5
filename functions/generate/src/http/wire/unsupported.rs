//! Fields of OpenAI's API and its relatives that this server cannot honour: their values must be off.
//!
//! Ignoring them would give another answer than the request asks for.

use serde_json::{Value, json};

use crate::http::error::ApiError;
use crate::http::json::Fields;

/// Fields that are off at null, false, 0, or anything empty.
const OFF_WHEN_EMPTY: [&str; 26] = [
    "suffix",
    "tools",
    "functions",
    "audio",
    "prediction",
    "web_search_options",
    "use_beam_search",
    "prompt_logprobs",
    "structured_outputs",
    "guided_json",
    "guided_regex",
    "guided_choice",
    "guided_grammar",
    "json_schema",
    "grammar",
    "bad_words",
    "allowed_token_ids",
    "truncate_prompt_tokens",
    "include_stop_str_in_output",
    "chat_template",
    "continue_final_message",
    "mirostat",
    "dynatemp_range",
    "dry_multiplier",
    "xtc_probability",
    "n_probs",
];

/// Further values that are off.
fn off() -> [(&'static str, Value); 9] {
    [
        ("response_format", json!({"type": "text"})),
        ("modalities", json!(["text"])),
        ("tool_choice", json!("none")),
        ("tool_choice", json!("auto")),
        ("function_call", json!("none")),
        ("function_call", json!("auto")),
        ("typical_p", json!(1)),
        ("top_n_sigma", json!(-1)),
        ("length_penalty", json!(1)),
    ]
}

/// Checks that what this server cannot do is off.
///
/// # Errors
/// Names the first field that is not.
pub fn check_unsupported(fields: &Fields) -> Result<(), ApiError> {
    let others = off();
    let names = OFF_WHEN_EMPTY.into_iter().chain(others.iter().map(|(name, _)| *name));
    for name in names {
        let Some(value) = fields.get(name) else { continue };
        let is_off = |(of, off): &(&str, Value)| *of == name && is_equal(off, value);
        if !is_empty(value) && !others.iter().any(is_off) {
            let message = format!("`{name}` is not supported by this server; leave it out");
            return Err(ApiError::InvalidField { field: name.to_owned(), message });
        }
    }
    Ok(())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(is_on) => !is_on,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

/// Whether values are equal, as 1 and 1.0 are.
fn is_equal(a: &Value, b: &Value) -> bool {
    a == b || a.as_f64().is_some_and(|a| b.as_f64() == Some(a))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::http::json::{RequestBody, parse};

    #[derive(Debug, Deserialize)]
    struct Nothing {}

    impl RequestBody for Nothing {
        const IGNORES_UNKNOWN: bool = true;

        fn from_fields(fields: &mut Fields) -> Result<Self, ApiError> {
            check_unsupported(fields)?;
            fields.read()
        }
    }

    #[test]
    fn what_is_on_is_named() {
        let check = |json: Value| parse::<Nothing>(json.to_string().as_bytes()).map(|_| ());
        for off in [
            json!({"suffix": null, "tools": [], "use_beam_search": false, "mirostat": 0, "grammar": ""}),
            json!({"response_format": {"type": "text"}, "tool_choice": "auto", "typical_p": 1.0, "dry_multiplier": 0.0}),
        ] {
            assert_eq!(check(off), Ok(()));
        }
        for (name, value) in [
            ("suffix", json!("x")),
            ("tools", json!([{"type": "function"}])),
            ("response_format", json!({"type": "json_object"})),
            ("tool_choice", json!("required")),
            ("typical_p", json!(0.5)),
        ] {
            let error = check(json!({name: value})).unwrap_err();
            assert!(matches!(error, ApiError::InvalidField { field, .. } if field == name));
        }
    }
}
