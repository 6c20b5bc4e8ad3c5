//! `POST /v1/chat/completions`, as OpenAI's clients expect it.

use std::sync::Arc;

use axum::extract::State;
use axum::response::sse::Event as SseEvent;
use axum::response::{IntoResponse, Response};

use super::errors::OpenAiErrors;
use super::logprobs;
use super::openai::{Head, finish_reason};
use crate::domain::continuation::{Continuation, Event, TokenEvent};
use crate::domain::served_model::ServedModel;
use crate::http::context::Bounds;
use crate::http::dropped::DroppedMessages;
use crate::http::error::{ApiError, ErrorBody};
use crate::http::json::JsonBody;
use crate::http::respond::{Format, respond};
use crate::http::sse;
use crate::http::state::AppState;
use crate::http::wire::chat::ChatRequest;
use crate::http::wire::chat_answer::{
    AssistantMessage, ChatChoice, ChatChunk, ChatCompletion, ChatEvent, ChatLogprobs, ChunkChoice, Delta,
};
use crate::http::wire::usage::Usage;

const ASSISTANT: &str = "assistant";

/// Answers a conversation, as in OpenAI's API. It is written by the model's chat template, which the answer's
/// `system_fingerprint` names; a model without one goes on with it as with a play. Fields that are not known are ignored and named in the header
/// `x-ignored-fields`; known ones that this server cannot honour are an error unless they are off.
#[utoipa::path(post, path = "/v1/chat/completions", request_body = ChatRequest, responses(
    (status = 200, description = "The answers. With `stream`, server-sent events without names: a piece of an answer each, \
                                  and `[DONE]` at the end",
     content((ChatCompletion = "application/json"), (ChatEvent = "text/event-stream"))),
    OpenAiErrors,
))]
pub async fn chat(
    State(state): State<AppState>,
    bounds: Bounds,
    JsonBody(request, ignored): JsonBody<ChatRequest>,
) -> Result<Response, ApiError> {
    request.validate()?;
    let continuation = state.pipeline().start(request.continuation(bounds)?).await?;
    if state.settings().log_prompts {
        tracing::info!(messages = ?request.fields.messages, "prompt");
    }
    let dropped = DroppedMessages(continuation.prompts.iter().map(|prompt| prompt.dropped).sum());
    let chat = ChatInProgress::new(&request, &continuation)?;
    let response = respond(chat, continuation.events, request.stream()).await?;
    Ok((ignored, dropped, response).into_response())
}

/// Answers that are being generated.
struct ChatInProgress {
    model: Arc<ServedModel>,
    head: Head,
    /// Names the chat template.
    fingerprint: String,
    /// Whether the prompt ends before the space that an answer begins with.
    trims_start: bool,
    usage: Usage,
    include_usage: bool,
    has_logprobs: bool,
    answers: Vec<Answer>,
}

/// An answer so far.
#[derive(Clone, Default)]
struct Answer {
    content: String,
    logprobs: ChatLogprobs,
    finish_reason: Option<&'static str>,
}

impl ChatInProgress {
    fn new(request: &ChatRequest, continuation: &Continuation) -> Result<Self, ApiError> {
        let chat = continuation.model.chat()?;
        let prompt_tokens = continuation.prompts.iter().map(|prompt| prompt.ids.len()).sum();
        Ok(Self {
            model: Arc::clone(&continuation.model),
            head: Head::new("chatcmpl", continuation.model.id()),
            fingerprint: format!("chat-template-{}", chat.template().name()),
            trims_start: chat.leaves_space(),
            usage: Usage::new(prompt_tokens, 0),
            include_usage: request.include_usage(),
            has_logprobs: request.logprobs().is_some(),
            answers: vec![Answer::default(); request.n()],
        })
    }

    /// The next piece of an answer.
    fn piece(&mut self, index: usize, event: Event) -> Result<Answer, ApiError> {
        let mut piece = Answer::default();
        match event {
            Event::Token(TokenEvent { text, log_probs, .. }) => {
                self.usage = self.usage.with_another_token();
                piece.content = text;
                if let Some(score) = log_probs {
                    piece.logprobs.content.push(logprobs::of_chat(self.model.tokenizer()?, &score)?);
                }
            }
            Event::Done(summary) => {
                piece.content = summary.text;
                piece.finish_reason = Some(finish_reason(summary.finish_reason));
            }
        }
        if self.trims_start && self.answers[index].content.is_empty() {
            piece.content = piece.content.trim_start().to_owned();
        }
        Ok(piece)
    }

    fn chunk(&self, choices: Vec<ChunkChoice>, usage: Option<Usage>) -> SseEvent {
        let Head { id, created, model } = self.head.clone();
        sse::unnamed(&ChatChunk {
            id,
            object: "chat.completion.chunk",
            created,
            model,
            system_fingerprint: self.fingerprint.clone(),
            choices,
            usage,
        })
    }
}

impl Format for ChatInProgress {
    type Body = ChatCompletion;

    fn first(&self) -> Vec<SseEvent> {
        let begins = |index| ChunkChoice {
            index,
            delta: Delta { role: Some(ASSISTANT), content: Some(String::new()) },
            logprobs: None,
            finish_reason: None,
        };
        (0..self.answers.len()).map(|index| self.chunk(vec![begins(index)], None)).collect()
    }

    fn add(&mut self, index: usize, event: Event) -> Result<Option<SseEvent>, ApiError> {
        let piece = self.piece(index, event)?;
        let answer = &mut self.answers[index];
        answer.content.push_str(&piece.content);
        answer.logprobs.content.extend(piece.logprobs.content.iter().cloned());
        answer.finish_reason = piece.finish_reason;
        let is_scored = !piece.logprobs.content.is_empty();
        if piece.content.is_empty() && !is_scored && piece.finish_reason.is_none() {
            return Ok(None);
        }
        let has_content = !piece.content.is_empty() || is_scored;
        let choice = ChunkChoice {
            index,
            delta: Delta { role: None, content: has_content.then_some(piece.content) },
            logprobs: is_scored.then_some(piece.logprobs),
            finish_reason: piece.finish_reason,
        };
        Ok(Some(self.chunk(vec![choice], None)))
    }

    fn body(self) -> Option<ChatCompletion> {
        if self.answers.iter().any(|answer| answer.finish_reason.is_none()) {
            return None;
        }
        let has_logprobs = self.has_logprobs;
        let choices = self.answers.into_iter().enumerate().map(|(index, answer)| ChatChoice {
            index,
            message: AssistantMessage { role: ASSISTANT, content: answer.content, refusal: () },
            logprobs: has_logprobs.then_some(answer.logprobs),
            finish_reason: answer.finish_reason,
        });
        Some(ChatCompletion {
            id: self.head.id,
            object: "chat.completion",
            created: self.head.created,
            model: self.head.model,
            system_fingerprint: self.fingerprint.clone(),
            choices: choices.collect(),
            usage: self.usage,
        })
    }

    fn last(self) -> Option<Vec<SseEvent>> {
        if self.answers.iter().any(|answer| answer.finish_reason.is_none()) {
            return None;
        }
        let usage = self.include_usage.then(|| self.chunk(Vec::new(), Some(self.usage)));
        Some(usage.into_iter().chain([SseEvent::default().data("[DONE]")]).collect())
    }

    fn error(body: &ErrorBody) -> SseEvent {
        sse::unnamed(body)
    }
}
