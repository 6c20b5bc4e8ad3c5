//! What a person sees of a training run, and what is kept of it.
//!
//! On a terminal: a progress bar with the loss, tokens per second and the time left. Elsewhere: a
//! line for each evaluation. In both cases `metrics.jsonl` and `samples.txt`.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::time::Instant;

use artifact::{Sampler, Sampling, Tokenizer};
use burn::tensor::Device;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::model::Gpt;
use crate::preset::SampleSettings;
use crate::sample::generate;
use crate::train::{Evaluation, Observer, Step};

/// Reports on a training run and records it.
pub struct Progress<'a> {
    bar: ProgressBar,
    started: Instant,
    tokens: usize,
    metrics: File,
    samples: File,
    sampler: SampleWriter<'a>,
}

/// What is needed to sample a text after each epoch.
pub struct SampleWriter<'a> {
    /// Encodes the prompt and decodes the text.
    pub tokenizer: &'a Tokenizer,
    /// How the text begins.
    pub prompt: String,
    /// How it goes on.
    pub settings: &'a SampleSettings,
    /// Fixes what is drawn.
    pub seed: u64,
    /// Where the model lies in evaluation.
    pub device: Device,
}

impl SampleWriter<'_> {
    /// The prompt and what the model makes of it.
    fn text(&self, model: &Gpt) -> String {
        let ids = self.tokenizer.encode(&self.prompt);
        let sampling = Sampling::new(self.settings.temperature, Some(self.settings.top_k));
        let mut sampler = Sampler::new(sampling, self.seed);
        let new_ids = generate(model, &ids, self.settings.max_tokens, &mut sampler, &self.device);
        match self.tokenizer.decode(&new_ids) {
            Ok(text) => format!("{}{text}", self.prompt),
            // A model may have more ids than its tokenizer; then there is no text to show.
            Err(error) => error.to_string(),
        }
    }
}

impl<'a> Progress<'a> {
    /// Begins to report on a run of `total_steps` steps.
    pub fn new(total_steps: usize, metrics: File, samples: File, sampler: SampleWriter<'a>) -> Self {
        let target = if io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(total_steps as u64), target);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} step {pos}/{len}  {msg}  {eta} left") {
            bar.set_style(style);
        }
        Self { bar, started: Instant::now(), tokens: 0, metrics, samples, sampler }
    }

    /// Prints a line above the progress bar, or just prints it where there is no bar.
    fn line(&self, text: &str) {
        if self.bar.is_hidden() {
            eprintln!("{text}");
        } else {
            self.bar.println(text);
        }
    }
}

impl Observer for Progress<'_> {
    fn step(&mut self, step: Step) {
        self.tokens += step.tokens;
        let tokens_per_second = self.tokens as f64 / self.started.elapsed().as_secs_f64();
        self.bar.set_message(format!("loss {:.3}  {tokens_per_second:.0} tokens/s", step.loss));
        self.bar.set_position(step.step as u64);
    }

    fn evaluation(&mut self, evaluation: &Evaluation) -> io::Result<()> {
        serde_json::to_writer(&mut self.metrics, evaluation)?;
        self.metrics.write_all(b"\n")?;
        let Evaluation { epoch, step, tokens_seen, train_loss, val_loss, seconds } = evaluation;
        self.line(&format!(
            "epoch {epoch:>2}  step {step:>4}  tokens {tokens_seen:>7}  train loss {train_loss:.4}  \
             validation loss {val_loss:.4}  {seconds:.1} s"
        ));
        Ok(())
    }

    fn epoch(&mut self, epoch: usize, model: &Gpt) -> io::Result<()> {
        let text = self.sampler.text(model);
        self.line(&format!("epoch {epoch:>2}  {}", text.replace('\n', " ")));
        writeln!(self.samples, "--- epoch {epoch}\n{text}\n")
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
