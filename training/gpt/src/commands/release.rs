//! From a model to a version that is published, and perhaps served: export, compare, publish,
//! promote.

use std::fmt;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use artifact::manifest::{
    EvaluationSummary, FORMAT_VERSION, FileEntry, FileRole, ImportSummary, Precision, TrainingSummary,
    Variant,
};
use artifact::{Manifest, Sha256Hex, Tokenizer};
use engine::OnnxModel;
use gpt::corpus::{Batch, Corpus, Dataset};
use gpt::evaluate::{Comparison, Score, compare, random_windows, score_export};
use gpt::gate::{Gate, GateFailure};
use gpt::{Gpt, device, onnx, weights};
use jiff::Timestamp;
use store::{StagedVersion, Store, VersionRef};

use super::corpus_arguments::ValidationText;

/// File name of the weights inside a version's folder.
pub const WEIGHTS: &str = "model.safetensors";
/// File name of the page about a version.
const REPORT: &str = "report.html";
/// The ONNX files of a version.
const EXPORTS: [(Precision, &str); 3] =
    [(Precision::Float32, "model.onnx"), (Precision::W8, "model.w8.onnx"), (Precision::W4, "model.w4.onnx")];
/// Without a text, exports are compared with their model on so many windows of random ids.
const RANDOM_WINDOWS: usize = 2;

/// Tokens that exports are rounded for: several for each number of a hidden vector.
const CALIBRATION_TOKENS: usize = 8192;
/// Of these, how many are computed at once.
const CALIBRATION_BATCH_TOKENS: usize = 1024;

/// An exported model, loaded.
pub struct Export {
    /// How its weights are stored.
    pub precision: Precision,
    /// File name of its graph.
    pub file: String,
    /// Where that file lies.
    pub path: PathBuf,
    /// The graph.
    pub model: OnnxModel,
}

/// A model and its exports, evaluated.
pub struct Judged {
    /// How well the model predicts the text, if there is one.
    pub score: Option<Score>,
    /// How close each export is to the model.
    pub exports: Vec<(Precision, String, Comparison)>,
}

impl fmt::Display for Judged {
    /// A table: the model, and each export beside it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(score) = &self.score {
            writeln!(f, "evaluated on {} tokens", score.tokens)?;
        }
        let figures = |score: Option<&Score>| match score {
            Some(score) => format!("{:>8.4} {:>11.2}", score.loss, score.perplexity()),
            None => format!("{:>8} {:>11}", "-", "-"),
        };
        writeln!(
            f,
            "{:<8} {:>8} {:>11} {:>9} {:>7} {:>10}",
            "", "loss", "perplexity", "KL", "top-1", "logits"
        )?;
        write!(f, "{:<8} {}", "model", figures(self.score.as_ref()))?;
        for (precision, _, comparison) in &self.exports {
            let Comparison { score, kl_divergence, top_1_agreement, largest_logit_difference } = comparison;
            let figures = figures(self.score.is_some().then_some(score));
            let agreement = 100.0 * top_1_agreement;
            write!(
                f,
                "\n{precision:<8} {figures} {kl_divergence:>9.1e} {agreement:>6.2}% {largest_logit_difference:>10.1e}"
            )?;
        }
        Ok(())
    }
}

/// Threads for ONNX Runtime: one for each core.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// Writes every export of a model into a folder and loads it. Quantised ones are rounded for the training
/// part of a corpus, if there is one that fills a window.
///
/// # Errors
/// If one cannot be written, or ONNX Runtime refuses it.
pub fn write_exports(model: &Gpt, corpus: Option<&Corpus>, folder: &Path) -> Result<Vec<Export>> {
    let texts = corpus.and_then(|corpus| calibration_texts(corpus, model.config().context_length));
    if corpus.is_some() && texts.is_none() {
        eprintln!(
            "the training part of the corpus fills no window: the weights of exports are rounded each for itself"
        );
    }
    let calibration = texts.map(|texts| onnx::Calibration::measure(model, &texts)).transpose()?;
    let mut exports = Vec::new();
    for (precision, file) in EXPORTS {
        let path = folder.join(file);
        match precision {
            Precision::W8 => onnx::export_quantized(model, onnx::Recipe::W8, calibration.as_ref(), &path)?,
            Precision::W4 => onnx::export_quantized(model, onnx::Recipe::W4, calibration.as_ref(), &path)?,
            _ => onnx::export(model, &path)?,
        }
        let model = OnnxModel::load(&path, precision, model.config(), threads())?;
        exports.push(Export { precision, file: file.to_owned(), path, model });
    }
    Ok(exports)
}

/// Windows of the training part of a corpus, from all over it.
fn calibration_texts(corpus: &Corpus, window: usize) -> Option<Vec<Batch>> {
    let dataset = Dataset::new(corpus.training().clone(), window, window, 1).ok()?;
    let windows = |tokens: usize| (tokens / window).max(1);
    Some(dataset.spread(windows(CALIBRATION_TOKENS), windows(CALIBRATION_BATCH_TOKENS), &device::cpu()))
}

/// Runs a model, which lies on the CPU in evaluation mode, and its exports over the whole validation
/// text, unless that is bounded; without a text, over random ids.
///
/// # Errors
/// If the text is too short, or ONNX Runtime fails.
pub fn judge(model: &Gpt, exports: Vec<Export>, text: Option<&ValidationText>) -> Result<Judged> {
    let (names, mut loaded): (Vec<_>, Vec<_>) =
        exports.into_iter().map(|export| ((export.precision, export.file), export.model)).unzip();
    let mut borrowed: Vec<&mut OnnxModel> = loaded.iter_mut().collect();
    let device = device::cpu();
    let (score, comparisons) = match text {
        Some(text) => {
            let dataset = text.dataset(model.config().context_length)?;
            compare(model, &mut borrowed, dataset.whole(&device).take(text.windows()))?
        }
        None => compare(model, &mut borrowed, random_windows(model.config(), RANDOM_WINDOWS, &device))?,
    };
    let exports = names.into_iter().zip(comparisons);
    Ok(Judged {
        score: text.map(|_| score),
        exports: exports.map(|((precision, file), comparison)| (precision, file, comparison)).collect(),
    })
}

/// A judged model that is about to be published.
pub struct Release<'a> {
    /// Name of the model in the store.
    pub name: &'a str,
    /// The model.
    pub model: &'a Gpt,
    /// Its tokenizer, if it has one.
    pub tokenizer: Option<&'a Tokenizer>,
    /// What it was found to do.
    pub judged: &'a Judged,
    /// How it was trained, if it was.
    pub training: Option<TrainingSummary>,
    /// What it was imported from, if it was.
    pub imported_from: Option<ImportSummary>,
    /// Prompts that it can be expected to continue.
    pub example_prompts: &'a [String],
    /// What its training started from, if not from random weights.
    pub parent: Option<String>,
    /// Makes a page about it, if there is more to tell than its manifest does.
    pub page: Option<PageMaker<'a>>,
}

/// Makes a page about a version that is otherwise complete.
pub type PageMaker<'a> = Box<dyn FnOnce(&Manifest) -> Result<String> + 'a>;

/// When a version is made, and the names that follow from it.
pub struct VersionName {
    /// Sortable: UTC time, then a short hash of the files.
    pub version: String,
    /// RFC 3339, UTC.
    pub created_at: String,
}

impl VersionName {
    /// The name of a version of these files that is made now.
    fn now(files: &[FileEntry]) -> Self {
        let now = Timestamp::now();
        let hashes: String = files.iter().map(|file| file.sha256.as_str()).collect();
        let short_hash = &Sha256Hex::of_bytes(hashes.as_bytes()).as_str()[..8].to_owned();
        Self {
            version: format!("{}-{short_hash}", now.strftime("%Y%m%dT%H%M%SZ")),
            created_at: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        }
    }
}

impl Release<'_> {
    /// Adds weights and exports to a version being written, whose other files are there already, and
    /// publishes it.
    ///
    /// # Errors
    /// If it cannot be written; then no version is visible.
    pub async fn publish(self, mut staged: StagedVersion) -> Result<VersionRef> {
        weights::save(self.model, &staged.path(WEIGHTS))?;
        staged.add(WEIGHTS, FileRole::Weights)?;
        let mut variants = Vec::new();
        for (precision, file, comparison) in &self.judged.exports {
            let bytes = staged.add(file, FileRole::Onnx)?.bytes;
            variants.push(Variant {
                precision: *precision,
                file: file.clone(),
                bytes,
                val_loss: self.judged.score.map(|_| comparison.score.loss),
                perplexity: self.judged.score.map(|_| comparison.score.perplexity()),
                kl_divergence: comparison.kl_divergence,
                top_1_agreement: comparison.top_1_agreement,
                largest_logit_difference: comparison.largest_logit_difference,
            });
        }
        let VersionName { version, created_at } = VersionName::now(staged.files());
        let mut manifest = Manifest {
            format_version: FORMAT_VERSION,
            name: self.name.to_owned(),
            version,
            created_at,
            source_commit: option_env!("SOURCE_COMMIT").map(str::to_owned),
            config: self.model.config().clone(),
            tokenizer: self.tokenizer.map(Tokenizer::reference),
            files: staged.files().to_vec(),
            variants,
            evaluation: self.judged.score.map(|score| EvaluationSummary {
                val_loss: score.loss,
                perplexity: score.perplexity(),
                tokens: score.tokens,
            }),
            training: self.training,
            imported_from: self.imported_from,
            example_prompts: self.example_prompts.to_vec(),
            parent: self.parent,
        };
        if let Some(page) = self.page {
            let path = staged.path(REPORT);
            std::fs::write(&path, page(&manifest)?).with_context(|| path.display().to_string())?;
            staged.add(REPORT, FileRole::Report)?;
            // The page names the version, so the version's hash is that of all files but the page.
            manifest.files = staged.files().to_vec();
        }
        Ok(staged.publish(&manifest).await?)
    }
}

/// A channel that is to name a new version, if the gate lets it pass.
pub struct Promotion {
    /// The channel.
    pub channel: String,
    /// What the version must show.
    pub gate: Gate,
}

impl Promotion {
    /// Checks, before there is a version to judge, that it can be judged.
    ///
    /// # Errors
    /// If the channel names a version already and there is no text to compare the two on.
    pub async fn check(&self, store: &Store, text: Option<&ValidationText>) -> Result<()> {
        if text.is_none()
            && let Some(serving) = store.find_channel(&self.channel).await?
        {
            anyhow::bail!(
                "channel {} names {} already, and the new version must predict a text no worse: pass --corpus",
                self.channel,
                serving.current
            );
        }
        Ok(())
    }

    /// Makes a published version live if the gate lets it pass; otherwise says why not.
    ///
    /// # Errors
    /// If the version being served cannot be read, or the channel is changed meanwhile.
    pub async fn promote(
        &self,
        store: &Store,
        published: &VersionRef,
        judged: &Judged,
        text: Option<&ValidationText>,
    ) -> Result<Option<GateFailure>> {
        let exports = judged.exports.iter().map(|(precision, _, comparison)| (*precision, comparison));
        if let Err(failure) = self.gate.judge_exports(exports) {
            return Ok(Some(failure));
        }
        self.check(store, text).await?;
        let before = store.find_channel(&self.channel).await?;
        if let (Some(channel), Some(text), Some(score)) = (&before, text, &judged.score) {
            let serving = serving_score(store, &channel.current, text).await?;
            if let Err(failure) = self.gate.judge_loss(score, &serving) {
                return Ok(Some(failure));
            }
        }
        store.promote(&self.channel, published, before.as_ref()).await?;
        Ok(None)
    }
}

/// How well the version being served predicts the text that the new one is judged by.
async fn serving_score(store: &Store, serving: &VersionRef, text: &ValidationText) -> Result<Score> {
    let version = store.open_version(serving).await?;
    let config = &version.manifest.config;
    anyhow::ensure!(
        version.manifest.tokenizer == Some(text.tokenizer.clone()),
        "{serving} has another tokenizer, so the two cannot be compared; use another channel",
    );
    let file = version
        .manifest
        .variant(Precision::Float32)
        .ok_or_else(|| version.no_such_file("variant of precision float32"))?;
    let downloads = tempfile::tempdir()?;
    let path = version.verified_file(file, downloads.path()).await?;
    let mut model = OnnxModel::load(&path, Precision::Float32, config, threads())?;
    // Its context may be another one; the text is the same.
    let dataset = text.dataset(config.context_length)?;
    let device = device::cpu();
    Ok(score_export(&mut model, dataset.whole(&device).take(text.windows()))?)
}

/// How a publication ended.
pub struct Outcome {
    /// The new version.
    pub published: VersionRef,
    /// Which channel was asked to name it, and why it does not, if it does not.
    pub promotion: Option<(String, Option<GateFailure>)>,
}

impl Outcome {
    /// Tells what happened; false if the version is published and was to be promoted, but is not.
    pub fn report(&self, store: &str) -> bool {
        println!("published {} to {store}", self.published);
        match &self.promotion {
            None => true,
            Some((channel, None)) => {
                println!("channel {channel} names it now");
                true
            }
            Some((channel, Some(reason))) => {
                eprintln!("error: channel {channel} stays as it is: {reason}");
                false
            }
        }
    }
}
