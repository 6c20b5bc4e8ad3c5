//! Continuation pipeline: queue, model, prompt ids, generation.

use std::sync::Arc;
use std::time::Instant;

use super::blocking::run_blocking;
use super::continuation::{Continuation, Request};
use super::error::GenerateError;
use super::generation::{self, Task};
use super::inspection::{self, Inspected};
use super::models::Models;
use super::prompt::Prompt;
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
        let prompt_ids = tokenize(&model, request.prompt.clone()).await?;
        let prompt_scores = match request.log_probs.filter(|_| request.scores_prompt) {
            Some(count) => Some(scoring::score(&model, &prompt_ids, count, request.deadline).await?),
            None => None,
        };
        let seed = request.seed.unwrap_or_else(draw_seed);
        let tasks = tasks(request, seed);
        let events = generation::start(&model, &prompt_ids, tasks, turn)?;
        Ok(Continuation { model, prompt_ids, prompt_scores, seed, events })
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
        let model = self.models.get(deadline).await?;
        model.tokenizer()?;
        if let Some(wanted) = wanted.filter(|wanted| !model.is_named(wanted)) {
            return Err(GenerateError::UnknownModel { model: wanted.to_owned(), served: model.id() });
        }
        let turn = place.turn(deadline).await?;
        Ok((model, turn))
    }
}

/// The token ids of a prompt, encoded on a thread that may block: a long prompt takes milliseconds.
async fn tokenize(model: &Arc<ServedModel>, prompt: Prompt) -> Result<Vec<u32>, GenerateError> {
    let model = Arc::clone(model);
    run_blocking(move || prompt.into_ids(&model)).await
}

/// One task for each continuation.
fn tasks(request: Request, seed: u64) -> Vec<Task> {
    let tasks = (0..request.choices as u64).map(|index| Task {
        max_tokens: request.max_tokens,
        sampling: request.sampling,
        seed: seed.wrapping_add(index),
        stop: request.stop.clone(),
        log_probs: request.log_probs,
        deadline: request.deadline,
    });
    tasks.collect()
}
