/** OpenAI's client for JavaScript, as it comes: in Node.js, and in the browser from another origin. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import OpenAI from 'openai';
import type { Browser } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newPage, startBrowser, startServer, tinyStore, untilTestEnds } from './harness.ts';

/** What a client was told. */
interface Told {
  models: string[];
  chat: string | null | undefined;
  streamed: number;
  texts: number;
  refused: number | undefined;
}

/** Asks in all the ways that a user of the client does. It runs in the browser too, and so uses nothing from outside. */
async function ask(Client: typeof OpenAI, address: string): Promise<Told> {
  const client = new Client({ baseURL: `${address}/v1`, apiKey: '-', dangerouslyAllowBrowser: true });
  const models = (await client.models.list()).data.map(({ id }) => id);
  const [model = ''] = models;
  await client.models.retrieve(model);
  const messages = [{ role: 'user' as const, content: 'Hello' }];
  const answer = await client.chat.completions.create({ model, messages });
  let streamed = 0;
  for await (const _ of await client.chat.completions.create({ model, messages, stream: true })) streamed += 1;
  const completion = await client.completions.create({ model, prompt: ['The', 'A'], max_tokens: 5, temperature: 0 });
  const refused = await client.completions.create({ model, prompt: 'The', top_p: 7 }).catch((error) => error.status);
  return {
    models,
    chat: answer.choices[0]?.message.content,
    streamed,
    texts: completion.choices.length,
    refused: typeof refused === 'number' ? refused : undefined,
  };
}

function expectAll({ models, chat, streamed, texts, refused }: Told): void {
  expect(models).toHaveLength(1);
  expect(chat).toEqual(expect.any(String));
  expect(streamed).toBeGreaterThan(1);
  expect([texts, refused]).toEqual([2, 400]);
}

let browser: Browser;

beforeAll(async () => {
  browser = await startBrowser();
});

afterAll(() => browser?.close());

test('in Node.js', async () => {
  const server = untilTestEnds(await startServer(tinyStore()));
  expectAll(await ask(OpenAI, server.url));
});

test('in the browser, from a page elsewhere', async () => {
  const bundle = await build({
    configFile: false,
    logLevel: 'silent',
    build: { write: false, lib: { entry: fileURLToPath(import.meta.resolve('openai')), formats: ['es'], fileName: 'openai' } },
  });
  const outputs = (Array.isArray(bundle) ? bundle : [bundle]).flatMap((result) => ('output' in result ? result.output : []));
  const code = outputs.map((output) => ('code' in output ? output.code : '')).join('\n');
  const script = '<script type="module">import Client from "/openai.js"; globalThis.Client = Client;</script>';
  const elsewhere = createServer((request, response) => {
    const isCode = request.url === '/openai.js';
    response.setHeader('Content-Type', isCode ? 'text/javascript' : 'text/html');
    response.end(isCode ? code : '<!doctype html><title>elsewhere</title><link rel="icon" href="data:,">' + script);
  });
  await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
  untilTestEnds({ stop: async () => void elsewhere.close() });
  const origin = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`;
  const server = untilTestEnds(await startServer(tinyStore(), ['--cors-origins', origin]));

  const tab = await newPage(browser);
  tab.allow(/Failed to load resource.*400/);
  await tab.page.goto(origin);
  await tab.page.waitForFunction('globalThis.Client');
  const told = await tab.page.evaluate(`(${ask})(globalThis.Client, ${JSON.stringify(server.url)})`);
  expectAll(told as Told);
  await tab.close();
});
