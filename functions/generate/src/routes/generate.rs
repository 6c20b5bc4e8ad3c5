//! `POST /generate`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::Errors;
use crate::app::AppState;
use crate::error::ApiError;
use crate::events::{self, ClientLeft, EventSink};
use crate::gate::Deadline;
use crate::generation::{self, Event, Summary, Task, draw_seed};
use crate::json::JsonBody;
use crate::request::{GenerateRequest, stop_texts};
use crate::response::{GenerateResponse, NamedEvent, TextPiece, Timing, Usage};
use crate::served_model::ServedModel;
use crate::telemetry::milliseconds;

/// Continues a text.
#[utoipa::path(post, path = "/generate", request_body = GenerateRequest, responses(
    (status = 200, description = "The continuation; if `stream` is set, server-sent events: `token` with a piece of \
                                  the text, `done` with everything, `error`",
     content((GenerateResponse = "application/json"), (NamedEvent = "text/event-stream"))),
    Errors,
))]
pub async fn generate(
    State(state): State<AppState>,
    deadline: Deadline,
    JsonBody(request): JsonBody<GenerateRequest>,
) -> Result<Response, ApiError> {
    request.validate()?;
    let model = state.models().get(deadline).await?;
    let tokenizer = model.tokenizer().ok_or(ApiError::NoTokenizer)?;
    if state.settings().log_prompts {
        tracing::info!(prompt = request.prompt, "prompt");
    }
    let seed = request.seed.unwrap_or_else(draw_seed);
    let task = Task {
        prompt_ids: tokenizer.encode(&request.prompt),
        max_tokens: request.max_tokens,
        sampling: request.sampling(),
        seed,
        stop: stop_texts(request.stop.as_ref()),
        deadline,
        log_probs: None,
    };
    let prompt_tokens = task.prompt_ids.len();
    let turn = state.gate().enter(deadline).await?;
    let mut answer = Answer { model: Arc::clone(&model), request, seed, prompt_tokens, text: String::new() };
    let mut events = generation::start(model, vec![task], turn);
    if !answer.request.stream {
        while let Some(event) = events.recv().await {
            match event?.1 {
                Event::Token(token) => answer.text.push_str(&token.text),
                Event::Done(summary) => return Ok(Json(answer.complete(summary)).into_response()),
            }
        }
        return Err(ApiError::Internal); // the thread has panicked
    }
    Ok(events::stream(move |sink| async move {
        while let Some(event) = events.recv().await {
            match event {
                Ok((_, Event::Token(token))) => {
                    answer.text.push_str(&token.text);
                    send_piece(&sink, token.text)?;
                }
                Ok((_, Event::Done(summary))) => {
                    send_piece(&sink, summary.text.clone())?;
                    return sink.send("done", &answer.complete(summary));
                }
                Err(error) => return sink.send("error", &error.body()),
            }
        }
        sink.send("error", &ApiError::Internal.body()) // the thread has panicked
    }))
}

fn send_piece(sink: &EventSink, text: String) -> Result<(), ClientLeft> {
    if text.is_empty() { Ok(()) } else { sink.send("token", &TextPiece { text }) }
}

/// What is known of an answer before its text is complete.
struct Answer {
    model: Arc<ServedModel>,
    request: GenerateRequest,
    seed: u64,
    prompt_tokens: usize,
    text: String,
}

impl Answer {
    fn complete(self, summary: Summary) -> GenerateResponse {
        let Summary { text, finish_reason, tokens, first_token, total, .. } = summary;
        let seconds = total.as_secs_f64();
        let per_second = if seconds > 0.0 { tokens as f64 / seconds } else { 0.0 };
        GenerateResponse {
            response: self.text + &text,
            prompt: self.request.prompt,
            tokens_generated: tokens,
            model_info: self.model.model_info(),
            finish_reason,
            seed: self.seed,
            usage: Usage::new(self.prompt_tokens, tokens),
            timing: Timing {
                first_token_ms: milliseconds(first_token),
                total_ms: milliseconds(total),
                tokens_per_second: (per_second * 10.0).round() / 10.0,
            },
            model: self.model.model_ref(),
        }
    }
}
