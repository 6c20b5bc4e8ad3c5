//! Recipe of a fine-tuning: the settings that suit a pretrained model, from its size and that of the texts.
//!
//! | setting | rule | why |
//! |---|---|---|
//! | `learning_rate` | 5e-5 for GPT-2's 124 million parameters, in proportion to `1/sqrt(parameters)` | what a model knows is lost in long steps; 5e-5 is LLMs-from-scratch's (chapter 7) and the default of Hugging Face's `Trainer` |
//! | the same with LoRA | 8 times as much | peft's and trl's guides: what is learned begins at nothing |
//! | `warmup_steps`, `final_learning_rate` | a tenth of the steps; a tenth of the rate | |
//! | `window` | the context, or an eighth of a text that is shorter | so that there is something to shuffle |
//! | `batch_size` | a twentieth of the text, from 512 to 4,096 tokens; 8 conversations | |
//! | `epochs` | as many as 600 steps take, 3 to 30 | small data needs more passes; `keep_best` and early stopping end them |
//! | evaluations | two in a pass, all of the validation part up to 64 batches | |

use artifact::GptConfig;

use crate::preset::{
    MatrixOptimizer, Override, Precision, Preset, PresetError, SampleSettings, TrainingSettings,
};

/// Parameters of GPT-2, and the learning rate that suits it.
const GPT2_PARAMETERS: f64 = 124e6;
const GPT2_LEARNING_RATE: f64 = 5e-5;
/// Bounds of the learning rate.
const LEARNING_RATES: [f64; 2] = [1e-5, 2e-3];
/// How much faster a change of few parameters is learned.
const LORA_FACTOR: f64 = 8.0;
/// Steps that a run has at least, as far as the number of passes allows.
const STEPS: usize = 600;
/// Passes over the texts.
const EPOCHS: [usize; 2] = [3, 30];
/// Steps of the warm-up: one part of so many of the run.
const WARMUP: usize = 10;
/// Tokens of a batch of windows.
const BATCH_TOKENS: [usize; 2] = [512, 4096];
/// Batches in a pass over a text, as far as their size allows.
const BATCHES: usize = 20;
/// Conversations in a batch.
const CONVERSATIONS: usize = 8;
/// Windows of a short text.
const WINDOWS: usize = 8;
/// That of the longest models.
const LONGEST_CONTEXT: usize = 65_536;
/// The shortest window.
const SHORTEST_WINDOW: usize = 16;
/// Evaluations that improve nothing before the run ends.
const PATIENCE: usize = 6;
/// Most batches of an evaluation.
const EVALUATION_BATCHES: usize = 64;
/// Share of the activations that is dropped, unless something else is asked for.
const DROPOUT: f64 = 0.1;

/// What a recipe depends on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Material {
    /// Tokens to train on.
    pub training_tokens: usize,
    /// Tokens to validate with.
    pub validation_tokens: usize,
    /// Conversations to train on and to validate with, if it is of such.
    pub conversations: Option<[usize; 2]>,
    /// Whether the device multiplies bf16 faster than float32.
    pub prefers_bf16: bool,
}

/// The settings for a model of this shape, and those of `overrides` instead of its own; one of `lora` turns it on.
///
/// # Errors
/// If one of these is not valid.
pub fn recipe(model: &GptConfig, material: &Material, overrides: &[Override]) -> Result<Preset, PresetError> {
    let Material { training_tokens, validation_tokens, conversations, prefers_bf16 } = *material;
    let fitting = (training_tokens / WINDOWS).min(validation_tokens.saturating_sub(1));
    let window = match conversations {
        Some(_) => model.context_length,
        None => fitting.max(SHORTEST_WINDOW).min(model.context_length),
    };
    let [units, validation_units] = conversations
        .unwrap_or([training_tokens, validation_tokens].map(|tokens| tokens.saturating_sub(1) / window));
    let [least, most] = BATCH_TOKENS;
    let batch_size = match conversations {
        Some(_) => CONVERSATIONS,
        None => (training_tokens / BATCHES).clamp(least, most) / window,
    };
    let batch_size = batch_size.clamp(1, units.max(1));
    let steps_per_epoch = (units / batch_size).max(1);
    let epochs = STEPS.div_ceil(steps_per_epoch).clamp(EPOCHS[0], EPOCHS[1]);
    let is_lora = overrides.iter().any(|setting| setting.name().starts_with("lora."));
    let learning_rate = learning_rate(model.num_parameters(), is_lora);
    let training = TrainingSettings {
        epochs,
        batch_size,
        window: (window < model.context_length).then_some(window),
        learning_rate,
        final_learning_rate: Some(learning_rate / 10.0),
        evaluate_every_steps: steps_per_epoch.div_ceil(2),
        evaluation_batches: validation_units.div_ceil(batch_size).clamp(1, EVALUATION_BATCHES),
        fused: !prefers_bf16,
        precision: if prefers_bf16 { Precision::Bf16 } else { Precision::Float32 },
        ..base()
    };
    let preset = Preset {
        model: model.clone(),
        training,
        lora: None,
        sample: SampleSettings { max_tokens: 50, temperature: 0.7, top_k: 50, prompts: Vec::new() },
        tokenizer: Default::default(),
        corpus: None,
    };
    let mut preset = preset.overridden("finetune", overrides)?;
    if !overrides.iter().any(|setting| setting.name() == "training.warmup_steps") {
        let TrainingSettings { epochs, batch_size, max_steps, .. } = preset.training;
        let steps = (units / batch_size).max(1).saturating_mul(epochs).min(max_steps.unwrap_or(usize::MAX));
        preset.training.warmup_steps = steps / WARMUP;
    }
    Ok(preset)
}

/// What of the settings does not depend on the model and the texts, with those of `overrides`: how they are to be read.
///
/// # Errors
/// If one of these is not valid.
pub fn unchosen(overrides: &[Override]) -> Result<Preset, PresetError> {
    // Of a model that no setting is too large for.
    let any = Preset::named("gpt2", &[])?.model;
    let model = GptConfig { context_length: LONGEST_CONTEXT, dropout: DROPOUT, ..any };
    let material =
        Material { training_tokens: 0, validation_tokens: 0, conversations: None, prefers_bf16: false };
    recipe(&model, &material, overrides)
}

/// The highest learning rate, with two digits.
fn learning_rate(parameters: usize, is_lora: bool) -> f64 {
    let factor = if is_lora { LORA_FACTOR } else { 1.0 };
    let rate = GPT2_LEARNING_RATE * (GPT2_PARAMETERS / parameters as f64).sqrt() * factor;
    let rate = rate.clamp(LEARNING_RATES[0], LEARNING_RATES[1]);
    let unit = 10_f64.powf(rate.log10().floor() - 1.0);
    // By way of its text: a rounded product of powers of ten has sixteen digits again.
    format!("{:.1e}", (rate / unit).round() * unit).parse().unwrap_or(rate)
}

/// What is the same for all.
fn base() -> TrainingSettings {
    TrainingSettings {
        seed: 123,
        initialization: None,
        epochs: 1,
        max_steps: None,
        max_seconds: None,
        batch_size: 1,
        accumulate_batches: 1,
        tokens_per_step: None,
        window: None,
        stride: None,
        train_fraction: 0.9,
        optimizer: MatrixOptimizer::Adamw,
        muon_learning_rate: None,
        beta_1: 0.9,
        beta_2: 0.999,
        epsilon: 1e-8,
        learning_rate: GPT2_LEARNING_RATE,
        warmup_steps: 0,
        final_learning_rate: None,
        decay: Default::default(),
        decay_fraction: 1.0,
        weight_decay: 0.01,
        decay_vectors: false,
        clip_gradient_norm: Some(1.0),
        evaluate_every_steps: 1,
        evaluation_batches: 1,
        final_evaluation_windows: None,
        stop_after_evaluations: Some(PATIENCE),
        keep_best: true,
        fused: true,
        precision: Precision::Float32,
        checkpoint_every_steps: Some(200),
        sample_every_steps: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpt2() -> GptConfig {
        Preset::named("gpt2", &[]).unwrap().model
    }

    fn of(model: &GptConfig, material: Material, lora: bool) -> TrainingSettings {
        let lora: Vec<Override> = lora.then(|| "lora.rank=8".parse().unwrap()).into_iter().collect();
        recipe(model, &material, &lora).unwrap().training
    }

    const STORY: Material =
        Material { training_tokens: 4_600, validation_tokens: 520, conversations: None, prefers_bf16: false };

    #[test]
    fn a_smaller_model_learns_faster() {
        assert_eq!(of(&gpt2(), STORY, false).learning_rate, 5e-5);
        assert_eq!(of(&gpt2(), STORY, true).learning_rate, 4e-4);
        // A hundredth of the parameters: ten times the rate.
        assert_eq!(learning_rate(1_240_000, false), 5e-4);
        assert_eq!((learning_rate(1000, true), learning_rate(1 << 40, false)), (2e-3, 1e-5));
    }

    /// A story is shorter than GPT-2's context in its validation part: windows of 519 tokens, of which one is a batch, and
    /// eight a pass.
    #[test]
    fn windows_are_no_longer_than_the_text() {
        let training = of(&gpt2(), STORY, false);
        assert_eq!((training.window, training.batch_size, training.epochs), (Some(519), 1, 30));
        assert_eq!((training.warmup_steps, training.evaluate_every_steps), (24, 4));
        let long = Material { training_tokens: 3_000_000, validation_tokens: 300_000, ..STORY };
        let training = of(&gpt2(), long, false);
        assert_eq!((training.window, training.batch_size, training.epochs), (None, 4, 3));
    }

    #[test]
    fn conversations_are_eight_to_a_batch() {
        let material = Material { conversations: Some([270, 30]), ..STORY };
        let training = of(&gpt2(), material, false);
        assert_eq!((training.window, training.batch_size), (None, 8));
        // 33 batches in a pass, and 19 passes to 600 steps.
        assert_eq!((training.epochs, training.warmup_steps, training.evaluation_batches), (19, 62, 4));
        let few = Material { conversations: Some([5, 1]), ..STORY };
        assert_eq!(of(&gpt2(), few, false).batch_size, 5);
    }

    #[test]
    fn what_is_set_is_not_chosen() {
        let overrides = ["training.epochs=2", "lora.rank=4"].map(|setting| setting.parse().unwrap());
        let preset = recipe(&gpt2(), &STORY, &overrides).unwrap();
        assert_eq!((preset.training.epochs, preset.lora.unwrap().rank), (2, 4));
        // Eight batches in each of two passes, and of three steps none is a tenth.
        assert_eq!(preset.training.warmup_steps, 1);
        let short = ["training.max_steps=3".parse().unwrap()];
        assert_eq!(recipe(&gpt2(), &STORY, &short).unwrap().training.warmup_steps, 0);
        let read =
            ["training.train_fraction=0.5", "training.window=512"].map(|setting| setting.parse().unwrap());
        assert_eq!(unchosen(&read).unwrap().training.train_fraction, 0.5);
        let wrong = ["training.epochs=0".parse().unwrap()];
        assert!(recipe(&gpt2(), &STORY, &wrong).is_err());
    }
}
