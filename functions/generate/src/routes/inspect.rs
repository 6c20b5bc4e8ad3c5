//! `POST /inspect`: what the served model makes of a prompt.

use std::sync::Arc;

use anyhow::Result;
use artifact::Tokenizer;
use artifact::sampling::log_probs::LogProbs;
use axum::Json;
use axum::extract::State;
use engine::Inspection;

use super::Errors;
use crate::app::AppState;
use crate::error::ApiError;
use crate::gate::Deadline;
use crate::json::JsonBody;
use crate::request::{InspectRequest, invalid};
use crate::response::{Candidate, InspectResponse, InspectedToken};
use crate::served_model::ServedModel;
use crate::settings::MAX_INSPECTED_TOKENS;

/// Numbers of a vector that are shown.
const SHOWN: usize = 8;

/// Tells what the model makes of a prompt: its tokens, their vectors, how much each attends to those before
/// it, and what may come next.
#[utoipa::path(post, path = "/inspect", request_body = InspectRequest, responses(
    (status = 200, description = "The insides", body = InspectResponse),
    Errors,
))]
pub async fn inspect(
    State(state): State<AppState>,
    deadline: Deadline,
    JsonBody(request): JsonBody<InspectRequest>,
) -> Result<Json<InspectResponse>, ApiError> {
    request.validate()?;
    let model = state.models().get(deadline).await?;
    let tokenizer = model.tokenizer().ok_or(ApiError::NoTokenizer)?;
    let ids = tokenizer.encode(&request.prompt);
    let longest = MAX_INSPECTED_TOKENS.min(model.manifest().config.context_length);
    if ids.len() > longest {
        let found = format_args!("{} tokens long", ids.len());
        return Err(invalid("prompt", found, format_args!("at most {longest}")));
    }
    let turn = state.gate().enter(deadline).await?;
    let span = tracing::Span::current();
    let task = tokio::task::spawn_blocking(move || {
        let (_turn, _entered) = (turn, span.entered());
        match model.engine().inspect(&ids)? {
            Some(inspection) => answer(&model, ids, inspection, request.top_k).map(Some),
            None => Ok(None),
        }
    });
    match task.await {
        Ok(Ok(Some(answer))) => Ok(Json(answer)),
        Ok(Ok(None)) => Err(ApiError::NotInspectable),
        Ok(Err(error)) => {
            tracing::error!(error = format!("{error:#}"), "inspection failed");
            Err(ApiError::Internal)
        }
        Err(_) => Err(ApiError::Internal), // the panic is in the log
    }
}

fn answer(
    model: &Arc<ServedModel>,
    ids: Vec<u32>,
    inspection: Inspection,
    top_k: usize,
) -> Result<InspectResponse> {
    let tokenizer = model.tokenizer().ok_or_else(|| anyhow::anyhow!("the model has no tokenizer"))?;
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
        model_info: model.model_info(),
        model: model.model_ref(),
    })
}

/// The rows of `[seq, seq]` up to the diagonal, which is all there is: nothing attends to what follows it.
fn triangle(head: &[f32], seq: usize) -> Vec<Vec<f32>> {
    head.chunks(seq)
        .enumerate()
        .map(|(row, weights)| weights[..=row].iter().map(|&weight| rounded(weight)).collect())
        .collect()
}

/// A token as text; U+FFFD for bytes that are none by themselves.
fn piece(tokenizer: &Tokenizer, id: u32) -> Result<String> {
    Ok(String::from_utf8_lossy(&tokenizer.decode_bytes(&[id])?).into_owned())
}

fn shown(vector: &[f32]) -> Vec<f32> {
    vector.iter().take(SHOWN).map(|&number| rounded(number)).collect()
}

fn norm(vector: &[f32]) -> f32 {
    rounded(vector.iter().map(|number| number * number).sum::<f32>().sqrt())
}

/// To a hundred-thousandth: more would be noise, and would make the answer twice as long.
fn rounded(number: f32) -> f32 {
    (number * 1e5).round() / 1e5
}
