//! Document, one text of a corpus: its name and digest, and the part of the file that is read.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use artifact::Sha256Hex;

use super::gutenberg::{BodyFinder, Position};
use super::reader::TextReader;
use crate::corpus::error::CorpusError;

/// One text of a corpus.
#[derive(Clone, Debug)]
pub struct Document {
    path: PathBuf,
    sha256: Sha256Hex,
    body: Range<Position>,
}

impl Document {
    /// Reads a file, to know its digest and length and that it is text.
    ///
    /// # Errors
    /// If it cannot be read or is not UTF-8.
    pub fn scan(path: &Path) -> Result<Self, CorpusError> {
        // Side by side, so that a file larger than memory comes from the disk once.
        let (digest, body) = rayon::join(|| Sha256Hex::of_file(path), || find_body(path));
        let body = body?;
        let (sha256, _) = digest.map_err(CorpusError::io(path))?;
        Ok(Self { path: path.to_owned(), sha256, body })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// File name, without its folder.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned()
    }

    /// Digest of the whole file.
    pub fn sha256(&self) -> &Sha256Hex {
        &self.sha256
    }

    /// Length of the text.
    pub fn characters(&self) -> u64 {
        self.body.end.characters - self.body.start.characters
    }

    /// Reads the text from its beginning.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn open(&self) -> Result<BodyReader, CorpusError> {
        let file = File::open(&self.path).map_err(CorpusError::io(&self.path))?;
        Ok(BodyReader {
            reader: TextReader::new(&self.path, file),
            block: String::new(),
            position: 0,
            body: self.body.start.bytes..self.body.end.bytes,
        })
    }
}

fn find_body(path: &Path) -> Result<Range<Position>, CorpusError> {
    let mut reader = TextReader::new(path, File::open(path).map_err(CorpusError::io(path))?);
    let mut body = BodyFinder::default();
    let mut block = String::new();
    while reader.read_block(&mut block)? {
        body.push(&block);
        block.clear();
    }
    Ok(body.finish())
}

/// Reads the text of a document block by block.
pub struct BodyReader {
    reader: TextReader<File>,
    block: String,
    /// Bytes of normalized text before the block.
    position: u64,
    body: Range<u64>,
}

impl BodyReader {
    /// Appends the next block to `text`; false at the end of the text.
    ///
    /// # Errors
    /// If the file cannot be read or has changed since it was scanned.
    pub fn read_block(&mut self, text: &mut String) -> Result<bool, CorpusError> {
        if self.position >= self.body.end {
            return Ok(false);
        }
        self.block.clear();
        if !self.reader.read_block(&mut self.block)? {
            return Err(self.reader.changed());
        }
        let length = self.block.len() as u64;
        let inside = |border: u64| border.saturating_sub(self.position).min(length) as usize;
        let range = inside(self.body.start)..inside(self.body.end);
        // The borders lie between lines, unless this is another text by now.
        text.push_str(self.block.get(range).ok_or_else(|| self.reader.changed())?);
        self.position += length;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_book_without_what_its_publisher_put_around_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let body = format!("Chapter I\r\n\r\n{}It was é.\r\n", "A line of text.\r\n".repeat(10_000));
        let book = format!(
            "\u{feff}Header\r\n*** START OF THE PROJECT GUTENBERG EBOOK 1 ***\r\n\r\n{body}\r\n\r\n\
             *** END OF THE PROJECT GUTENBERG EBOOK 1 ***\r\nLicence\r\n"
        );
        std::fs::write(file.path(), &book).unwrap();
        let document = Document::scan(file.path()).unwrap();
        let mut text = String::new();
        let mut reader = document.open().unwrap();
        while reader.read_block(&mut text).unwrap() {}
        assert_eq!(text, body.replace("\r\n", "\n"));
        assert_eq!(document.characters(), text.chars().count() as u64);
        assert_eq!(document.sha256(), &Sha256Hex::of_bytes(book.as_bytes()));
    }

    #[test]
    fn a_file_that_shrinks_meanwhile_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a text").unwrap();
        let document = Document::scan(file.path()).unwrap();
        std::fs::write(file.path(), "").unwrap();
        let error = document.open().unwrap().read_block(&mut String::new()).unwrap_err();
        assert!(matches!(error, CorpusError::Changed { .. }), "{error}");
    }
}
