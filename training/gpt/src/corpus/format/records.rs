//! Records of a file: a plain text is one, JSON Lines and Parquet have many.

use crate::corpus::error::CorpusError;

/// As much of a record as is handed out at once.
const PIECE_BYTES: usize = 1 << 16;

/// What a reader has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It has appended a block of the record, at most 64 KiB and possibly nothing.
    Text,
    /// The record is complete.
    RecordEnd,
    /// So is the file.
    End,
}

/// Reads a file, record by record and block by block.
pub trait Records {
    /// Appends the next block to `text`, or says what has ended.
    ///
    /// # Errors
    /// If the file cannot be read or is damaged.
    fn read(&mut self, text: &mut String) -> Result<Step, CorpusError>;
}

/// A record in memory, handed out in pieces, so that what follows works on a little at a time.
#[derive(Default)]
pub(super) struct Pieces {
    text: String,
    position: usize,
    is_open: bool,
}

impl Pieces {
    /// Begins a record.
    pub(super) fn begin(&mut self, text: String) {
        *self = Self { text, position: 0, is_open: true };
    }

    /// The next step of the record, or none if a new one is due.
    pub(super) fn next(&mut self, text: &mut String) -> Option<Step> {
        if !self.is_open {
            return None;
        }
        let rest = &self.text[self.position..];
        if rest.is_empty() {
            *self = Self::default();
            return Some(Step::RecordEnd);
        }
        let piece = &rest[..rest.floor_char_boundary(PIECE_BYTES)];
        text.push_str(piece);
        self.position += piece.len();
        Some(Step::Text)
    }
}

/// All records of a reader.
#[cfg(test)]
pub(super) fn read_all(mut records: impl Records) -> Result<Vec<String>, CorpusError> {
    let (mut found, mut text) = (Vec::new(), String::new());
    loop {
        match records.read(&mut text)? {
            Step::Text => {}
            Step::RecordEnd => found.push(std::mem::take(&mut text)),
            Step::End => return Ok(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_record_comes_in_pieces_between_characters() {
        let record = "é".repeat(PIECE_BYTES) + "a";
        let mut pieces = Pieces::default();
        pieces.begin(record.clone());
        let (mut text, mut steps) = (String::new(), Vec::new());
        while let Some(step) = pieces.next(&mut text) {
            steps.push(step);
        }
        assert_eq!(text, record);
        assert_eq!(steps, [Step::Text, Step::Text, Step::Text, Step::RecordEnd]);
    }
}
