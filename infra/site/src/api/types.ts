/** Requests and responses of the API, as its `openapi.json` describes them. */

/** The model that answered. */
export interface ModelRef {
  name: string;
  version: string;
  /** Precision of its weights: `w4` (int4), `w8` (int8) or `float32`. */
  precision: string;
}

/** A model's shape. */
export interface ModelInfo {
  layers: number;
  heads: number;
  embedding_dim: number;
  context_length: number;
  vocab_size: number;
  parameters: number;
}

/** Manifest of a model version: its files, configuration and training (`training/artifact/src/manifest.rs`). */
export interface Manifest {
  format_version: number;
  name: string;
  version: string;
  created_at: string;
  source_commit: string | null;
  config: {
    vocab_size: number;
    context_length: number;
    d_model: number;
    n_layers: number;
    n_heads: number;
    d_ff: number;
    dropout: number;
    qkv_bias: boolean;
    tied_output_head: boolean;
  };
  tokenizer: { name: string; sha256: string } | null;
  files: { path: string; role: string; bytes: number; sha256: string }[];
  variants: Variant[];
  evaluation: Evaluation | null;
  training: TrainingSummary | null;
  imported_from: { file: string; sha256: string; format: string } | null;
  example_prompts: string[];
  parent: string | null;
}

/** Loss of a model on its validation text. */
export interface Evaluation {
  /** Nats per token. */
  val_loss: number;
  perplexity: number;
  tokens: number;
  /** The loss by bytes of the text, whatever the tokens are; versions of earlier builds have none. */
  bits_per_byte?: number;
  text_bytes?: number;
}

/** A precision in which a model can be served. */
export interface Variant {
  precision: string;
  file: string;
  bytes: number;
  val_loss: number | null;
  perplexity: number | null;
  bits_per_byte?: number;
  kl_divergence: number;
  top_1_agreement: number;
  largest_logit_difference: number;
}

/** How a version was trained. */
export interface TrainingSummary {
  corpus: { name: string; sha256: string; tokens: number }[];
  epochs: number;
  steps: number;
  /** Settings of the run, as the preset names them. */
  hyper_parameters: Record<string, unknown>;
  final_train_loss: number;
  final_val_loss: number;
  wall_seconds: number;
  device: string;
  /** Versions of earlier programs have none. */
  peak_memory_bytes?: number;
}

/** The losses at one step of a training. */
export interface CurvePoint {
  epoch: number;
  seconds: number;
  step: number;
  tokens_seen: number;
  train_loss: number;
  val_loss: number;
  /** The validation loss by bytes of its text; versions of earlier builds have none. */
  bits_per_byte?: number | null;
}

/** Progress of a process that loads its model. */
export interface Loading {
  step: 'channel' | 'files' | 'weights';
  /** Since the process began to load. */
  seconds: number;
}

/** How long the start of the process took, part by part. */
export interface StartTimes {
  files_ms: number;
  runtime_ms: number;
  tokenizer_ms: number;
  session_ms: number;
  /** From the start of the process to the loaded model; null if another model was loaded first. */
  ready_ms: number | null;
}

/** The answer of `GET /model`, which never waits. */
export interface ModelState {
  status: 'ready' | 'loading' | 'unavailable';
  /** Why there is no model. */
  reason: string | null;
  loading: Loading | null;
  model: ModelRef | null;
  model_info: ModelInfo | null;
  /** Name of the model's chat template; null if it has none, left out by servers of earlier builds. With one it answers. */
  chat_template?: string | null;
  manifest: Manifest | null;
  /** Losses during training; empty if the version has none. */
  curve: CurvePoint[];
  start: StartTimes | null;
}

/** How tokens are chosen, and how many. */
export interface Sampling {
  max_tokens: number;
  /** 0 is greedy. */
  temperature: number;
  top_k: number;
  top_p?: number;
  /** Random if left out. */
  seed?: number;
}

/** The body of `POST /generate`. */
export interface GenerateRequest extends Sampling {
  prompt: string;
  stop?: string | string[];
}

/** The answer of `POST /generate`, and of its event `done`. */
export interface GenerateResponse {
  /** The new text, without the prompt. */
  response: string;
  prompt: string;
  tokens_generated: number;
  model_info: ModelInfo;
  /** `length`, `stop`, or `deadline` where time was up. */
  finish_reason: 'length' | 'stop' | 'deadline';
  seed: number;
  usage: { prompt_tokens: number; completion_tokens: number; total_tokens: number };
  timing: Timing;
  model: ModelRef;
}

/** How long a generation took, without the wait for its turn. */
export interface Timing {
  first_token_ms: number;
  total_ms: number;
  tokens_per_second: number;
}

/** Something that is said in a conversation. */
export interface Message {
  role: 'user' | 'assistant';
  content: string;
}

/** The body of `POST /v1/chat/completions`, as far as this page uses it. The answer is as long as fits. */
export interface ChatRequest {
  messages: readonly Message[];
  temperature: number;
  top_k: number;
}

/** An event of its answer: a piece of it, or how it ends. */
export interface ChatChunk {
  /** Name and version of the model. */
  model: string;
  choices: { delta: { content?: string }; finish_reason: 'stop' | 'length' | null }[];
}

/** An answer that has ended. */
export interface ChatAnswer {
  /** Name and version of the model. */
  model: string;
  /** `length` if a limit ended it. */
  finish_reason: 'stop' | 'length';
  /** Number of messages that the model did not read, since its context was full. */
  dropped: number;
}

/** The body of `POST /inspect`: a prompt of at most 64 tokens. */
export interface InspectRequest {
  prompt: string;
  /** How many of the most likely next tokens to tell, 1 to 100. */
  top_k: number;
}

/** The answer of `POST /inspect`. */
export interface InspectResponse {
  tokens: InspectedToken[];
  /** `attention[layer][head][token]` has a weight for each token up to that one; they sum to 1. */
  attention: number[][][][];
  /** Candidates for the next token, the most likely first. */
  next: Candidate[];
  model_info: ModelInfo;
  model: ModelRef;
}

/** A token of an inspected prompt. */
export interface InspectedToken {
  id: number;
  text: string;
  /** The first numbers of its vector. */
  token_embedding: number[];
  /** The length of its vector. */
  token_norm: number;
  position_embedding: number[];
  position_norm: number;
}

/** A token that may come next. */
export interface Candidate {
  id: number;
  text: string;
  /** Before the softmax. */
  logit: number;
  /** At temperature 1 and among all tokens. */
  probability: number;
}

/** A text with the log-probabilities of its tokens, as `POST /v1/completions` gives it with `echo` and `logprobs`. */
export interface ScoredText {
  text: string;
  logprobs: {
    tokens: string[];
    /** At temperature 1 and among all tokens; null for the first, which nothing comes before. */
    token_logprobs: (number | null)[];
    /** Those of the likeliest tokens, and of the token itself. */
    top_logprobs: (Record<string, number> | null)[];
    /** Where each begins, in characters; tokens that share a character begin with it. */
    text_offset: number[];
  };
}

/** The body of an error. */
export interface ErrorBody {
  error: { code: string; message: string; field?: string; type: string };
}
