//! Tests of drafts: matches in the corpus and in the text, the index file.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::tokenizer::END_OF_TEXT;

/// Beyond u16, so that ids take four bytes.
const LARGE_VOCABULARY: usize = 70_000;
const VOCABULARY: usize = 50_257;

fn index(ids: &[u32]) -> DraftIndex {
    DraftIndex::build(ids, VOCABULARY).unwrap()
}

fn drafted(index: Option<&DraftIndex>, recent: &[u32], max: usize) -> Vec<u32> {
    let mut drafted = vec![7];
    draft(index, Some(END_OF_TEXT), recent, max, &mut drafted);
    assert_eq!(drafted.remove(0), 7);
    drafted
}

#[test]
fn drafts_what_followed_in_the_corpus() {
    let index = index(&[10, 11, 12, 13, 14, END_OF_TEXT, 11, 12, 20, 21]);
    // Only the first document has 10 before 11 and 12.
    assert_eq!(drafted(Some(&index), &[9, 10, 11, 12], 3), [13, 14]);
    assert_eq!(drafted(Some(&index), &[9, 10, 11, 12], 1), [13]);
    // Two ways to go on, one as good as the other: the smaller id.
    assert_eq!(drafted(Some(&index), &[9, 11, 12], 8), [13, 14]);
    // One id is too little, and where the corpus or a document ends there is nothing to say.
    for recent in [&[][..], &[12], &[5, 12], &[20, 21], &[13, 14], &[10, END_OF_TEXT, 11]] {
        assert_eq!(drafted(Some(&index), recent, 8), [0; 0], "{recent:?}");
    }
    assert_eq!(drafted(Some(&index), &[10, 11], 0), [0; 0]);
}

#[test]
fn drafts_no_more_than_is_likely() {
    // 1 2 is followed by 3 at two of nine places, and otherwise by an id of its own.
    let mut ids = vec![1, 2, 3, 1, 2, 3];
    (10..17).for_each(|id| ids.extend([1, 2, id]));
    assert_eq!(drafted(Some(&index(&ids)), &[1, 2], 4), [0; 0]);
    // At two of eight it is one in MIN_SHARE, which goes on in one way, and then in two.
    ids.truncate(ids.len() - 3);
    assert_eq!(drafted(Some(&index(&ids)), &[1, 2], 4), [3, 1, 2]);
}

#[test]
fn a_text_drafts_from_itself() {
    assert_eq!(drafted(None, &[1, 2, 3, 4, 1, 2], 3), [3, 4, 1]);
    // The last of two, and the longer of two.
    assert_eq!(drafted(None, &[1, 2, 3, 1, 2, 4, 1, 2], 1), [4]);
    assert_eq!(drafted(None, &[0, 1, 2, 3, 1, 2, 4, 0, 1, 2], 1), [3]);
    // Round in circles.
    assert_eq!(drafted(None, &[5, 5, 5], 4), [5, 5, 5, 5]);
    assert_eq!(drafted(None, &[5, 6, 5, 6, 5], 4), [6, 5, 6, 5]);
    // Not across the border of a document.
    for recent in
        [&[][..], &[1], &[1, 2, 1], &[1, END_OF_TEXT, 2, 1, END_OF_TEXT], &[1, 2, END_OF_TEXT, 1, 2]]
    {
        assert_eq!(drafted(None, recent, 4), [0; 0], "{recent:?}");
    }
}

#[test]
fn the_longer_match_wins_and_the_corpus_if_equal() {
    let corpus = index(&[1, 2, 50, 0, 1, 3, 51]);
    assert_eq!(drafted(Some(&corpus), &[1, 2, 9, 1, 2], 1), [50]);
    assert_eq!(drafted(Some(&corpus), &[8, 1, 2, 9, 8, 1, 2], 1), [9]);
    assert_eq!(drafted(Some(&corpus), &[1, 3, 9, 0, 1, 3], 1), [51]);
    // The corpus matches, but ends there.
    assert_eq!(drafted(Some(&corpus), &[3, 51, 9, 3, 51], 1), [9]);
}

#[test]
fn a_long_corpus_is_sampled_from_all_over_it() {
    let read = |range: std::ops::Range<usize>| range.map(|id| id as u32);
    assert_eq!(excerpts(5, 5, Some(END_OF_TEXT), read), [0, 1, 2, 3, 4]);
    assert_eq!(excerpts(0, 5, Some(END_OF_TEXT), read), [0; 0]);
    assert_eq!(excerpts(100, 3, Some(END_OF_TEXT), read), [0, 1, 2]);
    // Two excerpts of 8192 ids, each with a separator, the second from the middle.
    let ids = excerpts(40_000, 20_000, Some(END_OF_TEXT), read);
    assert_eq!(ids.len(), 2 * 8192 - 1);
    assert_eq!(ids[8190..8193], [8190, END_OF_TEXT, 20_000]);
    assert_eq!(ids.last(), Some(&28_190));
    // Without a separator they follow each other.
    assert_eq!(excerpts(40_000, 20_000, None, read)[8190..8192], [8190, 20_000]);
}

#[test]
fn what_cannot_be_indexed_is_refused() {
    let error = DraftIndex::build(&[1, 97], 97).err().unwrap();
    assert_eq!(error, DraftError::TokenOutOfRange { id: 97, vocab_size: 97 });
}

#[test]
fn damaged_files_are_refused() {
    let good = index(&[3, 4, 5]).as_bytes().to_vec();
    assert_eq!(good.len(), 32 + 3 * 2 + 3 * 4);
    let refusal = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        DraftIndex::from_bytes(bytes, VOCABULARY).err().unwrap().to_string()
    };
    for (change, expected) in [
        (
            &(|bytes: &mut Vec<u8>| bytes.clear()) as &dyn Fn(&mut Vec<u8>),
            "length is 0, expected at least 32",
        ),
        (&|bytes| bytes[0] = b'X', "magic is XRLDRAFT, expected TRLDRAFT"),
        (&|bytes| bytes[8] = 2, "format version is 2, expected 1"),
        (&|bytes| bytes[12] = 3, "bytes of an id is 3, expected 2 or 4"),
        (&|bytes| bytes[12] = 4, "length after the header is 18, expected 24"),
        (&|bytes| bytes[16] = 0, "vocabulary size is 50176, expected 50257"),
        (&|bytes| bytes[24] = 4, "length after the header is 18, expected 24"),
        (&|bytes| bytes[24..32].fill(255), "length after the header is 18"),
        (&|bytes| bytes.truncate(49), "length after the header is 17, expected 18"),
        (&|bytes| bytes.push(0), "length after the header is 19, expected 18"),
        (&|bytes| bytes[34..36].fill(255), "largest id is 65535, expected below 50257"),
        (&|bytes| bytes[38] = 3, "largest position is 3, expected below 3"),
    ] {
        let error = refusal(change);
        assert!(error.contains(expected), "{error}");
    }
    assert!(DraftIndex::from_bytes(good, 97).is_err());
}

/// The longest end of `recent` within one document that stands in `corpus`, and where it ends there.
fn occurrences(corpus: &[u32], recent: &[u32]) -> Option<(usize, Vec<usize>)> {
    (MIN_MATCH..=MAX_MATCH.min(recent.len())).rev().find_map(|length| {
        let end = &recent[recent.len() - length..];
        if end.contains(&END_OF_TEXT) {
            return None;
        }
        let ends: Vec<usize> = (length..=corpus.len()).filter(|&i| corpus[i - length..i] == *end).collect();
        (!ends.is_empty()).then_some((length, ends))
    })
}

/// By definition: look everywhere, count what comes next, go on where it comes.
fn reference(corpus: &[u32], recent: &[u32], max: usize) -> Vec<u32> {
    let mut drafted = Vec::new();
    let mut from_corpus = 0;
    if let Some((length, mut ends)) = occurrences(corpus, recent) {
        from_corpus = length;
        let needed = ends.len().div_ceil(MIN_SHARE);
        while drafted.len() < max {
            let mut counts = BTreeMap::<u32, usize>::new();
            for &end in &ends {
                corpus.get(end).into_iter().for_each(|&id| *counts.entry(id).or_default() += 1);
            }
            let most = counts.values().copied().max().unwrap_or(0);
            match counts.into_iter().find(|&(_, count)| count == most) {
                Some((id, count)) if count >= needed && id != END_OF_TEXT => drafted.push(id),
                _ => break,
            }
            ends.retain(|&end| corpus.get(end) == drafted.last());
            ends.iter_mut().for_each(|end| *end += 1);
        }
    }
    let earlier = &recent[..recent.len().saturating_sub(1)];
    if let Some((length, ends)) = occurrences(earlier, recent)
        && (length > from_corpus || drafted.is_empty())
    {
        let next = ends[ends.len() - 1];
        let circles = recent[next..].iter().cycle().take(max);
        drafted = circles.copied().take_while(|&id| id != END_OF_TEXT).collect();
    }
    drafted
}

fn ids(length: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u32>> {
    let id = prop_oneof![8 => 0u32..3, 1 => Just(END_OF_TEXT), 1 => 0u32..9];
    prop::collection::vec(id, length)
}

proptest! {
    #[test]
    fn equals_the_definition(
        corpus in ids(0..300),
        recent in ids(0..60),
        quote in (any::<prop::sample::Index>(), 0..40usize),
        max in 0..20usize,
        large in any::<bool>(),
    ) {
        let vocab_size = if large { LARGE_VOCABULARY } else { VOCABULARY };
        // Some of it quotes the corpus.
        let mut recent = recent;
        let start = quote.0.index(corpus.len() + 1);
        recent.extend(&corpus[start..(start + quote.1).min(corpus.len())]);

        let index = DraftIndex::build(&corpus, vocab_size).unwrap();
        let index = DraftIndex::from_bytes(index.as_bytes().to_vec(), vocab_size).unwrap();
        prop_assert_eq!(index.as_bytes()[12], if large { 4 } else { 2 });
        let expected = reference(&corpus, &recent, max.min(MAX_DRAFT));
        prop_assert_eq!(drafted(Some(&index), &recent, max), expected);
        prop_assert_eq!(drafted(None, &recent, max), reference(&[], &recent, max.min(MAX_DRAFT)));
    }

    /// Positions in any order, as a damaged or malicious file may have them.
    #[test]
    fn an_unsorted_index_drafts_only_ids_of_the_vocabulary(
        corpus in ids(1..100),
        positions in prop::collection::vec(any::<prop::sample::Index>(), 100),
        recent in ids(0..30),
    ) {
        let mut bytes = index(&corpus).as_bytes().to_vec();
        let start = bytes.len() - 4 * corpus.len();
        for (place, position) in bytes[start..].chunks_mut(4).zip(positions) {
            place.copy_from_slice(&(position.index(corpus.len()) as u32).to_le_bytes());
        }
        let index = DraftIndex::from_bytes(bytes, VOCABULARY).unwrap();
        let drafted = drafted(Some(&index), &recent, MAX_DRAFT);
        prop_assert!(drafted.len() <= MAX_DRAFT);
        prop_assert!(drafted.iter().all(|id| corpus.contains(id) || recent.contains(id)));
    }

    #[test]
    fn any_bytes_are_an_index_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let mut bytes = bytes;
        let header = index(&[]).as_bytes().to_vec();
        for keep in [0, 8, 12, 16, 24] {
            let keep = keep.min(bytes.len());
            bytes[..keep].copy_from_slice(&header[..keep]);
            let _: Result<_, _> = DraftIndex::from_bytes(bytes.clone(), VOCABULARY);
        }
    }
}
