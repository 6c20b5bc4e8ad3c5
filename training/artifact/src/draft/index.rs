//! Suffix-array index of a corpus for n-gram drafting.
//!
//! A suffix array (Manber and Myers, "Suffix Arrays: A New Method for On-Line String Searches", 1993)
//! holds the positions of the corpus, sorted by the ids that begin there, so that all occurrences of a
//! sequence of ids are found by binary search. It is sorted by no more ids than a match and a draft have,
//! so that repetitive corpora sort as fast as others.
//!
//! The file, little endian: the magic, the format version (u32), the bytes of an id (u32: 2, or 4
//! where the vocabulary needs them), the vocabulary size (u64), the number of ids (u64), the ids, and
//! as many sorted positions (u32). It is used as it is read, without another copy.

use std::ops::Range;

use super::limits::{MAX_DRAFT, MAX_MATCH, MIN_MATCH, MIN_SHARE};

const MAGIC: [u8; 8] = *b"TRLDRAFT";
const FORMAT_VERSION: u32 = 1;
const HEADER_BYTES: usize = 32;
const POSITION_BYTES: usize = 4;
/// Positions are sorted by so many ids.
const SORTED_BY: usize = MAX_MATCH + MAX_DRAFT;
/// Ids in an excerpt of a long corpus, with the separator after it.
const EXCERPT: usize = 8192;

/// A draft index that cannot be built or read.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum DraftError {
    /// The bytes are not an index, or not one of this model.
    #[error("not a draft index: its {what} is {found}, expected {expected}; train the model again")]
    Differs {
        /// The property at fault.
        what: &'static str,
        /// Its expected value.
        expected: String,
        /// Its value.
        found: String,
    },
    /// The ids were made with another vocabulary.
    #[error("token id {id} of the corpus is not in the model's vocabulary of {vocab_size}")]
    TokenOutOfRange {
        /// The id.
        id: u32,
        /// Ids are below it.
        vocab_size: usize,
    },
    /// The corpus is too long to number its positions.
    #[error("{0} token ids do not fit into a draft index; take excerpts of them")]
    TooLong(usize),
}

/// The ids to index of a corpus of `count` ids, at most `max_tokens`: all of them, or of a longer one
/// excerpts from all over it, evenly spread and separated like documents, by `end_of_text`. `read` gives
/// the ids of a range.
pub fn excerpts<I: IntoIterator<Item = u32>>(
    count: usize,
    max_tokens: usize,
    end_of_text: Option<u32>,
    mut read: impl FnMut(Range<usize>) -> I,
) -> Vec<u32> {
    if count <= max_tokens {
        return read(0..count).into_iter().collect();
    }
    let number = (max_tokens / EXCERPT).max(1);
    let length = (EXCERPT - 1).min(max_tokens);
    let mut ids = Vec::with_capacity(max_tokens);
    for i in 0..number {
        if i > 0 {
            ids.extend(end_of_text);
        }
        let start = i * (count / number);
        ids.extend(read(start..start + length));
    }
    ids
}

/// An index of the ids of a corpus.
pub struct DraftIndex {
    /// The file.
    bytes: Vec<u8>,
    id_bytes: usize,
    count: usize,
}

/// Occurrences of the longest suffix of a text that has any.
pub(super) struct Match {
    /// Length of that suffix in ids.
    pub(super) length: usize,
    /// Ranks of the sorted positions that begin with it.
    occurrences: Range<usize>,
}

impl DraftIndex {
    /// Indexes `ids`. It takes less than a second for [`MAX_TOKENS`](super::MAX_TOKENS).
    ///
    /// # Errors
    /// If an id is not below `vocab_size`, or there are more than u32 can count.
    pub fn build(ids: &[u32], vocab_size: usize) -> Result<Self, DraftError> {
        if let Some(&id) = ids.iter().find(|&&id| id as usize >= vocab_size) {
            return Err(DraftError::TokenOutOfRange { id, vocab_size });
        }
        let count = u32::try_from(ids.len()).map_err(|_| DraftError::TooLong(ids.len()))?;
        let at = |position: u32| {
            let rest = &ids[position as usize..];
            &rest[..rest.len().min(SORTED_BY)]
        };
        let mut positions: Vec<u32> = (0..count).collect();
        positions.sort_unstable_by(|&a, &b| at(a).cmp(at(b)).then(a.cmp(&b)));

        let id_bytes = if vocab_size <= 1 << 16 { 2 } else { 4 };
        let mut bytes = Vec::with_capacity(HEADER_BYTES + ids.len() * (id_bytes + POSITION_BYTES));
        bytes.extend(MAGIC);
        bytes.extend(FORMAT_VERSION.to_le_bytes());
        bytes.extend((id_bytes as u32).to_le_bytes());
        bytes.extend((vocab_size as u64).to_le_bytes());
        bytes.extend(u64::from(count).to_le_bytes());
        for id in ids {
            bytes.extend(&id.to_le_bytes()[..id_bytes]);
        }
        for position in positions {
            bytes.extend(position.to_le_bytes());
        }
        Ok(Self { bytes, id_bytes, count: ids.len() })
    }

    /// The index in the bytes of a file, of a model with `vocab_size` ids.
    ///
    /// That the positions are sorted is not checked: if they are not, drafts are worse and no more.
    ///
    /// # Errors
    /// If it is not such an index, or a part of one.
    pub fn from_bytes(bytes: Vec<u8>, vocab_size: usize) -> Result<Self, DraftError> {
        let expect = |what, expected: u64, found: u64| {
            if expected == found { Ok(()) } else { Err(differs(what, expected, found)) }
        };
        let Some((&header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Err(differs("length", format!("at least {HEADER_BYTES}"), bytes.len()));
        };
        let field = |at: usize, length: usize| {
            header[at..at + length].iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
        };
        if !header.starts_with(&MAGIC) {
            let found = header[..MAGIC.len()].escape_ascii();
            return Err(differs("magic", MAGIC.escape_ascii(), found));
        }
        expect("format version", FORMAT_VERSION.into(), field(8, 4))?;
        let id_bytes = match field(12, 4) {
            2 => 2,
            4 => 4,
            other => return Err(differs("number of bytes of an id", "2 or 4", other)),
        };
        expect("vocabulary size", vocab_size as u64, field(16, 8))?;
        let count = field(24, 8);
        let length = count.saturating_mul((id_bytes + POSITION_BYTES) as u64);
        expect("length after the header", length, rest.len() as u64)?;

        // It fits into memory, so it fits into usize.
        let index = Self { count: count as usize, id_bytes, bytes };
        let largest_id = (0..index.count).filter_map(|position| index.id(position)).max();
        if let Some(id) = largest_id.filter(|&id| id as usize >= vocab_size) {
            return Err(differs("largest id", format!("below {vocab_size}"), id));
        }
        let largest_position = (0..index.count).map(|rank| index.position(rank)).max();
        if let Some(position) = largest_position.filter(|&position| position >= index.count) {
            return Err(differs("largest position", format!("below {count}"), position));
        }
        Ok(index)
    }

    /// The contents of its file.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The id at a position of the corpus, if it is that long.
    fn id(&self, position: usize) -> Option<u32> {
        if position >= self.count {
            return None;
        }
        let start = HEADER_BYTES + position * self.id_bytes;
        let bytes = &self.bytes[start..start + self.id_bytes];
        Some(match *bytes {
            [a, b] => u32::from(u16::from_le_bytes([a, b])),
            _ => little_endian(bytes),
        })
    }

    /// The sorted positions, by their rank below the count.
    fn position(&self, rank: usize) -> usize {
        let start = HEADER_BYTES + self.count * self.id_bytes + rank * POSITION_BYTES;
        little_endian(&self.bytes[start..start + POSITION_BYTES]) as usize
    }

    /// Finds the longest suffix of `recent`, within one document, that occurs in the corpus.
    pub(super) fn longest_match(&self, recent: &[u32], end_of_text: Option<u32>) -> Option<Match> {
        let document = recent.rsplit(|&id| Some(id) == end_of_text).next().unwrap_or_default();
        let mut best = None;
        // Where a suffix occurs, all shorter ones do, so the length can be bisected.
        let (mut shortest, mut longest) = (MIN_MATCH, document.len().min(MAX_MATCH));
        while shortest <= longest {
            let length = (shortest + longest).div_ceil(2);
            let occurrences = self.find(&document[document.len() - length..]);
            if occurrences.is_empty() {
                longest = length - 1;
            } else {
                shortest = length + 1;
                best = Some(Match { length, occurrences });
            }
        }
        best
    }

    /// The ranks of the positions where `ids` occur.
    fn find(&self, ids: &[u32]) -> Range<usize> {
        let order = |rank: usize| {
            let position = self.position(rank);
            // The end of the corpus sorts before every id.
            let here = (position..position + ids.len()).map(|position| self.id(position));
            here.cmp(ids.iter().map(|&id| Some(id)))
        };
        let start = partition_point(0..self.count, |rank| order(rank).is_lt());
        start..partition_point(start..self.count, |rank| order(rank).is_le())
    }

    /// Appends to `drafted` the ids that most often follow a match, one after the other, as long as they
    /// follow at one in [`MIN_SHARE`] of its occurrences and within one document: up to `max` ids, which must not
    /// be above [`MAX_DRAFT`].
    pub(super) fn follow(&self, found: &Match, end_of_text: Option<u32>, max: usize, drafted: &mut Vec<u32>) {
        let needed = found.occurrences.len().div_ceil(MIN_SHARE);
        let mut occurrences = found.occurrences.clone();
        for depth in found.length..found.length + max {
            match self.most_frequent(occurrences, depth, needed) {
                Some((id, range)) if Some(id) != end_of_text => {
                    drafted.push(id);
                    occurrences = range;
                }
                _ => break,
            }
        }
    }

    /// Finds the most frequent next id among occurrences that agree in their first `depth` ids, and the
    /// occurrences that have it, if there are `needed` or more. Of equally frequent ids, the smallest.
    fn most_frequent(
        &self,
        occurrences: Range<usize>,
        depth: usize,
        needed: usize,
    ) -> Option<(u32, Range<usize>)> {
        let next = |rank: usize| self.id(self.position(rank) + depth);
        let mut best: Option<(u32, Range<usize>)> = None;
        let mut seen = occurrences.start;
        // Equal ids stand together. So `needed` of them include one that stands at a multiple of it.
        for rank in occurrences.clone().skip(needed - 1).step_by(needed) {
            let Some(id) = next(rank) else { continue };
            if rank < seen {
                continue;
            }
            let start = partition_point(seen..rank, |rank| next(rank) < Some(id));
            seen = partition_point(rank + 1..occurrences.end, |rank| next(rank) <= Some(id));
            let count = seen - start;
            if count >= needed && best.as_ref().is_none_or(|(_, range)| count > range.len()) {
                best = Some((id, start..seen));
            }
        }
        best
    }
}

/// A number of up to four bytes.
fn little_endian(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |value, &byte| value << 8 | u32::from(byte))
}

/// The first of a range for which `before` is false, if it is true for all before that.
fn partition_point(range: Range<usize>, before: impl Fn(usize) -> bool) -> usize {
    let Range { mut start, mut end } = range;
    while start < end {
        let middle = start + (end - start) / 2;
        if before(middle) {
            start = middle + 1;
        } else {
            end = middle;
        }
    }
    start
}

fn differs(what: &'static str, expected: impl ToString, found: impl ToString) -> DraftError {
    DraftError::Differs { what, expected: expected.to_string(), found: found.to_string() }
}
