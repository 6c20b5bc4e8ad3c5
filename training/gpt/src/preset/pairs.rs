//! Settings that depend on each other or on the text: what cannot work is an error, what works and is rarely meant
//! is a note.

use artifact::GptConfig;
use artifact::tokenizer::Pattern;
use serde_json::Value;

use super::error::PairError;
use super::overrides::Override;
use super::settings::{
    Decay, Initialization, MatrixOptimizer, Precision, Preset, TokenizerSettings, TrainingSettings,
};
use crate::tokenizer::TokenizerSource;

/// What a run will be on a text, as far as settings depend on it.
#[derive(Clone, Copy, Debug)]
pub struct RunFacts {
    /// Full batches in an epoch.
    pub batches_per_epoch: usize,
    /// Optimizer steps in all.
    pub steps: usize,
    /// Evaluations after a step.
    pub evaluations: usize,
    /// Whether it starts from the weights of a model, which decide its shape.
    pub from_weights: bool,
}

impl Preset {
    /// Notes on settings that fit each other badly.
    ///
    /// # Errors
    /// If two settings cannot go together.
    pub fn check_pairs(&self, run: &RunFacts) -> Result<Vec<String>, PairError> {
        let warmup_steps = self.training.warmup_steps;
        if warmup_steps > 0 && warmup_steps >= run.steps {
            return Err(PairError::Warmup { warmup_steps, steps: run.steps });
        }
        if let Some(max_seconds) = self.training.max_seconds
            && self.training.decaying_share() == 1.0
        {
            return Err(PairError::Time { max_seconds });
        }
        if self.training.precision == Precision::Bf16 && self.training.fused {
            return Err(PairError::FusedInBf16);
        }
        let notes = [
            self.stride_note(),
            self.pattern_note(),
            (!run.from_weights).then(|| self.shape_note()).flatten(),
            (!run.from_weights).then(|| self.initialization_note()).flatten(),
            self.accumulation_note(run),
            self.evaluation_note(run),
            self.decay_note(),
            self.muon_note(),
        ];
        Ok(notes.into_iter().flatten().collect())
    }

    /// Sets `training.accumulate_batches` to the number of batches that have `training.tokens_per_step`, where that is
    /// given.
    ///
    /// # Errors
    /// If no number of batches has so many tokens, or another one is set.
    pub fn resolve_batches(&mut self) -> Result<(), PairError> {
        let context_length = self.window();
        let TrainingSettings { tokens_per_step, batch_size, accumulate_batches, .. } = self.training;
        let Some(tokens) = tokens_per_step else { return Ok(()) };
        let of_batch = batch_size * context_length;
        let batches = tokens / of_batch;
        if !tokens.is_multiple_of(of_batch) || (accumulate_batches > 1 && accumulate_batches != batches) {
            return Err(PairError::TokensPerStep {
                tokens,
                batch_size,
                context_length,
                of_batch,
                accumulate_batches,
            });
        }
        self.training.accumulate_batches = batches;
        Ok(())
    }

    fn decay_note(&self) -> Option<String> {
        let TrainingSettings { decay, decay_fraction, final_learning_rate, .. } = self.training;
        let is_set = decay != Decay::default() || decay_fraction < 1.0;
        (is_set && final_learning_rate.is_none()).then(|| {
            "note: `training.decay` and `training.decay_fraction` have no effect without \
             `training.final_learning_rate`: the learning rate is constant"
                .to_owned()
        })
    }

    fn muon_note(&self) -> Option<String> {
        let TrainingSettings { optimizer, muon_learning_rate, .. } = self.training;
        (optimizer == MatrixOptimizer::Adamw && muon_learning_rate.is_some()).then(|| {
            "note: `training.muon_learning_rate` has no effect without `training.optimizer` \"muon\""
                .to_owned()
        })
    }

    fn stride_note(&self) -> Option<String> {
        let (stride, context) = (self.stride(), self.window());
        let pair = format!("`training.stride` is {stride} and a window {context} tokens");
        let effect = match stride {
            _ if stride < context => {
                let times = number(context as f64 / stride as f64);
                format!("each token is trained on {times} times in an epoch")
            }
            _ if stride > context => {
                let share = number(100.0 * context as f64 / stride as f64);
                format!("only {share} % of the text is trained on")
            }
            _ => return None,
        };
        Some(format!("note: {pair}: {effect}; without `training.stride` it is once"))
    }

    fn pattern_note(&self) -> Option<String> {
        let TokenizerSettings { source, pattern } = &self.tokenizer;
        let is_trained = matches!(source, TokenizerSource::Train(_));
        (!is_trained && *pattern != Pattern::default()).then(|| {
            format!(
                "note: `tokenizer.pattern` is {pattern} and `tokenizer.source` {source}: the pattern is for a tokenizer \
                 that is trained"
            )
        })
    }

    fn shape_note(&self) -> Option<String> {
        let (d_ff, d_model) = (self.model.d_ff, self.model.d_model);
        let times = number(d_ff as f64 / d_model as f64);
        (d_ff != 4 * d_model).then(|| {
            format!(
                "note: `model.d_ff` is {d_ff}, {times} times `model.d_model`; GPT-2 has 4 times, {}",
                4 * d_model
            )
        })
    }

    fn initialization_note(&self) -> Option<String> {
        let is_mismatch = self.model.tied_output_head && self.initialization() == Initialization::Pytorch;
        is_mismatch.then(|| {
            "note: `training.initialization` is pytorch and `model.tied_output_head` true: standard normal \
             embeddings as an output head begin at a loss of hundreds; without `training.initialization` it is gpt2"
                .to_owned()
        })
    }

    fn accumulation_note(&self, run: &RunFacts) -> Option<String> {
        let (batches, wanted) = (run.batches_per_epoch, self.training.accumulate_batches);
        (batches < wanted).then(|| {
            format!(
                "note: `training.accumulate_batches` is {wanted}, and an epoch has {batches} batches: a step averages \
                 those {batches}"
            )
        })
    }

    fn evaluation_note(&self, run: &RunFacts) -> Option<String> {
        let (evaluations, every) = (run.evaluations, self.training.evaluate_every_steps);
        let pair = format!("`training.evaluate_every_steps` is {every}, and the run has {} steps", run.steps);
        if self.training.keep_best && evaluations < 2 {
            return Some(format!("note: {pair}: `training.keep_best` has no choice but the last weights"));
        }
        let patience = self.training.stop_after_evaluations?;
        (evaluations <= patience).then(|| {
            format!(
                "note: {pair}: `training.stop_after_evaluations` {patience} can end it nowhere before its end"
            )
        })
    }
}

impl Preset {
    /// A note on the shape of a model that training starts from, where it is another one.
    pub fn model_note(&self, weights: &GptConfig) -> Option<String> {
        let (Ok(Value::Object(ours)), Ok(theirs)) =
            (serde_json::to_value(&self.model), serde_json::to_value(weights))
        else {
            return None;
        };
        let differs = ours.iter().filter(|(field, value)| theirs.get(field) != Some(value));
        let differences: Vec<String> =
            differs.map(|(field, value)| format!("{field} {} instead of {value}", theirs[field])).collect();
        let list = differences.join(", ");
        (!differences.is_empty())
            .then(|| format!("note: the weights decide the model, not the preset: {list}"))
    }
}

/// Checks that nothing was set that the weights to start from decide.
///
/// # Errors
/// The first such setting.
pub fn check_decided_by_weights(overrides: &[Override]) -> Result<(), PairError> {
    let mut names = overrides.iter().map(Override::name);
    // Dropout is no property of weights.
    let decided = names.find(|name| {
        name == "training.initialization"
            || name.starts_with("tokenizer.")
            || (name.starts_with("model.") && name != "model.dropout")
    });
    decided.map_or(Ok(()), |field| Err(PairError::DecidedByWeights { field }))
}

/// A number with one decimal where it has any.
fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: RunFacts = RunFacts { batches_per_epoch: 40, steps: 80, evaluations: 4, from_weights: false };

    fn check(settings: &[&str], run: &RunFacts) -> Result<Vec<String>, String> {
        let overrides: Vec<_> = settings.iter().map(|setting| setting.parse().unwrap()).collect();
        let preset = Preset::named("tiny", &overrides).unwrap();
        preset.check_pairs(run).map_err(|error| error.to_string())
    }

    fn note(settings: &[&str]) -> String {
        check(settings, &RUN).unwrap().join("\n")
    }

    #[test]
    fn built_in_presets_fit_and_a_smaller_context_needs_nothing_else() {
        for name in ["the-verdict", "books", "tiny"] {
            let preset = Preset::named(name, &["model.context_length=16".parse().unwrap()]).unwrap();
            assert_eq!(preset.stride(), 16, "{name}");
            assert!(preset.check_pairs(&RUN).unwrap().is_empty(), "{name}");
        }
    }

    #[test]
    fn another_stride_is_said_aloud() {
        let said = note(&["training.stride=16"]);
        assert!(said.contains("each token is trained on 4 times"), "{said}");
        let said = note(&["training.stride=48"]);
        assert!(said.contains("is trained on 1.3 times"), "{said}");
        let said = note(&["training.stride=256"]);
        assert!(said.contains("only 25 % of the text is trained on"), "{said}");
    }

    #[test]
    fn a_tied_head_is_initialized_as_gpt_2_unless_it_is_told_not_to() {
        let tied = "model.tied_output_head=true";
        let preset = Preset::named("tiny", &[tied.parse().unwrap()]).unwrap();
        assert_eq!(preset.initialization(), Initialization::Gpt2);
        assert!(note(&[tied]).is_empty());
        assert!(note(&[tied, "training.initialization=pytorch"]).contains("begin at a loss of hundreds"));
        let preset = Preset::named("tiny", &[]).unwrap();
        assert_eq!(preset.initialization(), Initialization::Pytorch);
        let from_weights = RunFacts { from_weights: true, ..RUN };
        assert!(check(&[tied, "training.initialization=pytorch"], &from_weights).unwrap().is_empty());
    }

    #[test]
    fn what_weights_decide_is_not_set_beside_them() {
        let check =
            |setting: &str| check_decided_by_weights(&[setting.parse().unwrap()]).map_err(|e| e.to_string());
        for setting in ["model.n_layers=3", "tokenizer.source=bytes", "training.initialization=gpt2"] {
            let refusal = check(setting).unwrap_err();
            assert!(
                refusal.contains(setting.split_once('=').unwrap().0)
                    && refusal.contains("the weights decide"),
                "{refusal}"
            );
        }
        for setting in ["model.dropout=0.2", "training.stride=3", "sample.top_k=3"] {
            check(setting).unwrap();
        }
        let preset = Preset::named("tiny", &[]).unwrap();
        assert_eq!(preset.model_note(&preset.model), None);
        let longer = GptConfig { context_length: 1024, ..preset.model.clone() };
        assert!(preset.model_note(&longer).unwrap().ends_with("context_length 1024 instead of 64"));
    }

    #[test]
    fn a_warmup_that_never_ends_is_refused() {
        let refusal = check(&["training.warmup_steps=80"], &RUN).unwrap_err();
        assert!(refusal.contains("`training.warmup_steps` is 80, and the run has 80 steps"), "{refusal}");
        assert!(note(&["training.warmup_steps=79"]).is_empty());
    }

    #[test]
    fn a_time_needs_a_decay_that_begins_when_the_steps_are_known() {
        let refusal = |settings: &[&str]| {
            check(settings, &RUN).err().filter(|error| error.contains("decay_fraction below 1"))
        };
        let time = "training.max_seconds=60";
        let last = "training.final_learning_rate=0";
        assert!(refusal(&[time, last]).is_some());
        assert_eq!(refusal(&[time, last, "training.decay_fraction=0.4"]), None);
        assert_eq!(refusal(&[time]), None, "a constant rate can end at any step");
    }

    /// The preset has batches of two windows of 64 tokens.
    #[test]
    fn batches_follow_the_tokens_of_a_step() {
        let resolved = |settings: &[&str]| {
            let overrides: Vec<_> = settings.iter().map(|setting| setting.parse().unwrap()).collect();
            let mut preset = Preset::named("tiny", &overrides).unwrap();
            preset.resolve_batches().map(|()| preset.training.accumulate_batches).map_err(|e| e.to_string())
        };
        assert_eq!(resolved(&[]), Ok(1));
        assert_eq!(resolved(&["training.tokens_per_step=512"]), Ok(4));
        assert_eq!(resolved(&["training.tokens_per_step=512", "training.batch_size=8"]), Ok(1));
        assert_eq!(resolved(&["training.tokens_per_step=512", "training.accumulate_batches=4"]), Ok(4));
        for settings in [
            &["training.tokens_per_step=500"][..],
            &["training.tokens_per_step=64"],
            &["training.tokens_per_step=512", "training.accumulate_batches=3"],
        ] {
            let refusal = resolved(settings).unwrap_err();
            assert!(refusal.contains("windows of `model.context_length` 64 have 128"), "{refusal}");
        }
    }

    #[test]
    fn fused_operations_are_float32() {
        let refusal = check(&["training.fused=true", "training.precision=bf16"], &RUN).unwrap_err();
        assert!(refusal.contains("set training.fused=false"), "{refusal}");
        let resolved = |settings: &[&str], prefers_bf16: bool| {
            let overrides: Vec<_> = settings.iter().map(|setting| setting.parse().unwrap()).collect();
            let mut training = Preset::named("tiny", &overrides).unwrap().training;
            training.resolve_precision(|| prefers_bf16);
            training.precision
        };
        let auto = "training.precision=auto";
        assert_eq!(resolved(&[auto], true), Precision::Bf16);
        assert_eq!(resolved(&[auto], false), Precision::Float32);
        assert_eq!(resolved(&[auto, "training.fused=true"], true), Precision::Float32);
        assert_eq!(resolved(&["training.precision=bf16"], false), Precision::Bf16);
        assert_eq!(resolved(&[], true), Precision::Float32);
    }

    #[test]
    fn what_has_no_effect_is_said_aloud() {
        for setting in ["training.decay=linear", "training.decay_fraction=0.4"] {
            assert!(
                note(&[setting]).contains("no effect without `training.final_learning_rate`"),
                "{setting}"
            );
            assert!(note(&[setting, "training.final_learning_rate=0"]).is_empty(), "{setting}");
        }
        let rate = "training.muon_learning_rate=0.01";
        assert!(note(&[rate]).contains("no effect without `training.optimizer`"));
        assert!(note(&[rate, "training.optimizer=muon"]).is_empty());
    }

    #[test]
    fn other_pairs_that_are_rarely_meant_are_named() {
        let said = note(&["tokenizer.source=bytes", "tokenizer.pattern=cl100k"]);
        assert!(said.contains("`tokenizer.pattern` is cl100k and `tokenizer.source` bytes"), "{said}");
        assert!(note(&["tokenizer.source=train:300", "tokenizer.pattern=cl100k"]).is_empty());
        assert!(note(&["training.accumulate_batches=50"]).contains("a step averages those 40"));
        assert!(note(&["model.d_model=24"]).contains("2 times `model.d_model`; GPT-2 has 4 times, 96"));
        assert!(note(&["training.stop_after_evaluations=4"]).contains("can end it nowhere"));
        assert!(note(&["training.stop_after_evaluations=3"]).is_empty());
        let once = RunFacts { evaluations: 1, ..RUN };
        assert!(check(&["training.keep_best=true"], &once).unwrap()[0].contains("no choice but the last"));
    }
}
