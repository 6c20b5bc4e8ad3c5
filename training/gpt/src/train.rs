//! The training loop.
//!
//! AdamW: Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019),
//! <https://arxiv.org/abs/1711.05101>.

use std::time::Instant;

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::Device;
use serde::Serialize;

use crate::dataset::Dataset;
use crate::evaluate::mean_loss;
use crate::model::{Gpt, cross_entropy};
use crate::preset::TrainingSettings;

/// Where training stands, at an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Optimizer steps done.
    pub step: usize,
    /// Tokens that these steps have trained on.
    pub tokens_seen: usize,
    /// Loss on training data, nats per token.
    pub train_loss: f64,
    /// Loss on validation data, nats per token.
    pub val_loss: f64,
    /// Since the beginning of training.
    pub seconds: f64,
}

/// One optimizer step.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Optimizer steps done, this one included.
    pub step: usize,
    /// Loss of this step's batch, before the step.
    pub loss: f64,
    /// Tokens in this step's batch.
    pub tokens: usize,
}

/// What is told to whoever watches the training.
pub trait Observer {
    /// After each step.
    fn step(&mut self, step: Step);
    /// After each evaluation.
    ///
    /// # Errors
    /// If it cannot be recorded, which ends the training.
    fn evaluation(&mut self, evaluation: &Evaluation) -> std::io::Result<()>;
    /// After each epoch, with the model in evaluation mode.
    ///
    /// # Errors
    /// If it cannot be recorded, which ends the training.
    fn epoch(&mut self, epoch: usize, model: &Gpt) -> std::io::Result<()>;
}

/// Why training ended early.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The loss is no longer a number.
    #[error(
        "the loss of step {step} is {loss}: training has diverged; lower `learning_rate` ({learning_rate})"
    )]
    Diverged {
        /// The step.
        step: usize,
        /// Its loss.
        loss: f64,
        /// The setting that is most often at fault.
        learning_rate: f64,
    },
    /// The observer could not record what happened.
    #[error("recording the progress of training: {0}")]
    Record(#[from] std::io::Error),
}

/// Makes a model with random weights that the seed decides.
pub fn new_model(config: &artifact::GptConfig, settings: &TrainingSettings, device: &Device) -> Gpt {
    device.seed(settings.seed);
    Gpt::new(config, device)
}

/// The optimizer of a run, with PyTorch's defaults where the settings are silent.
pub fn adamw(settings: &TrainingSettings) -> ModuleOptimizer {
    AdamWConfig::new()
        .with_beta_1(0.9)
        .with_beta_2(0.999)
        .with_epsilon(1e-8)
        .with_weight_decay(settings.weight_decay as f32)
        .init()
}

/// Trains `model`, which lies on an autodiff `device`, and returns it with its last evaluation.
///
/// The same model, data, settings and number of threads give the same weights, bit for bit.
///
/// # Errors
/// If the loss stops being a number or the observer fails.
pub fn train(
    mut model: Gpt,
    train_set: &Dataset,
    validation_set: &Dataset,
    settings: &TrainingSettings,
    device: &Device,
    observer: &mut impl Observer,
) -> Result<(Gpt, Evaluation), TrainError> {
    let start = Instant::now();
    let mut optimizer = adamw(settings);
    let evaluation_device = device.clone().without_autodiff();
    let (mut step, mut tokens_seen) = (0, 0);

    let evaluate = |model: &Gpt, epoch: usize, step: usize, tokens_seen: usize| {
        let model = model.valid();
        let loss = |dataset: &Dataset| {
            mean_loss(&model, dataset, settings.batch_size, settings.evaluation_batches, &evaluation_device)
        };
        Evaluation {
            epoch,
            step,
            tokens_seen,
            train_loss: loss(train_set),
            val_loss: loss(validation_set),
            seconds: start.elapsed().as_secs_f64(),
        }
    };

    let mut latest = evaluate(&model, 1, step, tokens_seen);
    observer.evaluation(&latest)?;
    for epoch in 1..=settings.epochs {
        for windows in train_set.shuffled(settings.batch_size, settings.seed, epoch) {
            // Dropout depends on the seed and the step alone, not on what was drawn in between.
            device.seed(settings.seed.wrapping_add(step as u64));
            let batch = train_set.batch(&windows, device);
            let tokens = batch.inputs.shape().num_elements();

            // 1. How wrong is the model?
            let loss = cross_entropy(model.forward(batch.inputs), batch.targets);
            // 2. How does the loss change with each weight?
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            // 3. A step downhill.
            model = optimizer.step(settings.learning_rate, model, gradients);

            step += 1;
            tokens_seen += tokens;
            let loss = f64::from(loss.into_scalar::<f32>());
            if !loss.is_finite() {
                return Err(TrainError::Diverged { step, loss, learning_rate: settings.learning_rate });
            }
            observer.step(Step { step, loss, tokens });
            if step % settings.evaluate_every_steps == 0 {
                latest = evaluate(&model, epoch, step, tokens_seen);
                observer.evaluation(&latest)?;
            }
        }
        observer.epoch(epoch, &model.valid())?;
    }
    if latest.step != step {
        latest = evaluate(&model, settings.epochs, step, tokens_seen);
        observer.evaluation(&latest)?;
    }
    Ok((model, latest))
}
