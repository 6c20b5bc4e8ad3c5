//! `gpt train --preset auto`: the preset that a budget buys, planned once and kept for the run.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use burn::tensor::Device;
use clap::Args;
use gpt::auto::rules::is_chosen;
use gpt::auto::saved::{PlanPlace, purpose};
use gpt::auto::{Budget, Planner, SavedPlan};
use gpt::corpus::Corpus;
use gpt::preset::{AUTO, Override, Preset};
use gpt::train::identity::identity;
use gpt::train::{Checkpoints, Mirror};
use store::{AtomicFile, PathError, Store};
use tokio::runtime::Runtime;

/// The budget where none is given.
const DEFAULT_BUDGET: &str = "10m";

/// Arguments of the preset `auto`.
#[derive(Args)]
pub struct AutomaticArguments {
    /// What --preset auto may take: a time such as 10m, from the start of the program to the publication, `2e9 tokens`
    /// or `5000 steps` [default: 10m].
    ///
    /// For a small part of that it measures this machine, and chooses the size of the model and how to train it. The
    /// plan is kept beside the checkpoints, so that --resume goes on with it; --restart makes a new one.
    #[arg(long)]
    pub budget: Option<Budget>,
    /// Write the effective settings to this .toml file, which can be changed and given to --preset.
    #[arg(long, value_name = "FILE")]
    pub save_preset: Option<PathBuf>,
}

impl AutomaticArguments {
    /// Checks that what is given goes together with the preset.
    ///
    /// # Errors
    /// If a budget is given to another preset, or chosen settings to this one.
    pub fn check(&self, preset: &str, set: &[Override]) -> Result<()> {
        if preset != AUTO {
            ensure!(
                self.budget.is_none(),
                "--budget is for --preset auto; the time of another one's training is limited by \
                 --set training.max_seconds=SECONDS"
            );
            return Ok(());
        }
        if let Some(chosen) = set.iter().map(Override::name).find(|name| is_chosen(name)) {
            bail!(
                "--preset auto chooses `{chosen}`: write its choice to a file with --save-preset, change it there, and \
                 pass the file to --preset"
            );
        }
        Ok(())
    }

    /// Writes the effective settings, if that is asked for.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, preset_toml: &str) -> Result<(), PathError> {
        let Some(path) = &self.save_preset else { return Ok(()) };
        let mut file = AtomicFile::create(path)?;
        file.write_all(preset_toml.as_bytes()).map_err(PathError::at(path))?;
        file.commit()
    }
}

/// A run whose preset is to be planned.
pub struct Automatic<'a> {
    /// What is given on the command line.
    pub arguments: &'a AutomaticArguments,
    /// The folder of checkpoints, where plans are kept.
    pub checkpoints: &'a Path,
    /// The store that checkpoints and plans are copied to, if they are.
    pub mirror: Option<&'a str>,
    /// Whether to plan anew, whatever plan there is.
    pub restart: bool,
    /// Whether to keep the plan.
    pub keep: bool,
    /// Its texts.
    pub corpus: &'a Corpus,
    /// Name of the model in the store.
    pub model: &'a str,
    /// Talks to the store.
    pub runtime: &'a Runtime,
    /// An autodiff device.
    pub device: &'a Device,
    /// When the program began.
    pub started: Instant,
}

impl Automatic<'_> {
    /// The plan for these texts and this budget, made now or by an earlier process of the same command.
    ///
    /// # Errors
    /// If the texts are too short, or a plan cannot be read or written.
    pub fn plan(&self, recipe: Preset, notes: &mut Vec<String>) -> Result<SavedPlan> {
        let budget = self.arguments.budget.map_or_else(|| DEFAULT_BUDGET.parse(), Ok)?;
        let purpose = purpose(&recipe, self.corpus, &budget);
        let store = self.mirror.map(|location| self.runtime.block_on(Store::open(location))).transpose()?;
        let mirror = store.as_ref().map(|store| Mirror::new(store, self.runtime, self.model, &purpose));
        let place = PlanPlace::new(&Checkpoints::of_run(self.checkpoints, self.model, purpose), mirror);
        if self.restart {
            self.forget(&place, store.as_ref(), notes)?;
        } else if let Some(planned) = place.read()? {
            notes.push(format!("going on with the plan of {}", place.path().display()));
            // Paths and samples are no part of a run.
            let preset = Preset { tokenizer: recipe.tokenizer, sample: recipe.sample, ..planned.preset };
            return Ok(SavedPlan { preset, ..planned });
        }
        let plan = Planner {
            corpus: self.corpus,
            text_bytes: self.corpus.training().total_bytes(),
            recipe,
            budget,
            started: self.started,
            device: self.device,
        }
        .plan()?;
        notes.push(plan.to_string());
        let plan = SavedPlan { expected: plan.expectation(), preset: plan.preset };
        if self.keep {
            place.write(&plan, |note| notes.push(note.to_owned()))?;
        }
        Ok(plan)
    }

    /// Removes the checkpoints of the run that an earlier plan was for: a new plan is another run, which would leave
    /// them where they are.
    fn forget(&self, place: &PlanPlace<'_>, store: Option<&Store>, notes: &mut Vec<String>) -> Result<()> {
        // Of a plan that cannot be read, the run is not known.
        let Ok(Some(planned)) = place.read() else { return Ok(()) };
        if !self.keep {
            return Ok(());
        }
        let run = identity(&planned.preset, self.corpus.sha256(), None);
        let mirror = store.map(|store| Mirror::new(store, self.runtime, self.model, &run));
        let checkpoints = Checkpoints::of_run(self.checkpoints, self.model, run);
        let _lock = checkpoints.lock()?;
        checkpoints.clear()?;
        if let Some(mirror) = mirror {
            mirror.clear(|note| notes.push(note.to_owned()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(budget: Option<&str>, preset: &str, set: &[&str]) -> Option<String> {
        let budget = budget.map(|budget| budget.parse().unwrap());
        let set: Vec<Override> = set.iter().map(|setting| setting.parse().unwrap()).collect();
        let arguments = AutomaticArguments { budget, save_preset: None };
        arguments.check(preset, &set).err().map(|error| error.to_string())
    }

    #[test]
    fn what_auto_chooses_is_not_given_beside_it() {
        assert_eq!(refusal(Some("10m"), AUTO, &["training.seed=3", "training.learning_rate=1e-3"]), None);
        assert_eq!(refusal(None, "tiny", &["model.n_layers=3"]), None);
        for (refusal, expected) in [
            (refusal(Some("10m"), "tiny", &[]), "training.max_seconds"),
            (refusal(None, AUTO, &["model.n_layers=3"]), "`model.n_layers`"),
            (refusal(None, AUTO, &["training.epochs=3"]), "--save-preset"),
        ] {
            assert!(refusal.as_deref().is_some_and(|text| text.contains(expected)), "{refusal:?}");
        }
    }
}
