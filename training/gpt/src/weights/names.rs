//! Name and layout of each parameter in a file of weights.
//!
//! | here | LLMs-from-scratch | Hugging Face GPT-2 |
//! |---|---|---|
//! | `token_embedding.weight` | `tok_emb.weight` | `transformer.wte.weight` |
//! | `position_embedding.weight` | `pos_emb.weight` | `transformer.wpe.weight` |
//! | `blocks.N.norm1.scale` (and `shift`) | `trf_blocks.N.norm1.scale` | `transformer.h.N.ln_1.weight` (and `bias`) |
//! | `blocks.N.attention.query.weight` (and `key`, `value`) | `trf_blocks.N.att.W_query.weight` | a third of `transformer.h.N.attn.c_attn.weight` |
//! | `blocks.N.attention.output.weight` | `trf_blocks.N.att.out_proj.weight` | `transformer.h.N.attn.c_proj.weight` |
//! | `blocks.N.feed_forward.expand.weight` | `trf_blocks.N.ff.layers.0.weight` | `transformer.h.N.mlp.c_fc.weight` |
//! | `blocks.N.feed_forward.contract.weight` | `trf_blocks.N.ff.layers.2.weight` | `transformer.h.N.mlp.c_proj.weight` |
//! | `final_norm.scale` | `final_norm.scale` | `transformer.ln_f.weight` |
//! | `output_head.weight` | `out_head.weight` | `lm_head.weight` |
//!
//! The weight of a linear map is `[d_in, d_out]` here and `[d_out, d_in]` in PyTorch, so also in
//! Hugging Face's output head; its other linear maps are `Conv1D`, which is laid out as here. nanoGPT has the names
//! of Hugging Face and the layout of PyTorch, and may have no biases.

use artifact::config::Activation;

/// Naming convention of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Convention {
    /// LLMs-from-scratch, and this project's files.
    LlmsFromScratch,
    /// `GPT2LMHeadModel`, or the `GPT2Model` in it.
    HuggingFace,
    /// nanoGPT: the names of `GPT2LMHeadModel` with plain linear maps.
    NanoGpt,
}

/// The names of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) convention: Convention,
    /// Prefix of all names, such as `model_state_dict.` where a training script has saved its
    /// optimizer too.
    prefix: String,
    /// Whether LayerNorms and linear maps lack the biases that the model here has; zeros compute the same.
    without_biases: bool,
}

/// Place of a parameter in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Name of the tensor.
    pub(super) name: String,
    /// Whether the tensor is the transpose of the parameter.
    pub(super) transposed: bool,
    /// The third that the parameter is, of the last axis of the tensor in this model's layout, if not all of it.
    pub(super) third: Option<usize>,
}

/// The module of [`Convention::HuggingFace`] that holds everything but the output head.
const TRANSFORMER: &str = "transformer.";

impl Names {
    /// The names of this project's files.
    pub(super) fn ours() -> Self {
        Self { convention: Convention::LlmsFromScratch, prefix: String::new(), without_biases: false }
    }

    /// The names of Hugging Face's files.
    pub(super) fn hugging_face() -> Self {
        Self { convention: Convention::HuggingFace, prefix: TRANSFORMER.to_owned(), without_biases: false }
    }

    /// The same names in a file of nanoGPT.
    pub(super) fn of_nano_gpt(self, without_biases: bool) -> Self {
        Self { convention: Convention::NanoGpt, without_biases, ..self }
    }

    /// Whether zeros stand for a parameter that the file does not have.
    pub(super) fn is_left_out(&self, field: &str) -> bool {
        self.without_biases && matches!(field, "bias" | "shift")
    }

    /// Activation of models with these names.
    pub(super) fn default_activation(&self) -> Activation {
        match self.convention {
            Convention::LlmsFromScratch | Convention::HuggingFace => Activation::GeluTanh,
            Convention::NanoGpt => Activation::Gelu,
        }
    }

    /// Recognises a file by the name of its token embedding, the one nearest to the root if several
    /// models lie in it.
    pub(super) fn detect<'a>(names: impl Iterator<Item = &'a str>) -> Option<Self> {
        let recognise = |name: &str| {
            let (convention, prefix) = match name.strip_suffix("tok_emb.weight") {
                Some(prefix) => (Convention::LlmsFromScratch, prefix),
                None => (Convention::HuggingFace, name.strip_suffix("wte.weight")?),
            };
            let whole_words = prefix.is_empty() || prefix.ends_with('.');
            whole_words.then(|| Self { convention, prefix: prefix.to_owned(), without_biases: false })
        };
        let depth = |names: &Self| names.prefix.matches('.').count();
        names.filter_map(recognise).min_by(|a, b| (depth(a), &a.prefix).cmp(&(depth(b), &b.prefix)))
    }

    /// Place of the parameter at `path`.
    pub(super) fn place(&self, path: &str, is_linear_weight: bool) -> Place {
        let prefix = &self.prefix;
        match self.convention {
            Convention::LlmsFromScratch => Place {
                name: format!("{prefix}{}", pytorch_name(path)),
                transposed: is_linear_weight,
                third: None,
            },
            Convention::HuggingFace | Convention::NanoGpt => {
                let is_head = path.starts_with("output_head.");
                let prefix =
                    if is_head { prefix.strip_suffix(TRANSFORMER).unwrap_or(prefix) } else { prefix };
                Place {
                    name: format!("{prefix}{}", hugging_face_name(path)),
                    transposed: is_linear_weight && (is_head || self.convention == Convention::NanoGpt),
                    third: path.split('.').find_map(|part| match part {
                        "query" => Some(0),
                        "key" => Some(1),
                        "value" => Some(2),
                        _ => None,
                    }),
                }
            }
        }
    }

    /// The number of the transformer block that a tensor belongs to.
    pub(super) fn block(&self, name: &str) -> Option<usize> {
        let blocks = match self.convention {
            Convention::LlmsFromScratch => "trf_blocks.",
            Convention::HuggingFace | Convention::NanoGpt => "h.",
        };
        let rest = name.strip_prefix(&self.prefix)?.strip_prefix(blocks)?;
        rest.split('.').next()?.parse().ok()
    }

    /// Whether a tensor would be a weight of the model, if the model had a place for it: it is not
    /// one of the causal masks that PyTorch saves as buffers, nor beside the model.
    pub(super) fn is_weight(&self, name: &str) -> bool {
        let is_mask = match self.convention {
            Convention::LlmsFromScratch => name.ends_with(".att.mask"),
            Convention::HuggingFace | Convention::NanoGpt => {
                name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias")
            }
        };
        name.starts_with(&self.prefix) && !is_mask
    }
}

/// The name that LLMs-from-scratch gives to a parameter.
pub fn pytorch_name(path: &str) -> String {
    rename(path, |part| match part {
        "token_embedding" => "tok_emb",
        "position_embedding" => "pos_emb",
        "blocks" => "trf_blocks",
        "attention" => "att",
        "query" => "W_query",
        "key" => "W_key",
        "value" => "W_value",
        "output" => "out_proj",
        "feed_forward" => "ff",
        "expand" => "layers.0",
        "contract" => "layers.2",
        "output_head" => "out_head",
        other => other,
    })
}

/// The name that Hugging Face's `GPT2Model` gives to a parameter, or to the tensor that it is part of.
fn hugging_face_name(path: &str) -> String {
    rename(path, |part| match part {
        "token_embedding" => "wte",
        "position_embedding" => "wpe",
        "blocks" => "h",
        "norm1" => "ln_1",
        "norm2" => "ln_2",
        "final_norm" => "ln_f",
        "scale" => "weight",
        "shift" => "bias",
        "attention" => "attn",
        "query" | "key" | "value" => "c_attn",
        "output" | "contract" => "c_proj",
        "feed_forward" => "mlp",
        "expand" => "c_fc",
        "output_head" => "lm_head",
        other => other,
    })
}

fn rename(path: &str, word: impl Fn(&str) -> &str) -> String {
    path.split('.').map(word).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(names: &[&str]) -> Option<Names> {
        Names::detect(names.iter().copied())
    }

    #[test]
    fn a_file_is_recognised_by_its_token_embedding() {
        assert_eq!(detect(&["pos_emb.weight", "tok_emb.weight"]), Some(Names::ours()));
        assert_eq!(detect(&["lm_head.weight", "transformer.wte.weight"]), Some(Names::hugging_face()));
        assert_eq!(detect(&["encoder.weight", "xtok_emb.weight"]), None);
        let nested = detect(&["model_state_dict.tok_emb.weight", "ema.shadow.model.tok_emb.weight"]).unwrap();
        assert_eq!(nested.prefix, "model_state_dict.");
        assert_eq!(nested.place("final_norm.scale", false).name, "model_state_dict.final_norm.scale");
    }

    #[test]
    fn every_parameter_has_its_place() {
        let place = |name: &str, transposed, third| Place { name: name.to_owned(), transposed, third };
        let ours = Names::ours();
        assert_eq!(
            ours.place("blocks.1.attention.key.weight", true),
            place("trf_blocks.1.att.W_key.weight", true, None)
        );
        let hf = Names::hugging_face();
        for (path, linear, expected) in [
            (
                "blocks.1.attention.key.weight",
                true,
                place("transformer.h.1.attn.c_attn.weight", false, Some(1)),
            ),
            (
                "blocks.1.attention.value.bias",
                false,
                place("transformer.h.1.attn.c_attn.bias", false, Some(2)),
            ),
            ("blocks.0.attention.output.bias", false, place("transformer.h.0.attn.c_proj.bias", false, None)),
            (
                "blocks.0.feed_forward.contract.weight",
                true,
                place("transformer.h.0.mlp.c_proj.weight", false, None),
            ),
            ("blocks.0.norm2.shift", false, place("transformer.h.0.ln_2.bias", false, None)),
            ("final_norm.scale", false, place("transformer.ln_f.weight", false, None)),
            ("output_head.weight", true, place("lm_head.weight", true, None)),
        ] {
            assert_eq!(hf.place(path, linear), expected);
        }
        let nano = hf.of_nano_gpt(true);
        assert_eq!(
            nano.place("blocks.1.attention.key.weight", true),
            place("transformer.h.1.attn.c_attn.weight", true, Some(1))
        );
        assert_eq!(nano.place("output_head.weight", true), place("lm_head.weight", true, None));
        assert!(nano.is_left_out("shift") && !nano.is_left_out("scale"));
        let compiled =
            detect(&["model._orig_mod.lm_head.weight", "model._orig_mod.transformer.wte.weight"]).unwrap();
        assert_eq!(compiled.place("output_head.weight", true).name, "model._orig_mod.lm_head.weight");
    }

    #[test]
    fn blocks_are_counted_and_masks_are_no_weights() {
        let (ours, hf) = (Names::ours(), Names::hugging_face());
        assert_eq!(ours.block("trf_blocks.11.norm1.scale"), Some(11));
        assert_eq!(hf.block("transformer.h.2.ln_1.weight"), Some(2));
        assert_eq!(ours.block("pos_emb.weight"), None);
        assert!(!ours.is_weight("trf_blocks.0.att.mask"));
        assert!(!hf.is_weight("transformer.h.0.attn.bias"));
        assert!(hf.is_weight("transformer.h.0.attn.c_attn.bias"));
    }
}
