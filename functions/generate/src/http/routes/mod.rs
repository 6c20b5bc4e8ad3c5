//! Routes of the API, one file each.

pub mod completions;
pub mod docs;
mod errors;
pub mod generate;
pub mod inspect;
mod logprobs;
pub mod status;
