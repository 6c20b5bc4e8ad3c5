//! Text reader: UTF-8, without byte-order mark, lines ended by line feeds.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::corpus::error::CorpusError;

/// Bytes that are read at once.
const BLOCK_BYTES: u64 = 1 << 16;
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Reads text block by block, so that a file of any length takes the same memory.
pub struct TextReader<R> {
    path: PathBuf,
    input: R,
    /// The beginning of a character whose end has not been read.
    incomplete: Vec<u8>,
    /// Bytes of the file before `incomplete`.
    offset: u64,
    /// The text so far ends in a carriage return: a line feed that follows belongs to it.
    after_return: bool,
}

impl<R: Read> TextReader<R> {
    /// Reads `input`, the contents of the file `path`.
    pub fn new(path: &Path, input: R) -> Self {
        Self { path: path.to_owned(), input, incomplete: Vec::new(), offset: 0, after_return: false }
    }

    /// Appends the next block to `text`; false at the end of the file.
    ///
    /// # Errors
    /// If the file cannot be read or is not UTF-8.
    pub fn read_block(&mut self, text: &mut String) -> Result<bool, CorpusError> {
        let mut bytes = std::mem::take(&mut self.incomplete);
        let count = (&mut self.input)
            .take(BLOCK_BYTES)
            .read_to_end(&mut bytes)
            .map_err(CorpusError::io(&self.path))?;
        let at_end = count == 0;
        if let Err(error) = std::str::from_utf8(&bytes)
            && error.error_len().is_none()
            && !at_end
        {
            self.incomplete = bytes.split_off(error.valid_up_to());
        }
        let block = std::str::from_utf8(&bytes).map_err(|error| CorpusError::NotUtf8 {
            path: self.path.clone(),
            offset: self.offset + error.valid_up_to() as u64,
        })?;
        let is_first = self.offset == 0;
        self.offset += bytes.len() as u64;
        self.normalize(if is_first { without_mark(block) } else { block }, text);
        Ok(!at_end)
    }

    /// The error for a file that is not what it was when it was scanned.
    pub fn changed(&self) -> CorpusError {
        CorpusError::Changed { path: self.path.clone() }
    }

    /// Appends `block` to `text` with `\r\n` and `\r` as `\n`.
    fn normalize(&mut self, mut block: &str, text: &mut String) {
        if block.is_empty() {
            return;
        }
        if self.after_return {
            block = block.strip_prefix('\n').unwrap_or(block);
        }
        self.after_return = block.ends_with('\r');
        for (index, part) in block.split('\r').enumerate() {
            if index == 0 {
                text.push_str(part);
            } else {
                text.push('\n');
                text.push_str(part.strip_prefix('\n').unwrap_or(part));
            }
        }
    }
}

fn without_mark(block: &str) -> &str {
    match block.as_bytes().strip_prefix(BYTE_ORDER_MARK) {
        Some(_) => &block[BYTE_ORDER_MARK.len()..],
        None => block,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use proptest::prelude::*;

    /// Hands out a few bytes at a time, as a pipe may.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(buffer.len());
            (&mut self.0).take(count as u64).read(buffer)
        }
    }

    fn read(input: impl Read) -> Result<String, CorpusError> {
        let mut reader = TextReader::new(Path::new("a.txt"), input);
        let mut text = String::new();
        while reader.read_block(&mut text)? {}
        Ok(text)
    }

    #[test]
    fn lines_end_in_line_feeds_and_the_byte_order_mark_is_dropped() {
        let text = read("\u{feff}a\r\nb\rc\r\r\nd\n\re\u{feff}\r".as_bytes()).unwrap();
        assert_eq!(text, "a\nb\nc\n\nd\n\ne\u{feff}\n");
        assert_eq!(read("\u{feff}".as_bytes()).unwrap(), "");
    }

    #[test]
    fn names_the_byte_that_is_not_utf8() {
        // Beyond the first block, after a carriage return that counts as a byte of the file.
        let mut bytes = vec![b'a'; BLOCK_BYTES as usize];
        bytes.extend(b"\r\ncaf\xe9 noir");
        let error = read(&bytes[..]).unwrap_err();
        assert!(matches!(error, CorpusError::NotUtf8 { offset: 65_541, .. }), "{error}");
        // A character that the file does not finish.
        let error = read(&b"ab\xc3"[..]).unwrap_err();
        assert!(matches!(error, CorpusError::NotUtf8 { offset: 2, .. }), "{error}");
    }

    proptest! {
        /// The borders of blocks leave no trace: padding moves characters and line ends across one.
        #[test]
        fn blocks_leave_no_trace(padding in 0..12usize, tail in "[a\r\né🎨]{0,16}", step in 1..9usize) {
            let text = format!("{}{tail}", "x".repeat(BLOCK_BYTES as usize - padding));
            let expected = text.replace("\r\n", "\n").replace('\r', "\n");
            prop_assert_eq!(&read(text.as_bytes()).unwrap(), &expected);
            prop_assert_eq!(&read(Trickle(text.as_bytes(), step)).unwrap(), &expected);
        }
    }
}
