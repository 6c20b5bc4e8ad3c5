//! `gpt train --preset auto`: the preset that a budget buys, planned once and kept for the run.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use burn::tensor::Device;
use clap::Args;
use gpt::auto::saved::{SavedPlan, purpose};
use gpt::auto::{Budget, Planner};
use gpt::corpus::Corpus;
use gpt::preset::{AUTO, Override, Preset};
use gpt::train::{Checkpoints, Mirror};
use store::Store;
use tokio::runtime::Runtime;

/// The budget where none is given.
const DEFAULT_BUDGET: &str = "10m";

/// Arguments of the preset `auto`.
#[derive(Args)]
pub struct AutomaticArguments {
    /// What --preset auto may take: a time such as 10m, from the start of the program to the publication, `2e9 tokens` or
    /// `5000 steps` [default: 10m].
    ///
    /// It measures this machine and counts the texts for a small part of that, and chooses the size of the model and
    /// how to train it. The plan is kept beside the checkpoints; --restart makes a new one.
    #[arg(long)]
    pub budget: Option<Budget>,
    /// Write the effective settings to this .toml file, which can be changed and given to --preset.
    #[arg(long, value_name = "FILE")]
    pub save_preset: Option<PathBuf>,
}

/// What a plan of the preset `auto` needs from the command.
pub struct Automatic<'a> {
    pub arguments: &'a AutomaticArguments,
    /// Settings that were given beside the preset.
    pub set: &'a [Override],
    pub checkpoints: &'a PathBuf,
    /// Where plans are copied to, if checkpoints are.
    pub mirror: Option<&'a Store>,
    /// Whether an earlier plan does not count.
    pub restart: bool,
    /// Whether the plan is not to be kept.
    pub dry_run: bool,
    pub runtime: &'a Runtime,
    pub device: &'a Device,
    /// When the program began.
    pub started: Instant,
}

impl Automatic<'_> {
    /// The settings that were planned for these texts and this budget, now or by an earlier process of the same command.
    ///
    /// # Errors
    /// If the texts are too short, or a plan cannot be read or written.
    pub fn preset(
        &self,
        model: &str,
        recipe: Preset,
        corpus: &Corpus,
        vocab_size: usize,
        notes: &mut Vec<String>,
    ) -> Result<Preset> {
        let budget = self.arguments.budget.map_or_else(|| DEFAULT_BUDGET.parse(), Ok)?;
        let purpose = purpose(&recipe, corpus, &budget);
        let mirror = self.mirror.map(|store| Mirror::new(store, self.runtime, model, &purpose));
        let place = SavedPlan::new(&Checkpoints::of_run(self.checkpoints, model, purpose), mirror);
        if !self.restart
            && let Some(preset) = place.read()?
        {
            notes.push("going on with the plan that was made for these texts and this budget before".to_owned());
            // Paths are no part of a plan.
            return Ok(Preset { corpus: recipe.corpus, sample: recipe.sample, ..preset });
        }
        let corpus_settings = recipe.corpus.clone();
        let planner = Planner {
            corpus,
            text_bytes: corpus.training().total_bytes(),
            vocab_size,
            recipe,
            budget,
            started: self.started,
            device: self.device,
        };
        let plan = planner.plan()?;
        notes.push(plan.to_string());
        if !self.dry_run {
            place.write(&plan.preset.to_toml()?, |note| notes.push(note.to_owned()))?;
        }
        Ok(Preset { corpus: corpus_settings, ..plan.preset })
    }
}

impl AutomaticArguments {
    /// Checks that what is given goes together with the preset.
    ///
    /// # Errors
    /// If a budget is given to another preset, or weights to start from or chosen settings to this one.
    pub fn check(&self, preset: &str, set: &[Override], has_init: bool) -> Result<()> {
        if preset != AUTO {
            ensure!(
                self.budget.is_none(),
                "--budget is for --preset auto; for {preset}, --set training.max_seconds=SECONDS limits the time of \
                 the training"
            );
            return Ok(());
        }
        if has_init {
            bail!("--preset auto chooses the shape of a model, and --init has one: name another preset");
        }
        if let Some(chosen) = set.iter().map(Override::name).find(|name| gpt::auto::rules::is_chosen(name)) {
            bail!("--preset auto chooses `{chosen}`: write its choice to a file with --save-preset, change it there, and \
                   pass that to --preset");
        }
        Ok(())
    }
}
