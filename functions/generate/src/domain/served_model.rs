//! Loaded model version: manifest, tokenizer and engine.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow};
use artifact::draft::DraftIndex;
use artifact::manifest::{FileEntry, FileRole, Precision};
use artifact::{Manifest, Tokenizer};
use engine::{CorpusDrafter, Engine, OnnxModel};
use serde::Deserialize;
use store::awake::Clock;
use store::{ModelVersion, VersionRef};

use super::error::GenerateError;
use super::progress::LoadStep;
use super::source::Source;

/// Precisions from the fastest to the slowest: int4 weights (w4), int8 weights (w8), float32.
const PRECISIONS: [Precision; 3] = [Precision::W4, Precision::W8, Precision::Float32];

/// Size limit of the loss curve's file: a line of it takes about 150 bytes, and there is one for each of the first
/// 50,000 steps, and fewer for later ones.
const MAX_CURVE_BYTES: u64 = 1 << 25;

/// A verified and loaded version of a model.
pub struct ServedModel {
    reference: VersionRef,
    manifest: Manifest,
    curve: Vec<CurvePoint>,
    precision: Precision,
    /// None for a model that was imported with a vocabulary of its own.
    tokenizer: Option<Arc<Tokenizer>>,
    engine: Engine,
    load_times: LoadTimes,
}

/// Duration of each part of loading, awake; the tokenizer and ONNX Runtime are loaded while files are downloaded.
#[derive(Clone, Copy, Debug)]
pub struct LoadTimes {
    /// Downloading and verifying files.
    pub files: Duration,
    /// Loading ONNX Runtime.
    pub runtime: Duration,
    /// Building the tokenizer.
    pub tokenizer: Duration,
    /// Creating the ONNX Runtime session.
    pub session: Duration,
}

/// An evaluation during training: a line of `metrics.jsonl` that has a `val_loss`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct CurvePoint {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Optimizer steps done.
    pub step: usize,
    /// Tokens of these steps.
    pub tokens_seen: usize,
    /// Training loss, nats per token.
    pub train_loss: f64,
    /// Validation loss, nats per token.
    pub val_loss: f64,
    /// The same in bits per byte of its text; none in versions of earlier builds.
    pub bits_per_byte: Option<f64>,
    /// Training time so far, in seconds.
    pub seconds: f64,
}

impl ServedModel {
    /// Loads a version after verifying the files that it needs, in the precision that `source` names or the
    /// fastest that the version has. Reports each step as it begins; `clock` runs meanwhile.
    ///
    /// A draft index or a loss curve that is missing or damaged costs what it gives: there is a warning, and the model
    /// is served without it.
    ///
    /// # Errors
    /// If another file is missing or damaged, or cannot be loaded.
    pub async fn load(
        version: ModelVersion,
        source: &Source,
        clock: &Clock,
        step: impl Fn(LoadStep),
    ) -> Result<Self> {
        let manifest = version.manifest.clone();
        let (precision, file) = variant(&version, source.precision)?;
        let data = manifest.external_data(file);
        source.resources.warn_if_too_small(file.bytes + data.map_or(0, |data| data.bytes));

        step(LoadStep::Files);
        let start = clock.elapsed();
        let runtime = async {
            tokio::task::spawn_blocking(engine::runtime::environment).await??;
            Ok::<_, Error>(clock.elapsed() - start)
        };
        // ONNX Runtime looks for a graph's external data beside it, where this puts them.
        let files = async {
            let data = async {
                match data {
                    Some(data) => version.verified_file(data, &source.cache).await.map(drop),
                    None => Ok(()),
                }
            };
            // The tokenizer first: it is built on another thread while files are read.
            let (tokenizer, path, (), index, curve) = tokio::try_join!(
                tokenizer(&version, &source.cache, clock),
                async { version.verified_file(file, &source.cache).await.map_err(Error::from) },
                async { data.await.map_err(Error::from) },
                async { Ok(optional("draft index", draft_index(&version, &source.cache).await)) },
                async { Ok(optional("loss curve", curve(&version, &source.cache).await)) },
            )?;
            Ok::<_, Error>((tokenizer, path, index, curve, clock.elapsed() - start))
        };
        let (runtime, ((tokenizer, tokenizer_time), path, index, curve, files)) =
            tokio::try_join!(runtime, files)?;

        step(LoadStep::Weights);
        let start = clock.elapsed();
        let (config, threads) = (manifest.config.clone(), source.resources.threads);
        let load = move || OnnxModel::load(&path, precision, &config, threads);
        let model = tokio::task::spawn_blocking(load).await.map_err(|panic| anyhow!("{panic}"))??;
        let load_times =
            LoadTimes { files, runtime, tokenizer: tokenizer_time, session: clock.elapsed() - start };
        let tokenizer = tokenizer.map(Arc::new);
        let end_of_text = tokenizer.as_ref().and_then(|tokenizer| tokenizer.end_of_text());
        let engine = Engine::new(model).with_drafter(Box::new(CorpusDrafter { index, end_of_text }));
        let mut engine = source.resources.configure(engine);
        if let Some(tokenizer) = &tokenizer {
            engine = engine.with_tokenizer_size(tokenizer.vocab_size());
        }
        Ok(Self { reference: version.reference, manifest, curve, precision, tokenizer, engine, load_times })
    }

    /// Name, version and digest of the manifest.
    pub fn reference(&self) -> &VersionRef {
        &self.reference
    }

    /// Name and version, as `NAME/VERSION`.
    pub fn id(&self) -> String {
        format!("{}/{}", self.reference.name, self.reference.version)
    }

    /// Whether `name` is the name of the model, or its name and version.
    pub fn is_named(&self, name: &str) -> bool {
        name == self.reference.name || name == self.id()
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Losses during training; empty for an imported model.
    pub fn curve(&self) -> &[CurvePoint] {
        &self.curve
    }

    /// Precision of the loaded weights.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The tokenizer.
    ///
    /// # Errors
    /// [`GenerateError::NoTokenizer`] for a model that was imported with a vocabulary of its own.
    pub fn tokenizer(&self) -> Result<&Arc<Tokenizer>, GenerateError> {
        self.tokenizer.as_ref().ok_or(GenerateError::NoTokenizer)
    }

    /// The engine that runs the model.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Duration of each part of loading.
    pub fn load_times(&self) -> LoadTimes {
        self.load_times
    }
}

/// The file of a version in the wanted precision, or in the fastest that it has.
fn variant(version: &ModelVersion, wanted: Option<Precision>) -> Result<(Precision, &FileEntry)> {
    let candidates = wanted.as_ref().map_or(&PRECISIONS[..], std::slice::from_ref);
    let variant = |&precision: &Precision| Some((precision, version.manifest.variant(precision)?));
    let found = candidates.iter().find_map(variant);
    Ok(found.ok_or_else(|| {
        let names: Vec<_> = candidates.iter().map(Precision::to_string).collect();
        version.no_such_file(format!("variant of precision {}", names.join(" or ")))
    })?)
}

/// The tokenizer of a version, if it has one, and how long it took to build.
async fn tokenizer(
    version: &ModelVersion,
    cache: &Path,
    clock: &Clock,
) -> Result<(Option<Tokenizer>, Duration)> {
    let Some(reference) = version.manifest.tokenizer.clone() else { return Ok((None, Duration::ZERO)) };
    let file = version.tokenizer_file(cache).await?;
    let start = clock.elapsed();
    let build = move || Tokenizer::from_manifest(&reference, file.as_deref());
    let built = tokio::task::spawn_blocking(build).await?;
    let VersionRef { name, version, .. } = &version.reference;
    let tokenizer = built.with_context(|| format!("model {name} {version}"))?;
    Ok((Some(tokenizer), clock.elapsed() - start))
}

/// A part that a model can do without.
fn optional<T: Default>(what: &'static str, part: Result<T>) -> T {
    part.unwrap_or_else(|error| {
        tracing::warn!(error = format!("{error:#}"), "the model is served without its {what}");
        T::default()
    })
}

/// The draft index of a version's corpus, for speculative decoding, if it has one.
async fn draft_index(version: &ModelVersion, cache: &Path) -> Result<Option<DraftIndex>> {
    let Some(file) = version.manifest.files.iter().find(|file| file.role == FileRole::Draft) else {
        return Ok(None);
    };
    let path = version.verified_file(file, cache).await?;
    let at = || path.display().to_string();
    let bytes = std::fs::read(&path).with_context(at)?;
    DraftIndex::from_bytes(bytes, version.manifest.config.vocab_size).map(Some).with_context(at)
}

/// The losses of a version's training, if it has some and their file is within the size limit.
async fn curve(version: &ModelVersion, cache: &Path) -> Result<Vec<CurvePoint>> {
    let is_curve = |file: &&FileEntry| file.role == FileRole::Metrics && file.bytes <= MAX_CURVE_BYTES;
    let Some(file) = version.manifest.files.iter().find(is_curve) else {
        return Ok(Vec::new());
    };
    let path = version.verified_file(file, cache).await?;
    let at = || path.display().to_string();
    let text = std::fs::read_to_string(&path).with_context(at)?;
    // The other lines are steps. They are many, so they are not even parsed.
    let evaluations = text.lines().filter(|line| line.contains("\"val_loss\""));
    evaluations.map(serde_json::from_str).collect::<Result<_, _>>().with_context(at)
}
