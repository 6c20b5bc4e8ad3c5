//! Checkpoints of a run in a folder of this machine.
//!
//! A checkpoint appears when it is complete. The two newest are kept: should one turn out to be damaged,
//! the other is at hand.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use burn::optim::ModuleOptimizer;
use store::{AtomicFolder, PathError};

use super::contents;
use super::error::CheckpointError;
use super::layout::{KEPT, PREFIX, checkpoint_name, name_of, run_name};
use super::lock::RunLock;
use super::mirror::Mirror;
use crate::model::Gpt;
use crate::train::state::State;

/// A folder of checkpoints of one run.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    run: serde_json::Value,
}

impl Checkpoints {
    /// Checkpoints in `folder` of the run with this [identity](crate::train::identity).
    pub fn new(folder: impl Into<PathBuf>, run: serde_json::Value) -> Self {
        Self { folder: folder.into(), run }
    }

    /// Checkpoints of a run in its own folder below `root`, which may have been made under another name of
    /// the model.
    pub fn of_run(root: &Path, model: &str, run: serde_json::Value) -> Self {
        let name = run_name(&run);
        let own = root.join(model).join(&name);
        let elsewhere = || {
            let models = fs::read_dir(root).ok()?;
            let mut folders = models.flatten().map(|entry| entry.path().join(&name));
            folders.find(|folder| folder.is_dir())
        };
        let folder = if own.is_dir() { own } else { elsewhere().unwrap_or(own) };
        Self::new(folder, run)
    }

    /// Where they lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The identity of the run.
    pub fn run(&self) -> &serde_json::Value {
        &self.run
    }

    /// Makes the folder and locks it against other processes.
    ///
    /// # Errors
    /// If another process holds it, or it cannot be made.
    pub fn lock(&self) -> Result<RunLock, CheckpointError> {
        RunLock::acquire(&self.folder)
    }

    /// Writes a checkpoint, with copies of the files `records`, and removes the oldest ones.
    ///
    /// # Errors
    /// If it cannot be written; then nothing is left of it, and older ones stay.
    pub fn save(&self, state: &State, records: &[PathBuf]) -> Result<PathBuf, CheckpointError> {
        let staged = AtomicFolder::create_in(&self.folder)?;
        contents::write(staged.path(), state, &self.run, records)?;
        let target = self.folder.join(checkpoint_name(state.position.step));
        // A run that was resumed from before this step comes here again, with the same contents.
        staged.commit_replacing(&target)?;
        let mut kept = 0;
        for folder in self.newest_first()? {
            // What lies after this step was left by a run that this one replaces, or is damaged.
            if folder <= target && kept < KEPT {
                kept += 1;
            } else {
                remove(&folder)?;
            }
        }
        Ok(target)
    }

    /// The newest checkpoint that is complete and undamaged, if there is one, on this machine or in
    /// the mirror, from where it is copied here; with its folder. `passed_over` is told of every one that is
    /// damaged.
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
    ) -> Result<Option<(State, PathBuf)>, CheckpointError> {
        let mirrored = mirror.map_or(Ok(Vec::new()), Mirror::complete)?;
        let mut names: Vec<String> = self.newest_first()?.iter().map(|folder| name_of(folder)).collect();
        names.extend(mirrored.iter().cloned());
        names.sort_unstable_by(|a, b| b.cmp(a));
        names.dedup();
        let mut attempt = |folder: &Path| match contents::read(folder, &self.run, model, optimizer()) {
            Ok(state) => Ok(Some((state, folder.to_owned()))),
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
                let staged = AtomicFolder::create_in(&self.folder)?;
                mirror.download(&name, staged.path())?;
                staged.commit_replacing(&folder)?;
                if let Some(restored) = attempt(&folder)? {
                    return Ok(Some(restored));
                }
            }
        }
        Ok(None)
    }

    /// Removes all checkpoints: the run is published, or starts anew.
    ///
    /// # Errors
    /// If they cannot be removed.
    pub fn clear(&self) -> Result<(), CheckpointError> {
        for folder in self.newest_first()? {
            remove(&folder)?;
        }
        Ok(())
    }

    pub(super) fn newest_first(&self) -> Result<Vec<PathBuf>, CheckpointError> {
        let at = || PathError::at(&self.folder);
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(at())?,
        };
        let mut folders = Vec::new();
        for entry in entries {
            let entry = entry.map_err(at())?;
            if entry.file_name().to_string_lossy().starts_with(PREFIX) {
                folders.push(entry.path());
            }
        }
        folders.sort_unstable_by(|a, b| b.cmp(a));
        Ok(folders)
    }
}

fn remove(folder: &Path) -> Result<(), PathError> {
    fs::remove_dir_all(folder).map_err(PathError::at(folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preset::Preset;
    use crate::train::optimizer;
    use crate::train::state::Position;

    #[test]
    fn a_run_is_found_under_another_name_and_locked_against_others() {
        let root = tempfile::tempdir().unwrap();
        let of = |model: &str, seed: u8| Checkpoints::of_run(root.path(), model, serde_json::json!(seed));
        let first = of("first", 1);
        assert_eq!(first.folder().parent(), Some(root.path().join("first").as_path()));
        let lock = first.lock().unwrap();
        assert_eq!(of("second", 1).folder(), first.folder());
        assert_ne!(of("first", 2).folder(), first.folder());
        let refusal = of("second", 1).lock().unwrap_err();
        assert!(
            matches!(&refusal, CheckpointError::Locked { path } if path.starts_with(root.path())),
            "{refusal}"
        );
        of("first", 2).lock().unwrap();
        drop(lock);
        first.lock().unwrap();
        // Its own name comes first.
        let own = root.path().join("second").join(run_name(first.run()));
        fs::create_dir_all(&own).unwrap();
        assert_eq!(of("second", 1).folder(), own);
    }

    #[test]
    fn the_two_newest_are_kept_up_to_the_one_just_written() {
        let folder = tempfile::tempdir().unwrap();
        let preset = Preset::named("tiny", &[]).unwrap();
        let model = Gpt::new(&preset.model, &crate::device::cpu().autodiff());
        let checkpoints = Checkpoints::new(folder.path(), serde_json::Value::Null);
        let save = |step: usize| {
            let state = State {
                position: Position { step, ..Position::default() },
                model: model.clone(),
                optimizer: optimizer(&preset.training),
                best: None,
            };
            checkpoints.save(&state, &[]).unwrap();
            let found = checkpoints.newest_first().unwrap();
            found.iter().map(|path| name_of(path).trim_start_matches(PREFIX).parse().unwrap()).collect()
        };
        let saved: Vec<Vec<usize>> = [2, 4, 6, 3].into_iter().map(save).collect();
        // The last is of a run that starts anew: what the one before left is not kept in its place.
        assert_eq!(saved, [vec![2], vec![4, 2], vec![6, 4], vec![3]]);
    }
}
