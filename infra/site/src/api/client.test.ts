import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Client, isAbort } from './client.ts';
import { ApiError } from './error.ts';
import { keepKey, readKey } from './key.ts';

const fetched = vi.fn<typeof fetch>();

beforeEach(() => {
  const stored = new Map<string, string>();
  vi.stubGlobal('fetch', fetched);
  vi.stubGlobal('document', { baseURI: 'https://page.example/below/index.html' });
  vi.stubGlobal('sessionStorage', {
    getItem: (name: string) => stored.get(name) ?? null,
    setItem: (name: string, value: string) => stored.set(name, value),
    removeItem: (name: string) => stored.delete(name),
  });
});

afterEach(() => {
  vi.unstubAllGlobals();
  fetched.mockReset();
});

/** A response whose body arrives in the pieces that are given. */
function stream(pieces: Uint8Array[], headers: HeadersInit = {}): Response {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });
  return new Response(body, { headers });
}

const request = { prompt: 'a', max_tokens: 2, temperature: 0, top_k: 1, seed: 1 };

test('a stream may be cut anywhere, within characters too', async () => {
  const events = 'event: token\ndata: {"text":"ä"}\n\nevent: token\ndata: {"text":"😀\\n"}\n\nevent: done\ndata: {"response":"ä😀\\n"}\n\n';
  const bytes = new TextEncoder().encode(events);
  for (const size of [1, 3, 7, bytes.length]) {
    const pieces = [];
    for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.slice(at, at + size));
    fetched.mockResolvedValueOnce(stream(pieces));
    const seen: string[] = [];
    const answer = await new Client('').generate(request, (piece) => seen.push(piece));
    expect(seen).toEqual(['ä', '😀\n']);
    expect(answer.response).toBe('ä😀\n');
  }
  expect(JSON.parse(String(fetched.mock.calls[0]?.[1]?.body))).toEqual({ ...request, stream: true });
});

test('a stream that ends early, or with an error, is an error with the request id', async () => {
  const client = new Client('');
  const encode = (text: string) => new TextEncoder().encode(text);
  fetched.mockResolvedValueOnce(stream([encode('event: token\ndata: {"text":"a"}\n\n')], { 'x-request-id': 'r1' }));
  await expect(client.generate(request, () => {})).rejects.toMatchObject({ code: 'interrupted', requestId: 'r1' });
  const failed = 'event: error\ndata: {"error":{"code":"internal","message":"it failed","type":"server_error"}}\n\n';
  fetched.mockResolvedValueOnce(stream([encode(failed)], { 'x-request-id': 'r2' }));
  await expect(client.generate(request, () => {})).rejects.toMatchObject({ code: 'internal', message: 'it failed', requestId: 'r2' });
});

test('an answer comes in pieces, with how it ended and what was left out', async () => {
  const chunk = (delta: object, finish_reason: string | null = null) =>
    `data: ${JSON.stringify({ model: 'tiny/1', choices: [{ index: 0, delta, finish_reason }] })}\n\n`;
  const pieces = [chunk({ role: 'assistant', content: '' }), chunk({ content: 'Rick' }), chunk({ content: 'ham.' }, 'stop'), 'data: [DONE]\n\n'];
  const encode = (events: string[]) => [new TextEncoder().encode(events.join(''))];
  const asked = { messages: [{ role: 'user' as const, content: 'Who?' }], temperature: 0, top_k: 1 };
  fetched.mockResolvedValueOnce(stream(encode(pieces), { 'x-dropped-messages': '2' }));
  const seen: string[] = [];
  const answer = await new Client('').chat(asked, (piece) => seen.push(piece));
  expect([seen, answer]).toEqual([['Rick', 'ham.'], { model: 'tiny/1', finish_reason: 'stop', dropped: 2 }]);
  expect(JSON.parse(String(fetched.mock.calls[0]?.[1]?.body))).toEqual({ ...asked, stream: true });

  fetched.mockResolvedValueOnce(stream(encode(pieces.slice(0, 2)), { 'x-request-id': 'r1' }));
  await expect(new Client('').chat(asked, () => {})).rejects.toMatchObject({ code: 'interrupted', requestId: 'r1' });
  const failed = 'data: {"error":{"code":"internal","message":"it failed","type":"server_error"}}\n\n';
  fetched.mockResolvedValueOnce(stream(encode([failed])));
  await expect(new Client('').chat(asked, () => {})).rejects.toMatchObject({ code: 'internal', message: 'it failed' });
});

test('errors have their code, field, request id, and when to try again', async () => {
  const body = { error: { code: 'invalid_field', message: '`top_k` is 0', field: 'top_k', type: 'invalid_request_error' } };
  fetched.mockResolvedValueOnce(Response.json(body, { status: 422, headers: { 'x-request-id': 'abc', 'retry-after': '30' } }));
  const error = await new Client('').inspect({ prompt: 'a', top_k: 0 }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ApiError);
  expect(error).toMatchObject({ code: 'invalid_field', message: '`top_k` is 0', field: 'top_k', requestId: 'abc', retryAfterSeconds: 30 });
});

test('what a gateway answers is an error too, and so is what is no API', async () => {
  fetched.mockResolvedValueOnce(new Response('<h1>Bad Gateway</h1>', { status: 502 }));
  await expect(new Client('').model()).rejects.toMatchObject({ code: 'http_502' });
  fetched.mockResolvedValueOnce(new Response('<!doctype html>'));
  await expect(new Client('').model()).rejects.toMatchObject({ code: 'not_json' });
  fetched.mockRejectedValueOnce(new TypeError('Failed to fetch'));
  await expect(new Client('').model()).rejects.toMatchObject({ code: 'unreachable' });
});

test('ending it is no error of the API', async () => {
  const abort = new AbortController();
  fetched.mockImplementationOnce(async (_, init) => {
    abort.abort();
    init?.signal?.throwIfAborted();
    return new Response();
  });
  const thrown = await new Client('').generate(request, () => {}, abort.signal).catch((error: unknown) => error);
  expect(isAbort(thrown)).toBe(true);
});

test('an address of its own, or beside the page; with the key for that API alone', async () => {
  fetched.mockImplementation(async () => Response.json({}));
  keepKey('https://api.example/prod', 'secret');
  await new Client('').model();
  await new Client('https://api.example/prod').model();
  keepKey('https://api.example/prod', '');
  await new Client('https://api.example/prod').model();
  const calls = fetched.mock.calls.map(([url, init]) => [String(url), new Headers(init?.headers).get('x-api-key')]);
  expect(calls).toEqual([
    ['https://page.example/below/model', null],
    ['https://api.example/prod/model', 'secret'],
    ['https://api.example/prod/model', null],
  ]);
});

test('a key does not follow a redirect', async () => {
  fetched.mockResolvedValueOnce(Response.json({}));
  await new Client('').model();
  expect(fetched.mock.calls[0]?.[1]?.redirect).toBe('error');
});

test('where storage is forbidden, a key lives as long as the page', () => {
  const forbid = () => {
    throw new DOMException('forbidden', 'SecurityError');
  };
  vi.stubGlobal('sessionStorage', { getItem: forbid, setItem: forbid, removeItem: forbid });
  keepKey('https://api.example', 'secret');
  expect(readKey('https://api.example')).toBe('secret');
  keepKey('https://api.example', '');
  expect(readKey('https://api.example')).toBeNull();
});
