//! `POST /tokenize`, `POST /detokenize` and `GET /tokenizer_info`: the served model's tokenizer.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::errors::OpenAiErrors;
use super::logprobs::decode;
use crate::domain::error::GenerateError;
use crate::domain::prompt::{Prompt, check_ids};
use crate::http::context::Deadline;
use crate::http::error::{ApiError, ErrorBody};
use crate::http::json::JsonBody;
use crate::http::state::AppState;
use crate::http::wire::tokens::{
    DetokenizeRequest, DetokenizeResponse, Piece, TokenEntry, TokenPiece, TokenizeRequest, TokenizeResponse,
    TokenizerInfo,
};

/// The tokens of a text or of a conversation.
#[utoipa::path(post, path = "/tokenize", request_body = TokenizeRequest, responses(
    (status = 200, description = "The tokens", body = TokenizeResponse),
    OpenAiErrors,
))]
pub async fn tokenize(
    State(state): State<AppState>,
    Deadline(deadline): Deadline,
    JsonBody(request, ignored): JsonBody<TokenizeRequest>,
) -> Result<Response, ApiError> {
    let prompt = request.prompt()?;
    let (model, ids) = state.pipeline().tokenize(request.model.as_deref(), prompt, deadline).await?;
    let tokenizer = model.tokenizer()?;
    let bytes = |id: u32| tokenizer.decode_bytes(&[id]).map_err(|_| ApiError::Internal);
    let entry = |&id: &u32| {
        if request.with_pieces != Some(true) {
            return Ok(TokenEntry::Id(id));
        }
        let piece = String::from_utf8(bytes(id)?).map(Piece::Text);
        let piece = piece.unwrap_or_else(|error| Piece::Bytes(error.into_bytes()));
        Ok(TokenEntry::WithPiece(TokenPiece { id, piece }))
    };
    let texts = || ids.iter().map(|&id| Ok(String::from_utf8_lossy(&bytes(id)?).into_owned()));
    let wants_texts = request.return_token_strs == Some(true);
    let response = TokenizeResponse {
        tokens: ids.iter().map(entry).collect::<Result<_, ApiError>>()?,
        count: ids.len(),
        max_model_len: model.manifest().config.context_length,
        token_strs: wants_texts.then(|| texts().collect::<Result<_, ApiError>>()).transpose()?,
    };
    Ok((ignored, Json(response)).into_response())
}

/// The text of tokens.
#[utoipa::path(post, path = "/detokenize", request_body = DetokenizeRequest, responses(
    (status = 200, description = "The text", body = DetokenizeResponse),
    OpenAiErrors,
))]
pub async fn detokenize(
    State(state): State<AppState>,
    Deadline(deadline): Deadline,
    JsonBody(request, ignored): JsonBody<DetokenizeRequest>,
) -> Result<Response, ApiError> {
    request.validate()?;
    let tokens = Prompt::Ids(request.tokens);
    let (model, ids) = state.pipeline().tokenize(request.model.as_deref(), tokens, deadline).await?;
    check_ids("tokens", &ids, &model).map_err(|error: GenerateError| ApiError::from(error))?;
    let text = decode(model.tokenizer()?, &ids)?;
    Ok((ignored, Json(DetokenizeResponse { content: text.clone(), prompt: text })).into_response())
}

/// The special tokens and the chat template of the served model.
#[utoipa::path(get, path = "/tokenizer_info", responses(
    (status = 200, description = "What is particular to the tokenizer", body = TokenizerInfo),
    (status = 400, description = "The model has no tokenizer", body = ErrorBody),
    (status = 401, description = "The API key is missing or wrong", body = ErrorBody),
    (status = 503, description = "No model is loaded yet, or none can be", body = ErrorBody),
))]
pub async fn tokenizer_info(
    State(state): State<AppState>,
    Deadline(deadline): Deadline,
) -> Result<Json<TokenizerInfo>, ApiError> {
    let (model, _) = state.pipeline().tokenize(None, Prompt::Ids(Vec::new()), deadline).await?;
    let tokenizer = model.tokenizer()?;
    let end = tokenizer.end_of_text();
    let special = tokenizer.special_tokens();
    let end = special.iter().find(|(id, _)| Some(*id) == end).map(|(_, spelling)| (*spelling).to_owned());
    Ok(Json(TokenizerInfo {
        tokenizer_class: "byte-level-bpe",
        bos_token: end.clone(),
        eos_token: end,
        vocab_size: tokenizer.vocab_size(),
        model_max_length: model.manifest().config.context_length,
        chat_template: model.chat()?.template().source().to_owned(),
    }))
}
