//! Variants of a model: the precisions of its weights in which it can be served.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Precision of the weights in an ONNX graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32-bit floating point.
    Float32,
    /// int8 weights: 8-bit integers, each block of weights with a scale.
    W8,
    /// int4 weights: 4-bit integers, each block of weights with a scale.
    W4,
    /// A precision of a newer writer; readers ignore it.
    #[serde(other)]
    Other,
}

impl fmt::Display for Precision {
    /// The name in a manifest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Float32 => "float32",
            Self::W8 => "w8",
            Self::W4 => "w4",
            Self::Other => "other",
        })
    }
}

/// The name of a precision that this build does not know.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("`{0}` is no precision, expected w4, w8 or float32")]
pub struct UnknownPrecision(String);

impl FromStr for Precision {
    type Err = UnknownPrecision;

    fn from_str(text: &str) -> Result<Self, UnknownPrecision> {
        let known = [Self::Float32, Self::W8, Self::W4].into_iter().find(|known| known.to_string() == text);
        known.ok_or_else(|| UnknownPrecision(text.to_owned()))
    }
}

/// A precision in which the model can be served.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// Precision of its weights.
    pub precision: Precision,
    /// Its ONNX file, one of [`Manifest::files`](crate::Manifest::files).
    pub file: String,
    /// Length of that file in bytes, with its external data if it has some.
    pub bytes: u64,
    /// Loss on the validation text, nats per token; none if there was no text.
    pub val_loss: Option<f64>,
    /// `exp(val_loss)`.
    pub perplexity: Option<f64>,
    /// The loss in bits per byte of the text; versions of earlier builds have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits_per_byte: Option<f64>,
    /// Mean Kullback-Leibler divergence of its next-token distribution from the trained model's.
    pub kl_divergence: f64,
    /// Share of positions at which its most likely token is that of the trained model.
    pub top_1_agreement: f64,
    /// Largest absolute difference of a logit from the trained model's.
    pub largest_logit_difference: f64,
}
