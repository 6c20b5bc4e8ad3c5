//! Limits of request fields. The OpenAPI schema has the same numbers.

/// Size limit of a request body, in bytes.
pub const MAX_BODY_BYTES: usize = 1 << 20;
/// Length limit of a prompt, in characters or token ids.
pub const MAX_PROMPT_CHARS: usize = 16_384;
/// The most prompts of a request.
pub const MAX_PROMPTS: usize = 128;
/// The most continuations of a prompt, and of all prompts of a request together.
pub const MAX_CHOICES: usize = 128;
/// The most messages of a conversation.
pub const MAX_MESSAGES: usize = 1024;
/// The most stop strings.
pub const MAX_STOPS: usize = 16;
/// Length limit of a stop string, in characters.
pub const MAX_STOP_CHARS: usize = 64;
/// The most stop ids.
pub const MAX_STOP_IDS: usize = 64;
/// The most biased ids.
pub const MAX_BIASES: usize = 1024;
/// The largest bias: as good as certain, and negative as good as impossible.
pub const MAX_BIAS: f64 = 100.0;
/// The largest frequency and presence penalty.
pub const MAX_PENALTY: f64 = 2.0;
/// The largest repetition penalty.
pub const MAX_REPETITION_PENALTY: f64 = 10.0;
/// The highest temperature; beyond it the distribution is practically uniform.
pub const MAX_TEMPERATURE: f64 = 100.0;
/// The largest top-k: more than any vocabulary has.
pub const MAX_TOP_K: i64 = 1_000_000;
/// The most log-probabilities at each position.
pub const MAX_LOGPROBS: i64 = 20;
/// The longest prompt of an inspection, in tokens: attention weights grow with its square.
pub const MAX_INSPECTED_TOKENS: usize = 64;
/// The most next-token candidates of an inspection.
pub const MAX_CANDIDATES: i64 = 100;
