//! Record of a run's publication, beside its checkpoints: what is left to do after a process was killed.
//!
//! It is written before the version appears in the store, so a version that is there was published by this run,
//! and one that is not has to be published again.

use std::fs;
use std::io::Write;

use serde::{Deserialize, Serialize};
use store::{AtomicFile, PathError};

use super::error::CheckpointError;
use super::folder::Checkpoints;
use super::layout::PUBLICATION;
use super::mirror::Mirror;

/// Contents of `publication.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publication {
    /// Name of the model.
    pub name: String,
    /// Name of its version.
    pub version: String,
    /// Optimizer steps that the run was to have.
    pub planned_steps: usize,
    /// Whether it was decided about the channel too, and nothing is left to do.
    pub complete: bool,
}

impl Publication {
    /// Records it on this machine, and in the mirror; that it could not be copied there is told to `note`.
    ///
    /// # Errors
    /// If it cannot be written on this machine.
    pub fn write(
        &self,
        checkpoints: &Checkpoints,
        mirror: Option<&Mirror<'_>>,
        note: impl FnMut(&str),
    ) -> Result<(), CheckpointError> {
        write(Some(self), checkpoints, mirror, note)
    }

    /// Forgets an earlier publication, if there is one: the run starts anew.
    ///
    /// # Errors
    /// If it cannot be written on this machine.
    pub fn forget(
        checkpoints: &Checkpoints,
        mirror: Option<&Mirror<'_>>,
        note: impl FnMut(&str),
    ) -> Result<(), CheckpointError> {
        match Self::read(checkpoints, mirror) {
            Some(_) => write(None, checkpoints, mirror, note),
            None => Ok(()),
        }
    }

    /// The record on this machine or else in the mirror. One that cannot be read counts for nothing: then the
    /// checkpoints decide.
    pub fn read(checkpoints: &Checkpoints, mirror: Option<&Mirror<'_>>) -> Option<Self> {
        let parse = |json: Vec<u8>| serde_json::from_slice::<Option<Self>>(&json).ok();
        if let Some(here) = fs::read(checkpoints.folder().join(PUBLICATION)).ok().and_then(parse) {
            return here;
        }
        let folder = tempfile::tempdir().ok()?;
        let path = folder.path().join(PUBLICATION);
        mirror?.read(PUBLICATION, &path).ok()?;
        fs::read(path).ok().and_then(parse)?
    }
}

/// Writes a record, or `null`: a store that lets nothing be removed lets it be replaced.
fn write(
    publication: Option<&Publication>,
    checkpoints: &Checkpoints,
    mirror: Option<&Mirror<'_>>,
    mut note: impl FnMut(&str),
) -> Result<(), CheckpointError> {
    let path = checkpoints.folder().join(PUBLICATION);
    let json = serde_json::to_vec(&publication).map_err(|error| PathError::at(&path)(error.into()))?;
    let mut file = AtomicFile::create(&path)?;
    file.write_all(&json).map_err(PathError::at(&path))?;
    file.commit()?;
    if let Some(Err(error)) = mirror.map(|mirror| mirror.write(PUBLICATION, &json)) {
        note(&format!("whether this run is published is recorded on this machine only: {error}"));
    }
    Ok(())
}
