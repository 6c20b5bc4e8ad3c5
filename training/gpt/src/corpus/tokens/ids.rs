//! Token ids of one split of a corpus: shards one after the other.

use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::shard::{Shard, ShardWriter};
use super::shelf::{Damage, Shelf, Split};
use super::token_bytes::TokenBytes;

/// Ids in a shard, 128 MiB of them: few files for a large corpus, and each is quick to copy.
pub const SHARD_TOKENS: u64 = 1 << 26;

/// Ids that are in memory where all are read.
const READ_AT_ONCE: usize = 1 << 20;

/// The token ids of one split of a corpus, on disk.
#[derive(Clone, Debug)]
pub struct Tokens {
    split: Split,
    /// Each with the ids before it.
    shards: Arc<[(usize, Shard)]>,
    count: usize,
    token_bytes: TokenBytes,
}

/// Lengths of a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// Number of files.
    pub shards: u64,
    /// Number of ids in them.
    pub tokens: u64,
}

impl Tokens {
    /// Opens the shards of a split and checks them. `token_bytes` are of the tokenizer that they are of.
    ///
    /// # Errors
    /// If one is missing or damaged.
    pub fn open(
        shelf: &Shelf,
        split: Split,
        written: Written,
        token_bytes: TokenBytes,
    ) -> Result<Self, Damage> {
        let mut shards = Vec::new();
        let mut count = 0;
        for number in 0..written.shards {
            let shard = Shard::open(shelf, split, number)?;
            let start = count;
            count += shard.tokens();
            shards.push((start, shard));
        }
        if count as u64 != written.tokens {
            let (expected, found) = (format!("{} token ids", written.tokens), count.to_string());
            return Err(Damage::differs(&shelf.folder, expected, found));
        }
        Ok(Self { split, shards: shards.into(), count, token_bytes })
    }

    /// Their split.
    pub fn split(&self) -> Split {
        self.split
    }

    /// Number of ids.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Bytes of text that ids of their tokenizer stand for.
    pub fn bytes(&self, ids: &[i64]) -> usize {
        self.token_bytes.sum(ids)
    }

    /// Bytes of text that all of them stand for.
    pub fn total_bytes(&self) -> u64 {
        let starts = (0..self.count).step_by(READ_AT_ONCE);
        starts.map(|start| self.bytes(&self.read(start, READ_AT_ONCE)) as u64).sum()
    }

    /// The `count` ids from `start` on, or as many as there are.
    ///
    /// # Panics
    /// If the disk fails, or somebody shortens a file that was checked when it was opened.
    pub fn read(&self, start: usize, count: usize) -> Vec<i64> {
        let end = (start + count).min(self.count);
        let mut ids = Vec::with_capacity(count);
        let first = self.shards.partition_point(|(before, shard)| before + shard.tokens() <= start);
        for (before, shard) in &self.shards[first..] {
            let position = start + ids.len();
            if position >= end {
                break;
            }
            let here = (end - position).min(before + shard.tokens() - position);
            if let Err(error) = shard.read(position - before, here, &mut ids) {
                panic!("token cache, {} ids from {position} on: {error}", self.split.name());
            }
        }
        ids
    }
}

/// Writes the shards of a split.
pub struct TokensWriter<'a> {
    shelf: &'a Shelf,
    split: Split,
    shard_tokens: u64,
    separator: Option<u32>,
    current: Option<ShardWriter>,
    written: Written,
    separator_due: bool,
}

impl<'a> TokensWriter<'a> {
    /// Writes shards of `shard_tokens` ids, the last of what is left, with `separator` between documents.
    pub fn new(shelf: &'a Shelf, split: Split, shard_tokens: u64, separator: Option<u32>) -> Self {
        let written = Written { shards: 0, tokens: 0 };
        Self { shelf, split, shard_tokens, separator, current: None, written, separator_due: false }
    }

    /// What follows is another document: the separator comes between it and what is there.
    pub fn begin_document(&mut self) {
        self.separator_due = self.written.tokens > 0;
    }

    /// Appends ids.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn push(&mut self, ids: &[u32]) -> io::Result<()> {
        if !ids.is_empty() && std::mem::take(&mut self.separator_due) {
            let separator = self.separator;
            self.append(separator.as_slice())?;
        }
        self.append(ids)
    }

    fn append(&mut self, mut ids: &[u32]) -> io::Result<()> {
        while !ids.is_empty() {
            let shard = match &mut self.current {
                Some(shard) => shard,
                none => {
                    let path = self.shelf.path(self.split, self.written.shards);
                    none.insert(ShardWriter::create(&path, self.shelf.id_bytes)?)
                }
            };
            let room = (self.shard_tokens - shard.tokens()).min(ids.len() as u64) as usize;
            let (here, rest) = ids.split_at(room);
            shard.push(here)?;
            self.written.tokens += here.len() as u64;
            if shard.tokens() == self.shard_tokens {
                self.finish_shard()?;
            }
            ids = rest;
        }
        Ok(())
    }

    fn finish_shard(&mut self) -> io::Result<()> {
        if let Some(shard) = self.current.take() {
            shard.finish(self.shelf, self.split, self.written.shards)?;
            self.written.shards += 1;
        }
        Ok(())
    }

    /// Finishes the last shard.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(mut self) -> io::Result<Written> {
        self.finish_shard()?;
        Ok(self.written)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use artifact::Sha256Hex;

    use super::super::shelf::IdBytes;
    use super::*;

    fn shelf(folder: &std::path::Path) -> Shelf {
        let sha256 = Sha256Hex::of_bytes(b"test");
        let id_bytes = IdBytes::Two;
        Shelf { folder: folder.to_owned(), tokenizer: sha256.clone(), corpus: sha256, id_bytes }
    }

    /// Opens a split whose ids stand for as many bytes as they say.
    fn open(shelf: &Shelf, split: Split, written: Written) -> Result<Tokens, Damage> {
        Tokens::open(shelf, split, written, (0..1000).collect())
    }

    /// The ids from 0 on, in shards of 7, each for as many bytes. Their names are gone, the open files are not.
    pub(crate) fn tokens(count: u16) -> Tokens {
        let folder = tempfile::tempdir().unwrap();
        let shelf = shelf(folder.path());
        let mut writer = TokensWriter::new(&shelf, Split::Training, 7, None);
        writer.push(&(0..u32::from(count)).collect::<Vec<_>>()).unwrap();
        open(&shelf, Split::Training, writer.finish().unwrap()).unwrap()
    }

    #[test]
    fn reads_across_shards() {
        for count in [0, 1, 6, 7, 8, 14, 40] {
            let tokens = tokens(count);
            assert_eq!(tokens.count(), usize::from(count));
            assert_eq!(tokens.shards.len(), usize::from(count).div_ceil(7));
            for start in 0..=tokens.count() {
                for length in [0, 1, 7, 9, 100] {
                    let end = (start + length).min(tokens.count());
                    let expected: Vec<i64> = (start as i64..end as i64).collect();
                    assert_eq!(tokens.read(start, length), expected, "{count} {start} {length}");
                }
            }
        }
    }

    #[test]
    fn documents_are_separated_and_none_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = shelf(folder.path());
        let mut writer = TokensWriter::new(&shelf, Split::Validation, 3, Some(50_256));
        for document in [&[][..], &[1, 2], &[], &[3, 4], &[5], &[]] {
            writer.begin_document();
            writer.push(document).unwrap();
        }
        let written = writer.finish().unwrap();
        assert_eq!(written, Written { shards: 3, tokens: 7 });
        let tokens = open(&shelf, Split::Validation, written).unwrap();
        assert_eq!(tokens.read(0, 7), [1, 2, 50_256, 3, 4, 50_256, 5]);

        let more = Written { tokens: 8, ..written };
        let error = open(&shelf, Split::Validation, more).unwrap_err();
        assert!(error.to_string().contains("expected 8 token ids, found 7"), "{error}");
        std::fs::remove_file(shelf.path(Split::Validation, 1)).unwrap();
        assert!(open(&shelf, Split::Validation, written).is_err());
    }
}
