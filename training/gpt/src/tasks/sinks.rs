//! Sinks of the engine for tasks: an answer as it comes, and the likelihood of one that is given.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use artifact::Tokenizer;
use artifact::sampling::log_probs::LogProbs;
use engine::{EngineError, Generation, Sink, TextStream, Token};
use serde::Serialize;

use super::normalize::complete_words;

/// Likelihood of a text after another.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Likelihood {
    /// Natural logarithm of its probability.
    pub log_likelihood: f64,
    /// Its tokens.
    pub tokens: usize,
    /// Its bytes.
    pub bytes: usize,
}

/// What a sink has found.
pub enum Found {
    /// What the model says.
    Answer(String),
    /// How likely it is to say something.
    Likelihood(Likelihood),
}

/// Where what is found goes, with the name of what it is.
pub struct Report<N> {
    /// The name.
    pub name: N,
    /// The receiver's.
    pub sender: Sender<(N, Result<Found, EngineError>)>,
}

impl<N> Report<N> {
    fn send(self, found: Result<Found, EngineError>) {
        let _ = self.sender.send((self.name, found)); // nobody waits after an error of another text
    }
}

/// Takes an answer.
pub struct AnswerSink<N> {
    /// Where it goes.
    pub report: Report<N>,
    /// Decodes it.
    pub stream: TextStream<Arc<Tokenizer>>,
    /// The answer so far.
    pub text: String,
    /// The most words with which it can be the right one: after more, it is not read to its end.
    pub max_words: usize,
}

impl<N: Send> Sink for AnswerSink<N> {
    fn take(&mut self, token: Token<'_>) -> ControlFlow<()> {
        if token.is_stop {
            return ControlFlow::Continue(());
        }
        // The engine draws ids of the tokenizer alone.
        let Ok(piece) = self.stream.push(token.id) else { return ControlFlow::Break(()) };
        self.text.push_str(&piece.text);
        let is_over = piece.stopped || complete_words(&self.text) > self.max_words;
        if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn end(self: Box<Self>, result: Result<Generation, EngineError>) {
        let Self { report, stream, text, .. } = *self;
        report.send(result.map(|_| Found::Answer(text + &stream.finish())));
    }
}

/// Sums the log-probabilities of a continuation, at the positions of the ids before it and of all of its own but the last.
pub struct LikelihoodSink<N> {
    /// Where the sum goes.
    pub report: Report<N>,
    /// The position after which the continuation begins.
    pub start: usize,
    /// Its ids.
    pub ids: Vec<u32>,
    /// The length of its text.
    pub bytes: usize,
    /// Reads logits.
    pub log_probs: LogProbs,
    /// The sum so far.
    pub sum: f64,
}

impl<N: Send> Sink for LikelihoodSink<N> {
    fn read_prompt(&mut self, position: usize, logits: &[f32]) -> ControlFlow<()> {
        let id = position.checked_sub(self.start).and_then(|index| self.ids.get(index));
        if let Some(&id) = id {
            let (chosen, _) = self.log_probs.read(logits, id, 0);
            self.sum += chosen.log_prob;
        }
        ControlFlow::Continue(())
    }

    fn take(&mut self, _: Token<'_>) -> ControlFlow<()> {
        ControlFlow::Break(()) // it asks for none
    }

    fn end(self: Box<Self>, result: Result<Generation, EngineError>) {
        let Self { report, ids, bytes, sum, .. } = *self;
        let likelihood = Likelihood { log_likelihood: sum, tokens: ids.len(), bytes };
        report.send(result.map(|_| Found::Likelihood(likelihood)));
    }
}
