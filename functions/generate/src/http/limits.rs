//! Limits of request fields. The OpenAPI schema has the same numbers.

/// Size limit of a request body, in bytes.
pub const MAX_BODY_BYTES: usize = 256 * 1024;
/// Length limit of a prompt, in characters or token ids.
pub const MAX_PROMPT_CHARS: usize = 16_384;
/// The most tokens of a continuation.
pub const MAX_TOKENS: usize = 1000;
/// The most continuations of a request.
pub const MAX_CHOICES: usize = 8;
/// The most stop strings.
pub const MAX_STOPS: usize = 4;
/// Length limit of a stop string, in characters.
pub const MAX_STOP_CHARS: usize = 64;
/// The highest temperature; beyond it the distribution is practically uniform.
pub const MAX_TEMPERATURE: f64 = 100.0;
/// The largest top-k: more than any vocabulary has.
pub const MAX_TOP_K: usize = 1_000_000;
/// The most log-probabilities at each position.
pub const MAX_LOGPROBS: usize = 20;
/// The longest prompt of an inspection, in tokens: attention weights grow with its square.
pub const MAX_INSPECTED_TOKENS: usize = 64;
/// The most next-token candidates of an inspection.
pub const MAX_CANDIDATES: usize = 100;
