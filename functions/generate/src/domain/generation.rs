//! Text generation with a loaded model, on a thread of its own: from token ids to text and log-probabilities.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use artifact::Sampling;
use artifact::sampling::log_probs::LogProbs;
use artifact::tokenizer::UnknownToken;
use engine::{FinishReason, Generation, GenerationOptions, TextStream, Token};
use tokio::sync::mpsc;

use super::blocking::{internal, run_blocking};
use super::continuation::{Event, Events, Score, Summary, TokenEvent};
use super::error::GenerateError;
use super::queue::Turn;
use super::served_model::ServedModel;
use super::telemetry;

/// One continuation to generate.
#[derive(Clone, Debug)]
pub struct Task {
    /// Token ids of the prompt.
    pub prompt_ids: Vec<u32>,
    /// The most tokens to generate.
    pub max_tokens: usize,
    /// Sampling of the next token.
    pub sampling: Sampling,
    /// Seed of the sampling.
    pub seed: u64,
    /// Stop strings: they end the continuation and are not part of it.
    pub stop: Vec<String>,
    /// Number of most likely tokens to report at each position; `None` for no log-probabilities.
    pub log_probs: Option<usize>,
    /// When to end with the tokens so far.
    pub deadline: Instant,
}

/// Runs tasks one after the other on a thread of their own, since a model takes all cores for seconds.
/// Dropping the events ends the generation.
pub fn start(model: Arc<ServedModel>, tasks: Vec<Task>, turn: Turn) -> Events {
    // Unbounded, since a text is bounded, and a slow reader must not keep the model from others.
    let (sender, receiver) = mpsc::unbounded_channel();
    let span = tracing::Span::current();
    tokio::task::spawn_blocking(move || {
        let _entered = span.entered();
        let _generation = tracing::info_span!("generation").entered();
        let _turn = turn;
        for (index, task) in tasks.into_iter().enumerate() {
            match run(&model, &task, |event| sender.send(Ok((index, Event::Token(event)))).is_ok()) {
                Ok(Some(summary)) => {
                    telemetry::generated(&summary);
                    let _ = sender.send(Ok((index, Event::Done(summary))));
                }
                Ok(None) => {
                    tracing::info!("the client left before the text was complete");
                    return;
                }
                Err(error) => {
                    let _ = sender.send(Err(internal("generation failed")(error)));
                    return;
                }
            }
        }
    });
    receiver
}

/// Runs one task; `None` if `send` returns `false` because the receiver is gone.
fn run(model: &ServedModel, task: &Task, send: impl FnMut(TokenEvent) -> bool) -> Result<Option<Summary>> {
    let tokenizer = model.tokenizer()?;
    let text = TextStream::new(tokenizer, task.stop.clone());
    let mut writer = Writer { text, log_probs: LogProbs::default(), task, send, end: None };
    let options = GenerationOptions {
        stop_id: tokenizer.end_of_text(),
        deadline: Some(task.deadline),
        ..GenerationOptions::new(task.max_tokens, task.sampling, task.seed)
    };
    let generation =
        model.engine().generate_with(&task.prompt_ids, &options, |token| match writer.push(token) {
            Some(end) => {
                writer.end = Some(end);
                ControlFlow::Break(())
            }
            None => ControlFlow::Continue(()),
        })?;
    match writer.end {
        Some(End::Unknown(error)) => Err(error.into()),
        Some(End::Left) => Ok(None),
        Some(End::Stopped) => Ok(Some(summary(generation, "stop", writer.text))),
        None => {
            let finish_reason = match generation.finish_reason {
                FinishReason::Stop => "stop",
                FinishReason::Length | FinishReason::Cancelled => "length",
                FinishReason::Deadline => "deadline",
            };
            Ok(Some(summary(generation, finish_reason, writer.text)))
        }
    }
}

/// Turns tokens into events.
struct Writer<'a, S> {
    text: TextStream<'a>,
    log_probs: LogProbs,
    task: &'a Task,
    send: S,
    /// Why the generation was ended from here.
    end: Option<End>,
}

/// Reasons to end a generation that the engine does not know.
enum End {
    /// The text has reached a stop string.
    Stopped,
    /// The receiver of the events is gone.
    Left,
    /// The tokenizer does not have the token.
    Unknown(UnknownToken),
}

impl<S: FnMut(TokenEvent) -> bool> Writer<'_, S> {
    fn push(&mut self, token: Token<'_>) -> Option<End> {
        let piece = match self.text.push(token.id) {
            Ok(piece) => piece,
            Err(error) => return Some(End::Unknown(error)),
        };
        let log_probs = self.task.log_probs.map(|count| {
            let (chosen, most_likely) = self.log_probs.read(token.logits, token.id, count);
            (chosen, most_likely.to_vec())
        });
        if !(self.send)(TokenEvent { text: piece.text, id: token.id, log_probs }) {
            return Some(End::Left);
        }
        piece.stopped.then_some(End::Stopped)
    }
}

fn summary(generation: Generation, finish_reason: &'static str, text: TextStream<'_>) -> Summary {
    Summary {
        text: text.finish(),
        finish_reason,
        tokens: generation.ids.len(),
        first_token: generation.first_token,
        total: generation.total,
        work: generation.work,
    }
}

/// Log-probabilities of a prompt's tokens and of the `count` most likely tokens at each position; the first
/// token has none.
///
/// # Errors
/// If the prompt is longer than the context, or the engine fails.
pub async fn score(
    model: Arc<ServedModel>,
    ids: Vec<u32>,
    count: usize,
    turn: Turn,
) -> Result<(Vec<Option<Score>>, Turn), GenerateError> {
    let (tokens, limit) = (ids.len(), model.manifest().config.context_length);
    if tokens > limit {
        return Err(GenerateError::TooLongToScore { tokens, limit });
    }
    run_blocking(move || {
        let mut log_probs = LogProbs::default();
        let mut scores = vec![None];
        let result = model.engine().read_logits(&ids, |position, logits| {
            if let Some(&next) = ids.get(position + 1) {
                let (chosen, most_likely) = log_probs.read(logits, next, count);
                scores.push(Some((chosen, most_likely.to_vec())));
            }
        });
        let result = result.map_err(anyhow::Error::from);
        result.map_err(internal("reading logits failed"))?;
        Ok((scores, turn))
    })
    .await
}
