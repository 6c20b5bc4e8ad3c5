//! One optimizer step: batches, gradients, learning rate, new weights.

use std::time::Instant;

use burn::optim::{GradientsAccumulator, GradientsParams};

use super::observer::Step;
use super::optimizer::optimizer;
use super::run::Run;
use super::state::{Position, State};
use super::{gradients, schedule};
use crate::device::keep_libtorch_to_one_thread;
use crate::model::Gpt;
use crate::preset::TrainingSettings;

impl Run<'_> {
    /// One optimizer step, and the state after it.
    pub(super) fn step(&self, mut state: State) -> (State, Step) {
        let start = Instant::now();
        let (settings, extent, step) = (self.settings, self.extent(), state.position.step);
        let _one_thread = settings.fused.then(keep_libtorch_to_one_thread);
        let epoch = step / extent.steps_per_epoch() + 1;
        let batches = self.batches_of_step(epoch, step % extent.steps_per_epoch());

        // Dropout depends on the seed and the step alone, not on what was drawn in between.
        self.device.seed(settings.seed.wrapping_add(step as u64));
        let (gradients, loss, tokens) = self.gradients(&state.model, &batches);
        let gradient_norm = gradients::global_norm(&state.model, &gradients);
        let gradients = match settings.clip_gradient_norm {
            Some(largest) => gradients::clip_global_norm(&state.model, gradients, gradient_norm, largest),
            None => gradients,
        };
        let learning_rate = schedule::learning_rate(settings, step, extent.total_steps_of(&state.position));
        state.model = state.optimizer.step(learning_rate, state.model, gradients);

        let seconds = start.elapsed().as_secs_f64();
        let position = &mut state.position;
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
        };
        (state, step)
    }

    /// Seconds that each of the first steps takes, at most `most` of them; what they train is thrown away.
    pub fn measure(&self, model: Gpt, most: usize) -> Vec<f64> {
        let optimizer = optimizer(self.settings);
        let mut state = State { position: Position::default(), model, optimizer, best: None };
        let mut seconds = Vec::new();
        for _ in 0..most.min(self.extent().total_steps()) {
            let start = Instant::now();
            state = self.step(state).0;
            seconds.push(start.elapsed().as_secs_f64());
        }
        seconds
    }

    /// Windows of the batches that make up a step, `[accumulate_batches][batch]`.
    fn batches_of_step(&self, epoch: usize, step_of_epoch: usize) -> Vec<Vec<usize>> {
        let TrainingSettings { batch_size, accumulate_batches, seed, .. } = *self.settings;
        let batches = self.train_set.full_batches(batch_size);
        let first = step_of_epoch * accumulate_batches;
        (first..batches.min(first + accumulate_batches))
            .map(|batch| self.train_set.shuffled_batch(batch, batch_size, seed, epoch))
            .collect()
    }

    /// Gradients of the mean loss over some batches, that loss, and the number of tokens.
    pub(super) fn gradients(&self, model: &Gpt, batches: &[Vec<usize>]) -> (GradientsParams, f64, usize) {
        let (mut total_loss, mut tokens) = (0.0, 0);
        let mut accumulator = GradientsAccumulator::new();
        for windows in batches {
            let batch = self.train_set.batch(windows, self.device);
            tokens += batch.inputs.shape().num_elements();
            // 1. How wrong is the model?
            let loss = model.loss(batch.inputs, batch.targets) / batches.len() as f64;
            // 2. How does the loss change with each weight?
            let gradients = GradientsParams::from_grads(loss.backward(), model);
            total_loss += f64::from(loss.into_scalar::<f32>());
            if batches.len() == 1 {
                return (gradients, total_loss, tokens);
            }
            accumulator.accumulate(model, gradients);
        }
        (accumulator.grads(), total_loss, tokens)
    }
}
