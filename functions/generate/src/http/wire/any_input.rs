//! Property test of request bodies: any bytes are a request, or a client error with a message.

use proptest::prelude::*;

use super::completions::CompletionRequest;
use super::generate::GenerateRequest;
use super::inspect::InspectRequest;
use crate::http::error::ApiError;
use crate::http::json::parse;

/// JSON that looks like a request, with whatever for values.
fn requests() -> impl Strategy<Value = Vec<u8>> {
    let name = prop::sample::select(vec![
        "prompt",
        "max_tokens",
        "temperature",
        "top_k",
        "top_p",
        "seed",
        "stop",
        "stream",
        "model",
        "n",
        "logprobs",
        "echo",
        "stream_options",
        "unknown",
    ]);
    let value = prop_oneof![
        "[-0-9.eE]{1,20}",
        "\\PC{0,12}",
        any::<f64>().prop_map(|number| number.to_string()),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        prop::collection::vec(any::<String>(), 0..6).prop_map(|texts| serde_json::to_string(&texts).unwrap()),
        Just("null".to_owned()),
        Just("{}".to_owned()),
        Just("true".to_owned()),
    ];
    let fields = prop::collection::vec((name, value), 0..6);
    fields.prop_map(|fields| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", fields.join(",")).into_bytes()
    })
}

fn is_handled<T>(parsed: Result<T, ApiError>, validate: impl Fn(&T) -> Result<(), ApiError>) -> bool {
    match parsed.and_then(|request| validate(&request)) {
        Ok(()) | Err(ApiError::InvalidJson { .. }) => true,
        Err(ApiError::InvalidField { message, .. }) => !message.is_empty(),
        Err(_) => false,
    }
}

proptest! {
    /// Any bytes are a request, or a client error with a message.
    #[test]
    fn is_a_request_or_a_clear_error(bytes in prop_oneof![requests(), any::<Vec<u8>>()]) {
        prop_assert!(is_handled(parse(&bytes), GenerateRequest::validate));
        prop_assert!(is_handled(parse(&bytes), CompletionRequest::validate));
        prop_assert!(is_handled(parse(&bytes), InspectRequest::validate));
    }
}
