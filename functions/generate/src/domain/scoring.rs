//! Scoring of a prompt: log-probabilities of its tokens.

use std::ops::ControlFlow;
use std::time::Instant;

use artifact::Sampling;
use artifact::sampling::log_probs::LogProbs;
use engine::{EngineError, FinishReason, Generation, GenerationOptions, Sink, TextRequest, Token};
use tokio::sync::oneshot;

use super::blocking::internal;
use super::continuation::Score;
use super::error::GenerateError;
use super::served_model::ServedModel;

/// Log-probabilities of a prompt's tokens and of the `count` most likely tokens at each position; the first
/// token has none. A prompt that is longer than the context is scored in windows, as `gpt evaluate` does: each token
/// by those before it in its window, and the first of a window by the whole window before. Dropping the future ends the
/// work for it.
///
/// # Errors
/// If that takes until the deadline, or the engine fails.
pub async fn score(
    model: &ServedModel,
    ids: &[u32],
    count: usize,
    deadline: Instant,
) -> Result<Vec<Option<Score>>, GenerateError> {
    let window = model.engine().config().context_length;
    let mut scores = vec![None];
    // Nothing follows the last one.
    for start in (0..ids.len().saturating_sub(1)).step_by(window) {
        let end = (ids.len() - 1).min(start + window);
        let following = ids[start + 1..=end].to_vec();
        match score_window(model, &ids[start..end], following, count, deadline).await? {
            Some(scored) => scores.extend(scored.into_iter().map(Some)),
            None => return Err(GenerateError::TooLongToScore { tokens: ids.len() }),
        }
    }
    Ok(scores)
}

/// Scores the tokens that follow each position of a window; `None` if that was not done by the deadline.
async fn score_window(
    model: &ServedModel,
    ids: &[u32],
    following: Vec<u32>,
    count: usize,
    deadline: Instant,
) -> Result<Option<Vec<Score>>, GenerateError> {
    let (sender, receiver) = oneshot::channel();
    let reader = Reader { following, count, log_probs: LogProbs::default(), scores: Vec::new(), sender };
    let options = GenerationOptions {
        reads_prompt: true,
        deadline: Some(deadline),
        ..GenerationOptions::new(0, Sampling::Greedy, 0)
    };
    let failed = internal("scoring the prompt failed");
    let request = TextRequest { prompt: ids, options, sink: Box::new(reader) };
    if let Err(error) = model.engine().submit([request]) {
        return Err(failed(error.into()));
    }
    match receiver.await {
        Ok(Ok(scores)) => Ok(scores),
        Ok(Err(error)) => Err(failed(error.into())),
        Err(_) => Err(GenerateError::Internal), // the engine's thread has ended, and its log says why
    }
}

/// Reads the logits of a prompt.
struct Reader {
    /// The token that follows each position.
    following: Vec<u32>,
    count: usize,
    log_probs: LogProbs,
    scores: Vec<Score>,
    /// Gets the scores, if they are complete.
    sender: oneshot::Sender<Result<Option<Vec<Score>>, EngineError>>,
}

impl Sink for Reader {
    fn read_prompt(&mut self, position: usize, logits: &[f32]) -> ControlFlow<()> {
        if let Some(&next) = self.following.get(position) {
            let (chosen, most_likely) = self.log_probs.read(logits, next, self.count);
            self.scores.push((chosen, most_likely.to_vec()));
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
