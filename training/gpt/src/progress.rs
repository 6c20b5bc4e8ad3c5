//! What a person sees of a training run, and what is kept of it.
//!
//! On a terminal: a progress bar with the loss, tokens per second and the time left. Elsewhere: a
//! line for each evaluation, or a JSON object for each. In all cases `metrics.jsonl` and
//! `samples.txt`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use artifact::{Sampler, Sampling, Tokenizer};
use burn::tensor::Device;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::model::Gpt;
use crate::preset::{Preset, SampleSettings};
use crate::sample::generate;
use crate::train::{Evaluation, Observer, Step};

/// File name of the evaluations, one JSON object a line.
pub const METRICS: &str = "metrics.jsonl";
/// File name of the texts that were sampled.
pub const SAMPLES: &str = "samples.txt";

/// A text that was sampled in training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample<'a> {
    /// Epoch that it was sampled after, from 1.
    pub epoch: usize,
    /// The prompt and what the model made of it.
    pub text: &'a str,
}

/// The samples in the contents of `samples.txt`, in order.
pub fn read_samples(contents: &str) -> Vec<Sample<'_>> {
    // Epochs count from 1, so a line that a model wrote is not taken for the next one's heading.
    let mut samples = Vec::new();
    let mut rest = contents.strip_prefix(&heading(1));
    while let Some(text) = rest {
        let epoch = samples.len() + 1;
        let next = text.split_once(&format!("\n\n{}", heading(epoch + 1)));
        let text = next.map_or(text, |(text, _)| text);
        samples.push(Sample { epoch, text: text.strip_suffix("\n\n").unwrap_or(text) });
        rest = next.map(|(_, rest)| rest);
    }
    samples
}

/// The line before a sample.
fn heading(epoch: usize) -> String {
    format!("--- epoch {epoch}\n")
}

/// How progress is reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// A progress bar on a terminal, lines elsewhere.
    #[default]
    Text,
    /// One JSON object a line, for log services.
    Json,
}

/// Reports on a training run and records it.
pub struct Progress<'a> {
    format: LogFormat,
    bar: ProgressBar,
    /// When the first step of this process was under way, and the tokens since.
    speed: Option<(Instant, usize)>,
    metrics: PathBuf,
    samples: PathBuf,
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
    /// Begins to report on a run of `total_steps` steps and to record it in `folder`.
    ///
    /// # Errors
    /// If the records cannot be created.
    pub fn new(
        total_steps: usize,
        folder: &Path,
        sampler: SampleWriter<'a>,
        format: LogFormat,
    ) -> io::Result<Self> {
        let target = if format == LogFormat::Text && io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(total_steps as u64), target);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} step {pos}/{len}  {msg}  {eta} left") {
            bar.set_style(style);
        }
        let (metrics, samples) = (folder.join(METRICS), folder.join(SAMPLES));
        File::create(&metrics)?;
        File::create(&samples)?;
        Ok(Self { format, bar, speed: None, metrics, samples, sampler })
    }

    /// Reports the effective settings of the run.
    pub fn settings(&self, preset: &Preset, toml: &str) {
        self.report("settings", json!(preset), toml);
    }

    /// Prints a line above the progress bar, or just prints it where there is no bar.
    fn line(&self, text: &str) {
        if self.bar.is_hidden() {
            eprintln!("{text}");
        } else {
            self.bar.println(text);
        }
    }

    /// Reports an event as a line of text or as a JSON object.
    fn report(&self, event: &str, fields: serde_json::Value, text: &str) {
        match self.format {
            LogFormat::Text => self.line(text),
            LogFormat::Json => self.line(&json!({"event": event, event: fields}).to_string()),
        }
    }
}

fn append(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().append(true).open(path)?.write_all(text.as_bytes())
}

impl Observer for Progress<'_> {
    fn step(&mut self, step: Step) {
        let (start, tokens) = self.speed.get_or_insert_with(|| (Instant::now(), 0));
        let tokens_per_second = *tokens as f64 / start.elapsed().as_secs_f64().max(1e-9);
        *tokens += step.tokens;
        self.bar.set_message(format!("loss {:.3}  {tokens_per_second:.0} tokens/s", step.loss));
        self.bar.set_position(step.step as u64);
    }

    fn evaluation(&mut self, evaluation: &Evaluation) -> io::Result<()> {
        let json = serde_json::to_value(evaluation)?;
        append(&self.metrics, &format!("{json}\n"))?;
        let Evaluation { epoch, step, tokens_seen, train_loss, val_loss, seconds } = evaluation;
        let text = format!(
            "epoch {epoch:>2}  step {step:>4}  tokens {tokens_seen:>7}  train loss {train_loss:.4}  \
             validation loss {val_loss:.4}  {seconds:.1} s"
        );
        self.report("evaluation", json, &text);
        Ok(())
    }

    fn epoch(&mut self, epoch: usize, model: &Gpt) -> io::Result<()> {
        let sample = self.sampler.text(model);
        let text = format!("epoch {epoch:>2}  {}", sample.replace('\n', " "));
        self.report("sample", json!({"epoch": epoch, "text": sample}), &text);
        append(&self.samples, &format!("{}{sample}\n\n", heading(epoch)))
    }

    fn note(&mut self, text: &str) {
        self.report("note", text.into(), text);
    }

    fn records(&self) -> Vec<PathBuf> {
        vec![self.metrics.clone(), self.samples.clone()]
    }

    fn resume(&mut self, checkpoint: &Path, step: usize) -> io::Result<()> {
        fs::copy(checkpoint.join(METRICS), &self.metrics)?;
        fs::copy(checkpoint.join(SAMPLES), &self.samples)?;
        self.bar.set_position(step as u64);
        self.bar.reset_eta();
        Ok(())
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read_as_they_were_written() {
        let contents = "--- epoch 1\nOne.\n\n--- epoch 9\nStill one.\n\n--- epoch 2\nTwo.\n\n";
        let one = Sample { epoch: 1, text: "One.\n\n--- epoch 9\nStill one." };
        assert_eq!(read_samples(contents), [one, Sample { epoch: 2, text: "Two." }]);
        assert!(read_samples("").is_empty());
    }
}
