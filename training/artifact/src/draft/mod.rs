//! Guesses at the next token ids, from what has been written before.
//!
//! A model runs several positions at once for little more than one, so the engine can let it check a
//! guess: the ids that it would have chosen itself are kept, and the rest is dropped (Leviathan et
//! al., "Fast Inference from Transformers via Speculative Decoding", 2023). The guesses come from
//! where the end of the text so far has occurred before: in the corpus that the model was trained
//! on, which a small model quotes, or in the text itself, which may repeat. A wrong guess costs time
//! and never changes the text.
//!
//! - [`index`]: all occurrences in the corpus, as a file of the model version;
//! - `repetition`: the last occurrence in the text itself.

pub mod index;
mod repetition;
#[cfg(test)]
mod tests;

pub use index::{DraftError, DraftIndex, excerpts};

/// File name of the index inside a version's folder.
pub const FILE_NAME: &str = "draft.bin";
/// Ids of a corpus that an index takes: 12 MiB of file, and a second to build.
pub const MAX_TOKENS: usize = 1 << 21;
/// The shortest end of a text that is looked up.
pub const MIN_MATCH: usize = 2;
/// The longest: what lies further back says little about the next id.
pub const MAX_MATCH: usize = 16;
/// The most ids in one draft.
pub const MAX_DRAFT: usize = 16;
/// A draft is what follows at one in so many occurrences, or at more. Checking one more id costs a
/// tenth to a third of choosing one, by model and threads, so less likely ids cost more than they
/// save. Where a match occurs once, what follows is as likely as the model knows its corpus by heart;
/// that shows in how many drafted ids it accepts, by which to choose how many to ask for.
pub const MIN_SHARE: usize = 4;

/// Appends to `drafted` what is likely to follow `recent`: up to `max` ids, at most [`MAX_DRAFT`], and
/// none where there is nothing to go by.
///
/// The longest end of `recent` that has occurred before decides, of [`MIN_MATCH`] to [`MAX_MATCH`]
/// ids; the corpus of `index` before `recent` itself if they are equally long, and `recent` if the
/// corpus leaves it open. A draft does not reach into another document. It takes a few microseconds,
/// and one more for each thousand ids of `recent`.
pub fn draft(index: Option<&DraftIndex>, recent: &[u32], max: usize, drafted: &mut Vec<u32>) {
    let max = max.min(MAX_DRAFT);
    let in_corpus = index.and_then(|index| Some((index, index.longest_match(recent)?)));
    let in_text = repetition::longest_match(recent);
    let corpus_length = in_corpus.as_ref().map_or(0, |(_, found)| found.length);
    let before = drafted.len();
    if let Some((index, found)) = in_corpus
        && in_text.as_ref().is_none_or(|in_text| in_text.length <= corpus_length)
    {
        index.follow(&found, max, drafted);
    }
    if let Some(in_text) = in_text
        && drafted.len() == before
    {
        in_text.follow(recent, max, drafted);
    }
}
