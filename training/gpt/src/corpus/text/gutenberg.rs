//! Project Gutenberg headers and licences, which are not part of the book.
//!
//! Such a file begins with a header and ends with a licence:
//!
//! ```text
//! *** START OF THE PROJECT GUTENBERG EBOOK … ***
//! *** END OF THE PROJECT GUTENBERG EBOOK … ***
//! ```
//!
//! The book is between the two lines, without the blank lines around it. A file that has not both is
//! read whole.

use std::ops::Range;

/// As much of a line as is needed to know a marker.
const LINE_BYTES: usize = 128;

/// A place in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Bytes before it.
    pub bytes: u64,
    /// Characters before it.
    pub characters: u64,
}

/// Finds the book while the text goes by.
#[derive(Default)]
pub struct BodyFinder {
    /// The beginning of the line that is being read.
    line: String,
    line_start: Position,
    line_is_blank: bool,
    position: Position,
    part: Part,
}

/// Part of the file that a line is in.
#[derive(Default)]
enum Part {
    #[default]
    Header,
    /// The book, from its first line that is not blank to the end of the last.
    Book(Option<Range<Position>>),
    Licence(Range<Position>),
}

enum Marker {
    Start,
    End,
}

impl BodyFinder {
    /// Reads on.
    pub fn push(&mut self, text: &str) {
        for piece in text.split_inclusive('\n') {
            if self.position == self.line_start {
                self.line.clear();
                self.line_is_blank = true;
            }
            let room = LINE_BYTES.saturating_sub(self.line.len());
            self.line.push_str(&piece[..piece.floor_char_boundary(room)]);
            self.line_is_blank &= piece.trim_end().is_empty();
            self.position.bytes += piece.len() as u64;
            self.position.characters += piece.chars().count() as u64;
            if piece.ends_with('\n') {
                self.end_line();
            }
        }
    }

    /// The book, or the whole text where the markers are not both there.
    pub fn finish(mut self) -> Range<Position> {
        self.end_line();
        match self.part {
            Part::Licence(book) => book,
            Part::Header | Part::Book(_) => Position::default()..self.position,
        }
    }

    fn end_line(&mut self) {
        let (start, end) = (self.line_start, self.position);
        self.line_start = end;
        match (&mut self.part, marker(&self.line)) {
            (Part::Header, Some(Marker::Start)) => self.part = Part::Book(None),
            (Part::Book(book), Some(Marker::End)) => {
                self.part = Part::Licence(book.take().unwrap_or(start..start));
            }
            (Part::Book(book), _) if !self.line_is_blank => {
                *book = Some(book.as_ref().map_or(start, |book| book.start)..end);
            }
            _ => {}
        }
    }
}

fn marker(line: &str) -> Option<Marker> {
    let words = line.strip_prefix("***")?.trim_start();
    if !words.contains("PROJECT GUTENBERG") {
        None
    } else if words.starts_with("START OF") {
        Some(Marker::Start)
    } else if words.starts_with("END OF") {
        Some(Marker::End)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "*** START OF THE PROJECT GUTENBERG EBOOK ALICE ***\n";
    const END: &str = "*** END OF THE PROJECT GUTENBERG EBOOK ALICE ***\n";

    fn body(text: &str) -> &str {
        let find = |step: usize| {
            let mut finder = BodyFinder::default();
            let mut rest = text;
            while !rest.is_empty() {
                let (piece, next) = rest.split_at(rest.floor_char_boundary(step.max(4)).max(1));
                finder.push(piece);
                rest = next;
            }
            finder.finish()
        };
        let range = find(usize::MAX);
        assert_eq!(range, find(4), "blocks leave a trace");
        let found = &text[range.start.bytes as usize..range.end.bytes as usize];
        assert_eq!(found.chars().count() as u64, range.end.characters - range.start.characters);
        found
    }

    #[test]
    fn cuts_header_and_licence() {
        let text = format!("Header é\n{START}\n\n  Alice\n\nwas é\n\n\n{END}Licence\n{END}");
        assert_eq!(body(&text), "  Alice\n\nwas é\n");
        // Older files: no space, and THIS instead of THE.
        let old = text.replace("*** START OF THE", "***START OF THIS").replace("*** END", "***END");
        assert_eq!(body(&old), "  Alice\n\nwas é\n");
        assert_eq!(body(&format!("{START}\n{END}")), "");
        // Without a line end after the last marker.
        assert_eq!(body(format!("{START}Alice\n{END}").trim_end()), "Alice\n");
    }

    #[test]
    fn a_text_without_both_markers_is_whole() {
        for text in [
            String::new(),
            "\n\nno markers\n\n".to_owned(),
            format!("a\n{START}b\n"),
            format!("a\n{END}b\n"),
            format!("a\n{END}b\n{START}c\n"),
            format!("a {START}b\n{END}"),
            "*** START OF A STORY\nb\n*** END OF IT\n".to_owned(),
        ] {
            assert_eq!(body(&text), text);
        }
    }
}
