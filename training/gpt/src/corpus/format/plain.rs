//! Plain text: UTF-8 without its byte-order mark, block by block.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::records::{Records, Step};
use crate::corpus::error::CorpusError;

/// Bytes that are read at once.
const BLOCK_BYTES: u64 = 1 << 16;
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Reads a text as one record.
pub struct PlainText<R> {
    path: PathBuf,
    input: R,
    /// The beginning of a character whose end has not been read.
    incomplete: Vec<u8>,
    /// Bytes of the text before `incomplete`.
    offset: u64,
    has_ended: bool,
}

impl<R: Read> PlainText<R> {
    /// Reads `input`, the contents of the file `path`.
    pub fn new(path: &Path, input: R) -> Self {
        Self { path: path.to_owned(), input, incomplete: Vec::new(), offset: 0, has_ended: false }
    }
}

impl<R: Read> Records for PlainText<R> {
    fn read(&mut self, text: &mut String) -> Result<Step, CorpusError> {
        if self.has_ended {
            return Ok(Step::End);
        }
        let mut bytes = std::mem::take(&mut self.incomplete);
        let count = (&mut self.input)
            .take(BLOCK_BYTES)
            .read_to_end(&mut bytes)
            .map_err(CorpusError::io(&self.path))?;
        if let Err(error) = std::str::from_utf8(&bytes)
            && error.error_len().is_none()
            && count > 0
        {
            self.incomplete = bytes.split_off(error.valid_up_to());
        }
        let at = |offset: usize| (self.path.clone(), self.offset + offset as u64);
        let block = std::str::from_utf8(&bytes).map_err(|error| {
            let (path, offset) = at(error.valid_up_to());
            CorpusError::NotUtf8 { path, offset }
        })?;
        if let Some(offset) = block.find('\0') {
            let (path, offset) = at(offset);
            return Err(CorpusError::Zero { path, offset });
        }
        let is_first = self.offset == 0;
        self.offset += bytes.len() as u64;
        text.push_str(if is_first { block.strip_prefix(BYTE_ORDER_MARK).unwrap_or(block) } else { block });
        self.has_ended = count == 0;
        Ok(if self.has_ended { Step::RecordEnd } else { Step::Text })
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::super::records::read_all;
    use super::*;

    /// Hands out a few bytes at a time, as a pipe may.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(buffer.len());
            (&mut self.0).take(count as u64).read(buffer)
        }
    }

    fn read(input: impl Read) -> Result<String, CorpusError> {
        Ok(read_all(PlainText::new(Path::new("a.txt"), input))?.concat())
    }

    #[test]
    fn drops_the_byte_order_mark() {
        assert_eq!(read("\u{feff}a\u{feff}".as_bytes()).unwrap(), "a\u{feff}");
        assert_eq!(read("\u{feff}".as_bytes()).unwrap(), "");
        assert_eq!(read(&b""[..]).unwrap(), "");
    }

    #[test]
    fn names_the_byte_that_is_not_text() {
        // Beyond the first block.
        let beyond = |tail: &[u8]| [&vec![b'a'; BLOCK_BYTES as usize], tail].concat();
        let error = read(&beyond(b"\r\ncaf\xe9 noir")[..]).unwrap_err();
        assert!(matches!(error, CorpusError::NotUtf8 { offset: 65_541, .. }), "{error}");
        let error = read(&beyond(b"a\0b")[..]).unwrap_err();
        assert!(matches!(error, CorpusError::Zero { offset: 65_537, .. }), "{error}");
        // A character that the file does not finish.
        let error = read(&b"ab\xc3"[..]).unwrap_err();
        assert!(matches!(error, CorpusError::NotUtf8 { offset: 2, .. }), "{error}");
    }

    #[test]
    fn blocks_leave_no_trace() {
        for padding in 0..8 {
            let text = format!("{}é🎨ab", "x".repeat(BLOCK_BYTES as usize - padding));
            assert_eq!(read(text.as_bytes()).unwrap(), text);
            assert_eq!(read(Trickle(text.as_bytes(), 3)).unwrap(), text);
        }
    }
}
