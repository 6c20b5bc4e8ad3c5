//! `gpt train`: corpus in, published model out.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};
use artifact::manifest::{FORMAT_VERSION, FileRole, Precision, TrainingSummary, Variant};
use artifact::store::VersionRef;
use artifact::{Manifest, Sha256Hex, Store, Tokenizer};
use burn::module::Module;
use jiff::Timestamp;

use engine::OnnxModel;
use gpt::corpus::{Corpus, Loader, Source};
use gpt::dataset::Dataset;
use gpt::evaluate::{Comparison, compare, export_loss};
use gpt::gate::{Gate, GateFailure};
use gpt::plot::loss_curve;
use gpt::preset::Preset;
use gpt::progress::{LogFormat, METRICS, Progress, SAMPLES, Sample, SampleWriter, read_samples};
use gpt::report::{Report, Stopwatch, VariantRow};
use gpt::train::checkpoint::Checkpoints;
use gpt::train::{Observer, Run, Trained, new_model};
use gpt::{dataset, device, onnx, weights};
use serde_json::json;
use tokio::runtime::Runtime;

/// File names inside a version's folder.
const ONNX: &str = "model.onnx";
const WEIGHTS: &str = "model.safetensors";
const PLOT: &str = "loss.svg";
const REPORT: &str = "report.html";

/// An export is compared with its model on at most so much text: minutes for the largest preset.
const COMPARED_WINDOWS: usize = 256;

/// What to train, on what, and where to publish it.
#[derive(Clone, Debug)]
pub struct Job {
    /// The model and how to train it.
    pub preset: Preset,
    /// The texts to train on.
    pub corpus: Vec<Source>,
    /// Where encoded texts and downloads are kept.
    pub cache: PathBuf,
    /// The store: a directory, or `s3://bucket/prefix`.
    pub store: String,
    /// Name of the model in the store.
    pub name: String,
    /// The channel that is to name the new version.
    pub channel: String,
    /// Where checkpoints lie, in a folder for each model.
    pub checkpoints: PathBuf,
    /// Whether to go on from the newest checkpoint.
    pub resume: bool,
    /// How progress is reported.
    pub log: LogFormat,
    /// What the new version must show before the channel names it.
    pub gate: Gate,
}

/// How a job ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The new version.
    pub published: VersionRef,
    /// Why the channel does not name it, if it does not.
    pub held_back: Option<GateFailure>,
}

impl Job {
    /// Trains, exports, publishes and, if the gate lets it pass, makes the new version live. `stop`
    /// ends the training with a checkpoint.
    ///
    /// # Errors
    /// Before training where the cause can be known by then: a bad corpus, a store that cannot be
    /// written. A version is published whole or not at all.
    pub fn run(&self, runtime: &Runtime, stop: &AtomicBool) -> Result<Outcome> {
        let Preset { model: config, training, sample, .. } = &self.preset;
        // Needed at the end, to check the export; found missing at the beginning.
        engine::runtime::environment()?;
        let tokenizer = Tokenizer::gpt2()?;
        anyhow::ensure!(
            config.vocab_size == tokenizer.vocab_size(),
            "preset: `model.vocab_size` is {}, expected {}, the size of the {} vocabulary",
            config.vocab_size,
            tokenizer.vocab_size(),
            tokenizer.reference().name,
        );
        let loader = Loader {
            tokenizer: &tokenizer,
            train_fraction: training.train_fraction,
            cache: &self.cache,
            fetch_s3: &|_, _| Err("corpora in S3 are not read yet; copy them to a folder first".into()),
            notify: &|note| eprintln!("{note}"),
        };
        let mut stopwatch = Stopwatch::start();
        let corpus = loader.load(&self.corpus)?;
        stopwatch.lap("reading and encoding the corpus");
        let (train_set, validation_set) =
            dataset::split(&corpus, config.context_length, training.stride, training.batch_size)?;
        let prompt = corpus.example_prompts().first().context(
            "the corpus has no paragraph of at least four words to take a prompt from; use a text with paragraphs",
        )?;
        let store = runtime.block_on(Store::open(&self.store))?;
        // Staged now rather than after training: a store that cannot be written is an early error.
        let mut staged = runtime.block_on(store.stage(&self.name))?;
        let device = device::cpu().autodiff();
        let checkpoints = Checkpoints::new(
            self.checkpoints.join(&self.name),
            json!({"preset": self.preset, "corpus": corpus.sha256()}),
        );
        let run = Run {
            train_set: &train_set,
            validation_set: &validation_set,
            settings: training,
            device: &device,
            checkpoints: &checkpoints,
            resume: self.resume,
            stop,
        };
        let writer = SampleWriter {
            tokenizer: &tokenizer,
            prompt: prompt.clone(),
            settings: sample,
            seed: training.seed,
            device: device.clone().without_autodiff(),
        };
        let mut progress = Progress::new(run.total_steps(), &staged.path(""), writer, self.log)?;
        let model = new_model(config, training, &device);
        progress.note(&format!(
            "training {} ({} parameters) on {}: {} epochs, {} steps of {} tokens",
            self.name,
            model.num_params(),
            corpus.name(),
            training.epochs,
            run.total_steps(),
            training.batch_size * training.accumulate_batches * config.context_length,
        ));
        let trained = run.train(model, &mut progress)?;
        drop(progress);

        let Trained { model, position, .. } = &trained;
        // Training has its own clock, which an interruption does not reset.
        stopwatch.skip();
        onnx::export(model, &staged.path(ONNX))?;
        stopwatch.lap("export to ONNX");
        let mut export = OnnxModel::load(&staged.path(ONNX), config, threads())?;
        let comparison = compare(model, &mut export, &validation_set, COMPARED_WINDOWS, &device::cpu())?;
        drop(export);
        stopwatch.lap("comparison of the export with the model");
        weights::save(model, &staged.path(WEIGHTS))?;
        let plot = staged.path(PLOT);
        let curve = loss_curve(&self.name, &position.evaluations).map_err(anyhow::Error::msg)?;
        std::fs::write(&plot, &curve).with_context(|| plot.display().to_string())?;
        for (name, role) in [
            (ONNX, FileRole::Onnx),
            (WEIGHTS, FileRole::Weights),
            (METRICS, FileRole::Metrics),
            (SAMPLES, FileRole::Samples),
            (PLOT, FileRole::Plot),
        ] {
            staged.add(name, role)?;
        }
        let mut manifest = self.manifest(&tokenizer, &corpus, staged.files(), &trained, &comparison)?;
        let samples = std::fs::read_to_string(staged.path(SAMPLES))?;
        let report =
            self.report(&manifest, &trained, &comparison, &curve, &read_samples(&samples), &stopwatch)?;
        std::fs::write(staged.path(REPORT), report)?;
        staged.add(REPORT, FileRole::Report)?;
        // The report names the version, so the version's hash is that of all files but the report.
        manifest.files = staged.files().to_vec();
        runtime.block_on(async {
            let published = staged.publish(&manifest).await?;
            checkpoints.clear()?;
            let held_back = self.promote(&store, &published, &comparison, &corpus, &tokenizer).await?;
            Ok(Outcome { published, held_back })
        })
    }

    /// Makes a new version live if the gate lets it pass; otherwise says why not.
    async fn promote(
        &self,
        store: &Store,
        published: &VersionRef,
        comparison: &Comparison,
        corpus: &Corpus,
        tokenizer: &Tokenizer,
    ) -> Result<Option<GateFailure>> {
        let before = store.find_channel(&self.channel).await?;
        let serving_val_loss = match &before {
            Some(channel) => Some(self.serving_loss(store, &channel.current, corpus, tokenizer).await?),
            None => None,
        };
        if let Err(failure) = self.gate.judge(comparison, serving_val_loss) {
            return Ok(Some(failure));
        }
        store.promote(&self.channel, published, before.as_ref()).await?;
        Ok(None)
    }

    /// Validation loss of the version being served, on the text that the new one is judged by.
    async fn serving_loss(
        &self,
        store: &Store,
        serving: &VersionRef,
        corpus: &Corpus,
        tokenizer: &Tokenizer,
    ) -> Result<f64> {
        let version = store.open_version(serving).await?;
        let config = &version.manifest.config;
        anyhow::ensure!(
            version.manifest.tokenizer == tokenizer.reference(),
            "{serving} has another tokenizer, so the two cannot be compared; use another channel",
        );
        let file = version
            .manifest
            .variant(Precision::Float32)
            .ok_or_else(|| version.no_such_file("variant of precision float32"))?;
        let downloads = tempfile::tempdir()?;
        let path = version.verified_file(file, downloads.path()).await?;
        let mut model = OnnxModel::load(&path, config, threads())?;
        // Its context may be another one; the text is the same.
        let window = config.context_length;
        let validation_set = Dataset::new(corpus.validation().clone(), window, window, 1)?;
        Ok(export_loss(&mut model, &validation_set, COMPARED_WINDOWS, &device::cpu())?)
    }

    fn manifest(
        &self,
        tokenizer: &Tokenizer,
        corpus: &Corpus,
        files: &[artifact::manifest::FileEntry],
        trained: &Trained,
        comparison: &Comparison,
    ) -> Result<Manifest> {
        let Trained { evaluation, position, .. } = trained;
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
                val_loss: comparison.val_loss,
                kl_divergence: comparison.kl_divergence,
                top_1_agreement: comparison.top_1_agreement,
            }],
            training: TrainingSummary {
                corpus: corpus.entries(),
                epochs: self.preset.training.epochs,
                steps: position.step,
                hyper_parameters: serde_json::to_value(&self.preset.training)?,
                final_train_loss: evaluation.train_loss,
                final_val_loss: evaluation.val_loss,
                wall_seconds: position.seconds,
                device: device::describe(),
            },
            example_prompts: corpus.example_prompts().to_vec(),
            parent: None,
        })
    }

    /// The page about this run.
    fn report(
        &self,
        manifest: &Manifest,
        trained: &Trained,
        comparison: &Comparison,
        loss_curve_svg: &str,
        samples: &[Sample],
        stopwatch: &Stopwatch,
    ) -> Result<String> {
        let variant = |variant: &Variant| VariantRow {
            precision: "float32",
            file: ONNX,
            bytes: variant.bytes,
            val_loss: Some(comparison.val_loss),
            kl_divergence: comparison.kl_divergence,
            top_1_agreement: comparison.top_1_agreement,
            largest_logit_difference: comparison.largest_logit_difference,
        };
        let report = Report {
            name: &manifest.name,
            version: &manifest.version,
            created_at: &manifest.created_at,
            device: &manifest.training.device,
            parameters: manifest.config.num_parameters(),
            corpus: &manifest.training.corpus,
            preset_toml: &toml::to_string(&self.preset)?,
            evaluations: &trained.position.evaluations,
            kept: &trained.evaluation,
            loss_curve_svg,
            variants: &manifest.variants.iter().map(variant).collect::<Vec<_>>(),
            samples,
            timings: stopwatch.laps(),
        };
        Ok(report.html()?)
    }
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// Name of a model that is trained with a preset, unless it is given another: the preset's name, or
/// the name of its file.
pub fn default_name(preset: &str) -> String {
    Path::new(preset).file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
