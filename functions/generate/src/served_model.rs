//! A model that is loaded: its manifest, its tokenizer and its engine.

use std::num::NonZero;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use artifact::draft::DraftIndex;
use artifact::manifest::{FileEntry, FileRole, Precision};
use artifact::{Manifest, Tokenizer};
use engine::{CorpusDrafter, Engine, OnnxModel};
use store::{ModelVersion, VersionRef};

use crate::response::{CurvePoint, LoadStep, ModelInfo, ModelRef};

/// What is served of a version unless it is asked for: the fastest that it has.
const PRECISIONS: [Precision; 3] = [Precision::W4, Precision::W8, Precision::Float32];

/// The longest file of losses that is read, in bytes: an evaluation takes about 150.
const MAX_CURVE_BYTES: u64 = 1 << 20;

/// A verified model, its tokenizer and its engine.
pub struct ServedModel {
    reference: VersionRef,
    manifest: Manifest,
    curve: Vec<CurvePoint>,
    precision: Precision,
    /// None for a model that was imported with a vocabulary of its own.
    tokenizer: Option<Tokenizer>,
    engine: Engine,
    load_times: LoadTimes,
}

/// How long the parts of loading took; the tokenizer and ONNX Runtime are loaded while files come.
#[derive(Clone, Copy, Debug)]
pub struct LoadTimes {
    /// Downloading and verifying files.
    pub files: Duration,
    /// Loading ONNX Runtime.
    pub runtime: Duration,
    /// Making the tokenizer.
    pub tokenizer: Duration,
    /// Laying out the weights.
    pub session: Duration,
}

impl ServedModel {
    /// Loads a version after verifying every file that it needs; in the given precision, or in the
    /// fastest that it has. What must be downloaded goes to the folder `cache`. `step` is told what begins.
    ///
    /// # Errors
    /// If a file is missing or damaged, or cannot be loaded.
    pub async fn load(
        version: ModelVersion,
        precision: Option<Precision>,
        cache: &Path,
        step: impl Fn(LoadStep),
    ) -> Result<Self> {
        let manifest = version.manifest.clone();
        let wanted = precision.as_slice();
        let candidates = if wanted.is_empty() { &PRECISIONS[..] } else { wanted };
        let found = candidates.iter().find_map(|&precision| Some((precision, manifest.variant(precision)?)));
        let (precision, file) = found.ok_or_else(|| {
            let names: Vec<_> = candidates.iter().map(Precision::to_string).collect();
            version.no_such_file(format!("variant of precision {}", names.join(" or ")))
        })?;

        warn_of_little_memory(file.bytes);

        let reference = manifest.tokenizer.clone();
        let tokenizer = tokio::task::spawn_blocking(move || {
            let start = Instant::now();
            let tokenizer = reference.as_ref().map(Tokenizer::from_manifest).transpose();
            (tokenizer, start.elapsed())
        });
        let runtime = tokio::task::spawn_blocking(|| {
            let start = Instant::now();
            engine::runtime::environment().map(|_| start.elapsed())
        });
        step(LoadStep::Files);
        let start = Instant::now();
        let (path, index, curve) = tokio::try_join!(
            async { version.verified_file(file, cache).await.map_err(anyhow::Error::from) },
            draft_index(&version, cache),
            curve(&version, cache),
        )?;
        let files = start.elapsed();
        let runtime = runtime.await??;
        let (tokenizer, tokenizer_time) = tokenizer.await?;
        let tokenizer = tokenizer.with_context(|| format!("model {} {}", manifest.name, manifest.version))?;

        step(LoadStep::Weights);
        let config = manifest.config.clone();
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let threads = threads(cores, lambda_memory_mb());
        let load = move || OnnxModel::load(&path, precision, &config, threads);
        let model = tokio::task::spawn_blocking(load).await.map_err(|panic| anyhow!("{panic}"))??;
        let load_times =
            LoadTimes { files, runtime, tokenizer: tokenizer_time, session: model.load_times().session };
        let engine = Engine::new(model).with_drafter(Box::new(CorpusDrafter { index }));
        Ok(Self { reference: version.reference, manifest, curve, precision, tokenizer, engine, load_times })
    }

    /// Its name, its version and the digest of its manifest.
    pub fn reference(&self) -> &VersionRef {
        &self.reference
    }

    /// What is known about it.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Its losses while it was trained; none if it was imported.
    pub fn curve(&self) -> &[CurvePoint] {
        &self.curve
    }

    /// What turns its ids into text and back; none for a model with a vocabulary of its own.
    pub fn tokenizer(&self) -> Option<&Tokenizer> {
        self.tokenizer.as_ref()
    }

    /// What runs it.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// How long loading it took.
    pub fn load_times(&self) -> LoadTimes {
        self.load_times
    }

    /// Which model it is, as responses say.
    pub fn model_ref(&self) -> ModelRef {
        let Manifest { name, version, .. } = &self.manifest;
        ModelRef { name: name.clone(), version: version.clone(), precision: self.precision.to_string() }
    }

    /// Its shape, as responses say.
    pub fn model_info(&self) -> ModelInfo {
        let config = &self.manifest.config;
        ModelInfo {
            layers: config.n_layers,
            heads: config.n_heads,
            embedding_dim: config.d_model,
            context_length: config.context_length,
            vocab_size: config.vocab_size,
            parameters: config.num_parameters(),
        }
    }
}

/// The memory of the function in MB, if this is one.
fn lambda_memory_mb() -> Option<u64> {
    std::env::var("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").ok()?.parse().ok()
}

/// As many threads as there are processors to run them.
///
/// A function has a processor for each 1,769 MB of memory
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>), though it sees more: it gets a
/// share of their time. Threads that wait for each other would waste it, and two be slower than one.
fn threads(cores: usize, lambda_memory_mb: Option<u64>) -> usize {
    const MB_PER_PROCESSOR: u64 = 1769;
    match lambda_memory_mb {
        Some(memory) => cores.min((memory / MB_PER_PROCESSOR).max(1) as usize),
        None => cores,
    }
}

/// Says so if the function will hardly have memory enough: when it is ended for that, it can say nothing.
///
/// A file of weights is mapped, and a copy of it is laid out for the processor.
fn warn_of_little_memory(file_bytes: u64) {
    const REST_MB: u64 = 60;
    let needed_mb = 2 * file_bytes / 1_000_000 + REST_MB;
    if let Some(limit_mb) = lambda_memory_mb()
        && limit_mb < needed_mb
    {
        tracing::error!(
            limit_mb,
            needed_mb,
            "the function's memory is too small for the model: raise its limit"
        );
    }
}

/// The index of the corpus that a version was trained on, if it has one.
async fn draft_index(version: &ModelVersion, cache: &Path) -> Result<Option<DraftIndex>> {
    let Some(file) = version.manifest.files.iter().find(|file| file.role == FileRole::Draft) else {
        return Ok(None);
    };
    let path = version.verified_file(file, cache).await?;
    let at = || path.display().to_string();
    let bytes = std::fs::read(&path).with_context(at)?;
    DraftIndex::from_bytes(bytes, version.manifest.config.vocab_size).map(Some).with_context(at)
}

/// The losses of a version's training, if it has some and they are not more than a page can show.
async fn curve(version: &ModelVersion, cache: &Path) -> Result<Vec<CurvePoint>> {
    let is_curve = |file: &&FileEntry| file.role == FileRole::Metrics && file.bytes <= MAX_CURVE_BYTES;
    let Some(file) = version.manifest.files.iter().find(is_curve) else {
        return Ok(Vec::new());
    };
    let path = version.verified_file(file, cache).await?;
    let at = || path.display().to_string();
    let text = std::fs::read_to_string(&path).with_context(at)?;
    text.lines().map(serde_json::from_str).collect::<Result<_, _>>().with_context(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_has_as_many_threads_as_it_has_processors() {
        assert_eq!(threads(8, None), 8);
        for (cores, memory_mb, expected) in
            [(2, 512, 1), (2, 1769, 1), (2, 3537, 1), (3, 3538, 2), (6, 10_240, 5), (1, 3538, 1)]
        {
            assert_eq!(threads(cores, Some(memory_mb)), expected, "{memory_mb} MB");
        }
    }
}
