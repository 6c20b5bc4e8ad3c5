//! The command line of `gpt`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use gpt::corpus::Source;
use gpt::progress::LogFormat;

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
    /// if its export computes what the model computes, and if it predicts the validation text no
    /// worse than the version being served. Otherwise the exit code is 3.
    Train(TrainArguments),
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

/// What `gpt train` can be told.
#[derive(Args)]
pub struct TrainArguments {
    /// Model and training settings: `the-verdict`, `books`, `tiny`, or the path of a .toml file.
    #[arg(long, default_value = "the-verdict")]
    pub preset: String,
    /// The texts to train on [default: those of the preset].
    ///
    /// UTF-8 files, folders of .txt files, patterns such as `texts/*.txt`, or
    /// https://ADDRESS with an optional #sha256=DIGEST.
    #[arg(long, num_args = 1..)]
    pub corpus: Vec<Source>,
    /// Where encoded texts and downloads are kept [default: in the user's cache folder].
    #[arg(long, env = "GPT_CACHE")]
    pub cache: Option<PathBuf>,
    /// Where to publish.
    #[command(flatten)]
    pub store: StoreArgument,
    /// Name of the model in the store [default: the preset's name].
    #[arg(long)]
    pub name: Option<String>,
    /// The channel that is to name the new version.
    #[arg(long, default_value = "live")]
    pub channel: String,
    /// How much worse than the version being served the new one may predict, in nats per token.
    #[arg(long, default_value_t = 0.05)]
    pub margin: f64,
    /// Fixes weights, shuffles and dropout [default: the preset's].
    #[arg(long)]
    pub seed: Option<u64>,
    /// Where checkpoints lie, in a folder for each model.
    #[arg(long, default_value = "checkpoints")]
    pub checkpoints: PathBuf,
    /// Go on from the newest checkpoint of this model, if there is one.
    ///
    /// Ctrl-C or SIGTERM makes a checkpoint and stops; so does every N-th step with
    /// `checkpoint_every_steps`. The result is the same as if the run had not been interrupted.
    #[arg(long)]
    pub resume: bool,
    /// How progress is reported.
    #[arg(long, value_enum, default_value_t)]
    pub log: LogFormat,
}
