//! Measurements in a process of their own, since a process has one peak of memory.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use artifact::Tokenizer;
use gpt::corpus::{Corpus, Loader, Source};
use gpt::train::{Evaluation, Observer, Step};
use serde::de::DeserializeOwned;

use crate::bench::status_bytes;

/// The argument with which a benchmark starts itself to measure something.
const MEASURE: &str = "--measure";
/// Between two looks at a process.
const INTERVAL: Duration = Duration::from_millis(10);

/// What this process is to measure, if it was started by [`in_process`].
pub fn task() -> Option<Vec<String>> {
    let mut arguments = std::env::args().skip(1);
    (arguments.next()? == MEASURE).then(|| arguments.collect())
}

/// Starts this program again for a `task`. Gives what it printed, as JSON, and the most anonymous
/// memory that it was seen to hold, in bytes: its own, without pages of files that it maps.
///
/// # Errors
/// If it fails or prints something else.
pub fn in_process<T: DeserializeOwned>(task: &[&str]) -> Result<(T, u64)> {
    let mut child =
        Command::new(std::env::current_exe()?).arg(MEASURE).args(task).stdout(Stdio::piped()).spawn()?;
    let mut largest = 0;
    // It prints a few lines, for which there is room until it has ended.
    while child.try_wait()?.is_none() {
        // A process that has just ended has no memory.
        largest = largest.max(status_bytes(&child.id().to_string(), "RssAnon").unwrap_or(0));
        std::thread::sleep(INTERVAL);
    }
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{task:?}: {}", output.status);
    let result = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stdout).into_owned())?;
    Ok((result, largest))
}

/// Loads a text as `gpt train` does, with its ids in `cache`.
///
/// # Errors
/// If it cannot be read or encoded.
pub fn load_corpus(text: &Path, train_fraction: f64, cache: &Path) -> Result<Corpus> {
    let loader = Loader {
        train_fraction,
        cache,
        fetch_s3: &|_, _| Err("the corpus of this benchmark is a file".into()),
        notify: &|note| eprintln!("{note}"),
    };
    Ok(loader.load(&[Source::Local(text.to_string_lossy().into_owned())], &Tokenizer::gpt2()?)?)
}

/// Measures the time from step to step, and ends the training after some.
pub struct Clock<'a> {
    /// Of each step.
    pub seconds: Vec<f64>,
    /// Of each step's batch, before the step.
    pub losses: Vec<f64>,
    last: Instant,
    steps: usize,
    stop: &'a AtomicBool,
}

impl<'a> Clock<'a> {
    /// Sets `stop`, which is that of the run, after so many steps.
    pub fn new(steps: usize, stop: &'a AtomicBool) -> Self {
        Self { seconds: Vec::new(), losses: Vec::new(), last: Instant::now(), steps, stop }
    }
}

impl Observer for Clock<'_> {
    fn step(&mut self, step: Step) {
        self.seconds.push(self.last.elapsed().as_secs_f64());
        self.losses.push(step.loss);
        self.last = Instant::now();
        self.stop.store(self.seconds.len() >= self.steps, Ordering::Relaxed);
    }

    /// There is one before the first step, which must not count.
    fn evaluation(&mut self, _evaluation: &Evaluation) {
        self.last = Instant::now();
    }

    fn note(&mut self, text: &str) {
        eprintln!("{text}");
    }
}
