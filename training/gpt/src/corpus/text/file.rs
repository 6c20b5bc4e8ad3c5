//! File of a corpus: its place, format and digest.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use artifact::Sha256Hex;

use crate::corpus::error::CorpusError;
use crate::corpus::format::Format;

/// One file of a corpus.
#[derive(Clone, Debug)]
pub struct TextFile {
    path: PathBuf,
    format: Format,
    sha256: Sha256Hex,
    state: State,
    is_validation: bool,
}

/// Length and time of the last change: another state is another text.
type State = (u64, Option<SystemTime>);

impl TextFile {
    /// Reads a file, to know its digest. `is_validation` says that it is not to train on.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn open(path: &Path, format: Format, is_validation: bool) -> Result<Self, CorpusError> {
        let state = state(path)?;
        let (sha256, _) = Sha256Hex::of_file(path).map_err(CorpusError::io(path))?;
        Ok(Self { path: path.to_owned(), format, sha256, state, is_validation })
    }

    /// Its place.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// File name, without its folder.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned()
    }

    /// How it is read.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Digest of the whole file.
    pub fn sha256(&self) -> &Sha256Hex {
        &self.sha256
    }

    /// Whether all of it is for validation.
    pub fn is_validation(&self) -> bool {
        self.is_validation
    }

    /// Checks that the file is the one whose digest was taken.
    ///
    /// # Errors
    /// If it has changed since.
    pub fn check_unchanged(&self) -> Result<(), CorpusError> {
        if state(&self.path)? == self.state { Ok(()) } else { Err(self.changed()) }
    }

    /// The error for a file that is not what it was.
    pub fn changed(&self) -> CorpusError {
        CorpusError::Changed { path: self.path.clone() }
    }
}

fn state(path: &Path) -> Result<State, CorpusError> {
    let metadata = std::fs::metadata(path).map_err(CorpusError::io(path))?;
    Ok((metadata.len(), metadata.modified().ok()))
}
