//! Token counts of a response.

use serde::Serialize;
use utoipa::ToSchema;

/// Numbers of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Generated tokens.
    pub completion_tokens: usize,
    /// Their sum.
    pub total_tokens: usize,
}

impl Usage {
    /// The counts for a prompt and what was generated.
    pub fn new(prompt_tokens: usize, completion_tokens: usize) -> Self {
        Self { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens }
    }

    /// The counts after another token.
    #[must_use]
    pub fn with_another_token(self) -> Self {
        Self::new(self.prompt_tokens, self.completion_tokens + 1)
    }
}
