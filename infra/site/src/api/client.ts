import { EventSourceParserStream } from 'eventsource-parser/stream';
import { ApiError } from './error.ts';
import { readKey } from './key.ts';
import type {
  ChatAnswer,
  ChatChunk,
  ChatRequest,
  ErrorBody,
  GenerateRequest,
  GenerateResponse,
  InspectRequest,
  InspectResponse,
  ModelState,
  ScoredText,
} from './types.ts';

/** One API, by its address. Methods throw {@link ApiError}, or `AbortError` where `signal` ended them. */
export class Client {
  /** The address, without a slash at its end; empty if the API lies where the page does. */
  readonly base: string;

  constructor(base: string) {
    this.base = base;
  }

  /** The state of the model. */
  async model(signal?: AbortSignal): Promise<ModelState> {
    return json(await this.#fetch('/model', { signal: signal ?? null, cache: 'no-store' }));
  }

  /** Tokens, attention weights and next-token probabilities of a prompt. */
  async inspect(request: InspectRequest, signal?: AbortSignal): Promise<InspectResponse> {
    return json(await this.#post('/inspect', request, signal));
  }

  /** How likely the model finds each token of a text, and up to `likeliest` others in its place. */
  async score(text: string, likeliest: number, signal?: AbortSignal): Promise<ScoredText> {
    const request = { prompt: text, max_tokens: 0, echo: true, logprobs: likeliest };
    const { choices } = await json<{ choices: ScoredText[] }>(await this.#post('/v1/completions', request, signal));
    const [scored] = choices;
    if (!scored?.logprobs)
      throw new ApiError('not_scored', 'the answer has no log-probabilities: the API is of an earlier version');
    return scored;
  }

  /** The end of a text, as far as it has `most` tokens. */
  async lastTokens(text: string, most: number, signal?: AbortSignal): Promise<string> {
    const { tokens } = await json<{ tokens: number[] }>(
      await this.#post('/tokenize', { prompt: text, parse_special: false }, signal),
    );
    if (tokens.length <= most) return text;
    const { content } = await json<{ content: string }>(
      await this.#post('/detokenize', { tokens: tokens.slice(-most) }, signal),
    );
    return content;
  }

  /** Continues a text. `onText` gets each piece of it as it arrives; ending `signal` ends the text on the server too. */
  async generate(
    request: GenerateRequest,
    onText: (piece: string) => void,
    signal?: AbortSignal,
  ): Promise<GenerateResponse> {
    const response = await this.#post('/generate', { ...request, stream: true }, signal);
    for await (const { event, data } of events(response, signal)) {
      if (event === 'token') onText((JSON.parse(data) as { text: string }).text);
      if (event === 'done') return JSON.parse(data) as GenerateResponse;
      if (event === 'error') throw ApiError.from(JSON.parse(data) as ErrorBody, response);
    }
    throw interrupted(response);
  }

  /** Answers a conversation, as {@link generate} continues a text. */
  async chat(request: ChatRequest, onText: (piece: string) => void, signal?: AbortSignal): Promise<ChatAnswer> {
    const response = await this.#post('/v1/chat/completions', { ...request, stream: true }, signal);
    let answer: ChatAnswer | null = null;
    for await (const { data } of events(response, signal)) {
      if (data === '[DONE]') break;
      const event = JSON.parse(data) as ChatChunk | ErrorBody;
      if ('error' in event) throw ApiError.from(event, response);
      const [choice] = event.choices;
      if (choice?.delta.content) onText(choice.delta.content);
      if (choice?.finish_reason) {
        const dropped = Number(response.headers.get('x-dropped-messages') ?? 0);
        answer = { model: event.model, finish_reason: choice.finish_reason, dropped };
      }
    }
    if (!answer) throw interrupted(response);
    return answer;
  }

  #post(path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
    const headers = { 'content-type': 'application/json' };
    return this.#fetch(path, { method: 'POST', headers, body: JSON.stringify(body), signal: signal ?? null });
  }

  async #fetch(path: string, init: RequestInit): Promise<Response> {
    const key = readKey(this.base);
    const headers = { ...init.headers, ...(key && { 'x-api-key': key }) };
    const url = new URL(this.base ? this.base + path : `.${path}`, document.baseURI);
    // A redirect would send the key elsewhere.
    const response = await unlessAborted(fetch(url, { ...init, headers, redirect: 'error' }), init.signal);
    if (!response.ok) throw await ApiError.of(response);
    return response;
  }
}

/** The error of a stream that ended too early. */
function interrupted(response: Response): ApiError {
  const requestId = response.headers.get('x-request-id') ?? undefined;
  return new ApiError('interrupted', 'the answer ended before it was complete', { requestId });
}

async function json<T>(response: Response): Promise<T> {
  try {
    return (await response.json()) as T;
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new ApiError('not_json', 'the answer is not from this API: expected JSON');
  }
}

async function* events(response: Response, signal?: AbortSignal) {
  if (!response.body) return;
  const reader = response.body
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream())
    .getReader();
  try {
    for (;;) {
      const { done, value } = await unlessAborted(reader.read(), signal);
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {}); // It has failed or ended already, and the caller knows.
  }
}

/** The value of `promise`; a failure other than an abort becomes the error `unreachable`. */
async function unlessAborted<T>(promise: Promise<T>, signal?: AbortSignal | null): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    if (isAbort(error) || signal?.aborted) throw error;
    throw ApiError.wrap(error);
  }
}

/** Whether an operation was aborted by its signal. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}
