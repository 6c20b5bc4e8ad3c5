//! One continuation, piece by piece: from a request's options to text.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use artifact::Sampling;
use artifact::sampling::log_probs::{LogProb, LogProbs};
use artifact::tokenizer::END_OF_TEXT;
use engine::{FinishReason, GenerationOptions, TextStream, Work};
use rand::TryRngCore;
use rand::rngs::OsRng;
use tokio::sync::mpsc;

use crate::error::ApiError;
use crate::gate::{Deadline, Turn};
use crate::served_model::ServedModel;
use crate::settings::MAX_SEED;
use crate::telemetry;

/// A seed for a request that has none. From the system: a generator in this process would be the same in
/// all copies of a snapshot.
pub fn draw_seed() -> u64 {
    OsRng.try_next_u64().map_or(0, |bits| bits & MAX_SEED)
}

/// What to generate.
#[derive(Clone, Debug)]
pub struct Task {
    /// Ids of the prompt.
    pub prompt_ids: Vec<u32>,
    /// The most tokens.
    pub max_tokens: usize,
    /// How each is chosen.
    pub sampling: Sampling,
    /// Fixes what is drawn.
    pub seed: u64,
    /// Texts that end the continuation, and are not part of it.
    pub stop: Vec<String>,
    /// When to end with what there is.
    pub deadline: Deadline,
    /// How many of the most likely tokens to tell at each position, if any.
    pub log_probs: Option<usize>,
}

/// How likely a token was, and the most likely ones.
pub type Score = (LogProb, Vec<LogProb>);

/// What comes of a task.
#[derive(Debug)]
pub enum Event {
    /// A token was chosen.
    Token(TokenEvent),
    /// There are no more.
    Done(Summary),
}

/// A token, and the text that is certain by it, which may be empty, or more than the token's own.
#[derive(Debug)]
pub struct TokenEvent {
    /// Follows the text before it.
    pub text: String,
    /// Its id.
    pub id: u32,
    /// How likely it was, and what else would have been, if the task asked for that.
    pub log_probs: Option<Score>,
}

/// How a continuation ended.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Text that was held back until now.
    pub text: String,
    /// `length`, `stop` or `deadline`.
    pub finish_reason: &'static str,
    /// Tokens that were chosen.
    pub tokens: usize,
    /// From the start to the first token.
    pub first_token: Duration,
    /// From the start to the last token.
    pub total: Duration,
    /// What it took.
    pub work: Work,
}

/// Runs tasks one after the other in a thread of their own, since a model takes all cores for seconds.
/// Events come with the number of their task; after an error there are none. Whoever drops the receiver
/// ends the generation.
pub fn start(
    model: Arc<ServedModel>,
    tasks: Vec<Task>,
    turn: Turn,
) -> mpsc::UnboundedReceiver<Result<(usize, Event), ApiError>> {
    // Without a bound: a text has one, and a slow reader must not keep the model from others.
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
                    // Of a streamed response this is the last moment: Lambda stops the process after it.
                    telemetry::flush();
                    let _ = sender.send(Ok((index, Event::Done(summary))));
                }
                Ok(None) => {
                    tracing::info!("the client left before the text was complete");
                    return;
                }
                Err(error) => {
                    tracing::error!(error = format!("{error:#}"), "generation failed");
                    let _ = sender.send(Err(ApiError::Internal));
                    return;
                }
            }
        }
    });
    receiver
}

/// Runs one task; `None` if `send` says that nobody wants more.
fn run(
    model: &ServedModel,
    task: &Task,
    mut send: impl FnMut(TokenEvent) -> bool,
) -> Result<Option<Summary>> {
    let tokenizer = model.tokenizer().context("the model has no tokenizer")?;
    let mut text = TextStream::new(tokenizer, task.stop.clone());
    let mut log_probs = LogProbs::default();
    let (mut stopped, mut left, mut unknown) = (false, false, None);
    let options = GenerationOptions {
        stop_id: Some(END_OF_TEXT),
        deadline: Some(task.deadline.0),
        ..GenerationOptions::new(task.max_tokens, task.sampling, task.seed)
    };
    let generation = model.engine().generate_with(&task.prompt_ids, &options, |token| {
        let piece = match text.push(token.id) {
            Ok(piece) => piece,
            Err(error) => {
                unknown = Some(error);
                return ControlFlow::Break(());
            }
        };
        let log_probs = task.log_probs.map(|count| {
            let (chosen, most_likely) = log_probs.read(token.logits, token.id, count);
            (chosen, most_likely.to_vec())
        });
        stopped = piece.stopped;
        left = !send(TokenEvent { text: piece.text, id: token.id, log_probs });
        if stopped || left { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if let Some(error) = unknown {
        return Err(error.into());
    }
    if left {
        return Ok(None);
    }
    let finish_reason = match generation.finish_reason {
        _ if stopped => "stop",
        FinishReason::Stop => "stop",
        FinishReason::Length | FinishReason::Cancelled => "length",
        FinishReason::Deadline => "deadline",
    };
    Ok(Some(Summary {
        text: text.finish(),
        finish_reason,
        tokens: generation.ids.len(),
        first_token: generation.first_token,
        total: generation.total,
        work: generation.work,
    }))
}

/// How likely each token of a text is after those before it, and the `count` most likely ones; nothing for
/// the first. The text must fit into the context.
///
/// # Errors
/// If the engine fails.
pub async fn score(
    model: Arc<ServedModel>,
    ids: Vec<u32>,
    count: usize,
    turn: Turn,
) -> Result<(Vec<Option<Score>>, Turn), ApiError> {
    let task = tokio::task::spawn_blocking(move || {
        let mut log_probs = LogProbs::default();
        let mut scores = vec![None];
        let result = model.engine().read_logits(&ids, |position, logits| {
            if let Some(&next) = ids.get(position + 1) {
                let (chosen, most_likely) = log_probs.read(logits, next, count);
                scores.push(Some((chosen, most_likely.to_vec())));
            }
        });
        result.map(|()| (scores, turn))
    });
    match task.await {
        Ok(Ok(scores)) => Ok(scores),
        Ok(Err(error)) => {
            tracing::error!(error = format!("{error:#}"), "reading logits failed");
            Err(ApiError::Internal)
        }
        Err(_) => Err(ApiError::Internal), // the panic is in the log
    }
}
