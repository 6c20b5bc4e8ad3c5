//! Loaded model version: manifest, tokenizer and engine.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Error, Result, anyhow};
use artifact::manifest::{FileEntry, Precision};
use artifact::{Manifest, Tokenizer};
use engine::{CorpusDrafter, Engine, OnnxModel};
use store::awake::Clock;
use store::{ModelVersion, VersionRef};

use super::chat::Chat;
use super::error::GenerateError;
use super::parts::{self, CurvePoint};
use super::progress::LoadStep;
use super::source::Source;

/// Precisions from the fastest to the slowest: int4 weights (w4), int8 weights (w8), float32.
const PRECISIONS: [Precision; 3] = [Precision::W4, Precision::W8, Precision::Float32];

/// A verified and loaded version of a model.
pub struct ServedModel {
    reference: VersionRef,
    manifest: Manifest,
    curve: Vec<CurvePoint>,
    precision: Precision,
    /// None for a model that was imported with a vocabulary of its own.
    tokenizer: Option<Arc<Tokenizer>>,
    /// None if there is no tokenizer.
    chat: Option<Chat>,
    engine: Engine,
    load_times: LoadTimes,
    compared_channel: Option<Arc<str>>,
}

/// Duration of each part of loading, awake; the tokenizer and ONNX Runtime are loaded while files are downloaded.
#[derive(Clone, Copy, Debug)]
pub struct LoadTimes {
    /// Downloading and verifying files.
    pub files: Duration,
    /// Loading ONNX Runtime.
    pub runtime: Duration,
    /// Building the tokenizer and the chat template.
    pub tokenizer: Duration,
    /// Creating the ONNX Runtime session.
    pub session: Duration,
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
                parts::tokenizer(&version, &source.cache, clock),
                async { version.verified_file(file, &source.cache).await.map_err(Error::from) },
                async { data.await.map_err(Error::from) },
                async {
                    Ok(parts::optional("draft index", parts::draft_index(&version, &source.cache).await))
                },
                async { Ok(parts::optional("loss curve", parts::curve(&version, &source.cache).await)) },
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
        let (tokenizer, chat) = tokenizer.map(|(tokenizer, chat)| (Arc::new(tokenizer), chat)).unzip();
        let end_of_text = tokenizer.as_deref().and_then(Tokenizer::end_of_text);
        let engine = Engine::new(model).with_drafter(Box::new(CorpusDrafter { index, end_of_text }));
        let mut engine = source.resources.configure(engine);
        if let Some(tokenizer) = &tokenizer {
            engine = engine.with_tokenizer_size(tokenizer.vocab_size());
        }
        Ok(Self {
            reference: version.reference,
            manifest,
            curve,
            precision,
            tokenizer,
            chat,
            engine,
            load_times,
            compared_channel: source.compared_channel().map(Arc::from),
        })
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

    /// How it takes part in conversations.
    ///
    /// # Errors
    /// As of [`tokenizer`](Self::tokenizer).
    pub fn chat(&self) -> Result<&Chat, GenerateError> {
        self.chat.as_ref().ok_or(GenerateError::NoTokenizer)
    }

    /// The engine that runs the model.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The channel that named it, if two channels are compared.
    pub fn compared_channel(&self) -> Option<&Arc<str>> {
        self.compared_channel.as_ref()
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
