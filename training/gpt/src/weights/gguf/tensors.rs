//! Tensors of a GGUF file, under llama.cpp's names.
//!
//! | here | llama.cpp |
//! |---|---|
//! | `token_embedding.weight`, `position_embedding.weight` | `token_embd.weight`, `position_embd.weight` |
//! | `blocks.N.norm1.scale` (and `shift`), `norm2` | `blk.N.attn_norm.weight` (and `bias`), `ffn_norm` |
//! | `blocks.N.attention.query`, `key`, `value` | `blk.N.attn_qkv`, one after the other |
//! | `blocks.N.attention.output` | `blk.N.attn_output` |
//! | `blocks.N.feed_forward.expand`, `contract` | `blk.N.ffn_up`, `ffn_down` |
//! | `final_norm.scale` | `output_norm.weight` |
//! | `output_head.weight` | `output.weight`; the token embedding if there is none |

use burn::module::Param;
use burn::tensor::{DType, Tensor, TensorData};

use crate::model::Gpt;
use crate::model::parameters::{self, ParameterPath, ParameterVisitor};
use crate::weights::error::SaveError;

/// Precision of the matrices in a file; vectors and positions are always float32, as llama.cpp wants them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Precision {
    /// 32-bit floating point: the model's own numbers.
    #[default]
    Float32,
    /// 16-bit floating point.
    Float16,
}

impl Precision {
    /// Number of a file with such weights.
    pub fn file_type(self) -> u32 {
        match self {
            Self::Float32 => 0,
            Self::Float16 => 1,
        }
    }
}

/// Number of float32 among the types of tensors.
const F32: u32 = 0;
/// Number of float16.
const F16: u32 = 1;

/// A tensor of the file.
pub struct GgufTensor {
    /// llama.cpp's name.
    pub name: String,
    /// The outermost axis first.
    pub shape: Vec<usize>,
    is_half: bool,
    /// Its values, from the outermost axis on.
    parts: Vec<Box<dyn Fn() -> TensorData>>,
}

impl GgufTensor {
    /// Number of its type in the format.
    pub fn kind(&self) -> u32 {
        if self.is_half { F16 } else { F32 }
    }

    /// Length of its values.
    pub fn bytes(&self) -> usize {
        self.shape.iter().product::<usize>() * if self.is_half { 2 } else { 4 }
    }

    /// Its values, in the parts that they come in.
    ///
    /// # Errors
    /// If one is beyond the numbers of its type.
    pub fn values(&self) -> impl Iterator<Item = Result<TensorData, SaveError>> {
        self.parts.iter().map(|part| {
            let data = part();
            if !self.is_half {
                return Ok(data);
            }
            let beyond = data.iter::<f32>().find(|value| value.abs() > MAX_FLOAT16);
            match beyond {
                Some(value) => Err(SaveError::BeyondFloat16 { name: self.name.clone(), value }),
                None => Ok(data.convert_dtype(DType::F16)),
            }
        })
    }
}

/// The largest number of float16.
const MAX_FLOAT16: f32 = 65_504.0;

/// The tensors of a model.
pub fn collect(model: &Gpt, precision: Precision) -> Vec<GgufTensor> {
    let mut tensors = parameters::visit(model, Collect { precision, tensors: Vec::new() }).tensors;
    let d_model = model.config().d_model;
    // llama.cpp's gpt2 has a bias on queries, keys and values; zeros compute the same as none.
    if !model.config().qkv_bias {
        tensors.extend((0..model.config().n_layers).map(|block| GgufTensor {
            name: format!("blk.{block}.attn_qkv.bias"),
            shape: vec![3 * d_model],
            is_half: false,
            parts: vec![Box::new(move || TensorData::zeros::<f32, _>([3 * d_model]))],
        }));
    }
    tensors
}

struct Collect {
    precision: Precision,
    tensors: Vec<GgufTensor>,
}

impl ParameterVisitor for Collect {
    fn visit<const D: usize>(&mut self, path: &ParameterPath, param: &Param<Tensor<D>>) {
        let name = llama_name(&path.name());
        let value = param.val().without_autodiff();
        // Rows of a linear map are its outputs.
        let value = if path.is_linear_weight() { value.transpose() } else { value };
        let shape = value.dims().to_vec();
        let part = move || value.to_data();
        // Queries, keys and values are visited in the order in which they follow each other.
        if let Some(joined) = self.tensors.iter_mut().find(|tensor| tensor.name == name) {
            joined.shape[0] += shape[0];
            joined.parts.push(Box::new(part));
            return;
        }
        let is_half = self.precision == Precision::Float16 && D == 2 && !name.starts_with("position_embd");
        self.tensors.push(GgufTensor { name, shape, is_half, parts: vec![Box::new(part)] });
    }
}

/// The name that llama.cpp gives to a parameter, or to the tensor that it is part of.
fn llama_name(path: &str) -> String {
    let words = path.split('.').filter_map(|part| match part {
        "token_embedding" => Some("token_embd"),
        "position_embedding" => Some("position_embd"),
        "blocks" => Some("blk"),
        "norm1" => Some("attn_norm"),
        "norm2" => Some("ffn_norm"),
        "final_norm" => Some("output_norm"),
        "scale" => Some("weight"),
        "shift" => Some("bias"),
        "attention" | "feed_forward" => None,
        "query" | "key" | "value" => Some("attn_qkv"),
        "output" => Some("attn_output"),
        "expand" => Some("ffn_up"),
        "contract" => Some("ffn_down"),
        "output_head" => Some("output"),
        other => Some(other),
    });
    words.collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_have_llama_cpps_names() {
        for (path, name) in [
            ("token_embedding.weight", "token_embd.weight"),
            ("blocks.3.norm1.shift", "blk.3.attn_norm.bias"),
            ("blocks.0.attention.key.weight", "blk.0.attn_qkv.weight"),
            ("blocks.0.attention.output.bias", "blk.0.attn_output.bias"),
            ("blocks.1.feed_forward.contract.weight", "blk.1.ffn_down.weight"),
            ("final_norm.scale", "output_norm.weight"),
            ("output_head.weight", "output.weight"),
        ] {
            assert_eq!(llama_name(path), name);
        }
    }
}
