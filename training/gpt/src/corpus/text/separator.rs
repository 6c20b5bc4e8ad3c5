//! Separator of documents in a text, such as `<|endoftext|>`.
//!
//! Line breaks next to a separator belong to it: it may stand on a line of its own.

use super::sink::DocumentSink;
use crate::corpus::error::CorpusError;

/// More line breaks in a row than this are text: they are not held back until a separator follows.
const MAX_HELD_BYTES: usize = 1 << 16;

/// Cuts a text into documents while it goes by.
pub struct Splitter {
    separator: String,
    /// Text that may be the beginning of a separator, with the line breaks before it.
    held: String,
    /// A separator was the last that went by, apart from line breaks.
    is_after_separator: bool,
    /// Separators in this text.
    found: u64,
    total: u64,
}

impl Splitter {
    /// Cuts at each `separator`; nowhere if it is empty.
    pub fn new(separator: &str) -> Self {
        Self {
            separator: separator.to_owned(),
            held: String::new(),
            is_after_separator: false,
            found: 0,
            total: 0,
        }
    }

    /// Number of separators so far.
    pub fn separators(&self) -> u64 {
        self.total + self.found
    }

    /// Reads on.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn push(&mut self, text: &str, sink: &mut dyn DocumentSink) -> Result<(), CorpusError> {
        if self.separator.is_empty() {
            return self.emit(text, sink);
        }
        let mut held = std::mem::take(&mut self.held);
        held.push_str(text);
        let mut rest = held.as_str();
        while let Some((document, after)) = rest.split_once(&self.separator) {
            self.emit(document.trim_end_matches('\n'), sink)?;
            sink.end()?;
            (self.found, self.is_after_separator) = (self.found + 1, true);
            rest = after;
        }
        let (ready, uncertain) = rest.split_at(self.certain_length(rest));
        self.emit(ready, sink)?;
        self.held = uncertain.to_owned();
        Ok(())
    }

    /// The text has ended, and with it the document. The next is another text.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn finish(&mut self, sink: &mut dyn DocumentSink) -> Result<(), CorpusError> {
        let held = std::mem::take(&mut self.held);
        // Where documents are separated, the last does not end in line breaks either.
        self.emit(if self.found > 0 { held.trim_end_matches('\n') } else { &held }, sink)?;
        self.total += std::mem::take(&mut self.found);
        self.is_after_separator = false;
        sink.end()
    }

    fn emit(&mut self, mut text: &str, sink: &mut dyn DocumentSink) -> Result<(), CorpusError> {
        if self.is_after_separator {
            text = text.trim_start_matches('\n');
        }
        if text.is_empty() {
            return Ok(());
        }
        self.is_after_separator = false;
        sink.text(text)
    }

    /// Length of the beginning of `text` that neither belongs to a separator nor ends in line breaks.
    fn certain_length(&self, text: &str) -> usize {
        let begins = |length: &usize| text.ends_with(&self.separator[..*length]);
        let boundaries =
            (1..self.separator.len()).rev().filter(|&length| self.separator.is_char_boundary(length));
        let partial = boundaries.into_iter().find(begins).unwrap_or(0);
        let before = &text[..text.len() - partial];
        let certain = before.trim_end_matches('\n').len();
        if before.len() - certain > MAX_HELD_BYTES { before.len() } else { certain }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sink::tests::Collected;
    use super::*;

    fn split(text: &str, separator: &str) -> Vec<String> {
        let characters: Vec<char> = text.chars().collect();
        let mut results = [1, 3, 1_000_000].map(|step| {
            let (mut splitter, mut collected) = (Splitter::new(separator), Collected::default());
            for block in characters.chunks(step) {
                splitter.push(&block.iter().collect::<String>(), &mut collected).unwrap();
            }
            splitter.finish(&mut collected).unwrap();
            collected.documents
        });
        assert!(results.iter().all(|result| *result == results[0]), "blocks leave a trace: {results:?}");
        std::mem::take(&mut results[0])
    }

    #[test]
    fn documents_stand_between_separators_without_the_line_breaks_there() {
        for (text, expected) in [
            ("one\n<|endoftext|>\ntwo\n<|endoftext|>\n", &["one", "two", ""][..]),
            ("one<|endoftext|> two", &["one", " two"]),
            ("<|endoftext|><|endoftext|>\n\none\n\ntwo\n", &["", "", "one\n\ntwo"]),
            // Without a separator, nothing is changed.
            ("one\n\n", &["one\n\n"]),
            ("<|endoftext|", &["<|endoftext|"]),
            ("a <|endof<|endoftext|> b", &["a <|endof", " b"]),
            ("", &[""]),
        ] {
            assert_eq!(split(text, "<|endoftext|>"), expected, "{text:?}");
        }
    }

    #[test]
    fn any_text_may_separate_or_none() {
        assert_eq!(split("one\n\n\ntwo\n\nthree\nfour\n", "\n\n"), ["one", "two", "three\nfour"]);
        assert_eq!(split("a<|endoftext|>b\n", ""), ["a<|endoftext|>b\n"]);
        assert_eq!(split("a§§é§§§", "§§"), ["a", "é", "§"]);
    }

    #[test]
    fn endless_line_breaks_are_not_held_back() {
        let (mut splitter, mut collected) = (Splitter::new("<|endoftext|>"), Collected::default());
        for _ in 0..4 {
            splitter.push(&"\n".repeat(MAX_HELD_BYTES), &mut collected).unwrap();
            assert!(splitter.held.len() <= MAX_HELD_BYTES);
        }
        splitter.finish(&mut collected).unwrap();
        assert_eq!(collected.documents, ["\n".repeat(4 * MAX_HELD_BYTES)]);
    }
}
