//! Plan of an automatic training, kept beside the checkpoints: an interrupted run goes on with it, also on a machine
//! that is faster or slower.
//!
//! ```text
//! <checkpoints>/<model>/<plan>/plan.toml    the chosen preset; <plan> is a digest of what it was made for
//! ```

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use store::{AtomicFile, PathError};

use super::budget::Budget;
use crate::corpus::Corpus;
use crate::preset::{Preset, PresetError};
use crate::train::identity::identity;
use crate::train::{Checkpoints, Mirror};

/// File name of a plan.
const PLAN: &str = "plan.toml";

/// What a plan is made for: the text, the budget and the settings that are not chosen.
pub fn purpose(recipe: &Preset, corpus: &Corpus, budget: &Budget) -> Value {
    json!({"budget": budget.to_string(), "recipe": identity(recipe, corpus.sha256(), None)})
}

/// The place of a plan on this machine, and in a store.
pub struct SavedPlan<'a> {
    path: PathBuf,
    mirror: Option<Mirror<'a>>,
}

impl<'a> SavedPlan<'a> {
    /// The place in the folder of its [purpose](purpose()), and in the mirror of that.
    pub fn new(checkpoints: &Checkpoints, mirror: Option<Mirror<'a>>) -> Self {
        Self { path: checkpoints.folder().join(PLAN), mirror }
    }

    /// Its file on this machine.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The plan, if there is one on this machine or else in the store.
    ///
    /// # Errors
    /// If it is no preset, or cannot be read.
    pub fn read(&self) -> Result<Option<Preset>, PresetError> {
        if let Some(mirror) = self.mirror.as_ref().filter(|_| !self.path.exists()) {
            if let Some(folder) = self.path.parent() {
                std::fs::create_dir_all(folder).map_err(|source| self.unreadable(source))?;
            }
            mirror.read(PLAN, &self.path).map_err(|error| self.unreadable(std::io::Error::other(error)))?;
        }
        if !self.path.exists() {
            return Ok(None);
        }
        Preset::named(&self.path.to_string_lossy(), &[]).map(Some)
    }

    /// Keeps a plan. That it could not be copied to the store is told to `note`.
    ///
    /// # Errors
    /// If it cannot be written on this machine.
    pub fn write(&self, preset_toml: &str, note: impl FnOnce(&str)) -> Result<(), PathError> {
        let mut file = AtomicFile::create(&self.path)?;
        file.write_all(preset_toml.as_bytes()).map_err(PathError::at(&self.path))?;
        file.commit()?;
        if let Some(Err(error)) =
            self.mirror.as_ref().map(|mirror| mirror.write(PLAN, preset_toml.as_bytes()))
        {
            note(&format!("the plan is on this machine only, copying it to the store failed: {error}"));
        }
        Ok(())
    }

    fn unreadable(&self, source: std::io::Error) -> PresetError {
        PresetError::Io { path: self.path.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let place = SavedPlan::new(&Checkpoints::new(folder.path().join("run"), Value::Null), None);
        assert_eq!(place.read().unwrap(), None);
        let preset = Preset::named("tiny", &[]).unwrap();
        place.write(&preset.to_toml().unwrap(), |note| panic!("{note}")).unwrap();
        assert_eq!(place.read().unwrap(), Some(preset));
        std::fs::write(folder.path().join("run/plan.toml"), "[model]").unwrap();
        let error = place.read().unwrap_err().to_string();
        assert!(error.contains("plan.toml"), "{error}");
    }
}
