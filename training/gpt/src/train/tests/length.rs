//! Tests of runs that their steps or their time end, and of what is bound to steps: samples, notes, Muon's state.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::preset::MatrixOptimizer;
use crate::train::gradients::of_batches;

#[test]
fn a_run_by_muon_goes_on_bit_for_bit() {
    let mut preset = preset();
    let model = new_model(&preset, &crate::device::cpu().autodiff());
    preset.training.optimizer = MatrixOptimizer::Muon;
    preset.training.max_steps = Some(6);
    let whole = train_from(&model, &preset);
    assert_eq!(whole.position.step, 6);

    let mut begun = preset.clone();
    begun.training.max_steps = Some(3);
    with_run(&begun, |run| {
        let mut notes = Notes::default();
        assert_eq!(run.train(model.clone(), &mut notes).unwrap().position.step, 3);
        let resumed = Run { resume: true, settings: &preset.training, ..*run };
        let trained = resumed.train(model.clone(), &mut notes).unwrap();
        assert!(notes.0.iter().any(|note| note.contains("had 3 steps and has 6 now")), "{:?}", notes.0);
        assert_eq!(weights(&trained.model), weights(&whole.model));
    });
    preset.training.optimizer = MatrixOptimizer::Adamw;
    assert_ne!(weights(&train_from(&model, &preset).model), weights(&whole.model));
}

#[test]
fn muon_is_for_the_matrices_of_blocks_only() {
    let preset = preset();
    let device = crate::device::cpu().autodiff();
    let model = new_model(&preset, &device);
    let stepped = |kind: MatrixOptimizer| {
        let settings = TrainingSettings { optimizer: kind, ..preset.training.clone() };
        let (gradients, ..) = with_run(&preset, |run| of_batches(&model, &batches(run, &[vec![0, 1]]), 1));
        optimizer(&settings).step(settings.learning_rate, model.clone(), gradients)
    };
    let [adamw, muon] = [MatrixOptimizer::Adamw, MatrixOptimizer::Muon].map(|kind| weights(&stepped(kind)));
    let differ = adamw.iter().zip(&muon).filter(|(adamw, muon)| adamw != muon);
    let shapes: Vec<_> = differ.map(|(adamw, _)| adamw.shape().to_vec()).collect();
    // Query, key, value, output, and both maps of the feed-forward layer.
    let block = [vec![12, 12], vec![12, 12], vec![12, 12], vec![12, 12], vec![12, 48], vec![48, 12]];
    assert_eq!(shapes, [&block[..], &block[..]].concat());
}

/// Asks a run to stop as soon as it knows its end.
struct StopsWhenPlanned<'a>(&'a AtomicBool);

impl Observer for StopsWhenPlanned<'_> {
    fn planned(&mut self, _total_steps: usize) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_run_that_its_time_ends_can_be_repeated_by_its_steps() {
    let mut preset = preset();
    preset.training.epochs = 1000;
    preset.training.evaluate_every_steps = 1000;
    preset.training.final_learning_rate = Some(0.0);
    preset.training.decay_fraction = 0.5;
    preset.training.max_seconds = Some(0.5);
    let model = new_model(&preset, &crate::device::cpu().autodiff());
    let timed = with_run(&preset, |run| {
        let stopped = run.train(model.clone(), &mut StopsWhenPlanned(run.stop)).err().unwrap();
        assert!(matches!(stopped, TrainError::Stopped { .. }), "{stopped}");
        let position = run.checkpoints.left(None).unwrap().unwrap().position;
        let steps = position.timed.unwrap().steps;
        assert!(steps < run.extent().total_steps() && position.planned_steps == steps, "{position:?}");
        // It is known, so nothing is measured any more.
        run.stop.store(false, Ordering::Relaxed);
        let trained = Run { resume: true, ..*run }.train(model.clone(), &mut Notes::default()).unwrap();
        assert_eq!((trained.position.step, trained.evaluation.step), (steps, steps));
        trained
    });
    preset.training.max_seconds = None;
    preset.training.max_steps = Some(timed.position.step);
    let counted = train_from(&model, &preset);
    assert_eq!(weights(&counted.model), weights(&timed.model));
}

#[test]
fn samples_come_after_so_many_steps_and_at_the_end() {
    #[derive(Default)]
    struct Samples(Vec<Moment>);
    impl Observer for Samples {
        fn sample(&mut self, sample: samples::Sample<'_>) {
            self.0.push(sample.moment);
        }
    }
    let mut preset = preset();
    preset.sample.max_tokens = 1;
    preset.training.max_steps = Some(5);
    let tokenizer = Tokenizer::gpt2().unwrap();
    let moments = |preset: &Preset| {
        with_run(preset, |run| {
            let writer = SampleWriter {
                chat_template: None,
                tokenizer: &tokenizer,
                prompt: "The".to_owned(),
                settings: &preset.sample,
                seed: 1,
                device: crate::device::cpu(),
            };
            let mut samples = Samples::default();
            Run { samples: Some(&writer), ..*run }
                .train(new_model(preset, run.device), &mut samples)
                .unwrap();
            samples.0
        })
    };
    // The run ends in its first epoch.
    assert_eq!(moments(&preset), [Moment::Step(5)]);
    preset.training.sample_every_steps = Some(2);
    assert_eq!(moments(&preset), [2, 4, 5].map(Moment::Step));
}

#[test]
fn learning_by_heart_is_said_once_also_of_a_run_that_goes_on() {
    let mut preset = preset();
    preset.training.learning_rate = 1e-2;
    preset.training.evaluation_batches = 100;
    preset.training.epochs = 10;
    let steps_per_epoch = with_run(&preset, |run| run.extent().steps_per_epoch());
    preset.training.evaluate_every_steps = steps_per_epoch;
    let said =
        |notes: &Notes| notes.0.iter().filter(|note| note.contains("tokens are being memorised")).count();
    with_run(&preset, |run| {
        let model = || new_model(&preset, run.device);
        let (mut first, mut second) = (Notes::default(), Notes::default());
        let trained = run.train(model(), &mut first).unwrap();
        assert_eq!(said(&first), 1, "{:?}", trained.position.evaluations);
        let longer = TrainingSettings { epochs: 12, ..preset.training.clone() };
        Run { resume: true, settings: &longer, ..*run }.train(model(), &mut second).unwrap();
        assert_eq!(said(&second), 0, "{:?}", second.0);
    });
}
