//! Activations inside a model that reads a prompt: embeddings, attention weights and logits.

use artifact::onnx::{
    INPUT_IDS, LOGIT_POSITIONS, LOGITS, POSITION_EMBEDDINGS, POSITION_IDS, SEQLENS_K, TOKEN_EMBEDDINGS,
    TOTAL_SEQUENCE_LENGTH, attention_weights, past_key, past_value,
};
use ort::session::{Session, SessionInputValue, SessionOutputs};
use ort::value::{DynValue, Tensor};

/// The activations of a run over `seq` tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspection {
    /// `[seq, d_model]`
    pub token_embeddings: Vec<f32>,
    /// `[seq, d_model]`
    pub position_embeddings: Vec<f32>,
    /// Attention weights of each layer, `[n_heads, seq, seq]`: of a query for each key, 0 for keys after it.
    pub attention: Vec<Vec<f32>>,
    /// Of the token that follows: `[vocab_size]`, or `[n_ids]` from an [`Engine`](crate::Engine).
    pub logits: Vec<f32>,
}

/// Whether a graph has its activations among its outputs.
pub(crate) fn is_possible(session: &Session) -> bool {
    session.outputs().iter().any(|output| output.name() == attention_weights(0))
}

/// Runs `ids` from the first position on. `past` are keys and values of each layer that go in, those of no positions
/// or memory in which none counts; `in_place` says which.
pub(crate) fn inspect(
    session: &mut Session,
    past: &[DynValue],
    in_place: bool,
    ids: &[u32],
    n_layers: usize,
) -> ort::Result<Inspection> {
    let seq = ids.len();
    let row = |values: Vec<i64>| Tensor::from_array(([1, values.len()], values));
    let mut inputs: Vec<(String, SessionInputValue<'_>)> = vec![
        (INPUT_IDS.to_owned(), row(ids.iter().map(|&id| i64::from(id)).collect())?.into()),
        (POSITION_IDS.to_owned(), row((0..seq as i64).collect())?.into()),
        (LOGIT_POSITIONS.to_owned(), Tensor::from_array(([1], vec![seq as i64 - 1]))?.into()),
    ];
    if in_place {
        let total = Tensor::from_array(([0_usize; 0], vec![seq as i32]))?;
        inputs.push((SEQLENS_K.to_owned(), Tensor::from_array(([1], vec![seq as i32 - 1]))?.into()));
        inputs.push((TOTAL_SEQUENCE_LENGTH.to_owned(), total.into()));
    }
    for (layer, tensors) in past.chunks_exact(2).enumerate() {
        inputs.push((past_key(layer), (&tensors[0]).into()));
        inputs.push((past_value(layer), (&tensors[1]).into()));
    }
    let outputs = session.run(inputs)?;
    Ok(Inspection {
        token_embeddings: numbers(&outputs, TOKEN_EMBEDDINGS)?,
        position_embeddings: numbers(&outputs, POSITION_EMBEDDINGS)?,
        attention: (0..n_layers)
            .map(|layer| numbers(&outputs, &attention_weights(layer)))
            .collect::<ort::Result<_>>()?,
        logits: numbers(&outputs, LOGITS)?,
    })
}

fn numbers(outputs: &SessionOutputs<'_>, name: &str) -> ort::Result<Vec<f32>> {
    let output =
        outputs.get(name).ok_or_else(|| ort::Error::new(format!("the run gave no output `{name}`")))?;
    Ok(output.try_extract_tensor::<f32>()?.1.to_vec())
}
