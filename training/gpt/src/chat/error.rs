//! Errors of a conversation.

use std::io;

use artifact::chat::TemplateError;
use engine::EngineError;

/// Why a model gives no answer.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// The chat template fails, or refuses the conversation.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// ONNX Runtime fails.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The model has no chat template.
    #[error("the model has no chat template: it continues texts and answers nothing")]
    NoTemplate,
    /// What is asked leaves no room for an answer.
    #[error(
        "the question has {tokens} tokens with the system message, expected at most {limit}: ask for less at once"
    )]
    TooLong {
        /// Its length.
        tokens: usize,
        /// The most that leaves room.
        limit: usize,
    },
    /// The answer could not be written.
    #[error("writing the answer: {0}")]
    Output(#[from] io::Error),
}
