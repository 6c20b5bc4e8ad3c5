//! Wire types: the JSON of requests and responses, and their OpenAPI schema.
//!
//! Requests check the range of their own fields ([`validate`]); responses are made from domain types.

#[cfg(test)]
mod any_input;
pub mod chat;
pub mod chat_answer;
pub mod chat_message;
pub mod completion;
pub mod completions;
pub mod generate;
pub mod inspect;
pub mod logit_bias;
pub mod max_tokens;
pub mod merged;
pub mod model;
pub mod openai;
pub mod prompt;
pub mod sampling;
pub mod stop;
pub mod tokens;
pub mod unsupported;
pub mod usage;
pub mod validate;
