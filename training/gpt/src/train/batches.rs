//! Batches of a run, made ahead by a thread: a step waits neither for the disk nor for what reads it.

use std::sync::mpsc::sync_channel;
use std::thread;

use burn::tensor::Device;

use super::extent::Extent;
use crate::corpus::{Batch, Dataset};
use crate::preset::TrainingSettings;

/// The batches of a run: a function of its seed and of the step alone.
#[derive(Clone, Copy)]
pub(super) struct Batches<'a> {
    pub(super) train_set: &'a Dataset,
    pub(super) settings: &'a TrainingSettings,
    pub(super) device: &'a Device,
}

impl Batches<'_> {
    /// Those that make up a step, counted from 0.
    pub(super) fn of_step(&self, step: usize) -> Vec<Batch> {
        let steps_per_epoch = Extent::new(self.train_set, self.settings).steps_per_epoch();
        let windows = self.windows(step / steps_per_epoch + 1, step % steps_per_epoch);
        windows.map(|windows| self.train_set.batch(&windows, self.device)).collect()
    }

    /// Their windows, `[accumulate_batches][batch]`.
    fn windows(&self, epoch: usize, step_of_epoch: usize) -> impl Iterator<Item = Vec<usize>> {
        let TrainingSettings { batch_size, accumulate_batches, seed, .. } = *self.settings;
        let batches = self.train_set.full_batches(batch_size);
        let first = step_of_epoch * accumulate_batches;
        (first..batches.min(first + accumulate_batches))
            .map(move |batch| self.train_set.shuffled_batch(batch, batch_size, seed, epoch))
    }

    /// Does something with what gives the batches of one step after the other, from `step` on. While one is made use of,
    /// those of the next are made.
    pub(super) fn ahead<R>(self, step: usize, act: impl FnOnce(&mut dyn FnMut() -> Vec<Batch>) -> R) -> R {
        thread::scope(|scope| {
            // Without a place in it: the thread has one step ready, and waits until it is taken.
            let (sender, receiver) = sync_channel(0);
            scope.spawn(move || (step..).all(|step| sender.send(self.of_step(step)).is_ok()));
            let mut taken = step..;
            act(&mut || {
                let step = taken.next().unwrap_or(step);
                // If the thread has panicked, this one does so with the same reason.
                receiver.recv().unwrap_or_else(|_| self.of_step(step))
            })
        })
    }
}
