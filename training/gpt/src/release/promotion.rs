//! Promotion of a published version to a channel (a model registry's alias), if the gate lets it pass.

use artifact::Tokenizer;
use artifact::manifest::Precision;
use engine::OnnxModel;
use store::{ModelVersion, Reason, Store, VersionRef};

use super::cause;
use super::error::ReleaseError;
use super::export::Export;
use super::gate::{Gate, GateFailure};
use super::judgement::{Judgement, ValidationText};
use super::respondent::task_score;
use super::source::{downloads, version_tokenizer};
use crate::tasks::Task;
use crate::train::evaluation::Score;

/// A channel and the conditions for promoting a new version to it.
pub struct Promotion {
    /// The channel.
    pub channel: String,
    /// The conditions.
    pub gate: Gate,
    /// What two versions are compared on, in place of a validation text.
    pub tasks: Option<Vec<Task>>,
}

/// The decision about a channel.
pub struct Decision {
    /// The channel.
    pub channel: String,
    /// By what it was decided, if by tasks.
    pub task_scores: Option<TaskScores>,
    /// Why the channel stays as it is, if it does.
    pub failure: Option<GateFailure>,
}

/// Shares of tasks that versions do right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TaskScores {
    /// Of the new version.
    pub new: f64,
    /// Of the version being served, if there is one.
    pub serving: Option<f64>,
}

impl Promotion {
    /// Checks, before there is a version with the tokenizer to judge, that it can be judged.
    ///
    /// # Errors
    /// If the channel names a version already and there is neither a text nor tasks to compare the two on, or if there are
    /// tasks and no tokenizer to read them.
    pub async fn check(
        &self,
        store: &Store,
        tokenizer: Option<&Tokenizer>,
        text: Option<&ValidationText>,
    ) -> Result<(), ReleaseError> {
        if self.tasks.is_some() {
            let model = || "the model that is to be judged by tasks".to_owned();
            return tokenizer.map(drop).ok_or_else(|| ReleaseError::NoTokenizerToAsk { model: model() });
        }
        match store.find_channel(&self.channel).await? {
            Some(serving) if text.is_none() => Err(self.no_text(serving.current)),
            _ => Ok(()),
        }
    }

    fn no_text(&self, serving: VersionRef) -> ReleaseError {
        ReleaseError::NoText { channel: self.channel.clone(), serving }
    }

    /// Promotes a published version if the gate lets it pass; otherwise gives the reason.
    ///
    /// # Errors
    /// If the version being served cannot be read, or the channel is changed meanwhile.
    pub async fn promote(
        self,
        store: &Store,
        published: &VersionRef,
        judgement: &Judgement,
        text: Option<&ValidationText>,
    ) -> Result<Decision, ReleaseError> {
        let mut decision = Decision { channel: self.channel.clone(), task_scores: None, failure: None };
        let exports = judgement.exports.iter().map(|export| (export.precision, &export.comparison));
        if let Err(failure) = self.gate.judge_exports(exports) {
            return Ok(Decision { failure: Some(failure), ..decision });
        }
        let before = store.find_channel(&self.channel).await?;
        let serving = before.as_ref().map(|channel| &channel.current);
        let mut figures = Vec::new();
        let mut remember = |name, figure: Option<f64>| figures.extend(figure.map(|figure| (name, figure)));
        remember("validation_loss", judgement.score.map(|score| score.loss));
        remember("bits_per_byte", judgement.score.and_then(|score| score.bits_per_byte()));
        let judged = match &self.tasks {
            Some(tasks) => {
                let scores = task_scores(store, published, serving, tasks).await?;
                remember("task_score", Some(scores.new));
                remember("serving_task_score", scores.serving);
                decision.task_scores = Some(scores);
                self.gate.judge_tasks(scores.new, scores.serving)
            }
            None => match (serving, text, &judgement.score) {
                (None, ..) => Ok(()),
                (Some(serving), Some(text), Some(new)) => {
                    let serving = serving_score(store, serving, published, text, new).await?;
                    remember("serving_validation_loss", Some(serving.loss));
                    remember("margin", Some(self.gate.margin));
                    self.gate.judge_loss(new, &serving)
                }
                (Some(serving), ..) => return Err(self.no_text(serving.clone())),
            },
        };
        match judged {
            Ok(()) => {
                let cause = cause::now(Reason::Gate, &figures);
                drop(store.promote(&self.channel, published, before.as_ref(), cause).await?);
            }
            Err(failure) => decision.failure = Some(failure),
        }
        Ok(decision)
    }
}

/// What a published version and the one being served do right.
async fn task_scores(
    store: &Store,
    published: &VersionRef,
    serving: Option<&VersionRef>,
    tasks: &[Task],
) -> Result<TaskScores, ReleaseError> {
    let new = task_score(store.open_version(published).await?, tasks).await?;
    let serving = match serving {
        Some(serving) => Some(task_score(store.open_version(serving).await?, tasks).await?),
        None => None,
    };
    Ok(TaskScores { new, serving })
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
    /// The decision about the channel that it was to be promoted to, if any.
    pub promotion: Option<Decision>,
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
            Some(promotion) => Some(promotion.promote(store, &published, judgement, text).await?),
            None => None,
        };
        Ok(Self { published, promotion })
    }
}
