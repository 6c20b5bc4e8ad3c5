//! Text generation with a loaded model: from token ids to text and log-probabilities, as events.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use artifact::sampling::LogitsProcessors;
use artifact::sampling::log_probs::LogProbs;
use artifact::tokenizer::UnknownToken;
use artifact::{Sampling, Tokenizer};
use engine::{
    EngineError, FinishReason, Generation, GenerationOptions, Piece, Sink, TextRequest, TextStream, Token,
};
use tokio::sync::mpsc::{self, UnboundedSender};
use tracing::Span;

use super::blocking::internal;
use super::continuation::{Event, Events, Summary, TokenEvent};
use super::error::GenerateError;
use super::queue::Turn;
use super::served_model::ServedModel;
use super::telemetry;

/// One continuation to generate.
#[derive(Clone, Debug)]
pub struct Task {
    /// The most tokens to generate.
    pub max_tokens: usize,
    /// Sampling of the next token.
    pub sampling: Sampling,
    /// What changes the logits before: bias and penalties.
    pub processors: LogitsProcessors,
    /// Seed of the sampling.
    pub seed: u64,
    /// Stop strings: they end the continuation and are not part of it.
    pub stop: Vec<String>,
    /// Ids that end the continuation and are not part of it.
    pub stop_ids: Vec<u32>,
    /// Number of most likely tokens to report at each position; `None` for no log-probabilities.
    pub log_probs: Option<usize>,
    /// When to end with the tokens so far.
    pub deadline: Instant,
}

/// Hands the tasks of each prompt to the model, which reads a prompt once for all of its tasks and runs them as it has
/// slots. The turn is over with the last of them. Dropping the events ends the generation.
///
/// # Errors
/// If the model takes no texts.
pub fn start<'a>(
    model: &ServedModel,
    prompts: impl IntoIterator<Item = (&'a [u32], Vec<Task>)>,
    turn: Turn,
) -> Result<Events, GenerateError> {
    // Unbounded, since a slow reader must not keep the model from others: who takes the events bounds what a client may
    // leave unread.
    let (sender, receiver) = mpsc::unbounded_channel();
    let (tokenizer, turn) = (model.tokenizer()?, Arc::new(turn));
    let mut texts = Vec::new();
    for (prompt, tasks) in prompts {
        for task in tasks {
            let options = GenerationOptions {
                processors: task.processors,
                stop_ids: task.stop_ids,
                deadline: Some(task.deadline),
                ..GenerationOptions::new(task.max_tokens, task.sampling, task.seed)
            };
            let writer = Writer {
                index: texts.len(),
                text: TextStream::new(Arc::clone(tokenizer), task.stop),
                count: task.log_probs,
                log_probs: LogProbs::default(),
                events: sender.clone(),
                end: None,
                channel: model.compared_channel().cloned(),
                span: tracing::info_span!("generation"),
                _turn: Arc::clone(&turn),
            };
            texts.push(TextRequest { prompt, options, sink: Box::new(writer) });
        }
    }
    let submitted = model.engine().submit(texts);
    submitted.map_err(anyhow::Error::from).map_err(internal("generation failed"))?;
    Ok(receiver)
}

/// Turns the tokens of a continuation into events.
struct Writer {
    index: usize,
    text: TextStream<Arc<Tokenizer>>,
    /// Number of most likely tokens to report.
    count: Option<usize>,
    log_probs: LogProbs,
    events: UnboundedSender<Result<(usize, Event), GenerateError>>,
    /// Why the generation was ended from here.
    end: Option<End>,
    /// For metrics.
    channel: Option<Arc<str>>,
    span: Span,
    _turn: Arc<Turn>,
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

impl Sink for Writer {
    fn take(&mut self, token: Token<'_>) -> ControlFlow<()> {
        self.end = self.push(token);
        if self.end.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn is_open(&self) -> bool {
        !self.events.is_closed()
    }

    fn end(self: Box<Self>, result: Result<Generation, EngineError>) {
        let Self { index, text, events, end, channel, span, .. } = *self;
        let _entered = span.entered();
        let ended = result.map_err(anyhow::Error::from).and_then(|generation| {
            let finish_reason = match (end, generation.finish_reason) {
                (Some(End::Unknown(error)), _) => return Err(error.into()),
                (Some(End::Stopped), _) | (None, FinishReason::Stop) => "stop",
                (None, FinishReason::Length) => "length",
                (None, FinishReason::Deadline) => "deadline",
                (Some(End::Left), _) | (None, FinishReason::Cancelled) => return Ok(None),
            };
            Ok(Some((generation, finish_reason)))
        });
        // If the client leaves now, nobody can be told.
        match ended {
            Ok(Some((generation, finish_reason))) => {
                let summary = summary(generation, finish_reason, text);
                telemetry::generated(&summary, channel);
                let _ = events.send(Ok((index, Event::Done(summary))));
            }
            Ok(None) => tracing::info!("the client left before the text was complete"),
            Err(error) => {
                telemetry::failed(channel);
                let _ = events.send(Err(internal("generation failed")(error)));
            }
        }
    }
}

impl Writer {
    fn push(&mut self, token: Token<'_>) -> Option<End> {
        let piece = match token.is_stop {
            true => Ok(Piece::default()),
            false => self.text.push(token.id),
        };
        let piece = match piece {
            Ok(piece) => piece,
            Err(error) => return Some(End::Unknown(error)),
        };
        let log_probs = self.count.map(|count| {
            let (chosen, most_likely) = self.log_probs.read(token.logits, token.id, count);
            (chosen, most_likely.to_vec())
        });
        let event = Event::Token(TokenEvent { text: piece.text, id: token.id, log_probs });
        if self.events.send(Ok((self.index, event))).is_err() {
            return Some(End::Left);
        }
        piece.stopped.then_some(End::Stopped)
    }
}

fn summary(generation: Generation, finish_reason: &'static str, text: TextStream<Arc<Tokenizer>>) -> Summary {
    Summary {
        text: text.finish(),
        finish_reason,
        tokens: generation.ids.len(),
        first_token: generation.first_token,
        total: generation.total,
        work: generation.work,
    }
}
