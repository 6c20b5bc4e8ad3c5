//! Causal attention that keeps no scores, by libtorch's `scaled_dot_product_attention`.
//!
//! Dao et al., "FlashAttention: Fast and Memory-Efficient Exact Attention with IO-Awareness" (2022),
//! <https://arxiv.org/abs/2205.14135>: blocks of scores are made, used and forgotten, and made anew for the gradient.

use burn::tensor::Tensor;

use crate::device::derivative::{Input, record};

/// Causal self-attention of `n_heads` heads, which lie side by side: `dropout(softmax(queries keys^T / sqrt(d_head)))
/// values`, where a token sees the tokens up to itself. A share `dropout` of the attention weights is dropped.
///
/// It is the definition where weights are dropped on the CPU: libtorch has no other form for that.
///
/// # Shapes
/// - queries, keys, values and output: `[batch, seq, d_model]`
pub fn causal_attention(
    inputs: [Tensor<3>; 3],
    n_heads: usize,
    dropout: f64,
    definition: impl FnOnce([Tensor<3>; 3]) -> Tensor<3>,
) -> Tensor<3> {
    let [batch, seq, d_model] = inputs[0].dims().map(|length| length as i64);
    let [Some(queries), Some(keys), Some(values)] = inputs.clone().map(Input::new) else {
        return definition(inputs);
    };
    if dropout > 0.0 && !queries.primitive().tensor.device().is_cuda() {
        return definition(inputs);
    }
    let heads = [batch, seq, n_heads as i64, d_model / n_heads as i64];
    record([queries, keys, values], |inputs| {
        let [queries, keys, values] = inputs.map(|input| input.reshape(heads).transpose(1, 2));
        let no_mask = None::<tch::Tensor>;
        let attended = tch::Tensor::scaled_dot_product_attention(
            &queries, &keys, &values, no_mask, dropout, true, None, false,
        );
        attended.transpose(1, 2).reshape([batch, seq, d_model])
    })
}
