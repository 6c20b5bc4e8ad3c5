//! Inspection of a prompt: embeddings, attention weights and next-token logits.

use std::sync::Arc;

use engine::Inspection;

use super::blocking::{internal, run_blocking};
use super::error::GenerateError;
use super::queue::Turn;
use super::served_model::ServedModel;

/// An inspected prompt.
pub struct Inspected {
    /// The model.
    pub model: Arc<ServedModel>,
    /// Token ids of the prompt.
    pub ids: Vec<u32>,
    /// Tensors of one run over them.
    pub inspection: Inspection,
}

/// Inspects a prompt of at most `max_tokens` tokens, and no more than the context has.
///
/// # Errors
/// If the prompt is longer, the model's graph has no such outputs, or the engine fails.
pub async fn inspect(
    model: Arc<ServedModel>,
    ids: Vec<u32>,
    max_tokens: usize,
    turn: Turn,
) -> Result<Inspected, GenerateError> {
    let (tokens, limit) = (ids.len(), max_tokens.min(model.manifest().config.context_length));
    if tokens > limit {
        return Err(GenerateError::TooLongToInspect { tokens, limit });
    }
    run_blocking(move || {
        let _turn = turn;
        let inspection = model.engine().inspect(&ids).map_err(anyhow::Error::from);
        let inspection = inspection.map_err(internal("inspection failed"))?;
        let inspection = inspection.ok_or(GenerateError::NotInspectable)?;
        Ok(Inspected { model, ids, inspection })
    })
    .await
}
