//! `gpt train`: a model trained on texts, published, and promoted if it passes the gate.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::{Result, ensure};
use artifact::Tokenizer;
use burn::tensor::Device;
use clap::Args;
use gpt::device::prefers_bf16;
use gpt::preset::{AUTO, CorpusSettings, Precision, Preset, TokenizerSettings};
use gpt::release::naming::model_name;
use gpt::release::plan::{check_vocabulary, fit_vocabulary};
use gpt::release::report::Stopwatch;
use gpt::release::{Outcome, TrainingPlan};
use gpt::tokenizer::{TokenizerSource, read_tokenizer};
use tokio::runtime::Runtime;

use super::automatic::{Automatic, AutomaticArguments};
use super::corpus_arguments::TrainingTextArguments;
use super::run_arguments::RunArguments;

/// Said of a device that computes bf16 from float32.
pub const SLOW_BF16: &str = "note: `training.precision` is bf16, which this device multiplies no faster than float32; \
                         training.precision=auto takes it where it does";

/// Arguments of `gpt train`.
#[derive(Args)]
pub struct Arguments {
    /// Model and training settings: `the-verdict`, `books`, `tiny`, `gpt2` for gigabytes of text, `auto` for what is
    /// best in a --budget, or the path of a .toml file.
    #[arg(long, default_value = "the-verdict")]
    pub preset: String,
    #[command(flatten)]
    pub automatic: AutomaticArguments,
    /// Tokenizer of the model: gpt2, 257 bytes and ends of texts, one that is trained on the texts (with 4096 ids:
    /// train:4096; without a number as many as fit them), or that of a file: a tokenizer.json, a vocab.json with
    /// merges.txt, or a folder with one [default: that of the preset, gpt2].
    ///
    /// The model has as many ids, unless `model.vocab_size` is set.
    #[arg(long, value_name = "gpt2|bytes|train[:N]|PATH")]
    pub tokenizer: Option<TokenizerSource>,
    /// Texts to train on; without --corpus, those of the preset.
    #[command(flatten)]
    pub texts: TrainingTextArguments,
    #[command(flatten)]
    pub run: RunArguments,
}

/// Trains, exports, judges, publishes and promotes, as far as no earlier process has done so; nothing comes of a
/// dry run, or if nothing is left to do. `stop` ends the training with a checkpoint.
///
/// # Errors
/// Before the training where the cause can be known by then: a bad corpus, a store that cannot be
/// written. A version is published whole or not at all.
pub fn run(arguments: Arguments, runtime: &Runtime, stop: &AtomicBool) -> Result<Option<Outcome>> {
    let started = Instant::now();
    // Exports need ONNX Runtime after the training; if it is missing, that is an error now.
    engine::runtime::environment()?;
    let device = arguments.run.device.open()?.autodiff();
    let (plan, stopwatch) = arguments.plan(started, runtime, &device)?;
    arguments.automatic.save(&plan.preset_toml)?;
    arguments.run.run(&plan, stopwatch, &device, runtime, stop)
}

impl Arguments {
    /// Reads settings, starting weights and texts.
    fn plan(
        &self,
        started: Instant,
        runtime: &Runtime,
        device: &Device,
    ) -> Result<(TrainingPlan, Stopwatch)> {
        let run = &self.run;
        let set = run.overrides();
        self.automatic.check(&self.preset, &set)?;
        let mut preset = Preset::named(&self.preset, &set)?;
        preset.training.resolve_precision(|| prefers_bf16(device));
        match &self.tokenizer {
            Some(TokenizerSource::None) => {
                anyhow::bail!("--tokenizer none is for weights from elsewhere; a model is trained on texts")
            }
            Some(tokenizer) => preset.tokenizer.source = tokenizer.clone(),
            None => {}
        }
        let mut notes = Vec::new();
        if preset.training.precision == Precision::Bf16 && !prefers_bf16(device) {
            notes.push(SLOW_BF16.to_owned());
        }
        let mut stopwatch = Stopwatch::start();
        let settings = self.texts.settings(preset.corpus.take().unwrap_or_default());
        ensure!(
            !settings.conversations,
            "`corpus.conversations` is set: answers are learned by a model that knows the language: gpt finetune MODEL \
             --conversations FILES"
        );
        let tokenizer = self.tokenizer(&preset, &settings, &mut stopwatch)?;
        let is_set = run.set.iter().any(|setting| setting.name() == "model.vocab_size");
        notes.extend(fit_vocabulary(&mut preset.model, &tokenizer, is_set));
        check_vocabulary(&preset.model, &tokenizer)?;
        let corpus = self.texts.load(&settings, &preset, &tokenizer)?;
        stopwatch.lap("reading and encoding the corpus");
        let name = run.name.clone().unwrap_or_else(|| model_name(&settings.sources));
        let mut expected = None;
        if self.preset == AUTO {
            let automatic = Automatic {
                arguments: &self.automatic,
                checkpoints: &run.checkpoints,
                mirror: run.store.as_deref().filter(|_| run.mirror_checkpoints),
                restart: run.restart,
                keep: !run.dry_run,
                corpus: &corpus,
                model: &name,
                runtime,
                device,
                started,
            };
            let planned = automatic.plan(preset, &mut notes)?;
            (preset, expected) = (planned.preset, Some(planned.expected));
            stopwatch.lap("measuring shapes and planning");
        }
        preset.corpus = Some(settings);
        preset.resolve_batches()?;
        let mut plan = TrainingPlan::new(name, preset, None, tokenizer, None, corpus)?;
        plan.notes.splice(0..0, notes);
        plan.expected = expected;
        Ok((plan, stopwatch))
    }

    /// The tokenizer of a model from random weights.
    fn tokenizer(
        &self,
        preset: &Preset,
        settings: &CorpusSettings,
        stopwatch: &mut Stopwatch,
    ) -> Result<Tokenizer> {
        let TokenizerSettings { source, pattern } = &preset.tokenizer;
        Ok(match source {
            TokenizerSource::Gpt2 | TokenizerSource::None => Tokenizer::gpt2()?,
            TokenizerSource::Bytes => Tokenizer::bytes()?,
            TokenizerSource::File(path) => read_tokenizer(path)?.tokenizer,
            TokenizerSource::Train(vocab_size) => {
                let fraction = preset.training.train_fraction;
                let tokenizer =
                    self.texts.texts.train_tokenizer(settings, fraction, *pattern, *vocab_size)?;
                stopwatch.lap("training the tokenizer");
                tokenizer
            }
        })
    }
}
