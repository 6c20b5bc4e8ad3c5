//! Text generation without a KV cache, the simplest there is.
//!
//! LLMs-from-scratch, chapters 4 and 5. The serving engine must produce the same ids; a test compares
//! the two.

use artifact::Sampler;
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::gpt::Gpt;

/// Continues `prompt`, which must not be empty, by `max_tokens` ids and returns the new ones. Each
/// is predicted from the last `context_length` ids. `model` must be in evaluation mode.
pub fn generate(
    model: &Gpt,
    prompt: &[u32],
    max_tokens: usize,
    sampler: &mut Sampler,
    device: &Device,
) -> Vec<u32> {
    let mut ids: Vec<i64> = prompt.iter().map(|&id| i64::from(id)).collect();
    for _ in 0..max_tokens {
        let window = &ids[ids.len().saturating_sub(model.config().context_length)..];
        let input = TensorData::new(window.to_vec(), [1, window.len()]);
        let logits = model.next_token_logits(Tensor::<2, Int>::from_data(input, device)); // [1, vocab_size]
        let logits: Vec<f32> = logits.into_data().iter().collect();
        ids.push(i64::from(sampler.sample(&logits)));
    }
    ids[prompt.len()..].iter().map(|&id| id as u32).collect()
}
