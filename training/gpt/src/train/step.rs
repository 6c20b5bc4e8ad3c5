//! One optimizer step: batches, gradients, learning rate, new weights.

use std::iter;
use std::time::Instant;

use burn::optim::GradientsParams;

use super::batches::Batches;
use super::error::TrainError;
use super::gradients::{n_targets, of_batches};
use super::observer::Step;
use super::optimizer::optimizer;
use super::run::Run;
use super::state::{Position, State};
use super::workers::WorkerError;
use super::{gradients, schedule};
use crate::corpus::Batch;
use crate::device::{OutOfMemory, keep_libtorch_to_one_thread, within_memory};
use crate::model::Gpt;

impl Run<'_> {
    /// One optimizer step, and the state after it.
    ///
    /// # Errors
    /// If the memory is not enough for a batch.
    pub(super) fn step(&self, mut state: State, batches: &[Batch]) -> Result<(State, Step), TrainError> {
        let start = Instant::now();
        let (settings, extent, step) = (self.settings, self.extent(), state.position.step);
        let _one_thread = settings.fused.then(keep_libtorch_to_one_thread);

        // Dropout depends on the seed and the step alone, not on what was drawn in between.
        let seed = settings.seed.wrapping_add(step as u64);
        self.device.seed(seed);
        let found = within_memory(|| self.gradients(&state.model, batches, seed));
        let found = found.map_err(|OutOfMemory| self.too_large(&state.model, batches))?;
        let (gradients, loss, tokens) = found?;
        let gradient_norm = gradients::global_norm(&state.model, &gradients);
        let learning_rate = schedule::learning_rate(settings, step, extent.total_steps_of(&state.position));
        let is_skipped = !gradient_norm.is_finite(); // with one such number, every weight would be none
        if !is_skipped {
            let gradients = match settings.clip_gradient_norm {
                Some(largest) => gradients::clip_global_norm(&state.model, gradients, gradient_norm, largest),
                None => gradients,
            };
            state.model = state.optimizer.step(learning_rate, state.model, gradients);
        }

        let seconds = start.elapsed().as_secs_f64();
        let position = &mut state.position;
        position.skipped_steps += usize::from(is_skipped);
        position.skipped_in_a_row = if is_skipped { position.skipped_in_a_row + 1 } else { 0 };
        position.step += 1;
        position.tokens_seen += tokens;
        position.seconds += seconds;
        let step = Step {
            step: position.step,
            loss,
            learning_rate,
            gradient_norm,
            tokens,
            tokens_per_second: (tokens as f64 / seconds).round(),
            seconds: position.seconds,
            skipped_steps: position.skipped_steps,
        };
        Ok((state, step))
    }

    /// The error of batches that are too large, with a size that is not.
    pub(super) fn too_large(&self, model: &Gpt, batches: &[Batch]) -> TrainError {
        let (batch_size, context_length) = (self.settings.batch_size, model.config().context_length);
        let smaller = |size: usize| {
            let windows: Vec<usize> = (0..size.min(self.train_set.windows())).collect();
            self.train_set.batch(&windows, self.device)
        };
        let halves = iter::successors(Some(batch_size / 2), |size| Some(size / 2));
        let fits = halves
            .take_while(|size| *size > 0)
            .find(|&size| within_memory(|| of_batches(model, &[smaller(size)], 1)).is_ok());
        TrainError::Memory {
            batch_size,
            context_length,
            fits: fits.unwrap_or_default(),
            tokens_per_step: batch_size * batches.len() * context_length,
        }
    }

    /// Seconds that each of the first steps takes, at most `most` of them; what they train is thrown away.
    ///
    /// # Errors
    /// If the memory is not enough for a batch.
    pub fn measure(&self, model: Gpt, most: usize) -> Result<Vec<f64>, TrainError> {
        let optimizer = optimizer(self.settings);
        let mut state = State { position: Position::default(), model, optimizer, best: None };
        let mut seconds = Vec::new();
        for _ in 0..most.min(self.extent().total_steps()) {
            let start = Instant::now();
            let batches = self.batches().of_step(state.position.step);
            state = self.step(state, &batches)?.0;
            seconds.push(start.elapsed().as_secs_f64());
        }
        Ok(seconds)
    }

    pub(super) fn batches(&self) -> Batches<'_> {
        Batches { train_set: self.train_set, settings: self.settings, device: self.device }
    }

    /// Gradients of the mean loss over some batches, that loss, and the number of tokens. `seed` is that of what is drawn.
    fn gradients(
        &self,
        model: &Gpt,
        batches: &[Batch],
        seed: u64,
    ) -> Result<(GradientsParams, f64, usize), WorkerError> {
        match self.workers {
            None => Ok(of_batches(model, batches, n_targets(batches))),
            Some(workers) => workers.gradients(model, batches, seed),
        }
    }
}
