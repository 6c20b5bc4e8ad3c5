//! Survey of a corpus: a first reading of its files, which finds their documents.

use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::SpooledTempFile;

use super::entries::{Entry, Outline};
use crate::corpus::error::CorpusError;
use crate::corpus::settings::CorpusSettings;
use crate::corpus::text::{BodyFinder, DocumentSink, Documents, TextFile};

/// Files that are read at the same time for each core.
const FILES_PER_CORE: usize = 4;
/// Entries of a file that are in memory, in bytes; more are on disk.
const ENTRIES_BYTES: usize = 1 << 18;

/// Contents of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contents {
    /// Number of documents.
    pub documents: u64,
    /// Records and texts between separators that are empty, and so are no documents.
    pub empty: u64,
    /// Number of separators.
    pub separators: u64,
    /// The books of Project Gutenberg in it, in bytes of normalized text, if it is a file of such.
    pub bodies: Option<Vec<Range<u64>>>,
    /// Bytes of normalized text around these books, which are not read.
    pub cut_bytes: u64,
}

/// Reads all files for the first time, and writes their outline on the disk of `folder`.
///
/// # Errors
/// If a file cannot be read, or the outline cannot be written.
pub fn survey(
    files: &[TextFile],
    settings: &CorpusSettings,
    folder: &Path,
) -> Result<(Vec<Contents>, Outline), CorpusError> {
    let mut outline = Outline::create(folder).map_err(CorpusError::cache(folder))?;
    let mut contents = Vec::with_capacity(files.len());
    for batch in files.chunks(FILES_PER_CORE * rayon::current_num_threads()) {
        let surveyed: Vec<FileSurvey> =
            batch.par_iter().map(|file| FileSurvey::of(file, settings, folder)).collect::<Result<_, _>>()?;
        for mut file in surveyed {
            outline.append(&mut file.entries).map_err(CorpusError::cache(folder))?;
            contents.push(file.contents);
        }
    }
    Ok((contents, outline))
}

/// Measures the documents of a file.
struct FileSurvey {
    contents: Contents,
    entries: SpooledTempFile,
    folder: std::path::PathBuf,
    hasher: Sha256,
    characters: u64,
}

impl FileSurvey {
    fn of(file: &TextFile, settings: &CorpusSettings, folder: &Path) -> Result<Self, CorpusError> {
        let mut survey = Self::new(folder);
        let mut finder = file.format().is_plain().then(BodyFinder::default);
        let mut documents = Documents::open(file, settings, None)?;
        while documents.read(&mut survey, finder.as_mut())? {}
        survey.contents.separators = documents.separators();
        let Some((bytes, bodies)) = finder.map(|finder| (finder.bytes(), finder)) else { return Ok(survey) };
        let Some(bodies) = bodies.finish() else { return Ok(survey) };

        // Read again without what is around the books.
        let mut survey = Self::new(folder);
        let mut documents = Documents::open(file, settings, Some(&bodies))?;
        while documents.read(&mut survey, None)? {}
        survey.contents = Contents {
            separators: documents.separators(),
            cut_bytes: bytes - bodies.iter().map(|body| body.end - body.start).sum::<u64>(),
            bodies: Some(bodies),
            ..survey.contents
        };
        Ok(survey)
    }

    fn new(folder: &Path) -> Self {
        Self {
            contents: Contents::default(),
            entries: tempfile::spooled_tempfile_in(ENTRIES_BYTES, folder),
            folder: folder.to_owned(),
            hasher: Sha256::new(),
            characters: 0,
        }
    }
}

impl DocumentSink for FileSurvey {
    fn text(&mut self, text: &str) -> Result<(), CorpusError> {
        self.hasher.update(text);
        self.characters += text.chars().count() as u64;
        Ok(())
    }

    fn end(&mut self) -> Result<(), CorpusError> {
        if self.characters == 0 {
            self.contents.empty += 1;
            return Ok(());
        }
        self.contents.documents += 1;
        let digest = self.hasher.finalize_reset();
        let hash = digest.iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte));
        let entry = Entry { hash, characters: std::mem::take(&mut self.characters), is_repeated: false };
        entry.write(&mut self.entries).map_err(CorpusError::cache(&self.folder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::text::documents::tests::file;

    #[test]
    fn finds_the_documents_of_all_files_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let book = "Header\n*** START OF THE PROJECT GUTENBERG EBOOK 1 ***\nA book\n\
                    *** END OF THE PROJECT GUTENBERG EBOOK 1 ***\nLicence\n";
        let files = [
            file(folder.path(), "a.txt", "one<|endoftext|>é".as_bytes()),
            file(folder.path(), "b.txt", b""),
            file(folder.path(), "c.txt", book.as_bytes()),
            file(folder.path(), "d.jsonl", b"{\"text\": \"one\"}\n{\"text\": \"\"}\n"),
        ];
        let (contents, outline) = survey(&files, &CorpusSettings::default(), folder.path()).unwrap();
        let documents: Vec<u64> = contents.iter().map(|contents| contents.documents).collect();
        assert_eq!(documents, [2, 0, 1, 1]);
        assert_eq!((contents[0].separators, contents[3].empty), (1, 1));
        let start = book.find("A book").unwrap() as u64;
        let body = start..start + 7;
        assert_eq!(contents[2].bodies.as_deref(), Some(std::slice::from_ref(&body)));
        assert_eq!(contents[2].cut_bytes, book.len() as u64 - 7);
        let entries: Vec<Entry> = outline.entries().unwrap().map(Result::unwrap).collect();
        let lengths: Vec<u64> = entries.iter().map(|entry| entry.characters).collect();
        assert_eq!(lengths, [3, 1, 7, 3]);
        // SHA-256 of "one".
        assert_eq!(entries[0].hash, 0x7692_c3ad_3540_bb80);
        assert_eq!(entries[0], entries[3]);
    }
}
