//! Drafts for speculative decoding, by n-gram lookup.
//!
//! A model runs several positions at once for little more than one, so the engine lets it verify a draft
//! of the next ids: the ids that it would have chosen itself are kept, the rest is dropped (Leviathan et
//! al., "Fast Inference from Transformers via Speculative Decoding", 2023). Drafts continue an earlier
//! occurrence of the last ids: in the corpus that the model was trained on, which a small model quotes, or
//! in the text itself, which may repeat. A wrong draft costs time and never changes the text.
//!
//! - `draft`: the choice between both;
//! - [`index`]: all occurrences in the corpus, as a file of the model version;
//! - `repetition`: the last occurrence in the text itself;
//! - `limits`: lengths of matches and drafts.

#[allow(clippy::module_inception, reason = "the function is called as `draft::draft`")]
mod draft;
pub mod index;
mod limits;
mod repetition;
#[cfg(test)]
mod tests;

pub use draft::draft;
pub use index::{DraftError, DraftIndex, excerpts};
pub use limits::{MAX_DRAFT, MAX_MATCH, MAX_TOKENS, MIN_MATCH, MIN_SHARE};

/// File name of the index inside a version's folder.
pub const FILE_NAME: &str = "draft.bin";
