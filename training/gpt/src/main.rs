//! The command `gpt`.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use clap::Parser;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::cli::{Action, Cli};
use crate::commands::release::Outcome;
use crate::commands::{evaluate, export, import, publish, registry, sample, train};

mod cli;
mod commands;

/// What libraries read from the environment when they are loaded, some of them before `main`.
///
/// libtorch's threads spin while they wait for each other unless they are told to be passive. That
/// is no faster on a free machine and several times slower on a busy one or under a CPU quota.
/// ONNX Runtime's Linux builds report on their users unless they are told not to.
const SETTINGS_OF_LIBRARIES: [(&str, &str); 2] =
    [("OMP_WAIT_POLICY", "passive"), ("ORT_DISABLE_TELEMETRY", "1")];

/// Exit code of a run whose version was published, but not promoted.
const NOT_PROMOTED: u8 = 3;

fn main() -> ExitCode {
    if SETTINGS_OF_LIBRARIES.iter().any(|(name, _)| std::env::var_os(name).is_none()) {
        let error = start_again_with_settings();
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

fn run(cli: Cli) -> Result<ExitCode> {
    // Training computes for minutes between the few times that it talks to the store.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match cli.action {
        Action::Train(arguments) => {
            let store = arguments.store.location.clone();
            let stop = stop_on_signals()?;
            return Ok(exit_code(&train::run(*arguments, &runtime, &stop)?, &store));
        }
        Action::Import(arguments) => {
            let store = arguments.store.location.clone();
            return Ok(exit_code(&runtime.block_on(import::run(arguments))?, &store));
        }
        Action::Publish(arguments) => {
            let store = arguments.store.location.clone();
            return Ok(exit_code(&runtime.block_on(publish::run(arguments))?, &store));
        }
        Action::Evaluate(arguments) => runtime.block_on(evaluate::run(arguments))?,
        Action::Export(arguments) => runtime.block_on(export::run(arguments))?,
        Action::Sample(arguments) => runtime.block_on(sample::run(arguments))?,
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

/// Tells how a publication ended.
fn exit_code(outcome: &Outcome, store: &str) -> ExitCode {
    if outcome.report(store) { ExitCode::SUCCESS } else { ExitCode::from(NOT_PROMOTED) }
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
