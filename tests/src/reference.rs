//! Reference data: a tiny GPT of LLMs-from-scratch (chapter 4), with what PyTorch computes from it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use artifact::GptConfig;
use artifact::config::Activation;
use serde::Deserialize;

/// A batch: inputs and targets, each `[batch][seq]`.
pub type Batch = (Vec<Vec<i64>>, Vec<Vec<i64>>);

/// `expected.json`: PyTorch 2.9.0, float32, CPU.
#[derive(Deserialize)]
pub struct TinyGpt {
    config: PytorchConfig,
    /// `[batch][seq]`
    pub input_ids: Vec<Vec<i64>>,
    /// `[batch][seq]`
    pub targets: Vec<Vec<i64>>,
    /// Cross-entropy of `input_ids` against `targets`.
    pub loss: f64,
    /// Norm of each parameter's gradient of that loss, by PyTorch name.
    pub grad_norms: BTreeMap<String, f64>,
    /// The first 5 ids of row 0, continued greedily by 48; inputs are cropped to the context.
    pub greedy: Vec<u32>,
    /// What AdamW trains on.
    pub batches: Vec<Batch>,
    /// Loss before each AdamW step: lr 4e-4, weight decay 0.1, betas 0.9 and 0.999, eps 1e-8.
    pub adamw_losses: Vec<f64>,
}

#[derive(Deserialize)]
struct PytorchConfig {
    vocab_size: usize,
    context_length: usize,
    emb_dim: usize,
    n_heads: usize,
    n_layers: usize,
    drop_rate: f64,
    qkv_bias: bool,
}

/// The folder of the reference data.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("reference")
}

impl TinyGpt {
    /// Reads the reference.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read() -> Result<Self> {
        let path = folder().join("tiny-gpt/expected.json");
        let json = std::fs::read(&path).with_context(|| path.display().to_string())?;
        Ok(serde_json::from_slice(&json)?)
    }

    /// Its shape in this project's words.
    pub fn config(&self) -> GptConfig {
        let PytorchConfig { vocab_size, context_length, emb_dim, n_heads, n_layers, drop_rate, qkv_bias } =
            self.config;
        GptConfig {
            vocab_size,
            context_length,
            d_model: emb_dim,
            n_layers,
            n_heads,
            d_ff: 4 * emb_dim,
            dropout: drop_rate,
            qkv_bias,
            tied_output_head: false,
            activation: Activation::default(),
        }
    }

    /// Its weights.
    pub fn weights(&self) -> PathBuf {
        folder().join("tiny-gpt/model.safetensors")
    }

    /// PyTorch's logits of `input_ids`, `[batch, seq, vocab_size]` in one row.
    ///
    /// # Errors
    /// As of [`logits`].
    pub fn logits(&self) -> Result<Vec<f32>> {
        logits("tiny-gpt")
    }
}

/// `logits.npy` of a reference, in one row.
///
/// # Errors
/// If the file is not what NumPy writes for little-endian float32 in C order.
pub fn logits(reference: &str) -> Result<Vec<f32>> {
    let bytes = std::fs::read(folder().join(reference).join("logits.npy"))?;
    ensure!(bytes.starts_with(b"\x93NUMPY\x01"), "not a NumPy file of format 1");
    let header_length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let (header, data) = bytes[10..].split_at(header_length);
    let header = std::str::from_utf8(header)?;
    ensure!(header.contains("'<f4'") && header.contains("'fortran_order': False"), "{header}");
    Ok(data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}

/// The largest distance between two rows of numbers.
pub fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}
