//! Record of an optimizer step, and the evaluation and sample text after it where they are due.

use burn::module::Module;
use indicatif::HumanCount;

use super::error::TrainError;
use super::evaluation::{Evaluation, lowest, mean_loss};
use super::memorizing::memorizes_since;
use super::observer::{Observer, Step};
use super::run::Run;
use super::samples::{Moment, Sample};
use super::state::{Position, State};
use crate::corpus::Dataset;
use crate::device::{OutOfMemory, within_memory};
use crate::model::Gpt;
use crate::preset::TrainingSettings;

/// So many steps in a row that change nothing are not made by chance.
const MOST_SKIPPED_IN_A_ROW: usize = 20;

impl Run<'_> {
    /// Records a step, and evaluates and samples where that is due. The inner error is why training has diverged.
    pub(super) fn after_step(
        &self,
        state: &mut State,
        step: Step,
        observer: &mut impl Observer,
    ) -> Result<Result<(), TrainError>, TrainError> {
        let learning_rate = self.settings.learning_rate;
        let no_loss = move |loss| TrainError::Diverged { step: step.step, loss, learning_rate };
        if !step.loss.is_finite() {
            return Ok(Err(no_loss(step.loss)));
        }
        let skipped = state.position.skipped_in_a_row;
        if skipped > 0 {
            observer
                .note(&format!("step {} changes nothing: its gradients are no finite numbers", step.step));
        }
        if skipped == MOST_SKIPPED_IN_A_ROW {
            return Ok(Err(TrainError::NoGradients { step: step.step, skipped, learning_rate }));
        }
        if let Some(records) = self.records {
            records.step(&step)?;
        }
        observer.step(step);
        let extent = self.extent();
        let (step, steps_per_epoch) = (step.step, extent.steps_per_epoch());
        let is_last = step == extent.total_steps_of(&state.position);
        if step % self.settings.evaluate_every_steps == 0 || is_last {
            let loss = self.evaluate(state, step.div_ceil(steps_per_epoch), observer)?;
            if !loss.is_finite() {
                return Ok(Err(no_loss(loss)));
            }
        }
        let moment = match self.settings.sample_every_steps {
            Some(every) if step % every == 0 => Moment::Step(step),
            None if step % steps_per_epoch == 0 => Moment::Epoch(step / steps_per_epoch),
            _ if is_last => Moment::Step(step),
            _ => return Ok(Ok(())),
        };
        self.write_sample(&state.model, moment, observer)?;
        Ok(Ok(()))
    }

    /// Evaluates the model, keeps its weights if they are the best so far, and returns the validation loss,
    /// which goes nowhere if it is no number.
    pub(super) fn evaluate(
        &self,
        state: &mut State,
        epoch: usize,
        observer: &mut impl Observer,
    ) -> Result<f64, TrainError> {
        let State { position, best, .. } = state;
        let model = state.model.valid();
        let device = self.device.clone().without_autodiff();
        let TrainingSettings { batch_size, evaluation_batches, .. } = *self.settings;
        let score = |dataset: &Dataset| mean_loss(&model, dataset, batch_size, evaluation_batches, &device);
        let scores = within_memory(|| (score(self.train_set), score(self.validation_set)));
        let (train, validation) = scores.map_err(|OutOfMemory| {
            let batches = self.batches().of_step(position.step);
            self.too_large(&state.model, &batches)
        })?;
        let (train_loss, val_loss) = (train.loss, validation.loss);
        if !(train_loss.is_finite() && val_loss.is_finite()) {
            return Ok(f64::NAN);
        }
        let evaluation = Evaluation {
            epoch,
            step: position.step,
            tokens_seen: position.tokens_seen,
            train_loss,
            val_loss,
            bits_per_byte: validation.bits_per_byte(),
            seconds: position.seconds,
        };
        if let Some(records) = self.records {
            records.evaluation(&evaluation)?;
        }
        observer.evaluation(&evaluation);
        let index = position.evaluations.len();
        position.evaluations.push(evaluation);
        if self.settings.keep_best && lowest(&position.evaluations).is_some_and(|(best, _)| best == index) {
            *best = Some(model);
        }
        self.notice_memorizing(position, observer);
        Ok(val_loss)
    }

    /// Says once that the model learns its text by heart, when it does.
    fn notice_memorizing(&self, position: &mut Position, observer: &mut impl Observer) {
        if position.memorizes {
            return;
        }
        let Some(best) = memorizes_since(&position.evaluations) else { return };
        observer.note(&format!(
            "after {:.1} passes your {} tokens are being memorised: validation loss has risen since step {} while \
             training loss falls; more text helps, a smaller model helps, and stopping here keeps the best weights \
             (training.keep_best)",
            self.extent().epochs_of(position.step),
            HumanCount(self.train_set.tokens() as u64),
            best.step,
        ));
        position.memorizes = true;
    }

    /// Lets the model write a text.
    fn write_sample(
        &self,
        model: &Gpt,
        moment: Moment,
        observer: &mut impl Observer,
    ) -> Result<(), TrainError> {
        let Some(writer) = self.samples else { return Ok(()) };
        let text = writer.text(&model.valid());
        let sample = Sample { moment, text: &text };
        if let Some(records) = self.records {
            records.sample(sample)?;
        }
        observer.sample(sample);
        Ok(())
    }
}
