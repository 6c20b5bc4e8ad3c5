//! The command `gpt`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use gpt::Preset;

use crate::job::{Job, default_name};

mod job;

/// Train a small GPT on your own text and publish it for serving.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train a model on a text, export it to ONNX and publish it to a store.
    ///
    /// Nothing is visible in the store before the new version is complete; then the channel names it
    /// and servers pick it up.
    Train {
        /// Model and training settings: `the-verdict`, `tiny`, or the path of a .toml file.
        #[arg(long, default_value = "the-verdict")]
        preset: String,
        /// The text to train on, a UTF-8 file.
        #[arg(long)]
        corpus: PathBuf,
        /// The store to publish to: a directory, which is made if it does not exist, or
        /// s3://BUCKET/PREFIX.
        #[arg(long)]
        store: String,
        /// Name of the model in the store [default: the preset's name].
        #[arg(long)]
        name: Option<String>,
        /// The channel that is to name the new version.
        #[arg(long, default_value = "live")]
        channel: String,
        /// Fixes weights, shuffles and dropout [default: the preset's].
        #[arg(long)]
        seed: Option<u64>,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    let Command::Train { preset: preset_name, corpus, store, name, channel, seed } = cli.command;
    let mut preset = Preset::named(&preset_name)?;
    if let Some(seed) = seed {
        preset.training.seed = seed;
    }
    let name = name.unwrap_or_else(|| default_name(&preset_name));
    let published = Job { preset, corpus, store: store.clone(), name, channel: channel.clone() }.run()?;
    println!("published {} version {} to {store}", published.name, published.version);
    println!("channel {channel} names it now");
    Ok(())
}
