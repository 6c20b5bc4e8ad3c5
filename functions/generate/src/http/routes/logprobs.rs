//! Log-probabilities in the formats of OpenAI's completions and chat APIs.

use artifact::Tokenizer;
use artifact::sampling::log_probs::LogProb;
use engine::Characters;
use serde_json::{Map, Value};

use crate::domain::continuation::Score;
use crate::http::error::ApiError;
use crate::http::wire::chat_answer::{TokenLogprob, TopLogprob};
use crate::http::wire::completion::Logprobs;

/// Stands for the logarithm of 0, which JSON does not have.
const IMPOSSIBLE: f64 = -9999.0;

/// Where the next token begins in a text, in characters.
#[derive(Clone, Debug, Default)]
pub struct TextPosition {
    characters: Characters,
    offset: usize,
}

impl TextPosition {
    /// After so many characters.
    pub fn at(offset: usize) -> Self {
        Self { characters: Characters::default(), offset }
    }

    /// Goes past a token's bytes; gives the offset that it begins at, or that of the character that it goes on with.
    fn pass(&mut self, bytes: &[u8]) -> usize {
        let (offset, mut text) = (self.offset, String::new());
        self.characters.push(bytes, &mut text);
        self.offset += text.chars().count();
        offset
    }
}

/// Appends a token to log-probabilities of the completions API.
///
/// # Errors
/// [`ApiError::Internal`] if the tokenizer does not know a token.
pub fn push(
    logprobs: &mut Logprobs,
    tokenizer: &Tokenizer,
    id: u32,
    score: Option<&Score>,
    position: &mut TextPosition,
) -> Result<(), ApiError> {
    let bytes = bytes(tokenizer, id)?;
    logprobs.text_offset.push(position.pass(&bytes));
    logprobs.tokens.push(token_name(bytes));
    logprobs.token_logprobs.push(score.map(|(chosen, _)| finite(chosen.log_prob)));
    let top = score.map(|(chosen, most_likely)| {
        let all = most_likely.iter().chain(std::iter::once(chosen));
        let named = all.map(|LogProb { id, log_prob }| {
            Ok((token_name(self::bytes(tokenizer, *id)?), Value::from(finite(*log_prob))))
        });
        named.collect::<Result<Map<_, _>, ApiError>>()
    });
    logprobs.top_logprobs.push(top.transpose()?);
    Ok(())
}

/// A token with its log-probabilities, as in the chat API.
///
/// # Errors
/// [`ApiError::Internal`] if the tokenizer does not know a token.
pub fn of_chat(tokenizer: &Tokenizer, (chosen, most_likely): &Score) -> Result<TokenLogprob, ApiError> {
    let likely = |LogProb { id, log_prob }: &LogProb| {
        let bytes = bytes(tokenizer, *id)?;
        Ok(TopLogprob { token: token_name(bytes.clone()), logprob: finite(*log_prob), bytes })
    };
    let TopLogprob { token, logprob, bytes } = likely(chosen)?;
    let top_logprobs = most_likely.iter().map(likely).collect::<Result<_, ApiError>>()?;
    Ok(TokenLogprob { token, logprob, bytes, top_logprobs })
}

/// The text of token ids.
///
/// # Errors
/// [`ApiError::Internal`] if the tokenizer does not know one.
pub fn decode(tokenizer: &Tokenizer, ids: &[u32]) -> Result<String, ApiError> {
    tokenizer.decode(ids).map_err(|_| ApiError::Internal)
}

fn bytes(tokenizer: &Tokenizer, id: u32) -> Result<Vec<u8>, ApiError> {
    tokenizer.decode_bytes(&[id]).map_err(|_| ApiError::Internal)
}

/// A token as text, or `bytes:` and its bytes if it is not valid UTF-8 by itself.
fn token_name(bytes: Vec<u8>) -> String {
    match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let bytes = error.as_bytes().iter().map(|byte| format!("\\x{byte:02x}"));
            std::iter::once("bytes:".to_owned()).chain(bytes).collect()
        }
    }
}

fn finite(log_prob: f64) -> f64 {
    log_prob.max(IMPOSSIBLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The emoji's four bytes in three tokens, all at its offset; the letter after it at the next.
    #[test]
    fn tokens_that_share_a_character_have_its_offset() {
        let mut position = TextPosition::at(10);
        let tokens = [&b"a \xf0\x9f"[..], b"\x8e", b"\xa8", b"b\xc3", b"c"];
        let offsets = tokens.map(|bytes| position.pass(bytes));
        // The character that begins after `b` never ends: it is one replacement before the `c`.
        assert_eq!(offsets, [10, 12, 12, 13, 14]);
        assert_eq!(position.offset, 16);
    }

    #[test]
    fn every_number_is_one_in_json() {
        let tokenizer = Tokenizer::bytes().unwrap();
        let score = |log_prob| (LogProb { id: 0, log_prob }, vec![LogProb { id: 1, log_prob }]);
        for log_prob in [f64::NEG_INFINITY, f64::NAN] {
            let mut logprobs = Logprobs::default();
            push(&mut logprobs, &tokenizer, 0, Some(&score(log_prob)), &mut TextPosition::default()).unwrap();
            assert_eq!(logprobs.token_logprobs, [Some(IMPOSSIBLE)]);
            assert_eq!(of_chat(&tokenizer, &score(log_prob)).unwrap().top_logprobs[0].logprob, IMPOSSIBLE);
        }
    }
}
