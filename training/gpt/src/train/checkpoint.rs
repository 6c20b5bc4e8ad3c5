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

use super::Evaluation;
use crate::model::Gpt;

const STATE: &str = "state.json";
const MODEL: &str = "model.burnpack";
const OPTIMIZER: &str = "optimizer.burnpack";
const BEST: &str = "best.burnpack";
const PREFIX: &str = "checkpoint-";
const STAGING: &str = ".staging-";
const KEPT: usize = 2;
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
        fs::create_dir_all(&self.folder).map_err(at(&self.folder))?;
        // What a killed process of this run had begun.
        for begun in self.folders(STAGING)? {
            fs::remove_dir_all(&begun).map_err(at(&begun))?;
        }
        let staging =
            tempfile::Builder::new().prefix(STAGING).tempdir_in(&self.folder).map_err(at(&self.folder))?;
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
            let name = record.file_name().unwrap_or_default().to_string_lossy().into_owned();
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

        let target = self.folder.join(format!("{PREFIX}{:08}", position.step));
        // A run that was resumed from before this step comes here again, with the same contents.
        if target.exists() {
            fs::remove_dir_all(&target).map_err(at(&target))?;
        }
        fs::rename(staging.path(), &target).map_err(at(&target))?;
        let _ = staging.keep();
        for old in self.newest_first()?.into_iter().skip(KEPT) {
            fs::remove_dir_all(&old).map_err(at(&old))?;
        }
        Ok(target)
    }

    /// The newest checkpoint that is complete and undamaged, if there is one. `passed_over` is told
    /// of every one that is not.
    ///
    /// `model` and `optimizer` have the shapes that are to be filled.
    ///
    /// # Errors
    /// If it belongs to another run, or the folder cannot be read.
    pub fn restore(
        &self,
        model: &Gpt,
        optimizer: impl Fn() -> ModuleOptimizer,
        mut passed_over: impl FnMut(&CheckpointError),
    ) -> Result<Option<Restored>, CheckpointError> {
        for folder in self.newest_first()? {
            match self.read(&folder, model, &optimizer) {
                Ok(restored) => return Ok(Some(restored)),
                Err(error @ CheckpointError::OtherRun { .. }) => return Err(error),
                Err(error) => passed_over(&error),
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

fn at(path: &Path) -> impl FnOnce(io::Error) -> CheckpointError {
    let path = path.to_owned();
    move |source| CheckpointError::Io { path, source }
}

/// Where two JSON values differ first, as `path: this, then that`.
fn first_difference(path: &str, a: &serde_json::Value, b: &serde_json::Value) -> Option<String> {
    if let (Some(a), Some(b)) = (a.as_object(), b.as_object()) {
        let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
        return keys.into_iter().find_map(|key| {
            let null = serde_json::Value::Null;
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            first_difference(&path, a.get(key).unwrap_or(&null), b.get(key).unwrap_or(&null))
        });
    }
    (a != b).then(|| format!("`{path}` was {a} and is {b}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_difference_is_named_by_its_path() {
        let a = json!({"training": {"seed": 1, "epochs": 2}, "corpus": "x"});
        assert_eq!(first_difference("", &a, &a), None);
        let b = json!({"training": {"seed": 1, "epochs": 3}, "corpus": "x"});
        assert_eq!(first_difference("", &a, &b).unwrap(), "`training.epochs` was 2 and is 3");
        let b = json!({"training": {"seed": 1, "epochs": 2}});
        assert_eq!(first_difference("", &a, &b).unwrap(), "`corpus` was \"x\" and is null");
    }
}
