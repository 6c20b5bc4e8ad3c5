//! Parts of a version beside its weights: tokenizer, chat template, draft index and loss curve.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use artifact::Tokenizer;
use artifact::chat::{self, ChatTemplate};
use artifact::draft::DraftIndex;
use artifact::manifest::{FileEntry, FileRole};
use serde::Deserialize;
use store::awake::Clock;
use store::{ModelVersion, VersionRef};

use super::chat::Chat;

/// Size limit of the loss curve's file: a line of it takes about 150 bytes, and there is one for each of the first
/// 50,000 steps, and fewer for later ones.
const MAX_CURVE_BYTES: u64 = 1 << 25;

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

/// The tokenizer of a version, if it has one, how it takes part in conversations, and how long both took to build.
///
/// # Errors
/// If a file is missing or damaged, or is none that this build can use. A chat template is no part to do without: the model
/// was taught to answer what is written by it, and would answer anything else wrongly.
pub async fn tokenizer(
    version: &ModelVersion,
    cache: &Path,
    clock: &Clock,
) -> Result<(Option<(Tokenizer, Chat)>, Duration)> {
    let Some(reference) = version.manifest.tokenizer.clone() else { return Ok((None, Duration::ZERO)) };
    let (file, template) =
        tokio::try_join!(version.tokenizer_file(cache), version.chat_template_file(cache))?;
    let start = clock.elapsed();
    let build = move || -> Result<_> {
        let tokenizer = Tokenizer::from_manifest(&reference, file.as_deref())?;
        let template = template.as_deref().map(template_of).transpose()?;
        let chat = Chat::new(template, &tokenizer)?;
        if chat.end().is_none() && chat.stop().is_none() {
            tracing::warn!("no special token ends an answer of the chat template; answers end as texts do");
        }
        Ok((tokenizer, chat))
    };
    let built = tokio::task::spawn_blocking(build).await?;
    let VersionRef { name, version, .. } = &version.reference;
    let built = built.with_context(|| format!("model {name} {version}"))?;
    Ok((Some(built), clock.elapsed() - start))
}

fn template_of(file: &[u8]) -> Result<ChatTemplate> {
    let source = std::str::from_utf8(file).context(chat::FILE_NAME)?;
    Ok(ChatTemplate::new(source)?)
}

/// A part that a model can do without.
pub fn optional<T: Default>(what: &'static str, part: Result<T>) -> T {
    part.unwrap_or_else(|error| {
        tracing::warn!(error = format!("{error:#}"), "the model is served without its {what}");
        T::default()
    })
}

/// The draft index of a version's corpus, for speculative decoding, if it has one.
pub async fn draft_index(version: &ModelVersion, cache: &Path) -> Result<Option<DraftIndex>> {
    let Some(file) = version.manifest.files.iter().find(|file| file.role == FileRole::Draft) else {
        return Ok(None);
    };
    let path = version.verified_file(file, cache).await?;
    let at = || path.display().to_string();
    let bytes = std::fs::read(&path).with_context(at)?;
    DraftIndex::from_bytes(bytes, version.manifest.config.vocab_size).map(Some).with_context(at)
}

/// The losses of a version's training, if it has some and their file is within the size limit.
pub async fn curve(version: &ModelVersion, cache: &Path) -> Result<Vec<CurvePoint>> {
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
