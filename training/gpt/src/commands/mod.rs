//! What `gpt` can do, one file for each command, and what they share.
//!
//! - [`model_argument`]: the model that a command works on;
//! - [`corpus_arguments`]: the text that it works with;
//! - [`release`]: from a model to a version that is published and perhaps served.

pub mod corpus_arguments;
pub mod evaluate;
pub mod export;
pub mod import;
pub mod model_argument;
pub mod publish;
pub mod registry;
pub mod release;
pub mod sample;
pub mod train;
