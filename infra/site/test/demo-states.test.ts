/** The demo page while there is no model, a slow one, a busy one, one that wants a key, or one elsewhere. */
import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { waitMs } from '../src/components/status/retry.ts';
import { demo } from './demo-page.ts';
import {
  type Server,
  expectAccessible,
  freeAddress,
  newPage,
  publishLive,
  screenshot,
  startBrowser,
  startLoading,
  startServer,
  testFolder,
  tinyStore,
  untilTestEnds,
} from './harness.ts';
import { sleepingFunction } from './lambda.ts';
import { sleepingStore } from './sleeping-store.ts';

let browser: Browser;

beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(() => browser?.close());

test('a cold start says what it is doing; a text that was sent meanwhile comes', async () => {
  const store = untilTestEnds(await sleepingStore(tinyStore()));
  const server = untilTestEnds(await startLoading(store.location, ['--cache', await testFolder()], store.env));
  const { page, close } = await newPage(browser);
  const ui = demo(page);
  await page.goto(server.url);
  await ui.status.getByText('Waking up').waitFor();
  await ui.status.getByText('fetching its files').waitFor();
  // The seconds are those of the server, and go on.
  const seconds = async () => Number.parseFloat((await ui.status.innerText()).match(/([\d.]+)s/)?.[1] ?? '');
  const before = await seconds();
  await expect.poll(seconds, { timeout: 5000 }).toBeGreaterThan(before + 0.5);
  await ui.prompt.fill('Every April');
  await ui.prompt.press('Enter');
  await ui.facts.getByText('Waiting for the first token').waitFor();
  await screenshot(page, 'index-waking-up');
  store.wake();
  await ui.done();
  await ui.status.getByText('Ready').waitFor();
  await close();
});

test('a sleeping function wakes up; without a model it says why, and finds the first one by itself', async () => {
  const store = join(await testFolder(), 'store');
  await mkdir(store);
  const address = await freeAddress();
  const api = untilTestEnds(await sleepingFunction({ MODEL_STORE: store, MODEL_CHECK_SECONDS: '1', CORS_ORIGINS: `http://${address}` }));
  const site = untilTestEnds(await startServer(tinyStore(), ['--listen', address, '--site-apis', api.url]));

  const { page, close, allow } = await newPage(browser);
  allow(/status of 503/);
  const ui = demo(page);
  await page.goto(`${site.url}/?api=${api.url}`);
  await ui.status.getByText('Waking up: starting the server').waitFor();
  await ui.status.getByText('No model').waitFor();
  const { reason } = await (await fetch(`${api.url}/model`)).json();
  await ui.status.getByText(reason).waitFor();
  await ui.prompt.fill('Every April');
  await ui.prompt.press('Enter');
  await page.getByRole('alert').getByText(reason).waitFor();
  await expectAccessible(page);
  await screenshot(page, 'index-no-model');
  await publishLive(tinyStore(), store);
  // The longer the model has been missing, the longer the page waits before it asks again.
  const longestWait = waitMs(Number.POSITIVE_INFINITY);
  await ui.status.getByText('Ready').waitFor({ timeout: longestWait + 15_000 });
  await page.locator('.error-note').getByRole('button', { name: 'Try again' }).click();
  await ui.done();
  await close();
}, 180_000);

test('an error has its request id, and can be tried again', async () => {
  const server = untilTestEnds(await startServer(tinyStore(), ['--max-concurrent', '1', '--max-waiting', '0']));
  const { page, close, allow } = await newPage(browser);
  allow(/status of 503/);
  const ui = demo(page);
  await ui.open(server.url);
  await ui.prompt.fill('Every April');
  const busy = await occupy(server);
  const response = page.waitForResponse('**/generate');
  await ui.prompt.press('Enter');
  const answer = await response;
  expect(answer.status()).toBe(503);
  const alert = page.locator('.error-note');
  await alert.getByText((await answer.json()).error.message).waitFor();
  expect(await alert.innerText()).toContain(answer.headers()['x-request-id']);
  await expectAccessible(page);
  await screenshot(page, 'index-error');
  busy.abort();
  await expect
    .poll(async () => {
      await alert.getByRole('button', { name: 'Try again' }).click({ timeout: 500 }).catch(() => {});
      return ui.facts.innerText();
    })
    .toContain('Generated in');
  expect(await alert.count()).toBe(0);
  await close();
});

/** Keeps the server busy with long texts, one after the other, until it is told to stop. */
async function occupy(server: Server): Promise<AbortController> {
  const abort = new AbortController();
  onTestFinished(() => abort.abort());
  const body = JSON.stringify({ prompt: 'Every', max_tokens: 1000, stream: true });
  const headers = { 'content-type': 'application/json' };
  const ask = () => fetch(`${server.url}/generate`, { method: 'POST', headers, body, signal: abort.signal });
  const first = await ask();
  // Two readers: there is always one at work, and the other is turned away.
  const go = async (response?: Response) => {
    await response?.text();
    while (!abort.signal.aborted) await (await ask()).text();
  };
  for (const reading of [go(first), go()]) reading.catch(() => {});
  return abort;
}

test('a server that goes away is an error, and one that comes back is found', async () => {
  const first = untilTestEnds(await startServer(tinyStore()));
  const { page, close, allow } = await newPage(browser);
  // A connection that was kept may meet the end before the page knows of it: refused, reset or closed.
  allow(/ERR_CONNECTION_|ERR_INCOMPLETE|ERR_EMPTY/);
  const ui = demo(page);
  await ui.open(first.url);
  await first.stop();
  await ui.prompt.fill('Every April');
  await ui.prompt.press('Enter');
  await ui.status.getByText('could not be reached').waitFor();
  untilTestEnds(await startServer(tinyStore(), ['--listen', new URL(first.url).host]));
  await ui.status.getByRole('button', { name: 'Try again' }).click();
  await ui.status.getByText('Ready').waitFor();
  await page.locator('.error-note').getByRole('button', { name: 'Try again' }).click();
  await ui.done();
  await close();
});

test('an API that wants a key gets it', async () => {
  const digest = createHash('sha256').update('open sesame').digest('hex');
  const server = untilTestEnds(await startServer(tinyStore(), ['--api-key-sha256', digest]));
  const { page, close, allow } = await newPage(browser);
  allow(/status of 401/);
  const ui = demo(page);
  await page.goto(server.url);
  const key = page.getByLabel('asks for a key');
  await key.fill('open barley');
  await Promise.all([page.waitForResponse('**/model'), key.press('Enter')]);
  await page.getByRole('alert').getByText('not the right one').waitFor();
  // Nothing else is shown that would not work.
  expect(await page.locator('.error-note, .status, #prompt').count()).toBe(0);
  await expectAccessible(page);
  await key.fill('open sesame');
  await key.press('Enter');
  await ui.status.getByText('Ready').waitFor();
  expect(await key.count()).toBe(0);
  await ui.prompt.fill('Every April');
  await ui.prompt.press('Enter');
  await ui.done();
  await page.reload();
  await ui.status.getByText('Ready').waitFor();
  await close();
});

test('works with an API of another origin, and only with one that the policy names', async () => {
  const address = await freeAddress();
  const api = untilTestEnds(await startServer(tinyStore(), ['--cors-origins', `http://${address}`]));
  const site = untilTestEnds(await startServer(tinyStore(), ['--listen', address, '--site-apis', api.url]));

  const { page, close } = await newPage(browser);
  const ui = demo(page);
  const asked: string[] = [];
  page.on('request', (request) => asked.push(request.url()));
  await ui.open(`${site.url}/?api=${encodeURIComponent(api.url)}`);
  await ui.prompt.fill('Every April');
  await ui.prompt.press('Enter');
  await ui.done();
  expect(asked).toContain(`${api.url}/model`);
  expect(asked).toContain(`${api.url}/generate`);
  await close();

  const stranger = await newPage(browser);
  stranger.allow(/content policy: connect-src|Content Security Policy|Refused to connect/);
  await stranger.page.goto(`${site.url}/?api=http://127.0.0.1:9`);
  await demo(stranger.page).status.getByText('could not be reached').waitFor();
  await stranger.close();
});
