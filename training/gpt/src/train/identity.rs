//! Identity of a training run: all that its weights depend on, as JSON, and nothing else.
//!
//! Paths, names, samples and checkpoints are no part of it, and neither is how long the run is: a run can be
//! made longer while it is under way. How often a model is evaluated is part of it only where that decides
//! which weights are published.

use artifact::Sha256Hex;
use serde_json::{Value, json};

use crate::preset::{MatrixOptimizer, Precision, Preset, TrainingSettings};

/// The identity of a run of `preset` on a corpus with this digest, from random weights or from those with the
/// digest `init`.
pub fn identity(preset: &Preset, corpus: &Sha256Hex, init: Option<&Sha256Hex>) -> Value {
    // No `..`: whoever adds a setting decides here whether it is part of a run's identity.
    let TrainingSettings {
        seed,
        initialization: _,
        epochs: _,
        max_steps: _,
        max_seconds: _,
        batch_size,
        accumulate_batches,
        tokens_per_step: _, // in the number of batches
        window: _,
        stride: _,
        train_fraction: _, // in the digest of the corpus
        optimizer,
        muon_learning_rate: _,
        beta_1,
        beta_2,
        epsilon,
        learning_rate,
        warmup_steps,
        final_learning_rate,
        decay,
        decay_fraction,
        weight_decay,
        decay_vectors,
        clip_gradient_norm,
        evaluate_every_steps,
        evaluation_batches,
        final_evaluation_windows: _,
        stop_after_evaluations,
        keep_best,
        fused,
        precision,
        checkpoint_every_steps: _,
        sample_every_steps: _,
    } = &preset.training;
    let is_muon = *optimizer == MatrixOptimizer::Muon;
    let evaluations_decide = *keep_best || stop_after_evaluations.is_some();
    let mut identity = json!({
        "model": preset.model,
        "corpus": corpus,
        "init": init,
        "training": {
            "seed": seed,
            "initialization": init.is_none().then(|| preset.initialization()),
            "batch_size": batch_size,
            "accumulate_batches": accumulate_batches,
            "stride": preset.stride(),
            "optimizer": optimizer,
            "muon_learning_rate": is_muon.then(|| preset.training.muon_learning_rate()),
            "beta_1": beta_1,
            "beta_2": beta_2,
            "epsilon": epsilon,
            "learning_rate": learning_rate,
            "warmup_steps": warmup_steps,
            "final_learning_rate": final_learning_rate,
            "decay": final_learning_rate.map(|_| decay),
            "decay_fraction": final_learning_rate.map(|_| decay_fraction),
            "weight_decay": weight_decay,
            "decay_vectors": decay_vectors,
            "clip_gradient_norm": clip_gradient_norm,
            "keep_best": keep_best,
            "stop_after_evaluations": stop_after_evaluations,
            "fused": fused,
            "evaluate_every_steps": evaluations_decide.then_some(evaluate_every_steps),
            "evaluation_batches": evaluations_decide.then_some(evaluation_batches),
        },
    });
    // Runs that began before there was another precision, or what follows, go on.
    if *precision != Precision::Float32 {
        identity["training"]["precision"] = json!(precision);
    }
    if preset.window() != preset.model.context_length {
        identity["training"]["window"] = json!(preset.window());
    }
    if let Some(lora) = &preset.lora {
        identity["lora"] = json!(lora);
    }
    identity
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(settings: &[&str]) -> Value {
        let overrides: Vec<_> = settings.iter().map(|setting| setting.parse().unwrap()).collect();
        identity(&Preset::named("tiny", &overrides).unwrap(), &Sha256Hex::of_bytes(b"text"), None)
    }

    #[test]
    fn only_what_changes_weights_changes_it() {
        for setting in [
            "training.checkpoint_every_steps=7",
            "training.epochs=9",
            "training.max_steps=9",
            "training.max_seconds=9",
            "training.sample_every_steps=9",
            "training.decay=linear",           // of a constant rate
            "training.muon_learning_rate=0.1", // of AdamW
            "training.evaluate_every_steps=3",
            "training.evaluation_batches=9",
            "training.final_evaluation_windows=1",
            "training.stride=64", // the default
            "training.window=64", // the default
            "training.initialization=pytorch",
            "training.precision=float32",
            "sample.max_tokens=3",
        ] {
            assert_eq!(of(&[setting]), of(&[]), "{setting}");
        }
        for setting in [
            "model.n_layers=1",
            "model.dropout=0.2",
            "training.seed=1",
            "training.stride=32",
            "training.batch_size=3",
            "training.learning_rate=1e-3",
            "training.final_learning_rate=1e-3",
            "training.warmup_steps=3",
            "training.initialization=gpt2",
            "training.keep_best=true",
            "training.optimizer=muon",
            "training.beta_1=0.8",
            "training.beta_2=0.95",
            "training.epsilon=1e-6",
            "training.fused=true",
            "training.precision=bf16",
            "training.window=32",
            "lora.rank=4",
        ] {
            assert_ne!(of(&[setting]), of(&[]), "{setting}");
        }
        let (muon, decay) = ("training.optimizer=muon", "training.final_learning_rate=0");
        assert_ne!(of(&[muon, "training.muon_learning_rate=0.1"]), of(&[muon]));
        for setting in ["training.decay=linear", "training.decay_fraction=0.5"] {
            assert_ne!(of(&[decay, setting]), of(&[decay]), "{setting}");
        }
        // The weights to start from have been drawn already.
        let from = |settings: &[&str]| {
            let overrides: Vec<_> = settings.iter().map(|setting| setting.parse().unwrap()).collect();
            let preset = Preset::named("tiny", &overrides).unwrap();
            identity(&preset, &Sha256Hex::of_bytes(b"text"), Some(&Sha256Hex::of_bytes(b"weights")))
        };
        assert_eq!(from(&["training.initialization=gpt2"]), from(&[]));
        assert_ne!(from(&[]), of(&[]));
    }

    #[test]
    fn another_text_is_another_run() {
        let preset = Preset::named("tiny", &[]).unwrap();
        assert_ne!(identity(&preset, &Sha256Hex::of_bytes(b"another text"), None), of(&[]));
    }

    #[test]
    fn evaluations_count_where_they_decide_which_weights_are_published() {
        for decides in ["training.keep_best=true", "training.stop_after_evaluations=2"] {
            for setting in ["training.evaluate_every_steps=3", "training.evaluation_batches=9"] {
                assert_ne!(of(&[decides, setting]), of(&[decides]), "{decides} {setting}");
            }
        }
    }
}
