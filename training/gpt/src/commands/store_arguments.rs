//! Arguments for a store, a channel and the promotion gate.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use gpt::release::Promotion;
use gpt::release::gate::{DEFAULT_MARGIN, DEFAULT_MIN_SCORE, DEFAULT_TASK_MARGIN, Gate};
use gpt::tasks;
use store::{SigningKey, Store};

/// The store of a command.
#[derive(Args)]
pub struct StoreArgument {
    /// The store (model registry): a directory, or s3://BUCKET/PREFIX.
    #[arg(long = "store", env = "MODEL_STORE")]
    pub location: String,
}

/// The key of a command that publishes.
#[derive(Args)]
pub struct SigningArgument {
    /// Sign the version with this key: a file in PEM with a private key of the curve P-256, or awskms:KEY with a key in AWS
    /// KMS (its id, ARN or alias). `generate --trusted-keys` then serves no others.
    #[arg(long, env = "SIGNING_KEY", value_name = "KEY")]
    pub sign_with: Option<String>,
}

impl SigningArgument {
    /// Opens a store that signs what is published to it, if there is a key.
    ///
    /// # Errors
    /// If the location is not that of a store, or the key cannot be used.
    pub async fn open(&self, location: &str) -> Result<Store> {
        let key = match &self.sign_with {
            Some(key) => Some(SigningKey::open(key).await?),
            None => None,
        };
        Ok(Store::open(location).await?.signing_with(key))
    }
}

/// The channel of a command.
#[derive(Args)]
pub struct ChannelArgument {
    /// Channel (alias) whose version is served.
    #[arg(long, default_value = "live")]
    pub channel: String,
}

/// Thresholds of the promotion gate.
#[derive(Args)]
pub struct GateArguments {
    /// What the new version and the one being served are compared by, beside the distance of the new one's exports from
    /// its model.
    #[arg(long, value_enum, default_value_t)]
    pub gate: Criterion,
    /// By how much the new version's validation loss may exceed that of the version being served, in nats
    /// per token [default: 0.05]. Where the two have different tokenizers, they are compared by the bytes of the text, and
    /// the margin is in tokens of the new one.
    #[arg(long)]
    pub margin: Option<f64>,
    /// Tasks with known answers for --gate tasks: JSON Lines or a JSON array, as for gpt evaluate.
    #[arg(long, value_name = "FILE")]
    pub tasks: Option<PathBuf>,
    /// By how much the new version's task score may be below that of the version being served, from 0 to 1 [default: 0].
    #[arg(long, value_parser = share)]
    pub task_margin: Option<f64>,
    /// The lowest task score with which a version is promoted, from 0 to 1 [default: 0].
    #[arg(long, value_parser = share)]
    pub min_score: Option<f64>,
}

/// What versions are compared by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Criterion {
    /// The loss on the same validation text.
    #[default]
    Loss,
    /// The share of --tasks that each does right, in the precision that is served.
    Tasks,
}

impl GateArguments {
    /// The promotion to a channel, with the tasks read.
    ///
    /// # Errors
    /// If the tasks cannot be read, or an argument is for another criterion.
    pub fn promotion(&self, channel: String) -> Result<Promotion> {
        let Self { gate, margin, tasks: file, task_margin, min_score } = self;
        let tasks = match gate {
            Criterion::Loss => {
                for (name, is_given) in [
                    ("--tasks", file.is_some()),
                    ("--task-margin", task_margin.is_some()),
                    ("--min-score", min_score.is_some()),
                ] {
                    ensure!(!is_given, "{name} is for --gate tasks");
                }
                None
            }
            Criterion::Tasks => {
                ensure!(margin.is_none(), "--margin is for --gate loss; --task-margin is for --gate tasks");
                let file =
                    file.as_ref().context("--gate tasks compares versions on tasks: pass --tasks FILE")?;
                Some(tasks::read(file)?)
            }
        };
        let gate = Gate {
            margin: margin.unwrap_or(DEFAULT_MARGIN),
            task_margin: task_margin.unwrap_or(DEFAULT_TASK_MARGIN),
            min_score: min_score.unwrap_or(DEFAULT_MIN_SCORE),
            ..Gate::default()
        };
        Ok(Promotion { channel, gate, tasks })
    }

    /// The same, if there is a channel.
    ///
    /// # Errors
    /// As of [`promotion`](Self::promotion), or if there is a condition and no channel.
    pub fn promotion_if(&self, channel: Option<String>) -> Result<Option<Promotion>> {
        match channel {
            Some(channel) => self.promotion(channel).map(Some),
            None => {
                let Self { gate, margin, tasks, task_margin, min_score } = self;
                for (name, is_given) in [
                    ("--gate", *gate == Criterion::Tasks),
                    ("--tasks", tasks.is_some()),
                    ("--margin", margin.is_some()),
                    ("--task-margin", task_margin.is_some()),
                    ("--min-score", min_score.is_some()),
                ] {
                    ensure!(
                        !is_given,
                        "{name} decides about a channel: pass --promote; to measure a model: gpt evaluate"
                    );
                }
                Ok(None)
            }
        }
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("expected a number from 0 to 1".to_owned()),
    }
}
