//! Conversations to learn answers from: instruction data, as fine-tuning reads it.
//!
//! 1. `record`: the shapes that such data has in the wild, as messages;
//! 2. `read`: a file of them, in JSON Lines or one JSON array;
//! 3. [`examples`]: their token ids by a chat template, and batches of them;
//! 4. `load`: all of this, for a corpus.

pub mod examples;
mod load;
mod read;
mod record;

pub use examples::Examples;
pub(super) use load::{Loaded, load_conversations};
