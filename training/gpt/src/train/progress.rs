//! Progress reports of a run.
//!
//! On a terminal: a progress bar with the loss, tokens per second and the time left. Elsewhere: a
//! line for each evaluation, or a JSON object for each.

use std::io::{self, IsTerminal};
use std::time::Instant;

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::evaluation::{Evaluation, in_brackets};
use super::observer::{Observer, Step};
use super::samples::{Moment, Sample};
use crate::preset::Preset;

/// Format of progress reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// A progress bar on a terminal, lines elsewhere.
    #[default]
    Text,
    /// One JSON object a line, for log services.
    Json,
}

/// Reports on a training run.
pub struct Progress {
    format: LogFormat,
    bar: ProgressBar,
    /// When the first step of this process was under way, and the tokens since.
    speed: Option<(Instant, usize)>,
}

impl Progress {
    /// Begins to report on a run of `total_steps` steps.
    pub fn new(total_steps: usize, format: LogFormat) -> Self {
        let target = if format == LogFormat::Text && io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(total_steps as u64), target);
        let template = "{bar:30} step {human_pos}/{human_len}  {msg}  {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { format, bar, speed: None }
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

impl Observer for Progress {
    fn step(&mut self, step: Step) {
        let (start, tokens) = self.speed.get_or_insert_with(|| (Instant::now(), 0));
        let tokens_per_second = *tokens as f64 / start.elapsed().as_secs_f64().max(1e-9);
        *tokens += step.tokens;
        let tokens_per_second = HumanCount(tokens_per_second as u64);
        self.bar.set_message(format!("loss {:.3}  {tokens_per_second} tokens/s", step.loss));
        self.bar.set_position(step.step as u64);
    }

    fn evaluation(&mut self, evaluation: &Evaluation) {
        let Evaluation { epoch, step, tokens_seen, train_loss, val_loss, bits_per_byte, seconds } =
            evaluation;
        let (step, tokens) =
            (HumanCount(*step as u64).to_string(), HumanCount(*tokens_seen as u64).to_string());
        let text = format!(
            "epoch {epoch:>2}  step {step:>5}  tokens {tokens:>9}  train loss {train_loss:.4}  \
             validation loss {val_loss:.4}{}  {seconds:.1} s",
            in_brackets(*bits_per_byte)
        );
        self.report("evaluation", json!(evaluation), &text);
    }

    fn planned(&mut self, total_steps: usize) {
        self.bar.set_length(total_steps as u64);
    }

    fn sample(&mut self, Sample { moment, text }: Sample<'_>) {
        let (name, number) = match moment {
            Moment::Epoch(epoch) => ("epoch", epoch),
            Moment::Step(step) => ("step", step),
        };
        let line = format!("{name} {number:>2}  {}", text.replace('\n', " "));
        self.report("sample", json!({name: number, "text": text}), &line);
    }

    fn resumed(&mut self, step: usize) {
        self.bar.set_position(step as u64);
        self.bar.reset_eta();
    }

    fn note(&mut self, text: &str) {
        self.report("note", text.into(), text);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
