//! Continuation pipeline: queue, model, prompt ids, generation.

use std::sync::Arc;
use std::time::Instant;

use super::blocking::run_blocking;
use artifact::chat::FittingPrompt;

use super::chat::Chat;
use super::continuation::{Continuation, ReadPrompt, Request};
use super::error::GenerateError;
use super::generation::{self, Task};
use super::inspection::{self, Inspected};
use super::models::Models;
use super::prompt::{Prompt, check_ids};
use super::queue::{Queue, Turn};
use super::scoring;
use super::seed::draw_seed;
use super::served_model::ServedModel;

/// The way of every request to the model.
pub struct Pipeline {
    models: Arc<Models>,
    queue: Queue,
}

impl Pipeline {
    /// A pipeline to the served model, for `max_concurrent` requests at a time, which share as many slots of the model,
    /// and `max_waiting` that wait.
    pub fn new(models: Arc<Models>, max_concurrent: usize, max_waiting: usize) -> Self {
        Self { models, queue: Queue::new(max_concurrent, max_waiting) }
    }

    /// The served model.
    pub fn models(&self) -> &Arc<Models> {
        &self.models
    }

    /// Starts to generate continuations, which arrive as events.
    ///
    /// # Errors
    /// If there is no model or no turn before the deadline, if another model is served than the request
    /// names, or if the prompt is not valid for the model.
    pub async fn start(&self, request: Request) -> Result<Continuation, GenerateError> {
        let (model, turn) = self.admit(request.model.as_deref(), request.deadline).await?;
        check_ids("stop_token_ids", &request.stop_ids, &model)?;
        check_ids("logit_bias", request.processors.logit_bias.iter().map(|(id, _)| id), &model)?;
        let room = room_of_prompt(&request, &model);
        let mut prompts = Vec::with_capacity(request.prompts.len());
        for prompt in request.prompts.clone() {
            let FittingPrompt { ids, dropped } = read(&model, prompt, room).await?;
            let mut scores = None;
            if let Some(count) = request.log_probs.filter(|_| request.scores_prompt) {
                scores = Some(scoring::score(&model, &ids, count, request.deadline).await?);
            }
            prompts.push(ReadPrompt { ids, dropped, scores });
        }
        let seed = request.seed.unwrap_or_else(draw_seed);
        let mut tasks = Vec::with_capacity(prompts.len());
        for (prompt, ReadPrompt { ids, .. }) in request.prompts.iter().zip(&prompts) {
            let is_chat = matches!(prompt, Prompt::Chat(_));
            tasks.push((&ids[..], tasks_of(&request, ids, is_chat, seed, &model)?));
        }
        let events = generation::start(&model, tasks, turn)?;
        Ok(Continuation { model, prompts, seed, events })
    }

    /// The token ids of a prompt, and the model whose they are. That is quick, so it takes no turn.
    ///
    /// # Errors
    /// If there is no model before the deadline, another than the request names, or if the prompt is not valid for it.
    pub async fn tokenize(
        &self,
        model: Option<&str>,
        prompt: Prompt,
        deadline: Instant,
    ) -> Result<(Arc<ServedModel>, Vec<u32>), GenerateError> {
        let model = self.named(model, deadline).await?;
        let encoder = Arc::clone(&model);
        let encoded = run_blocking(move || prompt.encode(&encoder, usize::MAX)).await?;
        Ok((model, encoded.ids))
    }

    /// Computes embeddings, attention weights and logits for a prompt of at most `max_tokens` tokens.
    ///
    /// # Errors
    /// As of [`start`](Self::start); also if the model's graph has no such outputs.
    pub async fn inspect(
        &self,
        prompt: String,
        max_tokens: usize,
        deadline: Instant,
    ) -> Result<Inspected, GenerateError> {
        let (model, turn) = self.admit(None, deadline).await?;
        let FittingPrompt { ids, .. } = read(&model, Prompt::Text(prompt), usize::MAX).await?;
        inspection::inspect(model, ids, max_tokens, turn).await
    }

    /// Takes a place in the queue, and waits for the model and then for its turn.
    ///
    /// The place comes first, so that requests that wait for a model being loaded are bounded like all
    /// others. The turn comes before tokenizing, which costs processor time.
    async fn admit(
        &self,
        wanted: Option<&str>,
        deadline: Instant,
    ) -> Result<(Arc<ServedModel>, Turn), GenerateError> {
        let place = self.queue.enter()?;
        let model = self.named(wanted, deadline).await?;
        let turn = place.turn(deadline).await?;
        Ok((model, turn))
    }

    /// The model that answers a request, if it has a tokenizer.
    async fn named(
        &self,
        wanted: Option<&str>,
        deadline: Instant,
    ) -> Result<Arc<ServedModel>, GenerateError> {
        let model = self.models.choose(wanted, deadline).await?;
        model.tokenizer()?;
        Ok(model)
    }
}

/// A prompt, read on a thread that may block: a long one takes milliseconds.
async fn read(model: &Arc<ServedModel>, prompt: Prompt, room: usize) -> Result<FittingPrompt, GenerateError> {
    let model = Arc::clone(model);
    let encoded = run_blocking(move || prompt.read(&model, room)).await?;
    if encoded.dropped > 0 {
        let tokens = encoded.ids.len();
        tracing::info!(
            messages = encoded.dropped,
            tokens,
            "the oldest messages of a conversation are left out"
        );
    }
    Ok(encoded)
}

/// One task for each continuation of a prompt. It has the same seeds alone and among others, and so the same texts.
fn tasks_of(
    request: &Request,
    prompt_ids: &[u32],
    is_chat: bool,
    seed: u64,
    model: &ServedModel,
) -> Result<Vec<Task>, GenerateError> {
    let chat = if is_chat { Some(model.chat()?) } else { None };
    let end_of_answer = chat.and_then(Chat::end);
    let ends: Vec<u32> = model.tokenizer()?.end_of_text().into_iter().chain(end_of_answer).collect();
    let stop_ids: Vec<u32> = request.stop_ids.iter().chain(&ends).copied().collect();
    let mut stop = request.stop.clone();
    stop.extend(chat.and_then(Chat::stop).map(str::to_owned));
    let mut processors = request.processors.clone();
    if request.min_tokens > 0 {
        processors.suppressed.extend(stop_ids.iter().map(|&id| (id, request.min_tokens)));
    }
    if request.ignores_end {
        processors.suppressed.extend(ends.iter().map(|&id| (id, usize::MAX)));
    }
    let max_tokens = match request.fits_context {
        true => request.max_tokens.min(room(model.engine().config().context_length, prompt_ids.len())),
        false => request.max_tokens,
    };
    let seeds = (0..request.choices as u64).map(|index| seed.wrapping_add(index));
    let tasks = seeds.map(|seed| Task {
        max_tokens,
        sampling: request.sampling,
        processors: processors.clone(),
        seed,
        stop: stop.clone(),
        stop_ids: stop_ids.clone(),
        log_probs: request.log_probs,
        deadline: request.deadline,
    });
    Ok(tasks.collect())
}

/// Tokens that a conversation may have: what is left of the context by the answer that the request asks for, or by the
/// quarter by which the window slides if it asks for more.
fn room_of_prompt(request: &Request, model: &ServedModel) -> usize {
    let context_length = model.engine().config().context_length;
    context_length - request.max_tokens.min(context_length / 4).max(1)
}

/// Tokens that follow a prompt in its context; after one that fills it, the quarter by which the window slides.
fn room(context_length: usize, prompt: usize) -> usize {
    context_length.saturating_sub(prompt).max(context_length / 4).max(1)
}
