//! Checkpoints: everything that a run needs to go on, bit for bit, after it was killed.
//!
//! ```text
//! <folder>/checkpoint-00000040/
//!     model.burnpack  optimizer.burnpack  best.burnpack (if the best weights are kept)
//!     metrics.jsonl   samples.txt         what has been recorded so far
//!     state.json                          position, settings, and a hash of every other file
//! ```
//!
//! A checkpoint is written to a hidden folder and renamed when it is complete. The two newest are
//! kept: should one turn out to be damaged, the other is at hand.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use artifact::Sha256Hex;
use burn::module::Module;
use burn::optim::{ModuleOptimizer, OptimizerRecord};
use serde::{Deserialize, Serialize};
use store::StoreError;
use tempfile::TempDir;

use super::Evaluation;
use super::difference::first_difference;
use super::mirror::Mirror;
use crate::model::Gpt;

/// Written last: what has it is complete.
pub(super) const STATE: &str = "state.json";
const MODEL: &str = "model.burnpack";
const OPTIMIZER: &str = "optimizer.burnpack";
const BEST: &str = "best.burnpack";
pub(super) const PREFIX: &str = "checkpoint-";
const STAGING: &str = ".staging-";
pub(super) const KEPT: usize = 2;
/// A year of evaluations is far below this.
const MAX_STATE_BYTES: u64 = 1 << 26;

/// Where a run stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Optimizer steps done.
    pub step: usize,
    /// Tokens trained on.
    pub tokens_seen: usize,
    /// Spent so far, interruptions left out.
    pub seconds: f64,
    /// Every evaluation so far.
    pub evaluations: Vec<Evaluation>,
}

/// Contents of `state.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    position: Position,
    /// Settings and data of the run; a checkpoint continues no other.
    run: serde_json::Value,
    files: Vec<(String, Sha256Hex)>,
}

/// Why a checkpoint cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file system said no.
    #[error("checkpoint {path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// It is not what was written.
    #[error("checkpoint {path}: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It belongs to another run.
    #[error(
        "checkpoint {path} was made with other settings or another corpus: {difference}; \
         use the same again, or start anew without --resume"
    )]
    OtherRun {
        /// The folder.
        path: PathBuf,
        /// The first setting that differs.
        difference: String,
    },
    /// The mirror could not be read, so nobody knows where the run stands.
    #[error(transparent)]
    Mirror(#[from] StoreError),
}

/// A folder of checkpoints of one run.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    run: serde_json::Value,
}

/// What a checkpoint holds besides the position.
pub struct Restored {
    /// Where the run stood.
    pub position: Position,
    /// Its weights.
    pub model: Gpt,
    /// Its moments.
    pub optimizer: ModuleOptimizer,
    /// The best weights so far, where they are kept.
    pub best: Option<Gpt>,
    /// The checkpoint's folder, for what was recorded.
    pub folder: PathBuf,
}

impl Checkpoints {
    /// Checkpoints in `folder` of the run that `run` describes: settings and data, as JSON.
    pub fn new(folder: impl Into<PathBuf>, run: serde_json::Value) -> Self {
        Self { folder: folder.into(), run }
    }

    /// A digest of the run that they are of.
    pub(super) fn run_digest(&self) -> Sha256Hex {
        Sha256Hex::of_bytes(self.run.to_string().as_bytes())
    }

    /// Writes a checkpoint, with copies of the files `records`, and removes the oldest ones.
    ///
    /// # Errors
    /// If it cannot be written; then nothing is left of it, and older ones stay.
    pub fn save(
        &self,
        position: &Position,
        model: &Gpt,
        optimizer: &ModuleOptimizer,
        best: Option<&Gpt>,
        records: &[PathBuf],
    ) -> Result<PathBuf, CheckpointError> {
        let staging = self.stage()?;
        let path = |name: &str| staging.path().join(name);
        let failed = |name: &str, reason: String| CheckpointError::Damaged { path: path(name), reason };

        let mut names = vec![MODEL.to_owned(), OPTIMIZER.to_owned()];
        model.clone().save_file(path(MODEL)).map_err(|error| failed(MODEL, error.to_string()))?;
        optimizer.save(path(OPTIMIZER)).map_err(|error| failed(OPTIMIZER, error.to_string()))?;
        if let Some(best) = best {
            best.clone().save_file(path(BEST)).map_err(|error| failed(BEST, error.to_string()))?;
            names.push(BEST.to_owned());
        }
        for record in records {
            let name = name_of(record);
            fs::copy(record, path(&name)).map_err(at(record))?;
            names.push(name);
        }
        let mut files = Vec::new();
        for name in names {
            let file = path(&name);
            fs::File::open(&file).and_then(|file| file.sync_all()).map_err(at(&file))?;
            let (sha256, _) = Sha256Hex::of_file(&file).map_err(at(&file))?;
            files.push((name, sha256));
        }
        let state = State { position: position.clone(), run: self.run.clone(), files };
        let json = serde_json::to_vec(&state).map_err(|error| failed(STATE, error.to_string()))?;
        let state = path(STATE);
        let mut file = fs::File::create(&state).map_err(at(&state))?;
        file.write_all(&json).and_then(|()| file.sync_all()).map_err(at(&state))?;

        let target = self.settle(staging, &format!("{PREFIX}{:08}", position.step))?;
        let mut kept = 0;
        for folder in self.newest_first()? {
            // What lies after this step was left by a run that this one replaces, or is damaged.
            if folder <= target && kept < KEPT {
                kept += 1;
            } else {
                fs::remove_dir_all(&folder).map_err(at(&folder))?;
            }
        }
        Ok(target)
    }

    /// A hidden folder for a checkpoint that is not complete yet.
    fn stage(&self) -> Result<TempDir, CheckpointError> {
        fs::create_dir_all(&self.folder).map_err(at(&self.folder))?;
        // What a killed process of this run had begun.
        for begun in self.folders(STAGING)? {
            fs::remove_dir_all(&begun).map_err(at(&begun))?;
        }
        tempfile::Builder::new().prefix(STAGING).tempdir_in(&self.folder).map_err(at(&self.folder))
    }

    /// Gives a checkpoint that is complete its name.
    fn settle(&self, staging: TempDir, name: &str) -> Result<PathBuf, CheckpointError> {
        let target = self.folder.join(name);
        // A run that was resumed from before this step comes here again, with the same contents.
        if target.exists() {
            fs::remove_dir_all(&target).map_err(at(&target))?;
        }
        fs::rename(staging.path(), &target).map_err(at(&target))?;
        let _ = staging.keep();
        Ok(target)
    }

    /// The newest checkpoint that is complete and undamaged, if there is one, on this machine or in
    /// the mirror, from where it is copied here. `passed_over` is told of every one that is damaged.
    ///
    /// `model` and `optimizer` have the shapes that are to be filled.
    ///
    /// # Errors
    /// If it belongs to another run, or the folder or the mirror cannot be read.
    pub fn restore(
        &self,
        model: &Gpt,
        optimizer: impl Fn() -> ModuleOptimizer,
        mirror: Option<&Mirror<'_>>,
        mut passed_over: impl FnMut(&CheckpointError),
    ) -> Result<Option<Restored>, CheckpointError> {
        let mirrored = mirror.map_or(Ok(Vec::new()), Mirror::complete)?;
        let mut names: Vec<String> = self.newest_first()?.iter().map(|folder| name_of(folder)).collect();
        names.extend(mirrored.iter().cloned());
        names.sort_unstable_by(|a, b| b.cmp(a));
        names.dedup();
        let mut attempt = |folder: &Path| match self.read(folder, model, &optimizer) {
            Ok(restored) => Ok(Some(restored)),
            Err(error @ CheckpointError::OtherRun { .. }) => Err(error),
            Err(error) => {
                passed_over(&error);
                Ok(None)
            }
        };
        for name in names {
            let folder = self.folder.join(&name);
            if folder.exists()
                && let Some(restored) = attempt(&folder)?
            {
                return Ok(Some(restored));
            }
            if let Some(mirror) = mirror.filter(|_| mirrored.contains(&name)) {
                let staging = self.stage()?;
                mirror.download(&name, staging.path())?;
                self.settle(staging, &name)?;
                if let Some(restored) = attempt(&folder)? {
                    return Ok(Some(restored));
                }
            }
        }
        Ok(None)
    }

    /// Removes all checkpoints: the run is complete.
    ///
    /// # Errors
    /// If they cannot be removed.
    pub fn clear(&self) -> Result<(), CheckpointError> {
        for folder in self.newest_first()? {
            fs::remove_dir_all(&folder).map_err(at(&folder))?;
        }
        Ok(())
    }

    fn read(
        &self,
        folder: &Path,
        model: &Gpt,
        optimizer: impl Fn() -> ModuleOptimizer,
    ) -> Result<Restored, CheckpointError> {
        let damaged =
            |name: &str, reason: String| CheckpointError::Damaged { path: folder.join(name), reason };
        let path = folder.join(STATE);
        let mut json = Vec::new();
        let file = fs::File::open(&path).map_err(at(&path))?;
        file.take(MAX_STATE_BYTES).read_to_end(&mut json).map_err(at(&path))?;
        let state: State =
            serde_json::from_slice(&json).map_err(|error| damaged(STATE, error.to_string()))?;
        if let Some(difference) = first_difference("", &state.run, &self.run) {
            return Err(CheckpointError::OtherRun { path: folder.to_owned(), difference });
        }
        for (name, expected) in &state.files {
            let path = folder.join(Path::new(name).file_name().unwrap_or_default());
            let (found, _) = Sha256Hex::of_file(&path).map_err(at(&path))?;
            if found != *expected {
                return Err(damaged(name, format!("its sha256 is {found}, expected {expected}")));
            }
        }
        let load = |name: &str| {
            let model = model.clone().try_load_file(folder.join(name));
            model.map_err(|error| damaged(name, error.to_string()))
        };
        let record = OptimizerRecord::load(folder.join(OPTIMIZER))
            .map_err(|error| damaged(OPTIMIZER, error.to_string()))?;
        Ok(Restored {
            position: state.position,
            model: load(MODEL)?,
            optimizer: optimizer().load_record(record),
            best: if folder.join(BEST).exists() { Some(load(BEST)?.valid()) } else { None },
            folder: folder.to_owned(),
        })
    }

    fn newest_first(&self) -> Result<Vec<PathBuf>, CheckpointError> {
        let mut folders = self.folders(PREFIX)?;
        // Steps have leading zeros, so names sort as numbers.
        folders.sort_unstable_by(|a, b| b.cmp(a));
        Ok(folders)
    }

    fn folders(&self, prefix: &str) -> Result<Vec<PathBuf>, CheckpointError> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(at(&self.folder))?,
        };
        let mut folders = Vec::new();
        for entry in entries {
            let entry = entry.map_err(at(&self.folder))?;
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                folders.push(entry.path());
            }
        }
        Ok(folders)
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> CheckpointError {
    let path = path.to_owned();
    move |source| CheckpointError::Io { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preset::Preset;
    use crate::train::adamw;

    #[test]
    fn the_two_newest_are_kept_up_to_the_one_just_written() {
        let folder = tempfile::tempdir().unwrap();
        let preset = Preset::named("tiny", &[]).unwrap();
        let model = Gpt::new(&preset.model, &crate::device::cpu().autodiff());
        let optimizer = adamw(&preset.training);
        let checkpoints = Checkpoints::new(folder.path(), serde_json::Value::Null);
        let save = |step: usize| {
            let position = Position { step, ..Position::default() };
            checkpoints.save(&position, &model, &optimizer, None, &[]).unwrap();
            let found = checkpoints.newest_first().unwrap();
            found.iter().map(|path| name_of(path).trim_start_matches(PREFIX).parse().unwrap()).collect()
        };
        let saved: Vec<Vec<usize>> = [2, 4, 6, 3].into_iter().map(save).collect();
        // The last is of a run that starts anew: what the one before left is not kept in its place.
        assert_eq!(saved, [vec![2], vec![4, 2], vec![6, 4], vec![3]]);
    }
}
