//! `POST /inspect`: embeddings, attention weights and next-token probabilities of a prompt.

use anyhow::Result;
use artifact::Tokenizer;
use artifact::sampling::log_probs::LogProbs;
use axum::Json;
use axum::extract::State;

use super::errors::Errors;
use crate::domain::inspection::Inspected;
use crate::http::context::Deadline;
use crate::http::error::ApiError;
use crate::http::json::JsonBody;
use crate::http::limits::MAX_INSPECTED_TOKENS;
use crate::http::state::AppState;
use crate::http::wire::inspect::{Candidate, InspectRequest, InspectResponse, InspectedToken};

/// Components of a vector that are sent.
const SHOWN: usize = 8;

/// Inspects the model on a prompt: tokens, embeddings, attention weights and candidates for the next token.
#[utoipa::path(post, path = "/inspect", request_body = InspectRequest, responses(
    (status = 200, description = "Tensors of the model for the prompt", body = InspectResponse),
    Errors,
))]
pub async fn inspect(
    State(state): State<AppState>,
    Deadline(deadline): Deadline,
    JsonBody(request, _): JsonBody<InspectRequest>,
) -> Result<Json<InspectResponse>, ApiError> {
    request.validate()?;
    let top_k = request.top_k();
    let inspected = state.pipeline().inspect(request.prompt, MAX_INSPECTED_TOKENS, deadline).await?;
    let response = response(&inspected, top_k);
    response.map(Json).map_err(|error| {
        tracing::error!(error = format!("{error:#}"), "inspection failed");
        ApiError::Internal
    })
}

fn response(inspected: &Inspected, top_k: usize) -> Result<InspectResponse> {
    let Inspected { model, ids, inspection } = inspected;
    let tokenizer = model.tokenizer()?;
    let config = &model.manifest().config;
    let vectors = inspection.token_embeddings.chunks(config.d_model);
    let vectors = vectors.zip(inspection.position_embeddings.chunks(config.d_model));
    let tokens = ids.iter().zip(vectors).map(|(&id, (token, position))| {
        Ok(InspectedToken {
            id,
            text: piece(tokenizer, id)?,
            token_embedding: shown(token),
            token_norm: norm(token),
            position_embedding: shown(position),
            position_norm: norm(position),
        })
    });
    let tokens = tokens.collect::<Result<_>>()?;

    let seq = ids.len();
    let heads = |weights: &Vec<f32>| weights.chunks(seq * seq).map(|head| triangle(head, seq)).collect();
    let mut log_probs = LogProbs::default();
    let (_, most_likely) = log_probs.read(&inspection.logits, 0, top_k);
    let next = most_likely.iter().map(|candidate| {
        let logit = inspection.logits[candidate.id as usize];
        let text = piece(tokenizer, candidate.id)?;
        Ok(Candidate { id: candidate.id, text, logit, probability: candidate.log_prob.exp() })
    });
    Ok(InspectResponse {
        tokens,
        attention: inspection.attention.iter().map(heads).collect(),
        next: next.collect::<Result<_>>()?,
        model_info: (&**model).into(),
        model: (&**model).into(),
    })
}

/// The rows of `[seq, seq]` up to the diagonal: the causal mask makes the rest 0.
fn triangle(head: &[f32], seq: usize) -> Vec<Vec<f32>> {
    head.chunks(seq)
        .enumerate()
        .map(|(row, weights)| weights[..=row].iter().map(|&weight| rounded(weight, 1e4)).collect())
        .collect()
}

/// A token as text, with U+FFFD for bytes that are not valid UTF-8 by themselves.
fn piece(tokenizer: &Tokenizer, id: u32) -> Result<String> {
    Ok(String::from_utf8_lossy(&tokenizer.decode_bytes(&[id])?).into_owned())
}

fn shown(vector: &[f32]) -> Vec<f32> {
    vector.iter().take(SHOWN).map(|&number| rounded(number, 1e5)).collect()
}

fn norm(vector: &[f32]) -> f32 {
    rounded(vector.iter().map(|number| number * number).sum::<f32>().sqrt(), 1e5)
}

/// Rounded to a fraction of 1, such as 1e4 for four digits, since the response is large.
fn rounded(number: f32, fraction: f32) -> f32 {
    (number * fraction).round() / fraction
}
