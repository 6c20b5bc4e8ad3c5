/** Limits and defaults of the API, as its `openapi.json` states them. */

/** Sampling of a request that sets nothing. A `top_p` of 1 cuts nothing. */
export const SAMPLING_DEFAULTS = { max_tokens: 50, temperature: 0.7, top_k: 50, top_p: 1 } as const;

/** The values that each setting of sampling may have. */
export const SAMPLING_LIMITS = {
  max_tokens: { min: 1, max: 1000 },
  temperature: { min: 0, max: 100 },
  top_k: { min: 1, max: 1_000_000 },
  top_p: { min: 0.01, max: 1 },
} as const;

/** The largest seed: the largest whole number that JSON carries exactly everywhere. */
export const MAX_SEED = Number.MAX_SAFE_INTEGER;

/** The longest prompt of `/generate`, in characters. */
export const MAX_PROMPT_CHARS = 16_384;

/** The most messages of a conversation; together they may be as long as a prompt of `/generate`. */
export const MAX_MESSAGES = 1024;

/** The longest prompt of `/inspect`, in tokens. */
export const MAX_INSPECT_TOKENS = 64;
/** The most candidates that `/inspect` returns. */
export const MAX_INSPECT_CANDIDATES = 100;

/** A random seed, drawn here and not by the server: known from the start, and the same for several APIs. */
export function randomSeed(): number {
  const [seed = 0] = crypto.getRandomValues(new Uint32Array(1));
  return seed;
}
