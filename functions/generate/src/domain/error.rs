//! Errors of a request for a continuation or an inspection.

/// Why a request gets no continuation. Internal causes are in the log and not in the message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenerateError {
    /// The queue is full, or the turn would come after the deadline.
    #[error("too many requests are waiting")]
    Overloaded,
    /// The model was not loaded by the deadline.
    #[error("the model is still being loaded")]
    Loading,
    /// No model can be loaded.
    #[error("no model can be served: {reason}")]
    NoModel {
        /// Why not, without names of places.
        reason: &'static str,
    },
    /// The request names a model that is not served.
    #[error("there is no model `{model}` here; the one that is served is `{served}`")]
    UnknownModel {
        /// The model that the request names.
        model: String,
        /// The model that is served.
        served: String,
    },
    /// The model has a vocabulary of its own, so text cannot be tokenized for it.
    #[error("the model has no tokenizer")]
    NoTokenizer,
    /// The model's graph has no outputs for embeddings and attention weights.
    #[error("the model cannot be inspected")]
    NotInspectable,
    /// A token id of the request is not in the vocabulary.
    #[error("`{field}`: the id {id} is not in the vocabulary of {vocab_size} ids")]
    UnknownToken {
        /// The field that has it.
        field: &'static str,
        /// The id.
        id: u32,
        /// Number of ids, all of them below it.
        vocab_size: usize,
    },
    /// The prompt is empty, and the tokenizer has no token that a text begins after.
    #[error("the prompt is empty")]
    EmptyPrompt,
    /// The model's chat template refuses the conversation.
    #[error("{reason}")]
    Conversation {
        /// In the words of the template.
        reason: String,
    },
    /// The prompt is longer than an inspection allows.
    #[error("the prompt is {tokens} tokens long, expected at most {limit}")]
    TooLongToInspect {
        /// Length of the prompt.
        tokens: usize,
        /// The longest prompt that is inspected.
        limit: usize,
    },
    /// The log-probabilities of the prompt were not computed by the deadline.
    #[error("the prompt is {tokens} tokens long, which take longer to score than the time limit")]
    TooLongToScore {
        /// Length of the prompt.
        tokens: usize,
    },
    /// A fault of this program; the log has the cause.
    #[error("internal error")]
    Internal,
}
