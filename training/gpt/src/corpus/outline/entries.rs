//! Entries of an outline: sixteen bytes for each document, on disk.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

const ENTRY_BYTES: u64 = 16;
/// Set in the length of a document that is identical to an earlier one.
const REPEATED: u64 = 1 << 63;

/// A document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The first 64 bits of the SHA-256 of its text.
    pub hash: u64,
    /// Its length.
    pub characters: u64,
    /// Whether it is identical to an earlier one.
    pub is_repeated: bool,
}

impl Entry {
    /// Appends the entry to a file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(self, file: &mut impl Write) -> io::Result<()> {
        let length = self.characters | if self.is_repeated { REPEATED } else { 0 };
        let mut bytes = [0; ENTRY_BYTES as usize];
        bytes[..8].copy_from_slice(&self.hash.to_le_bytes());
        bytes[8..].copy_from_slice(&length.to_le_bytes());
        file.write_all(&bytes)
    }

    fn read(file: &mut impl Read) -> io::Result<Self> {
        let (mut hash, mut length) = ([0; 8], [0; 8]);
        file.read_exact(&mut hash)?;
        file.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length);
        Ok(Self {
            hash: u64::from_le_bytes(hash),
            characters: length & !REPEATED,
            is_repeated: length & REPEATED != 0,
        })
    }
}

/// All documents of a corpus in order, in a file without a name: it vanishes with the process.
pub struct Outline {
    file: File,
    documents: u64,
}

impl Outline {
    /// An empty one, on the disk of `folder`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn create(folder: &Path) -> io::Result<Self> {
        Ok(Self { file: tempfile::tempfile_in(folder)?, documents: 0 })
    }

    /// Appends entries that were written elsewhere.
    ///
    /// # Errors
    /// If they cannot be read or written.
    pub fn append(&mut self, entries: &mut (impl Read + Seek)) -> io::Result<()> {
        entries.rewind()?;
        self.documents += io::copy(entries, &mut self.file)? / ENTRY_BYTES;
        Ok(())
    }

    /// Number of documents.
    pub fn documents(&self) -> u64 {
        self.documents
    }

    /// All entries in order.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn entries(&self) -> io::Result<impl Iterator<Item = io::Result<Entry>> + use<>> {
        let mut file = self.file.try_clone()?;
        file.rewind()?;
        let mut file = BufReader::new(file);
        Ok((0..self.documents).map(move |_| Entry::read(&mut file)))
    }

    /// Marks a document as identical to an earlier one.
    pub(super) fn mark(&self, document: u64, entry: Entry) -> io::Result<()> {
        let mut bytes = Vec::new();
        Entry { is_repeated: true, ..entry }.write(&mut bytes)?;
        self.file.write_all_at(&bytes, document * ENTRY_BYTES)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn outline(entries: &[(u64, u64)]) -> Outline {
        let folder = tempfile::tempdir().unwrap();
        let mut outline = Outline::create(folder.path()).unwrap();
        for entry in entries.chunks(2) {
            let mut bytes = io::Cursor::new(Vec::new());
            for &(hash, characters) in entry {
                Entry { hash, characters, is_repeated: false }.write(&mut bytes).unwrap();
            }
            outline.append(&mut bytes).unwrap();
        }
        outline
    }

    #[test]
    fn keeps_what_is_written() {
        let outline = outline(&[(1, 2), (u64::MAX, 4), (5, 0)]);
        let second = outline.entries().unwrap().nth(1).unwrap().unwrap();
        outline.mark(1, second).unwrap();
        let entries: Vec<Entry> = outline.entries().unwrap().map(Result::unwrap).collect();
        let entry = |hash, characters, is_repeated| Entry { hash, characters, is_repeated };
        assert_eq!(entries, [entry(1, 2, false), entry(u64::MAX, 4, true), entry(5, 0, false)]);
    }
}
