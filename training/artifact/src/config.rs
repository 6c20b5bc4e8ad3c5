//! Model configuration of a GPT, with the names of its fields in three well-known code bases.
//!
//! "LLMs-from-scratch" is the code of Raschka's book, whose chapter 4 builds this model.
//!
//! | here | LLMs-from-scratch | nanoGPT | Hugging Face GPT-2 |
//! |---|---|---|---|
//! | `vocab_size` | `vocab_size` | `vocab_size` | `vocab_size` |
//! | `context_length` | `context_length` | `block_size` | `n_positions` |
//! | `d_model` | `emb_dim` | `n_embd` | `n_embd` (`hidden_size`) |
//! | `n_layers` | `n_layers` | `n_layer` | `n_layer` |
//! | `n_heads` | `n_heads` | `n_head` | `n_head` |
//! | `d_ff` | `4 * emb_dim` | `4 * n_embd` | `n_inner` |
//! | `dropout` | `drop_rate` | `dropout` | `attn_pdrop`, `embd_pdrop`, `resid_pdrop` |
//! | `qkv_bias` | `qkv_bias` | `bias` | always |
//! | `tied_output_head` | never | always | `tie_word_embeddings` |
//! | `activation` | `gelu_tanh` | `gelu` | `activation_function`: `gelu_new`, `gelu` |

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Variance offset inside LayerNorm, as in GPT-2.
pub const LAYER_NORM_EPSILON: f64 = 1e-5;

/// Upper bounds that keep a hostile or mistyped configuration from exhausting memory.
const MAX_VOCAB_SIZE: usize = 1 << 20;
const MAX_CONTEXT_LENGTH: usize = 1 << 16;
const MAX_D_MODEL: usize = 1 << 14;
const MAX_LAYERS: usize = 256;

/// Dimensions of a GPT-2 style decoder.
///
/// Radford et al., "Language Models are Unsupervised Multitask Learners" (2019).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GptConfig {
    /// Number of distinct token ids.
    pub vocab_size: usize,
    /// The maximum number of positions that attention can see.
    pub context_length: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Number of transformer blocks.
    pub n_layers: usize,
    /// Attention heads in each block; divides `d_model`.
    pub n_heads: usize,
    /// Width of the feed-forward layer.
    pub d_ff: usize,
    /// Probability with which training drops an activation.
    pub dropout: f64,
    /// Whether the query, key and value projections have a bias.
    #[serde(default)]
    pub qkv_bias: bool,
    /// Whether the output head shares the token embedding's weights.
    #[serde(default)]
    pub tied_output_head: bool,
    /// Activation of the feed-forward layers; GPT-2's is not written.
    #[serde(default, skip_serializing_if = "Activation::is_default")]
    pub activation: Activation,
}

/// Activation of the feed-forward layers: GELU, in one of the two forms that models of this family have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// GELU approximated by tanh, as in GPT-2.
    #[default]
    GeluTanh,
    /// GELU by the error function, PyTorch's `nn.GELU()`, as in nanoGPT.
    Gelu,
}

impl Activation {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Activation {
    /// The name in a configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GeluTanh => "gelu_tanh",
            Self::Gelu => "gelu",
        })
    }
}

/// The name of an activation that models here do not have.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("`{0}` is no activation, expected gelu_tanh or gelu")]
pub struct UnknownActivation(String);

impl FromStr for Activation {
    type Err = UnknownActivation;

    fn from_str(text: &str) -> Result<Self, UnknownActivation> {
        let known = [Self::GeluTanh, Self::Gelu].into_iter().find(|known| known.to_string() == text);
        known.ok_or_else(|| UnknownActivation(text.to_owned()))
    }
}

/// An invalid configuration.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("model configuration: `{field}` is {found}, expected {expected}")]
pub struct ConfigError {
    /// The field at fault.
    pub field: &'static str,
    /// Its value.
    pub found: String,
    /// The accepted values.
    pub expected: String,
}

impl GptConfig {
    /// Width of one attention head.
    pub fn d_head(&self) -> usize {
        self.d_model / self.n_heads
    }

    /// Number of trainable parameters, by formula.
    pub fn num_parameters(&self) -> usize {
        let d = self.d_model;
        let embeddings = (self.vocab_size + self.context_length) * d;
        let qkv = 3 * (d * d + if self.qkv_bias { d } else { 0 });
        let attention = qkv + d * d + d;
        let feed_forward = d * self.d_ff + self.d_ff + self.d_ff * d + d;
        let layer_norms = 2 * 2 * d;
        let output_head = if self.tied_output_head { 0 } else { self.vocab_size * d };
        embeddings + self.n_layers * (attention + feed_forward + layer_norms) + 2 * d + output_head
    }

    /// Checks that the configuration describes a model of sane size.
    ///
    /// # Errors
    /// Names the first field that is out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let in_range = |field, value: usize, max: usize| {
            if (1..=max).contains(&value) {
                return Ok(());
            }
            Err(ConfigError {
                field,
                found: value.to_string(),
                expected: format!("a number from 1 to {max}"),
            })
        };
        in_range("vocab_size", self.vocab_size, MAX_VOCAB_SIZE)?;
        in_range("context_length", self.context_length, MAX_CONTEXT_LENGTH)?;
        in_range("d_model", self.d_model, MAX_D_MODEL)?;
        in_range("n_layers", self.n_layers, MAX_LAYERS)?;
        in_range("n_heads", self.n_heads, self.d_model)?;
        in_range("d_ff", self.d_ff, 8 * MAX_D_MODEL)?;
        if !self.d_model.is_multiple_of(self.n_heads) {
            return Err(ConfigError {
                field: "n_heads",
                found: self.n_heads.to_string(),
                expected: format!("a divisor of d_model = {}", self.d_model),
            });
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(ConfigError {
                field: "dropout",
                found: self.dropout.to_string(),
                expected: "a probability from 0 up to but not including 1".to_owned(),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn the_verdict() -> GptConfig {
        GptConfig {
            vocab_size: 50_257,
            context_length: 256,
            d_model: 768,
            n_layers: 12,
            n_heads: 12,
            d_ff: 3072,
            dropout: 0.1,
            qkv_bias: false,
            tied_output_head: false,
            activation: Activation::default(),
        }
    }

    #[test]
    fn an_activation_is_written_only_where_it_is_not_gpt_2s() {
        let json = serde_json::to_string(&the_verdict()).unwrap();
        assert!(!json.contains("activation"), "{json}");
        assert_eq!(serde_json::from_str::<GptConfig>(&json).unwrap(), the_verdict());
        let exact = GptConfig { activation: Activation::Gelu, ..the_verdict() };
        let json = serde_json::to_string(&exact).unwrap();
        assert!(json.contains(r#""activation":"gelu""#), "{json}");
        assert_eq!(serde_json::from_str::<GptConfig>(&json).unwrap(), exact);
        assert_eq!("gelu".parse(), Ok(Activation::Gelu));
        let error = "relu".parse::<Activation>().unwrap_err().to_string();
        assert!(error.contains("expected gelu_tanh or gelu"), "{error}");
    }

    #[test]
    fn counts_the_parameters_of_the_verdict_model() {
        assert_eq!(the_verdict().num_parameters(), 162_419_712);
        // A tied head saves vocab_size * d_model, a QKV bias costs 3 * d_model in each layer.
        let tied = GptConfig { tied_output_head: true, ..the_verdict() };
        assert_eq!(tied.num_parameters(), 162_419_712 - 50_257 * 768);
        let biased = GptConfig { qkv_bias: true, ..the_verdict() };
        assert_eq!(biased.num_parameters(), 162_419_712 + 12 * 3 * 768);
    }

    #[test]
    fn rejects_what_describes_no_model_by_field() {
        assert_eq!(the_verdict().validate(), Ok(()));
        for (field, config) in [
            ("vocab_size", GptConfig { vocab_size: 0, ..the_verdict() }),
            ("context_length", GptConfig { context_length: usize::MAX, ..the_verdict() }),
            ("n_layers", GptConfig { n_layers: 0, ..the_verdict() }),
            ("n_heads", GptConfig { n_heads: 7, ..the_verdict() }),
            ("dropout", GptConfig { dropout: 1.0, ..the_verdict() }),
            ("dropout", GptConfig { dropout: f64::NAN, ..the_verdict() }),
        ] {
            assert_eq!(config.validate().unwrap_err().field, field);
        }
    }

    #[test]
    fn refuses_unknown_fields() {
        let mut json = serde_json::to_value(the_verdict()).unwrap();
        json["n_embd"] = 768.into();
        let error = serde_json::from_value::<GptConfig>(json).unwrap_err();
        assert!(error.to_string().contains("unknown field `n_embd`"), "{error}");
    }
}
