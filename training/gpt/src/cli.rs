//! The command line of `gpt`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use gpt::gate::Gate;
use gpt::preset::Override;
use gpt::train::LogFormat;

use crate::commands::corpus_arguments::CorpusArguments;
use crate::commands::model_argument::ModelSpec;
use crate::commands::{evaluate, export, import, publish, sample};

/// Train a small GPT on your own text, publish it, and decide which version is served.
#[derive(Parser)]
#[command(version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What `gpt` can do.
#[derive(Subcommand)]
pub enum Action {
    /// Train a model on a text, export it to ONNX and publish it to a store.
    ///
    /// Nothing is visible in the store before the new version is complete. The channel then names it
    /// if its exports compute what the model computes, and if it predicts the validation text no
    /// worse than the version being served. Otherwise the exit code is 3.
    Train(Box<TrainArguments>),
    /// Measure how well a model and its exports predict a text.
    Evaluate(evaluate::Arguments),
    /// Write a model in another format.
    Export(export::Arguments),
    /// Publish a model that was trained elsewhere: PyTorch, safetensors or Hugging Face's GPT-2.
    Import(import::Arguments),
    /// Copy a published version into another store, such as from a directory to S3.
    ///
    /// With --promote, the channel then names it if it passes the same gate as a trained model;
    /// otherwise the exit code is 3. Publishing again completes what was interrupted.
    Publish(publish::Arguments),
    /// Continue a text.
    Sample(sample::Arguments),
    /// List what a store holds: versions, the channels that name them, loss, size and age.
    Models {
        #[command(flatten)]
        store: StoreArgument,
    },
    /// Make a published version live, whatever its loss.
    Promote {
        #[command(flatten)]
        store: StoreArgument,
        /// The channel that is to name it.
        #[arg(long, default_value = "live")]
        channel: String,
        /// Name of the model.
        name: String,
        /// Which of its versions.
        version: String,
    },
    /// Make the version live that was so before. A second rollback undoes the first.
    Rollback {
        #[command(flatten)]
        store: StoreArgument,
        /// The channel.
        #[arg(long, default_value = "live")]
        channel: String,
    },
}

/// Where models are published.
#[derive(Args)]
pub struct StoreArgument {
    /// The store: a directory, or s3://BUCKET/PREFIX.
    #[arg(long = "store", env = "MODEL_STORE")]
    pub location: String,
}

/// By how much a new version may be worse.
#[derive(Args)]
pub struct GateArguments {
    /// How much worse than the version being served the new one may predict, in nats per token.
    #[arg(long, default_value_t = 0.05)]
    pub margin: f64,
}

/// What `gpt train` can be told.
#[derive(Args)]
pub struct TrainArguments {
    /// Model and training settings: `the-verdict`, `books`, `tiny`, or the path of a .toml file.
    #[arg(long, default_value = "the-verdict")]
    pub preset: String,
    /// Set a field of the preset to another value, such as training.epochs=3; can be repeated.
    ///
    /// The effective settings are printed, and published as preset.toml, which can be given to
    /// --preset again.
    #[arg(long, value_name = "SECTION.FIELD=VALUE")]
    pub set: Vec<Override>,
    /// What to train on; without --corpus, the texts of the preset.
    #[command(flatten)]
    pub texts: CorpusArguments,
    /// Start from the weights of a model instead of random ones, and with its shape.
    ///
    /// As for the other commands: channel:NAME, version:NAME/VERSION, or a path of weights.
    #[arg(long, value_name = "MODEL")]
    pub init: Option<ModelSpec>,
    /// Attention heads of the weights to start from, where no configuration beside them tells.
    #[arg(long)]
    pub n_heads: Option<usize>,
    /// Where to publish.
    #[command(flatten)]
    pub store: StoreArgument,
    /// Name of the model in the store [default: the preset's name].
    #[arg(long)]
    pub name: Option<String>,
    /// The channel that is to name the new version.
    #[arg(long, default_value = "live", value_name = "CHANNEL")]
    pub promote: String,
    #[command(flatten)]
    pub gate: GateArguments,
    /// Where checkpoints lie, in a folder for each model.
    #[arg(long, default_value = "checkpoints")]
    pub checkpoints: PathBuf,
    /// Go on from the newest checkpoint of this model, if there is one.
    ///
    /// Ctrl-C or SIGTERM makes a checkpoint and stops; so does every N-th step with
    /// `checkpoint_every_steps`. The result is the same as if the run had not been interrupted.
    #[arg(long)]
    pub resume: bool,
    /// Copy each checkpoint to the store too, for machines that can vanish.
    ///
    /// With --resume, the same command on any machine goes on from the store's newest checkpoint
    /// where that machine has none as new. A copy that fails is reported, and training goes on. When
    /// the run is complete, its copies are removed; if the store does not allow that they stay, and
    /// do no harm.
    #[arg(long)]
    pub mirror_checkpoints: bool,
    /// How progress is reported.
    #[arg(long, value_enum, default_value_t)]
    pub log: LogFormat,
}

impl GateArguments {
    /// The gate that they describe.
    pub fn gate(&self) -> Gate {
        Gate { margin: self.margin, ..Gate::default() }
    }
}
