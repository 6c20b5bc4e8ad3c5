//! Wire types: the JSON of requests and responses, and their OpenAPI schema.
//!
//! Requests check the range of their own fields ([`validate`]); responses are made from domain types.

#[cfg(test)]
mod any_input;
pub mod completions;
pub mod generate;
pub mod inspect;
pub mod model;
pub mod prompt;
pub mod stop;
pub mod usage;
pub mod validate;
