//! Continuation pipeline: queue, model, prompt ids, generation.

use std::sync::Arc;
use std::time::Instant;

use super::blocking::run_blocking;
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
        let mut prompts = Vec::with_capacity(request.prompts.len());
        for prompt in request.prompts.clone() {
            let ids = tokenize(&model, prompt).await?;
            let mut scores = None;
            if let Some(count) = request.log_probs.filter(|_| request.scores_prompt) {
                scores = Some(scoring::score(&model, &ids, count, request.deadline).await?);
            }
            prompts.push(ReadPrompt { ids, scores });
        }
        let seed = request.seed.unwrap_or_else(draw_seed);
        let tasks =
            prompts.iter().map(|prompt| (&prompt.ids[..], tasks(&request, &prompt.ids, seed, &model)));
        let events = generation::start(&model, tasks, turn)?;
        Ok(Continuation { model, prompts, seed, events })
    }

    /// The token ids of a prompt, and the model whose they are. That is quick, so it takes no turn.
    ///
    /// # Errors
    /// If there is no model before the deadline, or another than the request names.
    pub async fn tokenize(
        &self,
        model: Option<&str>,
        prompt: Prompt,
        deadline: Instant,
    ) -> Result<(Arc<ServedModel>, Vec<u32>), GenerateError> {
        let model = self.named(model, deadline).await?;
        let encoder = Arc::clone(&model);
        let ids = run_blocking(move || Ok(prompt.encode(encoder.tokenizer()?))).await?;
        Ok((model, ids))
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
        let ids = tokenize(&model, Prompt::Text(prompt)).await?;
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

    /// The served model, if it is the one that the request names, and has a tokenizer.
    async fn named(
        &self,
        wanted: Option<&str>,
        deadline: Instant,
    ) -> Result<Arc<ServedModel>, GenerateError> {
        let model = self.models.get(deadline).await?;
        if let Some(wanted) = wanted.filter(|wanted| !model.is_named(wanted)) {
            return Err(GenerateError::UnknownModel { model: wanted.to_owned(), served: model.id() });
        }
        model.tokenizer()?;
        Ok(model)
    }
}

/// The token ids of a prompt, encoded on a thread that may block: a long prompt takes milliseconds.
async fn tokenize(model: &Arc<ServedModel>, prompt: Prompt) -> Result<Vec<u32>, GenerateError> {
    let model = Arc::clone(model);
    run_blocking(move || prompt.into_ids(&model)).await
}

/// One task for each continuation of a prompt. It has the same seeds alone and among others, and so the same texts.
fn tasks(request: &Request, prompt_ids: &[u32], seed: u64, model: &ServedModel) -> Vec<Task> {
    let end_of_text = model.tokenizer().ok().and_then(|tokenizer| tokenizer.end_of_text());
    let stop_ids: Vec<u32> = request.stop_ids.iter().copied().chain(end_of_text).collect();
    let mut processors = request.processors.clone();
    if request.min_tokens > 0 {
        processors.suppressed.extend(stop_ids.iter().map(|&id| (id, request.min_tokens)));
    }
    if request.ignores_end {
        processors.suppressed.extend(end_of_text.map(|id| (id, usize::MAX)));
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
        stop: request.stop.clone(),
        stop_ids: stop_ids.clone(),
        log_probs: request.log_probs,
        deadline: request.deadline,
    });
    tasks.collect()
}

/// Tokens that follow a prompt in its context; after one that fills it, the quarter by which the window slides.
fn room(context_length: usize, prompt: usize) -> usize {
    context_length.saturating_sub(prompt).max(context_length / 4).max(1)
}
