//! Continuations of a prompt: the request, and the events in which the text arrives.

use std::sync::Arc;
use std::time::{Duration, Instant};

use artifact::Sampling;
use artifact::sampling::LogitsProcessors;
use artifact::sampling::log_probs::LogProb;
use engine::Work;
use tokio::sync::mpsc;

use super::error::GenerateError;
use super::prompt::Prompt;
use super::served_model::ServedModel;

/// A request for one or several continuations of each of its prompts.
#[derive(Clone, Debug)]
pub struct Request {
    /// Name, or name and version, of the model that the client expects; `None` accepts any.
    pub model: Option<String>,
    /// What to continue.
    pub prompts: Vec<Prompt>,
    /// Number of continuations of each prompt.
    pub choices: usize,
    /// The most tokens of each.
    pub max_tokens: usize,
    /// Whether a continuation also ends where it fills the context.
    pub fits_context: bool,
    /// No token that ends a text or an answer and no stop id among the first so many tokens.
    pub min_tokens: usize,
    /// Whether no token that ends a text or an answer is ever chosen.
    pub ignores_end: bool,
    /// Sampling of the next token.
    pub sampling: Sampling,
    /// Bias and penalties. What suppresses the end comes from the fields above, when the model is known.
    pub processors: LogitsProcessors,
    /// Seed of a prompt's first continuation; each further one has the next seed. Random if `None`.
    pub seed: Option<u64>,
    /// Stop strings: they end a continuation and are not part of it.
    pub stop: Vec<String>,
    /// Ids that end a continuation and are not part of it, beside the token that ends a text, and in a conversation
    /// the one that ends an answer.
    pub stop_ids: Vec<u32>,
    /// Number of most likely tokens to report at each position; `None` for no log-probabilities.
    pub log_probs: Option<usize>,
    /// Whether to report log-probabilities of the prompts' tokens too.
    pub scores_prompt: bool,
    /// When to end with the tokens so far.
    pub deadline: Instant,
}

/// Continuations that are being generated.
pub struct Continuation {
    /// The model that generates them.
    pub model: Arc<ServedModel>,
    /// The prompts, in the order of the request.
    pub prompts: Vec<ReadPrompt>,
    /// Seed of each prompt's first continuation.
    pub seed: u64,
    /// The tokens, as they are chosen. Dropping this ends the generation.
    pub events: Events,
}

/// A prompt that the model has read.
pub struct ReadPrompt {
    /// Its token ids.
    pub ids: Vec<u32>,
    /// Number of messages of a conversation that did not fit into the context.
    pub dropped: usize,
    /// Log-probabilities of its tokens, if the request asks for them; the first token has none.
    pub scores: Option<Vec<Option<Score>>>,
}

/// Events with the index of their continuation, which is `prompt * choices + choice`; nothing follows an error.
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
/// incomplete, then more than the token's own. A token that ends the text has none.
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
