//! The program `gpt`: arguments, signals, errors and exit codes.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use clap::Parser;
use gpt::environment;
use gpt::release::{Decision, Outcome, TaskScores};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::arguments::with_models_first;
use crate::cli::{Cli, Command};
use crate::commands::{
    chat, evaluate, export, finetune, import, models, presets, promote, prune, publish, rollback, sample,
    sign, tokenizer, train, worker,
};

mod arguments;
mod cli;
mod commands;

/// Exit code of a run whose version was published, but not promoted.
const NOT_PROMOTED: u8 = 3;

fn main() -> ExitCode {
    if let Err(error) = environment::set_up() {
        eprintln!("error: starting this program again with its libraries' settings: {error}");
        return ExitCode::FAILURE;
    }
    match run(Cli::parse_from(with_models_first(std::env::args_os().collect()))) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", with_causes(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error and what caused it. Most errors quote their cause, and nothing is said twice.
fn with_causes(error: &anyhow::Error) -> String {
    let mut said = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !said.contains(&cause) {
            said = format!("{said}: {cause}");
        }
    }
    said
}

fn run(cli: Cli) -> Result<ExitCode> {
    // Training computes for minutes between the few times that it talks to the store.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match cli.command {
        Command::Train(arguments) => {
            let store = arguments.run.store.clone().unwrap_or_default();
            let stop = stop_on_signals()?;
            let outcome = train::run(*arguments, &runtime, &stop)?;
            return Ok(outcome.map_or(ExitCode::SUCCESS, |outcome| report(&outcome, &store)));
        }
        Command::Finetune(arguments) => {
            let store = arguments.run.store.clone().unwrap_or_default();
            let stop = stop_on_signals()?;
            let outcome = finetune::run(*arguments, &runtime, &stop)?;
            return Ok(outcome.map_or(ExitCode::SUCCESS, |outcome| report(&outcome, &store)));
        }
        Command::Import(arguments) => {
            let store = arguments.store.location.clone();
            return Ok(report(&runtime.block_on(import::run(arguments))?, &store));
        }
        Command::Publish(arguments) => {
            let store = arguments.store.location.clone();
            return Ok(report(&runtime.block_on(publish::run(arguments))?, &store));
        }
        Command::Evaluate(arguments) => runtime.block_on(evaluate::run(arguments))?,
        Command::Export(arguments) => runtime.block_on(export::run(arguments))?,
        Command::Chat(arguments) => runtime.block_on(chat::run(arguments))?,
        Command::Sample(arguments) => runtime.block_on(sample::run(arguments))?,
        Command::Models(arguments) => runtime.block_on(models::run(arguments))?,
        Command::Presets(arguments) => presets::run(&arguments)?,
        Command::Tokenizer(arguments) => tokenizer::run(&arguments)?,
        Command::Sign(arguments) => runtime.block_on(sign::run(arguments))?,
        Command::Prune(arguments) => runtime.block_on(prune::run(arguments))?,
        Command::Promote(arguments) => runtime.block_on(promote::run(arguments))?,
        Command::Rollback(arguments) => runtime.block_on(rollback::run(arguments))?,
        Command::Worker => worker::run()?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the result of a publication, and turns it into an exit code.
fn report(outcome: &Outcome, store: &str) -> ExitCode {
    println!("published {} to {store}", outcome.published);
    let Some(Decision { channel, task_scores, failure }) = &outcome.promotion else {
        return ExitCode::SUCCESS;
    };
    if let Some(TaskScores { new, serving }) = task_scores {
        let serving = serving.map(|serving| format!(", that of the version being served {serving:.4}"));
        println!("its task score is {new:.4}{}", serving.unwrap_or_default());
    }
    match failure {
        None => {
            println!("channel {channel} names it now");
            ExitCode::SUCCESS
        }
        Some(reason) => {
            eprintln!("error: channel {channel} stays as it is: {reason}");
            ExitCode::from(NOT_PROMOTED)
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

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[test]
    fn nothing_is_said_twice() {
        let full = || anyhow::Error::new(Error::from(ErrorKind::StorageFull));
        let disk = full().to_string();
        assert_eq!(with_causes(&full().context("a.txt")), format!("a.txt: {disk}"));
        assert_eq!(
            with_causes(&full().context(format!("a.txt: {disk}; make room"))),
            format!("a.txt: {disk}; make room")
        );
    }
}
