//! Training by time: how long a step takes, and how many steps are left to be made.

use super::extent::Extent;
use super::schedule::steps_of_decay_at;
use super::state::{Position, Timed};
use crate::preset::TrainingSettings;

/// Steps that the mean is about: few enough to follow a machine that becomes slower or faster.
const RECENT: f64 = 50.0;

/// How long the steps of this process take, and what is between them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    /// Exponential mean over recent steps, in seconds.
    step: f64,
    /// Evaluations, samples and checkpoints between steps, in seconds in all.
    between: f64,
    /// Steps that were measured. The first of a process, which also sets up, is replaced by the second.
    steps: usize,
    /// Training time when the last step was done.
    seconds: Option<f64>,
}

impl Pace {
    /// Takes note of a step that began when the training had taken `began` seconds, and ended when it had taken
    /// `ended`.
    pub fn step(&mut self, began: f64, ended: f64) {
        let step = ended - began;
        self.between += self.seconds.map_or(0.0, |last| began - last);
        self.step = match self.steps {
            0 | 1 => step,
            steps => self.step + (step - self.step) / (steps as f64).min(RECENT),
        };
        self.steps += 1;
        self.seconds = Some(ended);
    }

    /// Seconds for a step and its share of all that is between steps, if a step was made.
    pub fn seconds_per_step(&self) -> Option<f64> {
        (self.steps > 0).then(|| self.step + self.between / self.steps as f64)
    }
}

/// The end of a run that trains until a time, when it has to be fixed after the steps of `position`: the rest of the
/// time is no more than what the decay of the learning rate takes, if it begins now.
///
/// The run then has the learning rates of one with so many `max_steps`.
pub fn end_by_time(
    settings: &TrainingSettings,
    extent: &Extent<'_>,
    position: &Position,
    pace: &Pace,
) -> Option<Timed> {
    let max_seconds = settings.max_seconds?;
    let steps = steps_of_decay_at(settings, position.step)?;
    if steps >= extent.total_steps_of(position) {
        return None;
    }
    let left = pace.seconds_per_step()? * (steps - position.step) as f64;
    (position.seconds + left >= max_seconds).then_some(Timed { max_seconds, steps })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preset::Preset;

    #[test]
    fn the_pace_is_that_of_recent_steps_and_of_what_is_between_them() {
        let mut pace = Pace::default();
        assert_eq!(pace.seconds_per_step(), None);
        pace.step(0.0, 9.0); // sets up
        assert_eq!(pace.seconds_per_step(), Some(9.0));
        pace.step(9.0, 11.0);
        assert_eq!(pace.seconds_per_step(), Some(2.0));
        // An evaluation of three seconds, over three steps one second each.
        pace.step(14.0, 16.0);
        assert_eq!(pace.seconds_per_step(), Some(3.0));
        let mut ended = 16.0;
        for _ in 0..1000 {
            pace.step(ended, ended + 4.0);
            ended += 4.0;
        }
        assert!((pace.seconds_per_step().unwrap() - 4.0).abs() < 0.01, "{pace:?}");
    }

    /// Steps of two seconds, the last half of which decays: of 100 seconds, 25 steps are constant.
    #[test]
    fn the_decay_begins_when_the_rest_of_the_time_is_what_it_takes() {
        let settings = TrainingSettings {
            max_seconds: Some(100.0),
            decay_fraction: 0.5,
            final_learning_rate: Some(0.0),
            epochs: 1000,
            accumulate_batches: 1,
            ..Preset::named("tiny", &[]).unwrap().training
        };
        let mut pace = Pace::default();
        (0..10).for_each(|step| pace.step(2.0 * f64::from(step), 2.0 * f64::from(step + 1)));
        let end_after = |settings: &TrainingSettings, step: usize, batches_per_epoch: usize| {
            let extent = Extent { settings, batches_per_epoch };
            let position = Position { step, seconds: 2.0 * step as f64, ..Position::default() };
            end_by_time(settings, &extent, &position, &pace).map(|timed| timed.steps)
        };
        assert_eq!(end_after(&settings, 24, 1), None);
        assert_eq!(end_after(&settings, 25, 1), Some(50));
        // At a constant rate the last step is the one that the time ends in.
        let constant = TrainingSettings { final_learning_rate: None, ..settings.clone() };
        assert_eq!((end_after(&constant, 48, 1), end_after(&constant, 49, 1)), (None, Some(50)));
        // The epochs end before the time does.
        let short = TrainingSettings { epochs: 40, ..settings.clone() };
        assert_eq!((end_after(&short, 25, 1), end_after(&short, 39, 1)), (None, None));
        // Nothing is fixed again, and a time that is over leaves at least one step.
        let position = Position {
            step: 30,
            seconds: 99.0,
            timed: Some(Timed { max_seconds: 100.0, steps: 50 }),
            ..Position::default()
        };
        let extent = Extent { settings: &settings, batches_per_epoch: 1 };
        assert_eq!(end_by_time(&settings, &extent, &position, &pace), None);
        assert_eq!(extent.total_steps_of(&position), 50);
        let longer = TrainingSettings { max_seconds: Some(200.0), ..settings.clone() };
        assert_eq!(Extent { settings: &longer, batches_per_epoch: 1 }.total_steps_of(&position), 1000);
    }
}
