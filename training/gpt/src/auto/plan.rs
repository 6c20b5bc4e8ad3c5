//! Plan of an automatic training: shape, steps and schedule, with what is to be expected of them.

use std::fmt;
use std::time::{Duration, Instant};

use burn::tensor::Device;
use comfy_table::{CellAlignment, Table, presets};
use indicatif::{HumanBytes, HumanCount};
use serde::{Deserialize, Serialize};

use super::budget::Budget;
use super::pace::{PaceError, seconds_per_step};
use super::shape::Shape;
use super::{law, rules};
use crate::corpus::Corpus;
use crate::memory;
use crate::preset::Preset;

/// Share of the time that is spent on measuring shapes, and what it is where the budget is no time.
const MEASURING: f64 = 0.04;
const MEASURING_WITHOUT_TIME: Duration = Duration::from_secs(4);
/// A shape is measured for this share of what is left of that.
const MEASURING_OF_ONE: f64 = 0.25;
/// Measuring ends when so many shapes in a row promise less than the best one: larger ones do so too.
const WORSE_IN_A_ROW: usize = 2;

/// What a plan is made for.
pub struct Planner<'a> {
    /// The texts.
    pub corpus: &'a Corpus,
    /// Bytes of the text to train on.
    pub text_bytes: u64,
    /// The settings that are not chosen here, with the size of the vocabulary.
    pub recipe: Preset,
    /// How long the training may take.
    pub budget: Budget,
    /// When the time began.
    pub started: Instant,
    /// An autodiff device.
    pub device: &'a Device,
}

/// A shape, and what the budget makes of it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Layers and width.
    pub shape: Shape,
    /// Trainable parameters.
    pub parameters: usize,
    /// Tokens that this machine trains on in a second.
    pub tokens_per_second: f64,
    /// Tokens that the budget is enough for.
    pub tokens: f64,
    /// Passes over the text in these.
    pub passes: f64,
    /// Training time in seconds, evaluations included.
    pub training_seconds: f64,
    /// Seconds from there to the publication.
    pub release_seconds: f64,
    /// The validation loss to expect.
    pub bits_per_byte: f64,
}

/// What a plan promises of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// Tokens trained on.
    pub tokens: usize,
    /// Training time in seconds, evaluations included.
    pub training_seconds: f64,
    /// Validation loss of the finished model.
    pub bits_per_byte: f64,
}

/// A plan: a preset, and what it promises.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The chosen settings.
    pub preset: Preset,
    /// The choice.
    pub chosen: Candidate,
    /// All shapes that were measured, smallest first.
    pub candidates: Vec<Candidate>,
    /// How long the training may take.
    pub budget: Budget,
    /// Seconds from the start of the program to this plan.
    pub planning_seconds: f64,
    /// The most memory that this process has had while it measured.
    pub peak_memory_bytes: Option<u64>,
}

impl Planner<'_> {
    /// Measures shapes, smallest first, and takes the one with the lowest expected loss.
    ///
    /// # Errors
    /// If the corpus is too short for the smallest, or the memory is not enough.
    pub fn plan(self) -> Result<Plan, PaceError> {
        let until = Instant::now()
            + match self.budget {
                Budget::Time(time) => time.mul_f64(MEASURING),
                Budget::Tokens(_) | Budget::Steps(_) => MEASURING_WITHOUT_TIME,
            };
        let mut measured = vec![(Shape::SMALLEST, self.measure(Shape::SMALLEST, until)?)];
        let mut lowest = self.candidate(measured[0]).bits_per_byte;
        let mut worse = 0;
        for shape in Shape::larger() {
            if worse == WORSE_IN_A_ROW || Instant::now() >= until || !self.is_worth_its_size(shape) {
                break;
            }
            // The text may be too short for a longer context, and the memory too small.
            let Ok(tokens_per_second) = self.measure(shape, until) else { break };
            measured.push((shape, tokens_per_second));
            let loss = self.candidate((shape, tokens_per_second)).bits_per_byte;
            worse = if loss < lowest { 0 } else { worse + 1 };
            lowest = lowest.min(loss);
        }
        // Again, now that it is known what measuring has left of the time.
        let candidates: Vec<Candidate> = measured.iter().map(|&measured| self.candidate(measured)).collect();
        let better = |best: usize, next: usize| {
            if candidates[next].bits_per_byte < candidates[best].bits_per_byte { next } else { best }
        };
        let chosen = candidates[(0..candidates.len()).fold(0, better)].clone();
        Ok(Plan {
            preset: self.preset(&chosen),
            chosen,
            candidates,
            budget: self.budget,
            planning_seconds: self.started.elapsed().as_secs_f64(),
            peak_memory_bytes: memory::peak_bytes(),
        })
    }

    /// Tokens a second of a shape.
    fn measure(&self, shape: Shape, until: Instant) -> Result<f64, PaceError> {
        let time = until.saturating_duration_since(Instant::now()).mul_f64(MEASURING_OF_ONE);
        let preset = self.sized(shape, 0.0);
        let seconds = seconds_per_step(&preset, self.corpus, self.device, time)?;
        Ok((preset.training.batch_size * preset.model.context_length) as f64 / seconds)
    }

    /// Whether a number of tokens or steps is enough for a shape. Where time is the limit, that decides.
    fn is_worth_its_size(&self, shape: Shape) -> bool {
        let tokens = match self.budget {
            Budget::Time(_) => return true,
            Budget::Tokens(tokens) => tokens as f64,
            Budget::Steps(steps) => (steps * rules::tokens_per_step(shape)) as f64,
        };
        let parameters = self.sized(shape, 0.0).model.num_parameters() as f64;
        self.worth(tokens) >= rules::TOKENS_PER_PARAMETER * parameters
    }

    /// So many tokens, or those of as many passes over the text as are worth it.
    fn worth(&self, tokens: f64) -> f64 {
        tokens.min(rules::MOST_PASSES * self.corpus.training().count() as f64)
    }

    /// What the budget makes of a shape that trains on so many tokens in a second.
    fn candidate(&self, (shape, tokens_per_second): (Shape, f64)) -> Candidate {
        let preset = self.sized(shape, 0.0);
        let parameters = preset.model.num_parameters();
        let tokens_per_step = preset.training.batch_size * preset.model.context_length;
        let unique = self.corpus.training().count() as f64;
        let judged = self.judged_tokens(tokens_per_second).unwrap_or(self.corpus.validation().count());
        let release_seconds = rules::release_seconds(parameters, judged, tokens_per_second);
        let affordable = match self.budget {
            Budget::Tokens(tokens) => tokens as f64,
            Budget::Steps(steps) => (steps * tokens_per_step) as f64,
            Budget::Time(time) => {
                let left = time.as_secs_f64() - self.started.elapsed().as_secs_f64() - release_seconds;
                (left * (1.0 - rules::EVALUATING)).max(0.0) * tokens_per_second
            }
        };
        let tokens = self.worth(affordable).max(tokens_per_step as f64);
        let text_bytes = self.text_bytes as f64;
        Candidate {
            shape,
            parameters,
            tokens_per_second,
            tokens,
            passes: tokens / unique,
            training_seconds: tokens / tokens_per_second / (1.0 - rules::EVALUATING),
            release_seconds,
            bits_per_byte: law::bits_per_byte(
                shape.block_parameters(),
                tokens / unique * text_bytes,
                text_bytes,
            ),
        }
    }

    /// Tokens of the validation text that the finished model is judged on, where its time is not enough for all.
    fn judged_tokens(&self, tokens_per_second: f64) -> Option<usize> {
        let Budget::Time(time) = self.budget else { return None };
        let most = rules::judged_tokens(time.as_secs_f64() * rules::JUDGING, tokens_per_second);
        (most < self.corpus.validation().count()).then_some(most)
    }

    /// The recipe with what a shape decides.
    fn sized(&self, shape: Shape, dropout: f64) -> Preset {
        let mut preset = self.recipe.clone();
        let (training, validation) = (self.corpus.training().count(), self.corpus.validation().count());
        let context_length = rules::context_length_in(shape, training.min(validation));
        preset.model = shape.config(self.recipe.model.vocab_size, context_length, dropout);
        let windows = (training.saturating_sub(1) / context_length).max(1);
        preset.training.batch_size = (rules::tokens_per_step(shape) / context_length).min(windows);
        preset
    }

    /// The recipe with what the choice decides.
    fn preset(&self, chosen: &Candidate) -> Preset {
        let mut preset = self.sized(chosen.shape, rules::dropout(chosen.passes));
        let (context_length, training) = (preset.model.context_length, &mut preset.training);
        let tokens_per_step = training.batch_size * context_length;
        let steps = ((chosen.tokens / tokens_per_step as f64) as usize).max(1);
        let every = |times: usize| steps.div_ceil(times).max(1);
        // One more than is needed: the last windows of a pass fill no batch.
        training.epochs = chosen.passes.ceil() as usize + 1;
        let is_all_of_the_time = chosen.tokens < self.worth(f64::INFINITY);
        match self.budget {
            Budget::Time(_) if is_all_of_the_time => {
                training.max_seconds = Some(chosen.training_seconds.round())
            }
            _ => training.max_steps = Some(steps),
        }
        training.warmup_steps = (steps / 50).min(200);
        training.evaluate_every_steps = every(rules::EVALUATIONS);
        let windows = rules::evaluation_tokens(chosen.tokens) / context_length as f64;
        training.evaluation_batches = (windows as usize / training.batch_size).max(1);
        training.final_evaluation_windows =
            self.judged_tokens(chosen.tokens_per_second).map(|tokens| (tokens / context_length).max(1));
        training.sample_every_steps = Some(every(rules::SAMPLES));
        training.checkpoint_every_steps = Some(every(rules::CHECKPOINTS));
        preset
    }
}

impl Plan {
    /// What it promises.
    pub fn expectation(&self) -> Expectation {
        let Candidate { tokens, training_seconds, bits_per_byte, .. } = self.chosen;
        Expectation { tokens: tokens as usize, training_seconds, bits_per_byte }
    }

    /// Seconds from the start of the program to the publication.
    pub fn whole_seconds(&self) -> f64 {
        self.planning_seconds + self.chosen.training_seconds + self.chosen.release_seconds
    }
}

impl fmt::Display for Plan {
    /// The choice in words, below it all shapes in a table.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { preset, chosen, budget, .. } = self;
        let (model, training) = (&preset.model, &preset.training);
        let count = |number: f64| HumanCount(number as u64).to_string();
        writeln!(
            f,
            "plan for {budget}: {} layers, {} wide, {} ids, {} parameters; context {}, {} tokens a step, dropout {}",
            model.n_layers,
            model.d_model,
            count(model.vocab_size as f64),
            count(chosen.parameters as f64),
            model.context_length,
            count((training.batch_size * model.context_length) as f64),
            model.dropout,
        )?;
        writeln!(
            f,
            "  {} tokens, {:.1} passes over the text, {} tokens/s; about {:.0} s in all, {:.0} s of it training",
            count(chosen.tokens),
            chosen.passes,
            count(chosen.tokens_per_second),
            self.whole_seconds(),
            chosen.training_seconds,
        )?;
        if let (Budget::Time(time), Some(_)) = (budget, training.max_steps) {
            writeln!(
                f,
                "  that is less than {:.0} s: after {:.0} passes another one teaches nothing; more text would",
                time.as_secs_f64(),
                rules::MOST_PASSES,
            )?;
        }
        let memory =
            self.peak_memory_bytes.map_or("unknown".to_owned(), |bytes| HumanBytes(bytes).to_string());
        writeln!(
            f,
            "  expected validation loss {:.2} bits per byte; memory so far {memory}",
            chosen.bits_per_byte
        )?;
        f.write_str(&self.table().trim_fmt())
    }
}

impl Plan {
    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        table.set_header(["shape", "parameters", "tokens/s", "passes", "bits per byte"]);
        for candidate in &self.candidates {
            let Candidate { shape, parameters, tokens_per_second, passes, bits_per_byte, .. } = candidate;
            table.add_row([
                format!("{} x {}", shape.n_layers, shape.d_model),
                HumanCount(*parameters as u64).to_string(),
                HumanCount(*tokens_per_second as u64).to_string(),
                format!("{passes:.1}"),
                format!("{bits_per_byte:.3}"),
            ]);
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 1));
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}
