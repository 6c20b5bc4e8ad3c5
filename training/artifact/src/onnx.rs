//! Names of the ONNX graph's inputs and outputs: the exporter writes them, the engine binds them.
//!
//! One graph serves prefill and decode. `past` is the number of positions already in the cache,
//! `total = past + seq`, and `wanted` the number of positions whose logits are requested.

/// Name of the file beside a graph that has the weights of a graph beyond protobuf's 2 GB, as external data.
pub fn data_file_name(graph_file: &str) -> String {
    format!("{graph_file}.data")
}

/// Input, i64 `[batch, seq]`: ids of the new tokens.
pub const INPUT_IDS: &str = "input_ids";
/// Input, i64 `[batch, seq]`: their positions, `past..total` in each row.
pub const POSITION_IDS: &str = "position_ids";
/// Input, i64 `[wanted]`: which of the new positions, `0..seq`, to compute logits for.
pub const LOGIT_POSITIONS: &str = "logit_positions";
/// Input of quantized graphs, i32 `[batch]`: `total - 1`. In these graphs keys and values have room for
/// the whole context, `[batch, n_heads, context_length, d_head]`, and present may be past's memory.
pub const SEQLENS_K: &str = "seqlens_k";
/// Input of quantized graphs, i32 scalar: `total`.
pub const TOTAL_SEQUENCE_LENGTH: &str = "total_sequence_length";
/// Output, f32 `[batch, wanted, vocab_size]`.
pub const LOGITS: &str = "logits";

/// Output, f32 `[batch, seq, d_model]`: embeddings of the new tokens, for inspection of the model.
pub const TOKEN_EMBEDDINGS: &str = "token_embeddings";
/// Output, f32 `[batch, seq, d_model]`: embeddings of their positions.
pub const POSITION_EMBEDDINGS: &str = "position_embeddings";

/// Output, f32 `[batch, n_heads, seq, total]`: how much a layer's new positions attend to each position.
pub fn attention_weights(layer: usize) -> String {
    format!("blocks.{layer}.attention.weights")
}

/// Input, f32 `[batch, n_heads, past, d_head]`: keys of a layer from earlier runs.
pub fn past_key(layer: usize) -> String {
    format!("past_key_values.{layer}.key")
}

/// The layer whose [`past_key`] has this name.
pub fn layer_of_past_key(name: &str) -> Option<usize> {
    name.strip_prefix("past_key_values.")?.strip_suffix(".key")?.parse().ok()
}

/// Input, f32 `[batch, n_heads, past, d_head]`: values of a layer from earlier runs.
pub fn past_value(layer: usize) -> String {
    format!("past_key_values.{layer}.value")
}

/// Output, f32 `[batch, n_heads, total, d_head]`: keys of a layer for the next run.
pub fn present_key(layer: usize) -> String {
    format!("present.{layer}.key")
}

/// Output, f32 `[batch, n_heads, total, d_head]`: values of a layer for the next run.
pub fn present_value(layer: usize) -> String {
    format!("present.{layer}.value")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_known_by_the_name_of_its_keys() {
        assert!((0..20).all(|layer| layer_of_past_key(&past_key(layer)) == Some(layer)));
        assert_eq!(layer_of_past_key(&past_value(1)), None);
        assert_eq!(layer_of_past_key("past_key_values.x.key"), None);
    }
}
