//! Second reading of a corpus, after its survey: its documents cut into chunks, each where the split puts it.

use std::io;
use std::path::{Path, PathBuf};

use artifact::tokenizer::Pattern;
use serde::{Deserialize, Serialize};

use super::chunks::{Chunk, Chunker};
use crate::corpus::error::CorpusError;
use crate::corpus::loader::Loader;
use crate::corpus::outline::{
    Contents, Entry, Outline, Placement, Repeated, SplitRule, mark_repeated, survey,
};
use crate::corpus::settings::CorpusSettings;
use crate::corpus::text::{DocumentSink, Documents, TextFile};

/// Takes the chunks of all documents, in order.
pub trait ChunkSink {
    /// The next chunk.
    ///
    /// # Errors
    /// If it cannot be used.
    fn push(&mut self, chunk: Chunk) -> Result<(), CorpusError>;
}

/// A corpus that has been read once.
pub struct Surveyed<'a> {
    files: &'a [TextFile],
    /// What is in each file.
    pub contents: Vec<Contents>,
    /// Identical documents.
    pub repeated: Repeated,
    outline: Outline,
    rule: SplitRule,
    folder: PathBuf,
}

/// Numbers of documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placed {
    /// Whole ones to train on.
    pub training: u64,
    /// Whole ones to validate with.
    pub validation: u64,
    /// In both.
    pub cut: u64,
    /// In none.
    pub left_out: u64,
}

impl<'a> Surveyed<'a> {
    /// Reads files for the first time; their outline is on the disk of `folder`.
    ///
    /// # Errors
    /// If a file cannot be read, or the outline cannot be written.
    pub fn of(
        loader: &Loader<'_>,
        files: &'a [TextFile],
        settings: &CorpusSettings,
        folder: &Path,
    ) -> Result<Self, CorpusError> {
        let (contents, outline) = survey(files, settings, folder)?;
        let has_validation = files.iter().any(TextFile::is_validation);
        let rule = || {
            let repeated = mark_repeated(&outline)?;
            let rule = SplitRule::new(&outline, loader.train_fraction, has_validation, settings.deduplicate)?;
            Ok((repeated, rule))
        };
        let (repeated, rule) = rule().map_err(CorpusError::cache(folder))?;
        Ok(Self { files, contents, repeated, outline, rule, folder: folder.to_owned() })
    }

    /// Number of files.
    pub fn n_files(&self) -> usize {
        self.files.len()
    }

    /// Cuts the documents of all files into chunks, for a tokenizer with this pattern, and counts where they went.
    ///
    /// # Errors
    /// If a file cannot be read or is no longer what it was, or `sink` fails.
    pub fn read_chunks(
        &self,
        settings: &CorpusSettings,
        pattern: Option<Pattern>,
        sink: &mut dyn ChunkSink,
    ) -> Result<Placed, CorpusError> {
        let mut entries = self.outline.entries().map_err(CorpusError::cache(&self.folder))?;
        let mut placed = Placed::default();
        for (index, (file, contents)) in self.files.iter().zip(&self.contents).enumerate() {
            let mut documents = Documents::open(file, settings, contents.bodies.as_deref())?;
            let mut reader = DocumentReader {
                corpus: self,
                index,
                file,
                pattern,
                entries: &mut entries,
                placed: &mut placed,
                sink: &mut *sink,
                current: None,
            };
            while documents.read(&mut reader, None)? {}
            file.check_unchanged()?;
        }
        Ok(placed)
    }
}

/// Cuts the documents of a file into chunks.
struct DocumentReader<'a> {
    corpus: &'a Surveyed<'a>,
    index: usize,
    file: &'a TextFile,
    pattern: Option<Pattern>,
    entries: &'a mut dyn Iterator<Item = io::Result<Entry>>,
    placed: &'a mut Placed,
    sink: &'a mut dyn ChunkSink,
    /// The document that is being read, and where it goes.
    current: Option<(Entry, Placement, Chunker)>,
}

impl DocumentReader<'_> {
    /// Begins the document that comes next in the outline.
    fn begin(&mut self) -> Result<(Entry, Placement, Chunker), CorpusError> {
        let entry = self.entries.next().ok_or_else(|| self.file.changed())?;
        let entry = entry.map_err(CorpusError::cache(&self.corpus.folder))?;
        let placement = self.corpus.rule.place(entry, self.file.is_validation());
        *match placement {
            Placement::Training => &mut self.placed.training,
            Placement::Validation => &mut self.placed.validation,
            Placement::Cut { .. } => &mut self.placed.cut,
            Placement::LeftOut => &mut self.placed.left_out,
        } += 1;
        Ok((entry, placement, Chunker::new(self.index, self.file.path(), placement, self.pattern)))
    }
}

impl DocumentSink for DocumentReader<'_> {
    fn text(&mut self, text: &str) -> Result<(), CorpusError> {
        let mut current = match self.current.take() {
            Some(current) => current,
            None => self.begin()?,
        };
        let (_, placement, chunker) = &mut current;
        if *placement != Placement::LeftOut
            && let Some(chunk) = chunker.push(text)?
        {
            self.sink.push(chunk)?;
        }
        self.current = Some(current);
        Ok(())
    }

    fn end(&mut self) -> Result<(), CorpusError> {
        let Some((entry, placement, chunker)) = self.current.take() else { return Ok(()) };
        if placement == Placement::LeftOut {
            return Ok(());
        }
        let (last, characters) = chunker.finish()?;
        if characters != entry.characters {
            return Err(self.file.changed());
        }
        last.map_or(Ok(()), |chunk| self.sink.push(chunk))
    }
}
