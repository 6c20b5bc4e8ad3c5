//! The command `gpt`.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use clap::{Parser, Subcommand};
use gpt::Preset;
use gpt::progress::LogFormat;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::job::{Job, default_name};

mod job;

/// What libraries read from the environment when they are loaded, some of them before `main`.
///
/// libtorch's threads spin while they wait for each other unless they are told to be passive. That
/// is no faster on a free machine and several times slower on a busy one or under a CPU quota.
/// ONNX Runtime's Linux builds report on their users unless they are told not to.
const SETTINGS_OF_LIBRARIES: [(&str, &str); 2] =
    [("OMP_WAIT_POLICY", "passive"), ("ORT_DISABLE_TELEMETRY", "1")];

/// Train a small GPT on your own text and publish it for serving.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
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
        /// The directory to publish to; it is made if it does not exist.
        #[arg(long)]
        store: PathBuf,
        /// Name of the model in the store [default: the preset's name].
        #[arg(long)]
        name: Option<String>,
        /// The channel that is to name the new version.
        #[arg(long, default_value = "live")]
        channel: String,
        /// Fixes weights, shuffles and dropout [default: the preset's].
        #[arg(long)]
        seed: Option<u64>,
        /// Where checkpoints lie, in a folder for each model.
        #[arg(long, default_value = "checkpoints")]
        checkpoints: PathBuf,
        /// Go on from the newest checkpoint of this model, if there is one.
        ///
        /// Ctrl-C or SIGTERM makes a checkpoint and stops; so does every N-th step with
        /// `checkpoint_every_steps`. The result is the same as if the run had not been interrupted.
        #[arg(long)]
        resume: bool,
        /// How progress is reported.
        #[arg(long, value_enum, default_value_t)]
        log: LogFormat,
    },
}

fn main() -> ExitCode {
    if SETTINGS_OF_LIBRARIES.iter().any(|(name, _)| std::env::var_os(name).is_none()) {
        let error = start_again_with_settings();
        eprintln!("error: starting this program again with its libraries' settings: {error}");
        return ExitCode::FAILURE;
    }
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Replaces this process by itself with [`SETTINGS_OF_LIBRARIES`] in its environment, where they are
/// not set already. Returns only if that fails.
fn start_again_with_settings() -> std::io::Error {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return error,
    };
    let missing = SETTINGS_OF_LIBRARIES.into_iter().filter(|(name, _)| std::env::var_os(name).is_none());
    Command::new(program).args(std::env::args_os().skip(1)).envs(missing).exec()
}

fn run(cli: Cli) -> Result<()> {
    let Action::Train { preset: preset_name, corpus, store, name, channel, seed, checkpoints, resume, log } =
        cli.action;
    let mut preset = Preset::named(&preset_name)?;
    if let Some(seed) = seed {
        preset.training.seed = seed;
    }
    let name = name.unwrap_or_else(|| default_name(&preset_name));
    let job = Job {
        preset,
        corpus,
        store: store.clone(),
        name,
        channel: channel.clone(),
        checkpoints,
        resume,
        log,
    };
    let stop = stop_on_signals()?;
    let published = job.run(&stop)?;
    println!("published {} version {} to {}", published.name, published.version, store.display());
    println!("channel {channel} names it now");
    Ok(())
}

/// A flag that the first SIGINT or SIGTERM sets; a second one ends the process at once.
fn stop_on_signals() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag unset and sets it, the second finds it set.
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}
