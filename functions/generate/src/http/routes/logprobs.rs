//! Log-probabilities in the format of OpenAI's completions API.

use artifact::Tokenizer;
use artifact::sampling::log_probs::LogProb;
use serde_json::{Map, Value};

use crate::domain::continuation::Score;
use crate::http::error::ApiError;
use crate::http::wire::completions::Logprobs;

/// Appends a token that begins at character `offset`; gives its length in characters.
///
/// # Errors
/// [`ApiError::Internal`] if the tokenizer does not know a token.
pub fn push(
    logprobs: &mut Logprobs,
    tokenizer: &Tokenizer,
    id: u32,
    score: Option<&Score>,
    offset: usize,
) -> Result<usize, ApiError> {
    let text = decode(tokenizer, &[id])?;
    logprobs.tokens.push(token_name(tokenizer, id)?);
    logprobs.text_offset.push(offset);
    logprobs.token_logprobs.push(score.map(|(chosen, _)| chosen.log_prob));
    let top = score.map(|(chosen, most_likely)| {
        let all = most_likely.iter().chain(std::iter::once(chosen));
        let named =
            all.map(|LogProb { id, log_prob }| Ok((token_name(tokenizer, *id)?, Value::from(*log_prob))));
        named.collect::<Result<Map<_, _>, ApiError>>()
    });
    logprobs.top_logprobs.push(top.transpose()?);
    Ok(text.chars().count())
}

/// The text of token ids.
///
/// # Errors
/// [`ApiError::Internal`] if the tokenizer does not know one.
pub fn decode(tokenizer: &Tokenizer, ids: &[u32]) -> Result<String, ApiError> {
    tokenizer.decode(ids).map_err(|_| ApiError::Internal)
}

/// A token as text, or `bytes:` and its bytes if it is not valid UTF-8 by itself.
fn token_name(tokenizer: &Tokenizer, id: u32) -> Result<String, ApiError> {
    let bytes = tokenizer.decode_bytes(&[id]).map_err(|_| ApiError::Internal)?;
    Ok(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let bytes = error.as_bytes().iter().map(|byte| format!("\\x{byte:02x}"));
            std::iter::once("bytes:".to_owned()).chain(bytes).collect()
        }
    })
}
