//! Routes of the API, one file each.

pub mod chat;
pub mod completions;
pub mod docs;
mod errors;
pub mod generate;
pub mod inspect;
mod logprobs;
pub mod metrics;
pub mod openai;
pub mod status;
pub mod tokens;
