//! The model behind the API.

use std::num::NonZero;
use std::path::Path;

use anyhow::{Context, Result};
use artifact::draft::DraftIndex;
use artifact::manifest::{FileRole, Precision};
use artifact::tokenizer::END_OF_TEXT;
use artifact::{Manifest, ModelVersion, Store, Tokenizer};
use engine::{CorpusDrafter, Engine, FinishReason, Generation, GenerationOptions, OnnxModel};

use crate::request::GenerateRequest;
use crate::response::{GenerateResponse, ModelInfo, ModelRef, Status, Timing, Usage};

/// Seeds that are drawn stay below this, so that they survive a client whose numbers are doubles.
const MAX_DRAWN_SEED: u64 = 1 << 53;

/// What is served of a version unless it is asked for: the fastest that it has.
const PRECISIONS: [Precision; 3] = [Precision::W4, Precision::W8, Precision::Float32];

/// A verified model, its tokenizer and its engine.
pub struct ServedModel {
    manifest: Manifest,
    precision: Precision,
    /// None for a model that was imported with a vocabulary of its own.
    tokenizer: Option<Tokenizer>,
    /// One generation at a time: it uses all cores.
    engine: Engine,
}

impl ServedModel {
    /// Loads the model that a channel names, after verifying every file that it needs; in the given
    /// precision, or in the fastest that it has. What must be downloaded goes to the folder `cache`.
    ///
    /// # Errors
    /// If the channel, the manifest or a file is missing or damaged.
    pub async fn load(
        store: &Store,
        channel: &str,
        precision: Option<Precision>,
        cache: &Path,
    ) -> Result<Self> {
        let version = store.open_version(&store.channel(channel).await?.current).await?;
        let manifest = version.manifest.clone();
        let tokenizer = manifest
            .tokenizer
            .as_ref()
            .map(Tokenizer::from_manifest)
            .transpose()
            .with_context(|| format!("model {} {}", manifest.name, manifest.version))?;
        let wanted = precision.as_slice();
        let candidates = if wanted.is_empty() { &PRECISIONS[..] } else { wanted };
        let found = candidates.iter().find_map(|&precision| Some((precision, manifest.variant(precision)?)));
        let (precision, file) = found.ok_or_else(|| {
            let names: Vec<_> = candidates.iter().map(Precision::to_string).collect();
            version.no_such_file(format!("variant of precision {}", names.join(" or ")))
        })?;
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        let path = version.verified_file(file, cache).await?;
        let model = OnnxModel::load(&path, precision, &manifest.config, threads)?;
        let drafter = CorpusDrafter { index: draft_index(&version, cache).await? };
        let engine = Engine::new(model).with_drafter(Box::new(drafter));
        Ok(Self { manifest, precision, tokenizer, engine })
    }

    /// Answers `GET /`.
    pub fn status(&self) -> Status {
        Status {
            status: "ready",
            model: self.model_ref(),
            model_info: self.model_info(),
            example_prompts: self.manifest.example_prompts.clone(),
        }
    }

    /// Whether it can be asked with text.
    pub fn has_tokenizer(&self) -> bool {
        self.tokenizer.is_some()
    }

    /// Answers a valid `POST /generate`. It blocks until the text is complete.
    ///
    /// # Errors
    /// If the engine fails, or the model has no tokenizer or makes ids that are no text.
    pub fn generate(&self, request: GenerateRequest) -> Result<GenerateResponse> {
        let tokenizer = self.tokenizer.as_ref().context("the model has no tokenizer")?;
        let seed = request.seed.unwrap_or_else(|| rand::random_range(0..MAX_DRAWN_SEED));
        let prompt_ids = tokenizer.encode(&request.prompt);
        let options = GenerationOptions {
            stop_id: Some(END_OF_TEXT),
            ..GenerationOptions::new(request.max_tokens, request.sampling(), seed)
        };
        let Generation { ids, finish_reason, first_token, total, .. } =
            self.engine.generate(&prompt_ids, &options)?;
        Ok(GenerateResponse {
            response: tokenizer.decode(&ids)?,
            prompt: request.prompt,
            tokens_generated: ids.len(),
            model_info: self.model_info(),
            finish_reason: match finish_reason {
                FinishReason::Length => "length",
                FinishReason::Stop => "stop",
                FinishReason::Deadline => "deadline",
                FinishReason::Cancelled => "cancelled",
            },
            seed,
            usage: Usage {
                prompt_tokens: prompt_ids.len(),
                completion_tokens: ids.len(),
                total_tokens: prompt_ids.len() + ids.len(),
            },
            timing: Timing {
                first_token_ms: round(first_token.as_secs_f64() * 1e3),
                total_ms: round(total.as_secs_f64() * 1e3),
                tokens_per_second: round(ids.len() as f64 / total.as_secs_f64()),
            },
            model: self.model_ref(),
        })
    }

    fn model_ref(&self) -> ModelRef {
        let Manifest { name, version, .. } = &self.manifest;
        ModelRef { name: name.clone(), version: version.clone(), precision: self.precision }
    }

    fn model_info(&self) -> ModelInfo {
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

/// To a tenth: more digits would be noise.
fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
