//! Limits of matches and drafts.

/// Ids of a corpus that an index takes: 12 MiB of file, and a second to build.
pub const MAX_TOKENS: usize = 1 << 21;
/// Ids in the shortest suffix of a text that is looked up.
pub const MIN_MATCH: usize = 2;
/// Ids in the longest suffix that is looked up: what lies further back says little about the next id.
pub const MAX_MATCH: usize = 16;
/// The most ids in one draft.
pub const MAX_DRAFT: usize = 16;
/// An id is drafted if it follows at one in so many occurrences of a match, or at more. Verifying one more
/// id costs a tenth to a third of generating one, depending on model and threads, so less likely ids cost
/// more than they save. For a match that occurs once the likelihood depends on how well the model has
/// memorized its corpus; the engine observes the acceptance rate and adapts the length of drafts to it.
pub const MIN_SHARE: usize = 4;
