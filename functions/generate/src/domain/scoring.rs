//! Scoring of a prompt: log-probabilities of its tokens.

use std::ops::ControlFlow;
use std::time::Instant;

use artifact::Sampling;
use artifact::sampling::log_probs::LogProbs;
use engine::{EngineError, FinishReason, Generation, GenerationOptions, Sink, Token};
use tokio::sync::oneshot;

use super::blocking::internal;
use super::continuation::Score;
use super::error::GenerateError;
use super::served_model::ServedModel;

/// Log-probabilities of a prompt's tokens and of the `count` most likely tokens at each position; the first
/// token has none. Dropping the future ends the work for it.
///
/// # Errors
/// If the prompt is longer than the context, its turn does not come or end before the deadline, or the engine fails.
pub async fn score(
    model: &ServedModel,
    ids: &[u32],
    count: usize,
    deadline: Instant,
) -> Result<Vec<Option<Score>>, GenerateError> {
    let (tokens, limit) = (ids.len(), model.manifest().config.context_length);
    if tokens > limit {
        return Err(GenerateError::TooLongToScore { tokens, limit });
    }
    let (sender, receiver) = oneshot::channel();
    let reader =
        Reader { ids: ids.to_vec(), count, log_probs: LogProbs::default(), scores: vec![None], sender };
    let options = GenerationOptions {
        reads_prompt: true,
        deadline: Some(deadline),
        ..GenerationOptions::new(0, Sampling::Greedy, 0)
    };
    let failed = internal("scoring the prompt failed");
    let engine = model.engine();
    match engine.submit(engine.group(), ids, options, Box::new(reader)) {
        Ok(()) => {}
        Err(error) => return Err(failed(error.into())),
    }
    match receiver.await {
        Ok(Ok(Some(scores))) => Ok(scores),
        Ok(Ok(None)) => Err(GenerateError::Overloaded),
        Ok(Err(error)) => Err(failed(error.into())),
        Err(_) => Err(GenerateError::Internal), // the engine's thread has ended, and its log says why
    }
}

/// Reads the logits of a prompt.
struct Reader {
    ids: Vec<u32>,
    count: usize,
    log_probs: LogProbs,
    scores: Vec<Option<Score>>,
    /// Gets the scores, if they are complete.
    sender: oneshot::Sender<Result<Option<Vec<Option<Score>>>, EngineError>>,
}

impl Sink for Reader {
    fn read_prompt(&mut self, position: usize, logits: &[f32]) -> ControlFlow<()> {
        if let Some(&next) = self.ids.get(position + 1) {
            let (chosen, most_likely) = self.log_probs.read(logits, next, self.count);
            self.scores.push(Some((chosen, most_likely.to_vec())));
        }
        ControlFlow::Continue(())
    }

    fn take(&mut self, _: Token<'_>) -> ControlFlow<()> {
        ControlFlow::Break(()) // it asks for none
    }

    fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    fn end(self: Box<Self>, result: Result<Generation, EngineError>) {
        let Self { scores, sender, .. } = *self;
        let is_complete = |generation: Generation| generation.finish_reason == FinishReason::Length;
        let _ = sender.send(result.map(|generation| is_complete(generation).then_some(scores))); // nobody waits any more
    }
}
