//! Continuations of a prompt: the request, and the events in which the text arrives.

use std::sync::Arc;
use std::time::{Duration, Instant};

use artifact::Sampling;
use artifact::sampling::log_probs::LogProb;
use engine::Work;
use tokio::sync::mpsc;

use super::error::GenerateError;
use super::prompt::Prompt;
use super::served_model::ServedModel;

/// A request for one or several continuations of a prompt.
#[derive(Clone, Debug)]
pub struct Request {
    /// Name, or name and version, of the model that the client expects; `None` accepts any.
    pub model: Option<String>,
    /// The text or token ids to continue.
    pub prompt: Prompt,
    /// Number of continuations.
    pub choices: usize,
    /// The most tokens of each.
    pub max_tokens: usize,
    /// Sampling of the next token.
    pub sampling: Sampling,
    /// Seed of the first continuation; each further one has the next seed. Random if `None`.
    pub seed: Option<u64>,
    /// Stop strings: they end a continuation and are not part of it.
    pub stop: Vec<String>,
    /// Number of most likely tokens to report at each position; `None` for no log-probabilities.
    pub log_probs: Option<usize>,
    /// Whether to report log-probabilities of the prompt's tokens too.
    pub scores_prompt: bool,
    /// When to end with the tokens so far.
    pub deadline: Instant,
}

/// Continuations that are being generated.
pub struct Continuation {
    /// The model that generates them.
    pub model: Arc<ServedModel>,
    /// Token ids of the prompt.
    pub prompt_ids: Vec<u32>,
    /// Log-probabilities of the prompt's tokens, if the request asks for them; the first token has none.
    pub prompt_scores: Option<Vec<Option<Score>>>,
    /// Seed of the first continuation.
    pub seed: u64,
    /// The tokens, as they are chosen. Dropping this ends the generation.
    pub events: Events,
}

/// Events with the index of their continuation; nothing follows an error.
pub type Events = mpsc::UnboundedReceiver<Result<(usize, Event), GenerateError>>;

/// Log-probability of a token, and those of the most likely tokens at its position.
pub type Score = (LogProb, Vec<LogProb>);

/// An event of a continuation.
#[derive(Debug)]
pub enum Event {
    /// A token was chosen.
    Token(TokenEvent),
    /// The continuation is complete.
    Done(Summary),
}

/// A new token, and the text that is complete with it: none while a character or a possible stop string is
/// incomplete, then more than the token's own.
#[derive(Debug)]
pub struct TokenEvent {
    /// Follows the text before it.
    pub text: String,
    /// Id of the token.
    pub id: u32,
    /// Its log-probabilities, if the request asks for them.
    pub log_probs: Option<Score>,
}

/// The end of a continuation.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Text that was held back until now.
    pub text: String,
    /// `length`, `stop` or `deadline`.
    pub finish_reason: &'static str,
    /// Number of generated tokens.
    pub tokens: usize,
    /// From the start of the generation to its first token.
    pub first_token: Duration,
    /// From the start of the generation to its last token.
    pub total: Duration,
    /// Runs of the model, and drafted tokens.
    pub work: Work,
}
