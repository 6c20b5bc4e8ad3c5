//! Tests of runs in bf16, and of steps whose gradients are no finite numbers.

use super::*;
use crate::device::Arithmetic;
use crate::preset::Precision;

/// A model that computes as the settings say.
fn model(preset: &Preset) -> Gpt {
    let model = new_model(preset, &crate::device::cpu().autodiff());
    model.with_arithmetic(preset.training.arithmetic())
}

#[test]
fn a_run_in_bf16_goes_on_bit_for_bit() {
    let mut preset = preset();
    preset.training.precision = Precision::Bf16;
    preset.training.accumulate_batches = 2;
    preset.training.max_steps = Some(6);
    let model = model(&preset);
    let whole = train_from(&model, &preset);
    assert_eq!((whole.position.step, whole.position.skipped_steps), (6, 0));
    assert_eq!(weights(&train_from(&model, &preset).model), weights(&whole.model));

    let mut begun = preset.clone();
    begun.training.max_steps = Some(3);
    with_run(&begun, |run| {
        assert_eq!(run.train(model.clone(), &mut Notes::default()).unwrap().position.step, 3);
        let resumed = Run { resume: true, settings: &preset.training, ..*run };
        let trained = resumed.train(model.clone(), &mut Notes::default()).unwrap();
        assert_eq!(weights(&trained.model), weights(&whole.model));
        assert_eq!(trained.position.evaluations.len(), whole.position.evaluations.len());
    });
}

/// Twice over the text, where the loss falls from 10.8 to 7; weights and losses stay float32.
#[test]
fn bf16_learns_as_float32_does() {
    let float32 = preset();
    let mut bf16 = float32.clone();
    bf16.training.precision = Precision::Bf16;
    let drawn = model(&float32);
    let [expected, found] = [&float32, &bf16].map(|preset| {
        let model = drawn.clone().with_arithmetic(preset.training.arithmetic());
        train_from(&model, preset)
    });
    let losses = |trained: &Trained| {
        let evaluations = trained.position.evaluations.clone();
        evaluations.into_iter().map(|evaluation| evaluation.train_loss).collect::<Vec<_>>()
    };
    let (expected, found) = (losses(&expected), losses(&found));
    assert!(expected[0] - expected.last().unwrap() > 1.0, "{expected:?}");
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() < 0.05, "{found} != {expected}");
    }
    assert_ne!(found, expected);
}

/// Keys are 1e30 and queries 0: scores and loss are small numbers. The gradient of the queries is 1e30, and that of their
/// weight, which is multiplied with inputs of 1e30, is beyond all numbers.
#[test]
fn a_step_without_finite_gradients_changes_nothing_and_is_counted() {
    for precision in [Precision::Float32, Precision::Bf16] {
        let mut preset = preset();
        preset.training.precision = precision;
        preset.training.max_steps = Some(3);
        let mut model = model(&preset);
        let block = &mut model.blocks[0];
        let scaled = |param: Param<Tensor<2>>, factor: f64| {
            param.map(|weight| (weight * factor).detach().require_grad())
        };
        block.norm1.scale = block.norm1.scale.clone().map(|scale| (scale * 1e30).detach().require_grad());
        block.attention.query.weight = scaled(block.attention.query.weight.clone(), 0.0);
        block.attention.value.weight = scaled(block.attention.value.weight.clone(), 1e-30);

        let mut notes = Notes::default();
        let trained = with_run(&preset, |run| run.train(model.clone(), &mut notes).unwrap());
        assert_eq!((trained.position.step, trained.position.skipped_steps), (3, 3), "{precision:?}");
        let before = weights(&model.clone().with_arithmetic(Arithmetic::Primitives));
        assert_eq!(weights(&trained.model), before);
        assert!(notes.0.iter().any(|note| note.contains("step 2 changes nothing")), "{:?}", notes.0);
        let step = with_run(&preset, |run| {
            let state = State {
                position: Position::default(),
                model: model.clone(),
                optimizer: optimizer(&preset.training),
                best: None,
            };
            run.step(state, &run.batches().of_step(0)).unwrap().1
        });
        assert_eq!(serde_json::to_value(step).unwrap()["skipped_steps"], 1);

        preset.training.max_steps = None;
        let ended = with_run(&preset, |run| run.train(model.clone(), &mut notes).err().unwrap());
        assert!(matches!(ended, TrainError::NoGradients { step: 20, .. }), "{ended}");
    }
}
