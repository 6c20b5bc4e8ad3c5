//! `POST /v1/completions`, as OpenAI's clients expect it.

use std::sync::Arc;
use std::time::SystemTime;

use artifact::Sha256Hex;
use axum::extract::State;
use axum::response::Response;
use axum::response::sse::Event as SseEvent;

use super::errors::Errors;
use super::logprobs::{self, decode};
use crate::domain::continuation::{Continuation, Event, TokenEvent};
use crate::domain::seed::draw_seed;
use crate::domain::served_model::ServedModel;
use crate::http::context::Deadline;
use crate::http::error::{ApiError, ErrorBody};
use crate::http::json::JsonBody;
use crate::http::respond::{Format, respond};
use crate::http::sse;
use crate::http::state::AppState;
use crate::http::wire::completions::{Choice, Completion, CompletionRequest, DataEvent, Logprobs};
use crate::http::wire::usage::Usage;

/// Continues a text, as in OpenAI's API.
#[utoipa::path(post, path = "/v1/completions", request_body = CompletionRequest, responses(
    (status = 200, description = "The continuations. With `stream`, server-sent events without names: a piece of a \
                                  continuation each, and `[DONE]` at the end",
     content((Completion = "application/json"), (DataEvent = "text/event-stream"))),
    Errors,
))]
pub async fn completions(
    State(state): State<AppState>,
    Deadline(deadline): Deadline,
    JsonBody(request): JsonBody<CompletionRequest>,
) -> Result<Response, ApiError> {
    request.validate()?;
    let wanted = request.continuation(deadline);
    let choices = wanted.choices;
    let continuation = state.pipeline().start(wanted).await?;
    if state.settings().log_prompts {
        tracing::info!(prompt_ids = ?continuation.prompt_ids, "prompt");
    }
    let echo = if request.echo() { Some(echo(&continuation)?) } else { None };
    let completion = CompletionInProgress::new(&request, choices, &continuation, echo);
    respond(completion, continuation.events, request.stream()).await
}

/// The prompt as the beginning of every choice, with its log-probabilities if the request asks for them.
fn echo(continuation: &Continuation) -> Result<Choice, ApiError> {
    let tokenizer = continuation.model.tokenizer()?;
    let ids = &continuation.prompt_ids;
    let mut choice = Choice { text: decode(tokenizer, ids)?, ..Choice::default() };
    if let Some(scores) = &continuation.prompt_scores {
        let logprobs = choice.logprobs.insert(Logprobs::default());
        let mut offset = 0;
        for (&id, score) in ids.iter().zip(scores) {
            offset += logprobs::push(logprobs, tokenizer, id, score.as_ref(), offset)?;
        }
    }
    Ok(choice)
}

/// Choices that are being generated.
struct CompletionInProgress {
    model: Arc<ServedModel>,
    /// The response without choices.
    head: Completion,
    usage: Usage,
    include_usage: bool,
    choices: Vec<ChoiceInProgress>,
}

struct ChoiceInProgress {
    /// The choice so far; at first the echo of the prompt.
    choice: Choice,
    /// Characters of its tokens so far, including text that is held back.
    offset: usize,
}

impl CompletionInProgress {
    fn new(
        request: &CompletionRequest,
        choices: usize,
        continuation: &Continuation,
        echo: Option<Choice>,
    ) -> Self {
        let start = echo.unwrap_or_default();
        let offset = start.text.chars().count();
        let choice = |index| ChoiceInProgress { choice: Choice { index, ..start.clone() }, offset };
        Self {
            head: head(continuation.model.id()),
            usage: Usage::new(continuation.prompt_ids.len(), 0),
            include_usage: request.include_usage(),
            choices: (0..choices).map(choice).collect(),
            model: Arc::clone(&continuation.model),
        }
    }

    fn is_complete(&self) -> bool {
        self.choices.iter().all(|choice| choice.choice.finish_reason.is_some())
    }

    /// The next piece of a choice.
    fn piece(&mut self, index: usize, event: Event) -> Result<Choice, ApiError> {
        match event {
            Event::Token(TokenEvent { text, id, log_probs }) => {
                let mut piece = Choice { text, index, ..Choice::default() };
                if let Some(score) = log_probs {
                    let offset = &mut self.choices[index].offset;
                    let logprobs = piece.logprobs.insert(Logprobs::default());
                    *offset += logprobs::push(logprobs, self.model.tokenizer()?, id, Some(&score), *offset)?;
                }
                Ok(piece)
            }
            Event::Done(summary) => {
                self.usage =
                    Usage::new(self.usage.prompt_tokens, self.usage.completion_tokens + summary.tokens);
                let finish_reason = Some(summary.finish_reason);
                Ok(Choice { text: summary.text, index, logprobs: None, finish_reason })
            }
        }
    }

    fn event(&self, choice: Choice) -> SseEvent {
        sse::unnamed(&Completion { choices: vec![choice], ..self.head.clone() })
    }
}

impl Format for CompletionInProgress {
    type Body = Completion;

    fn first(&self) -> Vec<SseEvent> {
        let echoes = self.choices.iter().filter(|choice| !choice.choice.text.is_empty());
        echoes.map(|choice| self.event(choice.choice.clone())).collect()
    }

    fn add(&mut self, index: usize, event: Event) -> Result<Option<SseEvent>, ApiError> {
        let piece = self.piece(index, event)?;
        let choice = &mut self.choices[index].choice;
        choice.text.push_str(&piece.text);
        choice.finish_reason = piece.finish_reason;
        if let Some(logprobs) = &piece.logprobs {
            choice.logprobs.get_or_insert_default().extend(logprobs.clone());
        }
        let is_empty = piece.text.is_empty() && piece.logprobs.is_none() && piece.finish_reason.is_none();
        Ok((!is_empty).then(|| self.event(piece)))
    }

    fn body(self) -> Option<Completion> {
        let is_complete = self.is_complete();
        let choices = self.choices.into_iter().map(|choice| choice.choice).collect();
        is_complete.then_some(Completion { choices, usage: Some(self.usage), ..self.head })
    }

    fn last(self) -> Option<Vec<SseEvent>> {
        let done = SseEvent::default().data("[DONE]");
        let usage = || sse::unnamed(&Completion { usage: Some(self.usage), ..self.head.clone() });
        let events = || self.include_usage.then(usage).into_iter().chain([done]).collect();
        self.is_complete().then(events)
    }

    fn error(body: &ErrorBody) -> SseEvent {
        sse::unnamed(body)
    }
}

/// Id, time and model of a response.
fn head(model: String) -> Completion {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let id = Sha256Hex::of_bytes(format!("{model} {} {now:?}", draw_seed()).as_bytes());
    Completion {
        id: format!("cmpl-{}", &id.as_str()[..24]),
        object: "text_completion",
        created: now.as_secs(),
        model,
        choices: Vec::new(),
        usage: None,
    }
}
