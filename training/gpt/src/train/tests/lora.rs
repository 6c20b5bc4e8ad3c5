//! Tests of runs that learn a low-rank change in place of the weights.

use super::*;
use crate::model::LoraSettings;

#[test]
fn a_run_with_lora_goes_on_bit_for_bit_and_keeps_the_change_alone() {
    let mut preset = preset();
    let base = new_model(&preset, &crate::device::cpu().autodiff());
    let model = base.clone().with_lora(&LoraSettings { rank: 2, ..LoraSettings::default() });
    preset.training.learning_rate = 1e-2;
    preset.training.keep_best = true;
    preset.training.max_steps = Some(6);
    let whole = train_from(&model, &preset);

    let mut begun = preset.clone();
    begun.training.max_steps = Some(3);
    with_run(&begun, |run| {
        let begun = run.train(model.clone(), &mut Notes::default()).unwrap();
        let bytes: u64 = std::fs::read_dir(&begun.checkpoint)
            .unwrap()
            .map(|file| file.unwrap().metadata().unwrap().len())
            .sum();
        // Changes, their two moments and the best of them: a model's are 4 bytes for each of 1.2 million parameters.
        assert!(bytes < 200_000, "{bytes}");
        let resumed = Run { resume: true, settings: &preset.training, ..*run };
        let trained = resumed.train(model.clone(), &mut Notes::default()).unwrap();
        assert_eq!(weights(&trained.model), weights(&whole.model));
    });
    // What is published has the change in its weights, and nothing else is changed.
    assert!(whole.model.adapters().is_none() && whole.adapters.is_some());
    let embedding = |model: &Gpt| model.token_embedding.weight.val().into_data();
    let expand = |model: &Gpt| model.blocks[0].feed_forward.expand.weight.val().into_data();
    assert_eq!(embedding(&whole.model), embedding(&base));
    assert_ne!(expand(&whole.model), expand(&base));
}
