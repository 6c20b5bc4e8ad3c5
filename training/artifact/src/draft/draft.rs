//! Drafting from the corpus and the text so far.

use super::index::DraftIndex;
use super::limits::MAX_DRAFT;
use super::repetition;

/// Appends to `drafted` ids that are likely to follow `recent`: up to `max` ids, at most [`MAX_DRAFT`], and
/// none without a match.
///
/// The longest suffix of `recent` that has occurred before decides, of
/// [`MIN_MATCH`](super::MIN_MATCH) to [`MAX_MATCH`](super::MAX_MATCH) ids. If the longest matches in the
/// corpus of `index` and in `recent` itself are equally long, the corpus decides, and `recent` if no id is
/// frequent enough in the corpus. A draft does not reach into another document, which begins after `end_of_text`. It takes a few microseconds,
/// and one more for each thousand ids of `recent`.
pub fn draft(
    index: Option<&DraftIndex>,
    end_of_text: Option<u32>,
    recent: &[u32],
    max: usize,
    drafted: &mut Vec<u32>,
) {
    let max = max.min(MAX_DRAFT);
    let in_corpus = index.and_then(|index| Some((index, index.longest_match(recent, end_of_text)?)));
    let in_text = repetition::longest_match(recent, end_of_text);
    let corpus_length = in_corpus.as_ref().map_or(0, |(_, found)| found.length);
    let before = drafted.len();
    if let Some((index, found)) = in_corpus
        && in_text.as_ref().is_none_or(|in_text| in_text.length <= corpus_length)
    {
        index.follow(&found, end_of_text, max, drafted);
    }
    if let Some(in_text) = in_text
        && drafted.len() == before
    {
        in_text.follow(recent, end_of_text, max, drafted);
    }
}
