//! `gpt train`: corpus in, published model out.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use artifact::manifest::{FORMAT_VERSION, FileRole, Precision, TrainingSummary, Variant};
use artifact::store::VersionRef;
use artifact::{Manifest, Sha256Hex, Store, Tokenizer};
use burn::module::Module;
use jiff::Timestamp;

use gpt::corpus::Corpus;
use gpt::preset::Preset;
use gpt::progress::{Progress, SampleWriter};
use gpt::train::{Evaluation, new_model, train};
use gpt::{dataset, device, onnx, weights};

/// File names inside a version's folder.
const ONNX: &str = "model.onnx";
const WEIGHTS: &str = "model.safetensors";
const METRICS: &str = "metrics.jsonl";
const SAMPLES: &str = "samples.txt";

/// What to train, on what, and where to publish it.
#[derive(Clone, Debug)]
pub struct Job {
    /// The model and how to train it.
    pub preset: Preset,
    /// The text to train on.
    pub corpus: PathBuf,
    /// The directory of the store.
    pub store: PathBuf,
    /// Name of the model in the store.
    pub name: String,
    /// The channel that is to name the new version.
    pub channel: String,
}

impl Job {
    /// Trains, exports, publishes and makes the new version live.
    ///
    /// # Errors
    /// Before training where the cause can be known by then: a bad corpus, a store that cannot be
    /// written. A version is published whole or not at all.
    pub fn run(&self) -> Result<VersionRef> {
        let Preset { model: config, training, sample } = &self.preset;
        let tokenizer = Tokenizer::gpt2()?;
        anyhow::ensure!(
            config.vocab_size == tokenizer.vocab_size(),
            "preset: `model.vocab_size` is {}, expected {}, the size of the {} vocabulary",
            config.vocab_size,
            tokenizer.vocab_size(),
            tokenizer.reference().name,
        );
        let corpus = Corpus::read(&self.corpus)?;
        let (train_set, validation_set) = dataset::split(
            corpus.text(),
            &tokenizer,
            training.train_fraction,
            config.context_length,
            training.stride,
            training.batch_size,
        )?;
        let example_prompts = corpus.example_prompts();
        let prompt = example_prompts.first().context(
            "the corpus has no paragraph of at least four words to take a prompt from; use a text with paragraphs",
        )?;
        let store = Store::new(&self.store);
        // Staged now rather than after training: a store that cannot be written is an early error.
        let mut staged = store.stage(&self.name)?;
        let create = |name| {
            let path = staged.path(name);
            File::create(&path).with_context(|| path.display().to_string())
        };

        let device = device::cpu().autodiff();
        let total_steps = training.epochs * train_set.full_batches(training.batch_size);
        let writer = SampleWriter {
            tokenizer: &tokenizer,
            prompt: prompt.clone(),
            settings: sample,
            seed: training.seed,
            device: device.clone().without_autodiff(),
        };
        let mut progress = Progress::new(total_steps, create(METRICS)?, create(SAMPLES)?, writer);
        let model = new_model(config, training, &device);
        eprintln!(
            "training {} ({} parameters) on {}: {} epochs, {total_steps} steps of {} tokens",
            self.name,
            model.num_params(),
            corpus.name(),
            training.epochs,
            training.batch_size * config.context_length,
        );
        let (model, last) = train(model, &train_set, &validation_set, training, &device, &mut progress)?;
        drop(progress);

        let model = model.valid();
        onnx::export(&model, &staged.path(ONNX))?;
        weights::save(&model, &staged.path(WEIGHTS))?;
        for (name, role) in [
            (ONNX, FileRole::Onnx),
            (WEIGHTS, FileRole::Weights),
            (METRICS, FileRole::Metrics),
            (SAMPLES, FileRole::Samples),
        ] {
            staged.add(name, role)?;
        }
        let manifest = self.manifest(&tokenizer, &corpus, staged.files(), &last, example_prompts)?;
        let reference = staged.publish(&manifest)?;
        store.set_channel(&self.channel, &reference)?;
        Ok(reference)
    }

    fn manifest(
        &self,
        tokenizer: &Tokenizer,
        corpus: &Corpus,
        files: &[artifact::manifest::FileEntry],
        last: &Evaluation,
        example_prompts: Vec<String>,
    ) -> Result<Manifest> {
        let created_at = Timestamp::now();
        let hashes: String = files.iter().map(|file| file.sha256.as_str()).collect();
        let short_hash = &Sha256Hex::of_bytes(hashes.as_bytes()).as_str()[..8].to_owned();
        let onnx = files.iter().find(|file| file.path == ONNX).context("model.onnx was not staged")?;
        Ok(Manifest {
            format_version: FORMAT_VERSION,
            name: self.name.clone(),
            version: format!("{}-{short_hash}", created_at.strftime("%Y%m%dT%H%M%SZ")),
            created_at: created_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            source_commit: option_env!("SOURCE_COMMIT").map(str::to_owned),
            config: self.preset.model.clone(),
            tokenizer: tokenizer.reference(),
            files: files.to_vec(),
            variants: vec![Variant {
                precision: Precision::Float32,
                file: onnx.path.clone(),
                bytes: onnx.bytes,
            }],
            training: TrainingSummary {
                corpus: vec![corpus.entry(tokenizer)],
                epochs: self.preset.training.epochs,
                steps: last.step,
                hyper_parameters: serde_json::to_value(&self.preset.training)?,
                final_train_loss: last.train_loss,
                final_val_loss: last.val_loss,
                wall_seconds: last.seconds,
                device: device::describe(),
            },
            example_prompts,
            parent: None,
        })
    }
}

/// Name of a model that is trained with a preset, unless it is given another: the preset's name, or
/// the name of its file.
pub fn default_name(preset: &str) -> String {
    Path::new(preset).file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
