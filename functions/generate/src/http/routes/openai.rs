//! Ids, times and finish reasons of the responses of OpenAI's routes.

use std::time::SystemTime;

use artifact::Sha256Hex;
use axum::http::StatusCode;
use axum::response::Response;

use crate::domain::seed::draw_seed;

/// Id, time and model of a response.
#[derive(Clone, Debug)]
pub struct Head {
    /// Its id.
    pub id: String,
    /// Its time, in seconds since 1970.
    pub created: u64,
    /// Name and version of the model.
    pub model: String,
}

impl Head {
    /// That of a new response, whose id begins with `prefix`.
    pub fn new(prefix: &str, model: String) -> Self {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let id = Sha256Hex::of_bytes(format!("{model} {} {now:?}", draw_seed()).as_bytes());
        Self { id: format!("{prefix}-{}", &id.as_str()[..24]), created: now.as_secs(), model }
    }
}

/// Why a text ends, in words that OpenAI's clients know: some refuse others, and lose the answer.
pub fn finish_reason(reason: &'static str) -> &'static str {
    if reason == "stop" { "stop" } else { "length" }
}

/// Gives invalid fields the status that OpenAI's clients expect: 400 in place of 422.
pub async fn with_openai_status(mut response: Response) -> Response {
    if response.status() == StatusCode::UNPROCESSABLE_ENTITY {
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    response
}
