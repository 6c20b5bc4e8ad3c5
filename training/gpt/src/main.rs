//! The command `gpt`.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use clap::Parser;
use gpt::gate::Gate;
use gpt::{Preset, corpus, environment};
use signal_hook::consts::{SIGINT, SIGTERM};
use tokio::runtime::Runtime;

use crate::cli::{Action, Cli, TrainArguments};
use crate::job::{Job, Outcome, default_name};

mod cli;
mod job;
mod registry;

/// Exit code of a run whose version was published, but not promoted.
const NOT_PROMOTED: u8 = 3;

fn main() -> ExitCode {
    if let Err(error) = environment::set_up() {
        eprintln!("error: starting this program again with its libraries' settings: {error}");
        return ExitCode::FAILURE;
    }
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    // Training computes for minutes between the few times that it talks to the store.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match cli.action {
        Action::Train(arguments) => return train(&runtime, arguments),
        Action::Models { store } => runtime.block_on(registry::models(&store.location))?,
        Action::Promote { store, channel, name, version } => {
            runtime.block_on(registry::promote(&store.location, &channel, &name, &version))?;
        }
        Action::Rollback { store, channel } => {
            runtime.block_on(registry::rollback(&store.location, &channel))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn train(runtime: &Runtime, arguments: TrainArguments) -> Result<ExitCode> {
    let mut preset = Preset::named(&arguments.preset)?;
    if let Some(seed) = arguments.seed {
        preset.training.seed = seed;
    }
    let corpus = match (&preset.corpus, arguments.corpus) {
        (Some(of_preset), given) if given.is_empty() => of_preset.sources.clone(),
        (_, given) => given,
    };
    let job = Job {
        preset,
        corpus,
        cache: arguments.cache.map_or_else(corpus::default_cache, Ok)?,
        store: arguments.store.location,
        name: arguments.name.unwrap_or_else(|| default_name(&arguments.preset)),
        channel: arguments.channel,
        checkpoints: arguments.checkpoints,
        resume: arguments.resume,
        log: arguments.log,
        gate: Gate { margin: arguments.margin, ..Gate::default() },
    };
    let stop = stop_on_signals()?;
    let Outcome { published, held_back } = job.run(runtime, &stop)?;
    println!("published {published} to {}", job.store);
    match held_back {
        None => {
            println!("channel {} names it now", job.channel);
            Ok(ExitCode::SUCCESS)
        }
        Some(reason) => {
            eprintln!("error: channel {} stays as it is: {reason}", job.channel);
            Ok(ExitCode::from(NOT_PROMOTED))
        }
    }
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
