//! Plan of an automatic training, kept beside the checkpoints: an interrupted run goes on with it, also on a machine
//! that is faster or slower.
//!
//! ```text
//! <checkpoints>/<model>/<plan>/plan.json    preset and promises; <plan> is a digest of what it was made for
//! ```

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{AtomicFile, PathError};

use super::budget::Budget;
use super::plan::Expectation;
use crate::corpus::Corpus;
use crate::preset::Preset;
use crate::train::identity::identity;
use crate::train::{Checkpoints, Mirror};

/// File name of a plan.
const PLAN: &str = "plan.json";

/// A plan as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedPlan {
    /// The chosen settings.
    pub preset: Preset,
    /// What they promise.
    pub expected: Expectation,
}

/// What a plan is made for: the text, the budget and the settings that are not chosen.
pub fn purpose(recipe: &Preset, corpus: &Corpus, budget: &Budget) -> Value {
    json!({"budget": budget.to_string(), "recipe": identity(recipe, corpus.sha256(), None)})
}

/// The place of a plan on this machine, and in a store.
pub struct PlanPlace<'a> {
    path: PathBuf,
    mirror: Option<Mirror<'a>>,
}

impl<'a> PlanPlace<'a> {
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
    /// If it cannot be read, or is no plan.
    pub fn read(&self) -> Result<Option<SavedPlan>, PathError> {
        let error = PathError::at(&self.path);
        if let Some(mirror) = self.mirror.as_ref().filter(|_| !self.path.exists()) {
            let folder = self.path.parent().unwrap_or(Path::new("."));
            let copied = fs::create_dir_all(folder)
                .and_then(|()| mirror.read(PLAN, &self.path).map_err(io::Error::other));
            if let Err(source) = copied {
                return Err(error(source));
            }
        }
        if !self.path.exists() {
            return Ok(None);
        }
        let parsed = fs::read(&self.path).and_then(|json| {
            let plan: SavedPlan = serde_json::from_slice(&json)?;
            plan.preset.model.validate().map_err(io::Error::other)?;
            plan.preset.validate().map_err(io::Error::other)?;
            Ok(plan)
        });
        let damaged = |source| io::Error::other(format!("{source}; --restart plans and trains anew"));
        parsed.map(Some).map_err(|source| error(damaged(source)))
    }

    /// Keeps a plan. That it could not be copied to the store is told to `note`.
    ///
    /// # Errors
    /// If it cannot be written on this machine.
    pub fn write(&self, plan: &SavedPlan, note: impl FnOnce(&str)) -> Result<(), PathError> {
        let json =
            serde_json::to_vec_pretty(plan).map_err(|error| PathError::at(&self.path)(error.into()))?;
        let mut file = AtomicFile::create(&self.path)?;
        file.write_all(&json).map_err(PathError::at(&self.path))?;
        file.commit()?;
        if let Some(Err(error)) = self.mirror.as_ref().map(|mirror| mirror.write(PLAN, &json)) {
            note(&format!("the plan is on this machine only, copying it to the store failed: {error}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let place = PlanPlace::new(&Checkpoints::new(folder.path().join("run"), Value::Null), None);
        assert_eq!(place.read().unwrap(), None);
        let expected = Expectation { tokens: 1000, training_seconds: 2.5, bits_per_byte: 1.75 };
        let plan = SavedPlan { preset: Preset::named("tiny", &[]).unwrap(), expected };
        place.write(&plan, |note| panic!("{note}")).unwrap();
        assert_eq!(place.read().unwrap(), Some(plan));
        std::fs::write(place.path(), "{}").unwrap();
        let error = place.read().unwrap_err().to_string();
        assert!(error.contains("plan.json") && error.contains("--restart"), "{error}");
    }
}
