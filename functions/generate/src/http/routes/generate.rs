//! `POST /generate`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::response::sse::Event as SseEvent;

use super::errors::Errors;
use crate::domain::continuation::{Event, Summary};
use crate::domain::served_model::ServedModel;
use crate::domain::telemetry::milliseconds;
use crate::http::context::Bounds;
use crate::http::error::{ApiError, ErrorBody};
use crate::http::json::JsonBody;
use crate::http::respond::{Format, respond};
use crate::http::sse;
use crate::http::state::AppState;
use crate::http::wire::generate::{GenerateRequest, GenerateResponse, NamedEvent, TextPiece, Timing};
use crate::http::wire::usage::Usage;

/// Continues a text.
#[utoipa::path(post, path = "/generate", request_body = GenerateRequest, responses(
    (status = 200, description = "The continuation. With `stream`, server-sent events: `token` with a piece of the text, \
                                  `done` with the complete response, or `error`",
     content((GenerateResponse = "application/json"), (NamedEvent = "text/event-stream"))),
    Errors,
))]
pub async fn generate(
    State(state): State<AppState>,
    bounds: Bounds,
    JsonBody(request, _): JsonBody<GenerateRequest>,
) -> Result<Response, ApiError> {
    request.validate()?;
    let continuation = state.pipeline().start(request.continuation(bounds)).await?;
    let streamed = request.stream();
    let prompt = request.fields.prompt;
    if state.settings().log_prompts {
        tracing::info!(prompt, "prompt");
    }
    let text = GeneratedText {
        model: continuation.model,
        seed: continuation.seed,
        prompt_tokens: continuation.prompts.iter().map(|prompt| prompt.ids.len()).sum(),
        prompt,
        text: String::new(),
        summary: None,
    };
    respond(text, continuation.events, streamed).await
}

/// A text that is being generated.
struct GeneratedText {
    model: Arc<ServedModel>,
    seed: u64,
    prompt_tokens: usize,
    prompt: String,
    text: String,
    /// The end of the continuation.
    summary: Option<Summary>,
}

impl Format for GeneratedText {
    type Body = GenerateResponse;

    fn add(&mut self, _index: usize, event: Event) -> Result<Option<SseEvent>, ApiError> {
        let text = match event {
            Event::Token(token) => token.text,
            Event::Done(summary) => self.summary.insert(summary).text.clone(),
        };
        if text.is_empty() {
            return Ok(None);
        }
        self.text.push_str(&text);
        Ok(Some(sse::named("token", &TextPiece { text })))
    }

    fn body(self) -> Option<GenerateResponse> {
        let Summary { finish_reason, tokens, first_token, total, .. } = self.summary?;
        let seconds = total.as_secs_f64();
        let per_second = if seconds > 0.0 { tokens as f64 / seconds } else { 0.0 };
        Some(GenerateResponse {
            response: self.text,
            prompt: self.prompt,
            tokens_generated: tokens,
            model_info: (&*self.model).into(),
            finish_reason,
            seed: self.seed,
            usage: Usage::new(self.prompt_tokens, tokens),
            timing: Timing {
                first_token_ms: milliseconds(first_token),
                total_ms: milliseconds(total),
                tokens_per_second: (per_second * 10.0).round() / 10.0,
            },
            model: (&*self.model).into(),
        })
    }

    fn last(self) -> Option<Vec<SseEvent>> {
        Some(vec![sse::named("done", &self.body()?)])
    }

    fn error(body: &ErrorBody) -> SseEvent {
        sse::named("error", body)
    }
}
