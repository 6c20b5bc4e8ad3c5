//! Rules of an automatic training: what follows from the size of a model, of the text and of the budget.
//!
//! Their numbers come from the experiments in `tests/benches/quality/sweep.md`.

use super::shape::Shape;

/// Passes over the text after which another one teaches nothing: a budget that is enough for more is not used up.
pub const MOST_PASSES: f64 = 60.0;
/// Tokens that a parameter needs, each pass counted, for a larger model to be worth it where the tokens are given
/// instead of the time. Plans for a time come to about as many.
pub const TOKENS_PER_PARAMETER: f64 = 2.0;
/// Evaluations in a run.
pub const EVALUATIONS: usize = 16;
/// Share of its time that they take.
pub const EVALUATING: f64 = 0.03;
/// Sample texts in a run.
pub const SAMPLES: usize = 5;
/// Checkpoints in a run.
pub const CHECKPOINTS: usize = 10;
/// Share of the time that may be spent on judging the finished model; a longer text is judged by windows all over it.
pub const JUDGING: f64 = 0.05;

/// The context of a model for a text that fills no longer one.
const SHORTEST_CONTEXT: usize = 16;

/// What a plan decides of a preset.
const CHOSEN: [&str; 19] = [
    "model.vocab_size",
    "model.context_length",
    "model.d_model",
    "model.n_layers",
    "model.n_heads",
    "model.d_ff",
    "model.dropout",
    "model.tied_output_head",
    "training.epochs",
    "training.max_steps",
    "training.max_seconds",
    "training.batch_size",
    "training.tokens_per_step",
    "training.warmup_steps",
    "training.evaluate_every_steps",
    "training.evaluation_batches",
    "training.final_evaluation_windows",
    "training.sample_every_steps",
    "training.checkpoint_every_steps",
];

/// Seconds of a token that is only predicted, beside one that is trained on: the backward pass is twice the forward one.
const FORWARD: f64 = 1.0 / 3.0;
/// The model and its three exports, one window after the other, beside the model alone in whole batches.
const MODELS: f64 = 8.0;
/// Seconds of export and publication: what they take at least, and for each parameter.
const RELEASE_SECONDS: f64 = 1.5;
const RELEASE_SECONDS_PER_PARAMETER: f64 = 5e-7;

/// Whether a plan decides a setting, as `section.field`.
pub fn is_chosen(setting: &str) -> bool {
    CHOSEN.contains(&setting)
}

/// Tokens that the model sees at once: longer texts help wide models, which can keep more of them apart.
pub fn context_length(shape: Shape) -> usize {
    if shape.d_model < 192 { 128 } else { 256 }
}

/// The same in a text whose smaller part has so many tokens, one of which is the last target.
pub fn context_length_in(shape: Shape, tokens: usize) -> usize {
    let mut length = context_length(shape);
    while length > SHORTEST_CONTEXT && length >= tokens {
        length /= 2;
    }
    length
}

/// Tokens of a step: a larger model has longer steps, and fewer of them.
pub fn tokens_per_step(shape: Shape) -> usize {
    match shape.d_model {
        0..256 => 1024,
        256..512 => 2048,
        _ => 8192,
    }
}

/// Dropout, against learning by heart.
pub fn dropout(passes: f64) -> f64 {
    match passes {
        ..3.0 => 0.0,
        ..8.0 => 0.05,
        ..20.0 => 0.1,
        _ => 0.2,
    }
}

/// Tokens of each split in one of the evaluations, of a run that trains on so many.
pub fn evaluation_tokens(trained: f64) -> f64 {
    trained * EVALUATING / (EVALUATIONS as f64 * 2.0 * FORWARD)
}

/// Seconds from the last step to the publication, of a model that trains on so many tokens in a second.
pub fn release_seconds(parameters: usize, judged_tokens: usize, tokens_per_second: f64) -> f64 {
    RELEASE_SECONDS
        + RELEASE_SECONDS_PER_PARAMETER * parameters as f64
        + MODELS * FORWARD * judged_tokens as f64 / tokens_per_second
}

/// Tokens of the validation text that the finished model is judged on in so many seconds.
pub fn judged_tokens(seconds: f64, tokens_per_second: f64) -> usize {
    (seconds * tokens_per_second / (MODELS * FORWARD)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evaluations_take_their_share_of_the_time() {
        let tokens = evaluation_tokens(1e6);
        // Two splits, at a third of the time of training.
        assert!((EVALUATIONS as f64 * 2.0 * tokens / 3.0 / 1e6 - EVALUATING).abs() < 1e-9);
    }

    #[test]
    fn a_short_text_has_a_shorter_context() {
        let of = |tokens| context_length_in(Shape::SMALLEST, tokens);
        assert_eq!([1000, 129, 128, 64, 20, 3].map(of), [128, 128, 64, 32, 16, 16]);
    }

    #[test]
    fn judging_fits_into_its_time() {
        let tokens = judged_tokens(3.0, 1e4);
        let seconds = release_seconds(0, tokens, 1e4) - release_seconds(0, 0, 1e4);
        assert!((seconds - 3.0).abs() < 1e-3, "{seconds}");
    }

    #[test]
    fn more_passes_need_more_dropout() {
        let dropouts = [1.0, 5.0, 10.0, 50.0].map(dropout);
        assert!(dropouts.is_sorted_by(|a, b| a < b), "{dropouts:?}");
    }
}
