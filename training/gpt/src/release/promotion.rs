//! Promotion of a published version to a channel (a model registry's alias), if the gate lets it pass.

use artifact::Tokenizer;
use artifact::manifest::Precision;
use engine::OnnxModel;
use store::{ModelVersion, Store, VersionRef};

use super::error::ReleaseError;
use super::export::Export;
use super::gate::{Gate, GateFailure};
use super::judgement::{Judgement, ValidationText};
use super::source::{downloads, version_tokenizer};
use crate::train::evaluation::Score;

/// A channel and the conditions for promoting a new version to it.
pub struct Promotion {
    /// The channel.
    pub channel: String,
    /// The conditions.
    pub gate: Gate,
}

impl Promotion {
    /// Checks, before there is a version to judge, that it can be judged.
    ///
    /// # Errors
    /// If the channel names a version already and there is no text to compare the two on.
    pub async fn check(&self, store: &Store, text: Option<&ValidationText>) -> Result<(), ReleaseError> {
        if text.is_none()
            && let Some(serving) = store.find_channel(&self.channel).await?
        {
            return Err(ReleaseError::NoText { channel: self.channel.clone(), serving: serving.current });
        }
        Ok(())
    }

    /// Promotes a published version if the gate lets it pass; otherwise gives the reason.
    ///
    /// # Errors
    /// If the version being served cannot be read, or the channel is changed meanwhile.
    pub async fn promote(
        &self,
        store: &Store,
        published: &VersionRef,
        judgement: &Judgement,
        text: Option<&ValidationText>,
    ) -> Result<Option<GateFailure>, ReleaseError> {
        let exports = judgement.exports.iter().map(|export| (export.precision, &export.comparison));
        if let Err(failure) = self.gate.judge_exports(exports) {
            return Ok(Some(failure));
        }
        self.check(store, text).await?;
        let before = store.find_channel(&self.channel).await?;
        if let (Some(channel), Some(text), Some(score)) = (&before, text, &judgement.score) {
            let serving = serving_score(store, &channel.current, published, text, score).await?;
            if let Err(failure) = self.gate.judge_loss(score, &serving) {
                return Ok(Some(failure));
            }
        }
        store.promote(&self.channel, published, before.as_ref()).await?;
        Ok(None)
    }
}

/// Loss of the version being served, on the text by which the new one has the score `new`, and in its tokens.
async fn serving_score(
    store: &Store,
    serving: &VersionRef,
    published: &VersionRef,
    text: &ValidationText,
    new: &Score,
) -> Result<Score, ReleaseError> {
    let version = store.open_version(serving).await?;
    let mut export = float32(&version).await?;
    if version.manifest.tokenizer.as_ref() == Some(&text.tokenizer) {
        return text.score(&mut export);
    }
    let from = tokenizer(&store.open_version(published).await?).await?;
    let to = tokenizer(&version).await?;
    Ok(text.encoded_for(&from, &to)?.score(&mut export)?.in_tokens_of(new))
}

/// The tokenizer of a version, which it needs to be compared with another.
async fn tokenizer(version: &ModelVersion) -> Result<Tokenizer, ReleaseError> {
    let serving = version.reference.clone();
    version_tokenizer(version).await?.ok_or(ReleaseError::NoTokenizerToCompare { serving })
}

/// The float32 export of a version. Its context length may be another one than that of the new version.
async fn float32(version: &ModelVersion) -> Result<OnnxModel, ReleaseError> {
    let file = version
        .manifest
        .variant(Precision::Float32)
        .ok_or_else(|| version.no_such_file("variant of precision float32"))?;
    let downloads = downloads()?;
    if let Some(data) = version.manifest.external_data(file) {
        version.verified_file(data, downloads.path()).await?;
    }
    let path = version.verified_file(file, downloads.path()).await?;
    Ok(Export::load(Precision::Float32, path, &version.manifest.config)?.model)
}

/// Result of a publication.
pub struct Outcome {
    /// The new version.
    pub published: VersionRef,
    /// The channel that it was to be promoted to, if any, and the reason if it was not.
    pub promotion: Option<(String, Option<GateFailure>)>,
}

impl Outcome {
    /// Promotes a published version, if that was asked for.
    ///
    /// # Errors
    /// As [`Promotion::promote`].
    pub async fn of(
        published: VersionRef,
        promotion: Option<Promotion>,
        store: &Store,
        judgement: &Judgement,
        text: Option<&ValidationText>,
    ) -> Result<Self, ReleaseError> {
        let promotion = match promotion {
            Some(promotion) => {
                let failure = promotion.promote(store, &published, judgement, text).await?;
                Some((promotion.channel, failure))
            }
            None => None,
        };
        Ok(Self { published, promotion })
    }
}
