//! `POST /v1/completions`, as OpenAI's clients expect it.

use std::sync::Arc;
use std::time::SystemTime;

use artifact::sampling::log_probs::LogProb;
use artifact::tokenizer::END_OF_TEXT;
use artifact::{Sha256Hex, Tokenizer};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use super::Errors;
use super::status::model_id;
use crate::app::AppState;
use crate::error::ApiError;
use crate::events;
use crate::gate::{Deadline, Turn};
use crate::generation::{self, Event, Score, Task, TokenEvent, draw_seed, score};
use crate::json::JsonBody;
use crate::request::{CompletionRequest, Prompt, PromptIds, invalid, stop_texts};
use crate::response::{Choice, Completion, DataEvent, Logprobs, Usage};
use crate::served_model::ServedModel;

/// Continues a text, as OpenAI's API does.
#[utoipa::path(post, path = "/v1/completions", request_body = CompletionRequest, responses(
    (status = 200, description = "The continuations; if `stream` is set, server-sent events without names, each a \
                                  piece of a continuation, and `[DONE]` at last",
     content((Completion = "application/json"), (DataEvent = "text/event-stream"))),
    Errors,
))]
pub async fn completions(
    State(state): State<AppState>,
    deadline: Deadline,
    JsonBody(request): JsonBody<CompletionRequest>,
) -> Result<Response, ApiError> {
    request.validate()?;
    let model = state.models().get(deadline).await?;
    let tokenizer = model.tokenizer().ok_or(ApiError::NoTokenizer)?;
    let id = model_id(&model);
    if request.model != id && request.model != model.reference().name {
        return Err(ApiError::UnknownModel { model: request.model, served: id });
    }
    let prompt_ids = prompt_ids(&request, tokenizer, model.manifest().config.vocab_size)?;
    if state.settings().log_prompts {
        tracing::info!(?prompt_ids, "prompt");
    }
    let scores_prompt = request.echo == Some(true) && request.logprobs.is_some();
    let context_length = model.manifest().config.context_length;
    if scores_prompt && prompt_ids.len() > context_length {
        let found = format_args!("{} tokens long", prompt_ids.len());
        let expected = format_args!("at most {context_length} with `echo` and `logprobs`");
        return Err(invalid("prompt", found, expected));
    }
    let seed = request.seed.unwrap_or_else(draw_seed);
    let tasks = (0..request.choices() as u64).map(|index| Task {
        prompt_ids: prompt_ids.clone(),
        max_tokens: request.max_tokens(),
        sampling: request.sampling(),
        seed: seed.wrapping_add(index),
        stop: stop_texts(request.stop.as_ref()),
        deadline,
        log_probs: request.logprobs,
    });
    let tasks: Vec<Task> = tasks.collect();

    let turn = state.gate().enter(deadline).await?;
    let (echo, turn) = echo(&request, &model, &prompt_ids, turn).await?;
    let answer = Answer {
        head: head(id),
        usage: Usage::new(prompt_ids.len(), 0),
        choices: vec![ChoiceInProgress { offset: echo.text.chars().count() }; tasks.len()],
        model: Arc::clone(&model),
        echo,
    };
    let events = generation::start(model, tasks, turn);
    if request.stream == Some(true) {
        let include_usage =
            request.stream_options.is_some_and(|options| options.0.include_usage == Some(true));
        return Ok(answer.stream(events, include_usage));
    }
    answer.collect(events).await.map(|completion| Json(completion).into_response())
}

/// The ids of a request's prompt; a text that begins anew if there is none.
fn prompt_ids(
    request: &CompletionRequest,
    tokenizer: &Tokenizer,
    vocab_size: usize,
) -> Result<Vec<u32>, ApiError> {
    let ids = match &request.prompt {
        None => Vec::new(),
        Some(Prompt::Text(text)) => tokenizer.encode(&text.0),
        Some(Prompt::Texts(texts)) => tokenizer.encode(texts.0.first().map_or("", |text| &text.0)),
        Some(Prompt::Ids(PromptIds(ids))) => match ids.iter().find(|&&id| id as usize >= vocab_size) {
            Some(id) => {
                return Err(invalid(
                    "prompt",
                    format_args!("the id {id}"),
                    format_args!("ids below {vocab_size}"),
                ));
            }
            None => ids.clone(),
        },
    };
    Ok(if ids.is_empty() { vec![END_OF_TEXT] } else { ids })
}

/// What all answers to a request have in common.
fn head(model: String) -> Completion {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let name = Sha256Hex::of_bytes(format!("{model} {} {now:?}", draw_seed()).as_bytes());
    Completion {
        id: format!("cmpl-{}", &name.as_str()[..24]),
        object: "text_completion",
        created: now.as_secs(),
        model,
        choices: Vec::new(),
        usage: None,
    }
}

/// The prompt, for answers that begin with it.
#[derive(Clone, Default)]
struct Echo {
    text: String,
    logprobs: Option<Logprobs>,
}

async fn echo(
    request: &CompletionRequest,
    model: &Arc<ServedModel>,
    prompt_ids: &[u32],
    turn: Turn,
) -> Result<(Echo, Turn), ApiError> {
    let Some(tokenizer) = model.tokenizer().filter(|_| request.echo == Some(true)) else {
        return Ok((Echo::default(), turn));
    };
    let text = decode(tokenizer, prompt_ids)?;
    let Some(count) = request.logprobs else { return Ok((Echo { text, logprobs: None }, turn)) };
    let (scores, turn) = score(Arc::clone(model), prompt_ids.to_vec(), count, turn).await?;
    let mut logprobs = Logprobs::default();
    let mut offset = 0;
    for (&id, score) in prompt_ids.iter().zip(&scores) {
        offset += push(&mut logprobs, tokenizer, id, score.as_ref(), offset)?;
    }
    Ok((Echo { text, logprobs: Some(logprobs) }, turn))
}

/// Texts that are being written.
struct Answer {
    head: Completion,
    usage: Usage,
    choices: Vec<ChoiceInProgress>,
    model: Arc<ServedModel>,
    echo: Echo,
}

#[derive(Clone)]
struct ChoiceInProgress {
    /// Characters so far, of tokens; what is held back is among them.
    offset: usize,
}

impl Answer {
    /// The next piece of a continuation.
    fn piece(&mut self, index: usize, event: Event) -> Result<Choice, ApiError> {
        match event {
            Event::Token(TokenEvent { text, id, log_probs }) => {
                let tokenizer = self.model.tokenizer().ok_or(ApiError::NoTokenizer)?;
                let offset = &mut self.choices[index].offset;
                let mut logprobs = None;
                if let Some(score) = log_probs {
                    let logprobs = logprobs.insert(Logprobs::default());
                    *offset += push(logprobs, tokenizer, id, Some(&score), *offset)?;
                }
                Ok(Choice { text, index, logprobs, finish_reason: None })
            }
            Event::Done(summary) => {
                self.usage =
                    Usage::new(self.usage.prompt_tokens, self.usage.completion_tokens + summary.tokens);
                let finish_reason = Some(summary.finish_reason);
                Ok(Choice { text: summary.text, index, logprobs: None, finish_reason })
            }
        }
    }

    fn echoed(&self, index: usize) -> Choice {
        let Echo { text, logprobs } = self.echo.clone();
        Choice { text, index, logprobs, finish_reason: None }
    }

    async fn collect(mut self, mut events: Events) -> Result<Completion, ApiError> {
        let mut choices: Vec<Choice> = (0..self.choices.len()).map(|index| self.echoed(index)).collect();
        while let Some(event) = events.recv().await {
            let (index, event) = event?;
            let piece = self.piece(index, event)?;
            let choice = &mut choices[index];
            choice.text.push_str(&piece.text);
            choice.finish_reason = piece.finish_reason;
            if let Some(piece) = piece.logprobs {
                let logprobs = choice.logprobs.get_or_insert_default();
                logprobs.tokens.extend(piece.tokens);
                logprobs.token_logprobs.extend(piece.token_logprobs);
                logprobs.top_logprobs.extend(piece.top_logprobs);
                logprobs.text_offset.extend(piece.text_offset);
            }
        }
        if choices.iter().any(|choice| choice.finish_reason.is_none()) {
            return Err(ApiError::Internal); // the thread has panicked
        }
        Ok(Completion { choices, usage: Some(self.usage), ..self.head })
    }

    fn stream(mut self, mut events: Events, include_usage: bool) -> Response {
        events::stream(move |sink| async move {
            let complete = self.choices.len();
            let mut ended = 0;
            if !self.echo.text.is_empty() {
                for index in 0..complete {
                    sink.send_data(&Completion { choices: vec![self.echoed(index)], ..self.head.clone() })?;
                }
            }
            while let Some(event) = events.recv().await {
                let piece = event.and_then(|(index, event)| self.piece(index, event));
                let choice = match piece {
                    Ok(choice) => choice,
                    Err(error) => return sink.send_data(&error.body()),
                };
                ended += usize::from(choice.finish_reason.is_some());
                if !choice.text.is_empty() || choice.logprobs.is_some() || choice.finish_reason.is_some() {
                    sink.send_data(&Completion { choices: vec![choice], ..self.head.clone() })?;
                }
            }
            if ended < complete {
                return sink.send_data(&ApiError::Internal.body()); // the thread has panicked
            }
            if include_usage {
                sink.send_data(&Completion { usage: Some(self.usage), ..self.head.clone() })?;
            }
            sink.send_text("[DONE]")
        })
    }
}

type Events = mpsc::UnboundedReceiver<Result<(usize, Event), ApiError>>;

/// Adds a token, which begins at `offset`; gives its length in characters.
fn push(
    logprobs: &mut Logprobs,
    tokenizer: &Tokenizer,
    id: u32,
    score: Option<&Score>,
    offset: usize,
) -> Result<usize, ApiError> {
    let text = decode(tokenizer, &[id])?;
    logprobs.tokens.push(token_name(tokenizer, id)?);
    logprobs.text_offset.push(offset);
    logprobs.token_logprobs.push(score.map(|(chosen, _)| chosen.log_prob));
    let top = score.map(|(chosen, most_likely)| {
        let all = most_likely.iter().chain(std::iter::once(chosen));
        let named =
            all.map(|LogProb { id, log_prob }| Ok((token_name(tokenizer, *id)?, Value::from(*log_prob))));
        named.collect::<Result<Map<_, _>, ApiError>>()
    });
    logprobs.top_logprobs.push(top.transpose()?);
    Ok(text.chars().count())
}

/// A token as text; `bytes:` and its bytes where it is none by itself.
fn token_name(tokenizer: &Tokenizer, id: u32) -> Result<String, ApiError> {
    let bytes = tokenizer.decode_bytes(&[id]).map_err(|_| ApiError::Internal)?;
    Ok(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let bytes = error.as_bytes().iter().map(|byte| format!("\\x{byte:02x}"));
            std::iter::once("bytes:".to_owned()).chain(bytes).collect()
        }
    })
}

fn decode(tokenizer: &Tokenizer, ids: &[u32]) -> Result<String, ApiError> {
    tokenizer.decode(ids).map_err(|_| ApiError::Internal)
}
