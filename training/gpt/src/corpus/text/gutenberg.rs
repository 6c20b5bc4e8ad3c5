//! Project Gutenberg headers and licences, which are not part of the book.
//!
//! Such a file begins with a header and ends with a licence:
//!
//! ```text
//! *** START OF THE PROJECT GUTENBERG EBOOK … ***
//! *** END OF THE PROJECT GUTENBERG EBOOK … ***
//! ```
//!
//! A book is between the two lines, without the blank lines around it. A file may hold several. One that has the two
//! lines nowhere is read whole.

use std::ops::Range;

/// As much of a line as is needed to know a marker.
const LINE_BYTES: usize = 128;

/// Finds the books while the text goes by.
#[derive(Default)]
pub struct BodyFinder {
    /// The beginning of the line that is being read.
    line: String,
    line_start: u64,
    line_is_blank: bool,
    position: u64,
    part: Part,
    books: Vec<Range<u64>>,
    /// Whether a book had both lines.
    is_certain: bool,
}

/// Part of the file that a line is in, with its lines so far, from the first that is not blank to the last.
enum Part {
    /// Before the first marker: a header, or a book whose start has been cut off if an end follows.
    Head(Option<Range<u64>>),
    Book(Option<Range<u64>>),
    /// A licence, and the header of the next book.
    Between,
}

impl Default for Part {
    fn default() -> Self {
        Self::Head(None)
    }
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
            self.position += piece.len() as u64;
            if piece.ends_with('\n') {
                self.end_line();
            }
        }
    }

    /// Bytes of the text so far.
    pub fn bytes(&self) -> u64 {
        self.position
    }

    /// The books, in bytes of the text, or none if it is to be read whole.
    pub fn finish(mut self) -> Option<Vec<Range<u64>>> {
        self.end_line();
        // The last book goes on to the end of a file that was cut off.
        if let Part::Book(book) = &mut self.part {
            self.books.extend(book.take());
        }
        self.is_certain.then_some(self.books)
    }

    fn end_line(&mut self) {
        let line = self.line_start..self.position;
        self.line_start = self.position;
        match (&mut self.part, marker(&self.line)) {
            (Part::Head(_) | Part::Between, Some(Marker::Start)) => self.part = Part::Book(None),
            (Part::Book(book), Some(Marker::Start)) => {
                self.books.extend(book.take());
            }
            (Part::Book(book), Some(Marker::End)) => {
                self.books.extend(book.take());
                (self.part, self.is_certain) = (Part::Between, true);
            }
            (Part::Head(head), Some(Marker::End)) => {
                self.books.extend(head.take());
                self.part = Part::Between;
            }
            (Part::Head(lines) | Part::Book(lines), None) if !self.line_is_blank => {
                *lines = Some(lines.as_ref().map_or(line.start, |lines| lines.start)..line.end);
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

    fn bodies(text: &str) -> Vec<&str> {
        let find = |step: usize| {
            let mut finder = BodyFinder::default();
            let mut rest = text;
            while !rest.is_empty() {
                let (piece, next) = rest.split_at(rest.floor_char_boundary(step.max(4)).max(1));
                finder.push(piece);
                rest = next;
            }
            assert_eq!(finder.bytes(), text.len() as u64);
            finder.finish()
        };
        let books = find(usize::MAX);
        assert_eq!(books, find(4), "blocks leave a trace");
        let Some(books) = books else { return vec![text] };
        books.iter().map(|book| &text[book.start as usize..book.end as usize]).collect()
    }

    #[test]
    fn cuts_header_and_licence() {
        let text = format!("Header é\n{START}\n\n  Alice\n\nwas é\n\n\n{END}Licence\n{END}");
        assert_eq!(bodies(&text), ["  Alice\n\nwas é\n"]);
        // Older files: no space, and THIS instead of THE.
        let old = text.replace("*** START OF THE", "***START OF THIS").replace("*** END", "***END");
        assert_eq!(bodies(&old), ["  Alice\n\nwas é\n"]);
        assert_eq!(bodies(&format!("{START}\n{END}")), Vec::<&str>::new());
        // Without a line end after the last marker.
        assert_eq!(bodies(format!("{START}Alice\n{END}").trim_end()), ["Alice\n"]);
    }

    #[test]
    fn finds_every_book_of_a_file() {
        let book = |text: &str| format!("Header\n{START}\n{text}\n\n{END}Licence\n");
        assert_eq!(bodies(&[book("a"), book("b\n\nb"), book("c")].concat()), ["a\n", "b\n\nb\n", "c\n"]);
        // One without its end, one without its start, and one that the file cuts off.
        let damaged =
            [format!("a\n{END}Licence\n"), format!("{START}b\n"), book("c"), format!("{START}d\nd")];
        assert_eq!(bodies(&damaged.concat()), ["a\n", "b\nHeader\n", "c\n", "d\nd"]);
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
            assert_eq!(bodies(&text), [text.as_str()]);
        }
    }
}
