//! Newest checkpoint of a run, here or in the mirror: how far earlier processes have come.

use std::fs;
use std::path::{Path, PathBuf};

use store::PathError;

use super::contents::read_position;
use super::difference::first_difference;
use super::error::CheckpointError;
use super::folder::Checkpoints;
use super::layout::{PREFIX, STATE, name_of};
use super::mirror::Mirror;
use crate::train::state::Position;

/// The newest checkpoint of a run.
#[derive(Clone, Debug)]
pub struct Left {
    /// How far the run had come.
    pub position: Position,
    /// Where it lies, for messages.
    pub place: String,
}

impl Checkpoints {
    /// The newest checkpoint of this run, on this machine or in the mirror, as its `state.json` says; a damaged
    /// one is passed over.
    ///
    /// # Errors
    /// If the folder or the mirror cannot be read.
    pub fn left(&self, mirror: Option<&Mirror<'_>>) -> Result<Option<Left>, CheckpointError> {
        let here = self.newest_first()?.into_iter().find_map(|folder| {
            let (position, _) = read_position(&folder.join(STATE)).ok()?;
            Some(Left { position, place: folder.display().to_string() })
        });
        let there = mirror.map_or(Ok(None), left_in)?;
        Ok([here, there].into_iter().flatten().max_by_key(|left| left.position.step))
    }

    /// Refuses to start anew in the belief to go on: if there are checkpoints of other runs of the model on this
    /// machine, names the newest and what is different about it.
    ///
    /// # Errors
    /// [`CheckpointError::OtherRun`], or if the folder cannot be read.
    pub fn refuse_others(&self) -> Result<(), CheckpointError> {
        let Some(model) = self.folder().parent() else { return Ok(()) };
        let mut newest = None;
        for run in entries(model)? {
            for checkpoint in entries(&run)?.into_iter().filter(|path| name_of(path).starts_with(PREFIX)) {
                let state = checkpoint.join(STATE);
                let Ok(written) = fs::metadata(&state).and_then(|metadata| metadata.modified()) else {
                    continue;
                };
                let Ok((_, run)) = read_position(&state) else { continue };
                if let Some(difference) = first_difference("", &run, self.run()) {
                    newest = newest.max(Some((written, checkpoint, difference)));
                }
            }
        }
        match newest {
            Some((_, path, difference)) => Err(CheckpointError::OtherRun { path, difference }),
            None => Ok(()),
        }
    }
}

/// The newest checkpoint in a mirror.
fn left_in(mirror: &Mirror<'_>) -> Result<Option<Left>, CheckpointError> {
    let folder = tempfile::tempdir().map_err(PathError::at(&std::env::temp_dir()))?;
    for name in mirror.complete()? {
        let path = folder.path().join(&name);
        if mirror.read(&format!("{name}/{STATE}"), &path)?
            && let Ok((position, _)) = read_position(&path)
        {
            return Ok(Some(Left { position, place: format!("{name} of {}", mirror.folder()) }));
        }
    }
    Ok(None)
}

/// The folders in a folder, which need not exist.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, CheckpointError> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).map_err(PathError::at(folder))?;
    Ok(entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect())
}
