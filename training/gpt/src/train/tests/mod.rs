//! Tests of the training loop: each setting, and a run that goes on; in [`length`] those of how long it is, in
//! [`precision`] those of what it computes in, and in [`lora`] those of what is learned in place of the weights.

mod length;
mod lora;
mod precision;

use std::sync::atomic::AtomicBool;

use artifact::Tokenizer;
use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};

use super::evaluation::mean_loss;
use super::*;
use crate::corpus::{Batch, Dataset, Loader, Source, dataset};
use crate::model::Gpt;
use crate::model::parameters::{self, ParameterPath, ParameterVisitor};
use crate::preset::{Preset, TrainingSettings};

/// Takes note of what is noted.
#[derive(Default)]
struct Notes(Vec<String>);

impl Observer for Notes {
    fn note(&mut self, text: &str) {
        self.0.push(text.to_owned());
    }
}

/// A preset whose runs do not draw: without dropout, tests may run beside each other.
fn preset() -> Preset {
    let mut preset = Preset::named("tiny", &[]).unwrap();
    preset.model.dropout = 0.0;
    preset.model.context_length = 16;
    preset.training.evaluate_every_steps = 1;
    preset
}

fn datasets(preset: &Preset) -> (Dataset, Dataset) {
    let text = include_str!("../../../../corpus/the-north-light.txt").get(..3000).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("beginning.txt");
    std::fs::write(&path, text).unwrap();
    let TrainingSettings { train_fraction, batch_size, .. } = preset.training;
    let loader =
        Loader { train_fraction, cache: folder.path(), fetch_s3: &|_, _| Ok(Vec::new()), notify: &|_| () };
    let corpus = loader
        .load(&[Source::Local(path.to_str().unwrap().to_owned())], &Tokenizer::gpt2().unwrap())
        .unwrap();
    dataset::split(&corpus, preset.model.context_length, preset.stride(), batch_size).unwrap()
}

/// Does something with a run on the beginning of the story.
fn with_run<R>(preset: &Preset, act: impl FnOnce(&Run) -> R) -> R {
    let (train_set, validation_set) = datasets(preset);
    let folder = tempfile::tempdir().unwrap();
    act(&Run {
        train_set: &train_set,
        validation_set: &validation_set,
        settings: &preset.training,
        device: &crate::device::cpu().autodiff(),
        samples: None,
        workers: None,
        records: None,
        checkpoints: &Checkpoints::new(folder.path(), serde_json::Value::Null),
        mirror: None,
        resume: false,
        stop: &AtomicBool::new(false),
    })
}

/// Batches of these windows.
fn batches(run: &Run, windows: &[Vec<usize>]) -> Vec<Batch> {
    windows.iter().map(|windows| run.train_set.batch(windows, run.device)).collect()
}

fn train(preset: &Preset, notes: &mut Notes) -> Trained {
    with_run(preset, |run| run.train(Gpt::new(&preset.model, run.device), notes).unwrap())
}

/// Windows at a third of the split from each other, and not the first three.
#[test]
fn an_evaluation_is_of_windows_from_the_whole_split() {
    let preset = preset();
    let (split, _) = datasets(&preset);
    let device = crate::device::cpu();
    let model = Gpt::new(&preset.model, &device).valid();
    let mean_of = |windows: [usize; 3]| {
        let batches = windows.map(|window| split.batch(&[window], &device));
        batches.map(|batch| f64::from(batch.loss(&model).into_scalar::<f32>())).iter().sum::<f64>() / 3.0
    };
    let count = split.windows();
    let found = mean_loss(&model, &split, 1, 3, &device).loss;
    let expected = mean_of([0, count / 3, 2 * count / 3]);
    assert!((found - expected).abs() < 1e-6, "{found}, expected {expected}");
    assert!((found - mean_of([0, 1, 2])).abs() > 1e-5);
}

/// All weights of a model, in its order.
fn weights(model: &Gpt) -> Vec<TensorData> {
    struct Weights(Vec<TensorData>);
    impl ParameterVisitor for Weights {
        fn visit<const D: usize>(&mut self, _path: &ParameterPath, param: &Param<Tensor<D>>) {
            self.0.push(param.val().into_data());
        }
    }
    parameters::visit(model, Weights(Vec::new())).0
}

/// A whole run from these weights: tests beside this one draw random numbers too, so they are drawn once.
fn train_from(model: &Gpt, preset: &Preset) -> Trained {
    with_run(preset, |run| run.train(model.clone(), &mut Notes::default()).unwrap())
}

#[test]
fn a_run_without_progress_stops_early() {
    let mut preset = preset();
    preset.training.learning_rate = 1e-30;
    preset.training.stop_after_evaluations = Some(3);
    let mut notes = Notes::default();
    let trained = train(&preset, &mut notes);
    // The first evaluation after a step is the best; three more are no better.
    assert_eq!(trained.position.step, 4);
    assert!(notes.0.iter().any(|note| note.contains("stopping early after step 4")), "{:?}", notes.0);
}

#[test]
fn the_best_weights_are_kept() {
    let mut preset = preset();
    preset.training.learning_rate = 0.3; // soon too large
    preset.training.keep_best = true;
    let trained = train(&preset, &mut Notes::default());
    let evaluations = &trained.position.evaluations;
    let lowest = evaluations[1..].iter().map(|evaluation| evaluation.val_loss).fold(f64::INFINITY, f64::min);
    assert_eq!(trained.evaluation.val_loss, lowest);
    assert!(evaluations.last().unwrap().val_loss > lowest, "the run must get worse for this to be a test");

    let (_, validation_set) = datasets(&preset);
    let batch_size = preset.training.batch_size;
    let device = crate::device::cpu();
    let score =
        mean_loss(&trained.model, &validation_set, batch_size, preset.training.evaluation_batches, &device);
    assert_eq!((score.loss, score.bits_per_byte()), (lowest, trained.evaluation.bits_per_byte));
}

/// The second step is 1e30 long: the third loss is no number.
#[test]
fn a_run_that_diverges_ends_with_its_best_weights_and_stays_so() {
    let mut preset = preset();
    preset.training.warmup_steps = 1;
    preset.training.learning_rate = 2e-3;
    preset.training.final_learning_rate = Some(1e30);
    let mut notes = Notes::default();
    let refusal =
        with_run(&preset, |run| run.train(new_model(&preset, run.device), &mut notes).err().unwrap());
    assert!(matches!(refusal, TrainError::Diverged { .. }), "{refusal}");

    preset.training.keep_best = true;
    with_run(&preset, |run| {
        let model = || new_model(&preset, run.device);
        let trained = run.train(model(), &mut notes).unwrap();
        assert!(trained.evaluation.val_loss.is_finite() && trained.position.diverged);
        assert!(trained.evaluation.step >= 1 && trained.evaluation.step < trained.position.step);
        assert!(notes.0.iter().any(|note| note.contains("training has diverged")), "{:?}", notes.0);
        // The checkpoint that it leaves is the end of it.
        assert!(trained.checkpoint.is_dir());
        let resumed = Run { resume: true, ..*run };
        let again = resumed.train(model(), &mut notes).unwrap();
        assert_eq!(again.position, trained.position);
        let weights = |model: &Gpt| model.final_norm.scale.val().into_data();
        assert_eq!(weights(&again.model), weights(&trained.model));
    });
}

#[test]
fn a_finished_run_leaves_a_checkpoint_that_is_its_end() {
    let mut preset = preset();
    preset.training.epochs = 1;
    with_run(&preset, |run| {
        let model = || new_model(&preset, run.device);
        let trained = run.train(model(), &mut Notes::default()).unwrap();
        let left = run.checkpoints.left(None).unwrap().unwrap();
        assert_eq!(left.position, trained.position);
        assert!(run.extent().is_over(&left.position));
        let again = Run { resume: true, ..*run }.train(model(), &mut Notes::default()).unwrap();
        assert_eq!((&again.evaluation, &again.checkpoint), (&trained.evaluation, &trained.checkpoint));

        // A signal that comes with the last step ends it with that checkpoint.
        run.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let stopped = Run { resume: true, ..*run }.train(model(), &mut Notes::default()).err().unwrap();
        assert!(matches!(stopped, TrainError::Stopped { .. }), "{stopped}");
    });
}

#[test]
fn weights_that_are_no_numbers_are_not_trained() {
    let preset = preset();
    with_run(&preset, |run| {
        let mut model = new_model(&preset, run.device);
        model.final_norm.scale = model.final_norm.scale.map(|scale| scale * f32::NAN);
        let refusal = run.train(model, &mut Notes::default()).err().unwrap();
        assert!(matches!(refusal, TrainError::NoLoss), "{refusal}");
    });
}

#[test]
fn two_batches_of_one_give_the_gradients_of_a_batch_of_two() {
    let preset = preset();
    let model = Gpt::new(&preset.model, &crate::device::cpu().autodiff());
    let gradients = |windows: &[Vec<usize>]| {
        with_run(&preset, |run| {
            let batches = batches(run, windows);
            gradients::of_batches(&model, &batches, gradients::n_targets(&batches))
        })
    };
    let (together, loss_together, tokens_together) = gradients(&[vec![0, 3]]);
    let (apart, loss_apart, tokens_apart) = gradients(&[vec![0], vec![3]]);
    assert_eq!(tokens_together, tokens_apart);
    assert!((loss_together - loss_apart).abs() < 1e-5, "{loss_together} != {loss_apart}");
    let weight = model.blocks[0].feed_forward.expand.weight.id;
    let (together, apart) = (together.get::<2>(weight).unwrap(), apart.get::<2>(weight).unwrap());
    let largest: f32 = together.clone().abs().max().into_scalar();
    let difference: f32 = (together - apart).abs().max().into_scalar();
    assert!(difference < 1e-5 * largest, "{difference} of {largest}");
}

#[test]
fn vectors_decay_only_if_they_are_told_to() {
    let device = crate::device::cpu().autodiff();
    let ids = Tensor::<2, burn::tensor::Int>::from_ints([[1, 2, 3]], &device);
    let after_step = |decay_vectors: bool| {
        let preset = preset();
        let settings = TrainingSettings { decay_vectors, weight_decay: 1.0, ..preset.training };
        let model = Gpt::new(&preset.model, &device);
        // A loss that no weight changes: what moves, decays.
        let loss = model.forward(ids.clone()).sum() * 0.0;
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        let before: f32 = model.output_head.as_ref().unwrap().weight.val().abs().sum().into_scalar();
        let model = optimizer(&settings).step(0.1, model, gradients);
        let after: f32 = model.output_head.as_ref().unwrap().weight.val().abs().sum().into_scalar();
        let scale: f32 = model.final_norm.scale.val().mean().into_scalar();
        (after / before, scale)
    };
    for (decay_vectors, expected_scale) in [(true, 0.9), (false, 1.0)] {
        let (matrix, scale) = after_step(decay_vectors);
        assert!((matrix - 0.9).abs() < 1e-5 && (scale - expected_scale).abs() < 1e-6, "{matrix} {scale}");
    }
}
