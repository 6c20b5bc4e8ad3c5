//! `POST /v1/completions`, as OpenAI's clients expect it.

use std::sync::Arc;

use axum::extract::State;
use axum::response::sse::Event as SseEvent;
use axum::response::{IntoResponse, Response};

use super::errors::OpenAiErrors;
use super::logprobs::{self, TextPosition, decode};
use super::openai::{Head, finish_reason};
use crate::domain::continuation::{Continuation, Event, ReadPrompt, TokenEvent};
use crate::domain::served_model::ServedModel;
use crate::http::context::Bounds;
use crate::http::error::{ApiError, ErrorBody};
use crate::http::json::JsonBody;
use crate::http::respond::{Format, respond};
use crate::http::sse;
use crate::http::state::AppState;
use crate::http::wire::completion::{Choice, Completion, DataEvent, Logprobs};
use crate::http::wire::completions::CompletionRequest;
use crate::http::wire::usage::Usage;

/// Continues texts, as in OpenAI's API. Fields that are not known are ignored and named in the header
/// `x-ignored-fields`; known ones that this server cannot honour are an error unless they are off.
#[utoipa::path(post, path = "/v1/completions", request_body = CompletionRequest, responses(
    (status = 200, description = "The continuations. With `stream`, server-sent events without names: a piece of a \
                                  continuation each, and `[DONE]` at the end",
     content((Completion = "application/json"), (DataEvent = "text/event-stream"))),
    OpenAiErrors,
))]
pub async fn completions(
    State(state): State<AppState>,
    bounds: Bounds,
    JsonBody(request, ignored): JsonBody<CompletionRequest>,
) -> Result<Response, ApiError> {
    request.validate()?;
    let continuation = state.pipeline().start(request.continuation(bounds)).await?;
    if state.settings().log_prompts {
        let prompts: Vec<_> = continuation.prompts.iter().map(|prompt| &prompt.ids).collect();
        tracing::info!(prompt_ids = ?prompts, "prompt");
    }
    let completion = CompletionInProgress::new(&request, &continuation)?;
    let response = respond(completion, continuation.events, request.stream()).await?;
    Ok((ignored, response).into_response())
}

/// The beginning of every choice of a prompt: with `echo`, the prompt.
fn start(request: &CompletionRequest, model: &ServedModel, prompt: &ReadPrompt) -> Result<Choice, ApiError> {
    let mut choice =
        Choice { logprobs: request.logprobs().map(|_| Logprobs::default()), ..Choice::default() };
    if !request.echo() {
        return Ok(choice);
    }
    let tokenizer = model.tokenizer()?;
    choice.text = decode(tokenizer, &prompt.ids)?;
    if let (Some(logprobs), Some(scores)) = (&mut choice.logprobs, &prompt.scores) {
        let mut position = TextPosition::default();
        for (&id, score) in prompt.ids.iter().zip(scores) {
            logprobs::push(logprobs, tokenizer, id, score.as_ref(), &mut position)?;
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
    /// Whether the request asks for log-probabilities; the best choices are known by them too.
    has_logprobs: bool,
    /// Number of choices of each prompt that are generated, and of those that are returned.
    generated: usize,
    returned: usize,
    choices: Vec<ChoiceInProgress>,
}

struct ChoiceInProgress {
    /// The choice so far; at first the echo of the prompt.
    choice: Choice,
    /// Where its next token begins, including text that is held back.
    position: TextPosition,
    /// Sum of its tokens' log-probabilities, and their number.
    log_prob: f64,
    tokens: usize,
}

impl CompletionInProgress {
    fn new(request: &CompletionRequest, continuation: &Continuation) -> Result<Self, ApiError> {
        let Continuation { model, prompts, .. } = continuation;
        let mut choices = Vec::new();
        for prompt in prompts {
            let start = start(request, model, prompt)?;
            let position = TextPosition::at(start.text.chars().count());
            choices.extend((0..request.generated()).map(|_| ChoiceInProgress {
                choice: start.clone(),
                position: position.clone(),
                log_prob: 0.0,
                tokens: 0,
            }));
        }
        (0..).zip(&mut choices).for_each(|(index, choice)| choice.choice.index = index);
        let Head { id, created, model: name } = Head::new("cmpl", model.id());
        Ok(Self {
            model: Arc::clone(model),
            head: Completion {
                id,
                object: "text_completion",
                created,
                model: name,
                choices: Vec::new(),
                usage: None,
            },
            usage: Usage::new(prompts.iter().map(|prompt| prompt.ids.len()).sum(), 0),
            include_usage: request.include_usage(),
            has_logprobs: request.logprobs().is_some(),
            generated: request.generated(),
            returned: request.n(),
            choices,
        })
    }

    fn is_complete(&self) -> bool {
        self.choices.iter().all(|choice| choice.choice.finish_reason.is_some())
    }

    /// The next piece of a choice.
    fn piece(&mut self, index: usize, event: Event) -> Result<Choice, ApiError> {
        let mut piece = Choice { index, ..Choice::default() };
        match event {
            Event::Token(TokenEvent { text, id, log_probs }) => {
                piece.text = text;
                self.usage = self.usage.with_another_token();
                let choice = &mut self.choices[index];
                choice.tokens += 1;
                if let Some(score) = log_probs {
                    choice.log_prob += score.0.log_prob;
                    if self.has_logprobs {
                        let logprobs = piece.logprobs.insert(Logprobs::default());
                        let tokenizer = self.model.tokenizer()?;
                        logprobs::push(logprobs, tokenizer, id, Some(&score), &mut choice.position)?;
                    }
                }
            }
            Event::Done(summary) => {
                piece.text = summary.text;
                piece.finish_reason = Some(finish_reason(summary.finish_reason));
                piece.logprobs = self.has_logprobs.then(Logprobs::default);
            }
        }
        Ok(piece)
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

    fn body(mut self) -> Option<Completion> {
        if !self.is_complete() {
            return None;
        }
        let mut choices = Vec::new();
        for of_prompt in self.choices.chunks_mut(self.generated) {
            if self.returned < self.generated {
                // The highest mean first; the order of equal ones stays.
                of_prompt.sort_by(|a, b| b.mean().total_cmp(&a.mean()));
            }
            choices.extend(of_prompt[..self.returned].iter().map(|choice| choice.choice.clone()));
        }
        (0..).zip(&mut choices).for_each(|(index, choice)| choice.index = index);
        Some(Completion { choices, usage: Some(self.usage), ..self.head })
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

impl ChoiceInProgress {
    /// Log-probability per token; that of a choice without tokens is the highest.
    fn mean(&self) -> f64 {
        if self.tokens == 0 { 0.0 } else { self.log_prob / self.tokens as f64 }
    }
}
