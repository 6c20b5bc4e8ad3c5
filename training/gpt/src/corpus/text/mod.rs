//! Files as normalized text.
//!
//! - `reader`: UTF-8 with line feeds, block by block;
//! - `gutenberg`: the book in a file of Project Gutenberg;
//! - `document`: one text of a corpus, with its digest;
//! - `prompts`: example prompts from the texts.

mod document;
mod gutenberg;
mod prompts;
mod reader;

pub use document::{BodyReader, Document};
pub use prompts::example_prompts;
