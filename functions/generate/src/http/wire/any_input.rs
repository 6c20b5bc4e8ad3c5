//! Property test of request bodies: any bytes are a request, or a client error with a message.

use proptest::prelude::*;

use super::chat::ChatRequest;
use super::completions::CompletionRequest;
use super::generate::GenerateRequest;
use super::inspect::InspectRequest;
use super::tokens::{DetokenizeRequest, TokenizeRequest};
use crate::http::error::ApiError;
use crate::http::json::{RequestBody, parse};

/// JSON that looks like a request, with whatever for values.
fn requests() -> impl Strategy<Value = Vec<u8>> {
    let name = prop::sample::select(vec![
        "prompt",
        "messages",
        "tokens",
        "max_tokens",
        "max_completion_tokens",
        "min_tokens",
        "temperature",
        "top_k",
        "top_p",
        "min_p",
        "seed",
        "stop",
        "stop_token_ids",
        "frequency_penalty",
        "repetition_penalty",
        "logit_bias",
        "ignore_eos",
        "stream",
        "model",
        "n",
        "best_of",
        "logprobs",
        "top_logprobs",
        "echo",
        "stream_options",
        "suffix",
        "unknown",
    ]);
    let value = prop_oneof![
        "[-0-9.eE]{1,20}",
        "\\PC{0,12}",
        any::<f64>().prop_map(|number| number.to_string()),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        prop::collection::vec(any::<String>(), 0..6).prop_map(|texts| serde_json::to_string(&texts).unwrap()),
        prop::collection::vec(any::<i64>(), 0..6).prop_map(|ids| serde_json::to_string(&ids).unwrap()),
        prop::collection::btree_map("[0-9]{0,3}", any::<f32>(), 0..4)
            .prop_map(|biases| serde_json::to_string(&biases).unwrap()),
        any::<String>().prop_map(|text| serde_json::json!([{"role": "user", "content": text}]).to_string()),
        Just("[[1, 2], []]".to_owned()),
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

fn is_handled<T: RequestBody>(bytes: &[u8], validate: impl Fn(&T) -> Result<(), ApiError>) -> bool {
    match parse(bytes).and_then(|(request, _)| validate(&request)) {
        Ok(()) | Err(ApiError::InvalidJson { .. }) => true,
        Err(ApiError::InvalidField { message, .. }) => !message.is_empty(),
        Err(_) => false,
    }
}

proptest! {
    /// Any bytes are a request, or a client error with a message.
    #[test]
    fn is_a_request_or_a_clear_error(bytes in prop_oneof![requests(), any::<Vec<u8>>()]) {
        prop_assert!(is_handled(&bytes, GenerateRequest::validate));
        prop_assert!(is_handled(&bytes, CompletionRequest::validate));
        prop_assert!(is_handled(&bytes, ChatRequest::validate));
        prop_assert!(is_handled(&bytes, InspectRequest::validate));
        prop_assert!(is_handled(&bytes, |request: &TokenizeRequest| request.prompt().map(drop)));
        prop_assert!(is_handled(&bytes, DetokenizeRequest::validate));
    }
}
