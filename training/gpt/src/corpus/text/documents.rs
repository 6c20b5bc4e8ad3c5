//! Documents of a file, from its records to those who read them, block by block.

use std::ops::Range;

use super::file::TextFile;
use super::gutenberg::BodyFinder;
use super::lines::LineEnds;
use super::separator::Splitter;
use super::sink::DocumentSink;
use crate::corpus::error::CorpusError;
use crate::corpus::format::{Records, Step, open};
use crate::corpus::settings::CorpusSettings;

/// Reads the documents of a file.
pub struct Documents<'a> {
    records: Box<dyn Records>,
    block: String,
    lines: LineEnds,
    normalized: String,
    /// Bytes of normalized text before this block.
    position: u64,
    /// The parts that are read, where that is not all.
    bodies: Option<&'a [Range<u64>]>,
    splitter: Splitter,
}

impl<'a> Documents<'a> {
    /// The documents of a file, or of its parts `bodies` in bytes of normalized text.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open(
        file: &TextFile,
        settings: &CorpusSettings,
        bodies: Option<&'a [Range<u64>]>,
    ) -> Result<Self, CorpusError> {
        Ok(Self {
            records: open(file.path(), file.format(), &settings.text_field)?,
            block: String::new(),
            lines: LineEnds::default(),
            normalized: String::new(),
            position: 0,
            bodies,
            splitter: Splitter::new(&settings.separator),
        })
    }

    /// Number of separators so far.
    pub fn separators(&self) -> u64 {
        self.splitter.separators()
    }

    /// Reads a block into `sink`; false at the end of the file. `finder` sees the whole text, as it is
    /// before any part of it is left out.
    ///
    /// # Errors
    /// If the file cannot be read, or the sink cannot use it.
    pub fn read(
        &mut self,
        sink: &mut dyn DocumentSink,
        finder: Option<&mut BodyFinder>,
    ) -> Result<bool, CorpusError> {
        self.block.clear();
        let step = self.records.read(&mut self.block)?;
        self.normalized.clear();
        self.lines.push(&self.block, &mut self.normalized);
        if let Some(finder) = finder {
            finder.push(&self.normalized);
        }
        self.push(sink)?;
        match step {
            Step::Text => Ok(true),
            Step::RecordEnd => {
                self.splitter.finish(sink)?;
                self.lines = LineEnds::default();
                Ok(true)
            }
            Step::End => Ok(false),
        }
    }

    fn push(&mut self, sink: &mut dyn DocumentSink) -> Result<(), CorpusError> {
        let text = &self.normalized;
        let end = self.position + text.len() as u64;
        let Some(bodies) = &mut self.bodies else { return self.splitter.push(text, sink) };
        while let [body, later @ ..] = *bodies
            && body.start < end
        {
            let inside = |border: u64| (border.max(self.position).min(end) - self.position) as usize;
            // The borders lie between lines, unless this is another text by now.
            self.splitter.push(text.get(inside(body.start)..inside(body.end)).unwrap_or_default(), sink)?;
            if body.end > end {
                break;
            }
            self.splitter.finish(sink)?;
            *bodies = later;
        }
        self.position = end;
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

    use super::super::sink::tests::Collected;
    use super::*;

    /// A file in `folder`, to be read.
    pub(crate) fn file(folder: &Path, name: &str, contents: &[u8]) -> TextFile {
        let path = folder.join(name);
        std::fs::write(&path, contents).unwrap();
        let format = crate::corpus::format::detect(&path).unwrap().unwrap();
        TextFile::open(&path, format, false).unwrap()
    }

    fn documents(name: &str, contents: &[u8]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path(), name, contents);
        let settings = CorpusSettings::default();
        let (mut finder, mut collected) = (BodyFinder::default(), Collected::default());
        let mut reader = Documents::open(&file, &settings, None).unwrap();
        while reader.read(&mut collected, Some(&mut finder)).unwrap() {}
        let Some(bodies) = finder.finish() else { return collected.documents };
        let mut collected = Collected::default();
        let mut reader = Documents::open(&file, &settings, Some(&bodies)).unwrap();
        while reader.read(&mut collected, None).unwrap() {}
        // The end of the file is that of no further document.
        assert_eq!(collected.documents.pop().unwrap(), "");
        collected.documents
    }

    #[test]
    fn each_book_of_a_file_is_a_document_without_what_its_publisher_put_around_it() {
        let book = |text: &str| {
            format!(
                "Header\r\n*** START OF THE PROJECT GUTENBERG EBOOK 1 ***\r\n\r\n{text}\r\n\r\n\
                 *** END OF THE PROJECT GUTENBERG EBOOK 1 ***\r\nLicence\r\n"
            )
        };
        let first = format!("Chapter I\r\n\r\n{}It was é.", "A line of text.\r\n".repeat(10_000));
        let text = format!("\u{feff}{}{}{}", book(&first), book("Second"), book("Third<|endoftext|>Fourth"));
        let expected = [&format!("{}\n", first.replace("\r\n", "\n")), "Second\n", "Third", "Fourth"];
        assert_eq!(documents("a.txt", text.as_bytes()), expected);
    }

    #[test]
    fn records_are_documents_and_may_hold_several() {
        let lines = b"{\"text\": \"one\\r\"}\n{\"text\": \"\\ntwo<|endoftext|>three\\n\"}\n";
        assert_eq!(documents("a.jsonl", lines), ["one\n", "\ntwo", "three"]);
    }
}
