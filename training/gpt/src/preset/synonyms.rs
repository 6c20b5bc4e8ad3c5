//! Synonyms of settings: the names that LLMs-from-scratch, PyTorch, nanoGPT and Hugging Face have for them.

use std::fmt;

use toml::{Table, Value};

use super::overrides::Override;

/// The section, the field here, and its names elsewhere; the tables in [`settings`](super::settings) and
/// [`artifact::config`] say whose they are.
const SYNONYMS: [(&str, &str, &[&str]); 31] = [
    ("model", "context_length", &["block_size", "n_positions", "n_ctx", "max_position_embeddings"]),
    ("model", "d_model", &["emb_dim", "n_embd", "hidden_size"]),
    ("model", "n_layers", &["n_layer", "num_hidden_layers"]),
    ("model", "n_heads", &["n_head", "num_attention_heads"]),
    ("model", "d_ff", &["n_inner", "intermediate_size"]),
    ("model", "dropout", &["drop_rate", "attn_pdrop", "embd_pdrop", "resid_pdrop"]),
    ("model", "qkv_bias", &["bias"]),
    ("model", "tied_output_head", &["tie_word_embeddings"]),
    ("training", "epochs", &["num_epochs", "num_train_epochs"]),
    ("training", "max_steps", &["max_iters"]),
    ("training", "batch_size", &["per_device_train_batch_size", "train_batch_size"]),
    ("training", "accumulate_batches", &["gradient_accumulation_steps"]),
    ("training", "train_fraction", &["train_ratio"]),
    ("training", "learning_rate", &["lr", "peak_lr"]),
    ("training", "optimizer", &["optim"]),
    ("training", "beta_1", &["beta1", "adam_beta1", "betas"]),
    ("training", "beta_2", &["beta2", "adam_beta2"]),
    ("training", "epsilon", &["eps", "adam_epsilon"]),
    ("training", "warmup_steps", &["warmup_iters"]),
    ("training", "final_learning_rate", &["min_lr", "eta_min"]),
    ("training", "decay", &["lr_scheduler_type"]),
    ("training", "decay_fraction", &["lr_decay_iters"]),
    ("training", "clip_gradient_norm", &["grad_clip", "max_grad_norm", "max_norm"]),
    ("training", "evaluate_every_steps", &["eval_freq", "eval_interval", "eval_steps"]),
    ("training", "evaluation_batches", &["eval_iter", "eval_iters"]),
    ("training", "stop_after_evaluations", &["early_stopping_patience"]),
    ("training", "keep_best", &["load_best_model_at_end"]),
    ("training", "tokens_per_step", &["tokens_per_iter", "total_batch_size"]),
    ("training", "precision", &["dtype", "bf16", "fp16"]),
    ("training", "checkpoint_every_steps", &["save_steps"]),
    ("sample", "max_tokens", &["max_new_tokens"]),
];

/// The other name counts optimizer steps, where a preset has a share of them.
const IN_STEPS: &str = "lr_decay_iters";
/// The other name is of two numbers, where a preset has a field for each.
const PAIR: &str = "betas";

/// A setting under another library's name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Synonym {
    section: &'static str,
    found: &'static str,
    field: &'static str,
}

impl fmt::Display for Synonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { section, found, field } = self;
        write!(f, "unknown field `{found}`; it is called `{section}.{field}` here")?;
        if *found == IN_STEPS {
            f.write_str(", and is a share of the run's steps, its last ones")?;
        }
        if *found == PAIR {
            f.write_str(", and the second one `training.beta_2`")?;
        }
        Ok(())
    }
}

/// The first setting of a preset, or of what overrides it, that has another library's name.
pub(super) fn find_synonym(toml: &str, overrides: &[Override]) -> Option<Synonym> {
    let mut preset: Table = toml::from_str(toml).ok()?;
    overrides.iter().for_each(|setting| setting.apply(&mut preset));
    let has = |found: &str| {
        let mut sections = preset.values().filter_map(Value::as_table);
        preset.contains_key(found) || sections.any(|section| section.contains_key(found))
    };
    SYNONYMS.iter().find_map(|&(section, field, names)| {
        let found = names.iter().find(|found| has(found))?;
        Some(Synonym { section, found, field })
    })
}

#[cfg(test)]
mod tests {
    use super::super::settings::Preset;
    use super::*;

    fn refusal(setting: &str) -> String {
        Preset::named("tiny", &[setting.parse().unwrap()]).unwrap_err().to_string()
    }

    #[test]
    fn a_setting_under_another_name_is_refused_with_the_name_here() {
        assert_eq!(
            refusal("training.lr=1e-3"),
            "preset tiny: unknown field `lr`; it is called `training.learning_rate` here"
        );
        assert!(refusal("training.max_iters=600").contains("called `training.max_steps` here"));
        assert!(
            refusal("training.lr_decay_iters=600").contains("`training.decay_fraction` here, and is a share")
        );
        assert!(refusal("training.betas=[0.9, 0.95]").contains("`training.beta_1` here, and the second one"));
        // Also in another section, and where it is a section's name.
        assert!(refusal("training.n_embd=768").contains("called `model.d_model`"));
        let toml = "block_size = 64\n[model]\n";
        assert_eq!(find_synonym(toml, &[]).unwrap().field, "context_length");
    }

    #[test]
    fn every_field_is_a_setting_and_no_synonym_is() {
        let preset = Preset::named("tiny", &[]).unwrap();
        let settings: Vec<String> = [
            serde_json::to_value(&preset.model).unwrap(),
            serde_json::to_value(&preset.training).unwrap(),
            serde_json::to_value(&preset.sample).unwrap(),
        ]
        .iter()
        .flat_map(|section| section.as_object().unwrap().keys().cloned().collect::<Vec<_>>())
        .collect();
        let is_setting = |name: &str| settings.iter().any(|setting| setting == name);
        for (_, field, names) in SYNONYMS {
            assert!(is_setting(field), "{field}");
            assert!(names.iter().all(|name| !is_setting(name)), "{names:?}");
        }
    }
}
