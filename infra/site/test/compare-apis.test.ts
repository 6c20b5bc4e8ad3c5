/** The page that compares models, where APIs are few, many, asleep, away, or want a key. */
import { createHash } from 'node:crypto';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { GenerateRequest } from '../src/api/types.ts';
import { verdictOn } from '../src/compare/verdict.ts';
import { freePort, published, startGate, startKeyedGateway, startPage } from './compare-servers.ts';
import {
  NARROW,
  type Server,
  expectAccessible,
  expectNoSidewaysScroll,
  newPage,
  screenshot,
  startBrowser,
  startServer,
  tidesStore,
  tinyStore,
} from './harness.ts';

let browser: Browser;
/** Port of the page's origin, which the other APIs allow; one page at a time is served there. */
let port: number;
let origin: string;
const running: { stop(): Promise<void> }[] = [];

beforeAll(async () => {
  [browser, port] = await Promise.all([startBrowser(), freePort()]);
  origin = `http://127.0.0.1:${port}`;
});

afterAll(async () => {
  await browser?.close();
  await Promise.all(running.map((server) => server.stop()));
});

/** An API at an origin of its own, for as long as the tests run. */
async function startApi(store: string, more: string[] = []): Promise<Server> {
  const server = await startServer(store, ['--cors-origins', origin, ...more]);
  running.push(server);
  return server;
}

/** Serves the page beside `apis` and opens it, for as long as `use` takes. */
async function withPage(apis: readonly string[], use: (page: Page, allow: (pattern: RegExp) => void) => Promise<void>, options = {}) {
  const server = await startPage(tinyStore(), port, apis);
  try {
    const { page, allow, close } = await newPage(browser, options);
    await page.goto(`${server.url}/compare.html`);
    await use(page, allow);
    await close();
  } finally {
    await server.stop();
  }
}

/** The part of the page that is about the API at `url`. */
const cardOf = (page: Page, url: string) => page.locator('.answer').filter({ hasText: url });

async function ask(page: Page): Promise<void> {
  await page.getByLabel('One prompt for all of them').fill('The');
  await page.getByRole('button', { name: 'Ask all' }).click();
}

test('a model alone is judged, continues a prompt at two temperatures, and says how to add another', async () => {
  await withPage([], async (page) => {
    await page.getByText('Ready').waitFor();
    expect(await page.getByRole('columnheader').allInnerTexts()).toEqual(['tiny']);
    const verdict = page.getByRole('region', { name: 'Verdict' });
    const { manifest } = await published(tinyStore());
    const [sentence] = verdictOn([{ name: 'tiny', manifest, precision: 'w4' }]);
    await verdict.getByText(sentence!).waitFor();

    const prompt = page.getByLabel('One prompt, continued twice');
    await expect.poll(() => prompt.inputValue()).toBe(manifest.example_prompts[0]);
    await page.getByLabel('Temperature', { exact: true }).fill('0');
    await page.getByLabel('Second temperature').fill('2');
    const asked: GenerateRequest[] = [];
    page.on('request', (request) => request.url().endsWith('/generate') && asked.push(request.postDataJSON()));
    await page.getByRole('button', { name: manifest.example_prompts[1] }).click();
    await page.getByText(/50 tokens in/).nth(1).waitFor();
    expect(asked.map(({ temperature }) => temperature)).toEqual([0, 2]);
    expect(asked.map(({ seed, prompt }) => ({ seed, prompt }))).toEqual(Array(2).fill({ seed: asked[0]!.seed, prompt: manifest.example_prompts[1] }));
    const texts = ['0', '2'].map((temperature) => page.getByRole('group', { name: `Answer of tiny at temperature ${temperature}` }));
    const before = await Promise.all(texts.map((text) => text.textContent()));
    expect(before[0]).not.toBe(before[1]);

    const how = page.getByRole('region', { name: 'Add a second model' });
    const words = await how.textContent();
    for (const needed of ['site.compare', 'serving.corsOrigins', '--site-apis', `--cors-origins ${origin}`]) expect(words).toContain(needed);
    expect(await page.getByText('lowest').count()).toBe(0);
    expect(await page.getByText('different texts').count()).toBe(0);
    await expectAccessible(page);
    await screenshot(page, 'compare-one');
  });
});

test('models of the same text have comparable losses', async () => {
  const twin = await startApi(tinyStore(), ['--precision', 'w8']);
  await withPage([twin.url], async (page) => {
    await page.getByText('Ready').nth(1).waitFor();
    expect(await page.getByRole('columnheader').allInnerTexts()).toEqual(['tiny w4', 'tiny w8']);
    expect(await page.locator('.remark').count()).toBe(0);
    // Both are the same version: nothing is ahead in what was trained.
    const losses = page.getByRole('row').filter({ has: page.getByRole('rowheader', { name: 'Perplexity' }) });
    expect(await losses.getByText('lowest').count()).toBe(0);
  });
});

test('an API that is down has an error of its own, and is there once it is back', async () => {
  const downPort = await freePort();
  const down = `http://127.0.0.1:${downPort}`;
  await withPage([down], async (page, allow) => {
    allow(/ERR_CONNECTION_REFUSED/);
    await page.getByText('Ready').waitFor();
    const card = cardOf(page, down);
    await card.getByRole('alert').getByText('the API could not be reached').waitFor();
    await ask(page);
    await cardOf(page, origin).getByText(/50 tokens in/).waitFor();
    expect(await card.getByRole('alert').count()).toBe(1);
    await expectAccessible(page);
    await screenshot(page, 'compare-one-down');

    await startApi(tidesStore(), ['--listen', `127.0.0.1:${downPort}`]);
    await card.getByRole('button', { name: 'Try again' }).last().click();
    await card.getByText(/50 tokens in/).waitFor();
    await card.getByText('Ready').waitFor();
    expect(await page.getByRole('columnheader').allInnerTexts()).toEqual(['tiny', 'tides']);
  });
});

test('an API that has to wake up first is waited for, without holding up the other', async () => {
  const target = await startApi(tidesStore());
  const gate = await startGate(target.url);
  running.push(gate);
  await withPage([gate.url], async (page) => {
    const card = cardOf(page, gate.url);
    await cardOf(page, origin).getByText('Ready').waitFor();
    await card.getByText('Waking up').waitFor();
    await ask(page);
    await cardOf(page, origin).getByText(/50 tokens in/).waitFor();
    await card.getByText('Waiting for its first token').waitFor();
    gate.open();
    await card.getByText('Ready').waitFor();
    await card.getByText(/50 tokens in/).waitFor();
  });
});

test('an API that wants a key gets one, and until then shows the form alone', async () => {
  const key = 'a key for this test';
  const locked = await startApi(tidesStore(), ['--api-key-sha256', createHash('sha256').update(key).digest('hex')]);
  await withPage([locked.url], async (page, allow) => {
    allow(/401/);
    const card = cardOf(page, locked.url);
    await card.getByLabel('asks for a key').fill('another key');
    expect(await card.getByRole('alert').count()).toBe(0);
    await card.getByRole('button', { name: 'Use this key' }).click();
    await card.getByRole('alert').getByText('not the right one').waitFor();
    expect(await card.locator('.error-note').count()).toBe(0);
    await expectAccessible(page);
    await card.getByLabel('asks for a key').fill(key);
    await card.getByRole('button', { name: 'Use this key' }).click();
    await card.getByText('Ready').waitFor();
    await ask(page);
    await card.getByText(/50 tokens in/).waitFor();
    expect(await card.getByLabel('asks for a key').count()).toBe(0);
  });
});

test('a gateway that wants a key in its own words gets one too', async () => {
  const gateway = await startKeyedGateway((await startApi(tidesStore())).url, 'a key', origin);
  running.push(gateway);
  await withPage([gateway.url], async (page, allow) => {
    allow(/403/);
    const card = cardOf(page, gateway.url);
    await card.getByLabel('asks for a key').fill('a key');
    await card.getByRole('button', { name: 'Use this key' }).click();
    await card.getByText('Ready').waitFor();
    await ask(page);
    await card.getByText(/50 tokens in/).waitFor();
  });
});

test('a request that the API refuses says why, with the name of the request', async () => {
  const api = await startApi(tidesStore());
  await withPage([api.url], async (page, allow) => {
    allow(/422/);
    await page.getByText('Ready').nth(1).waitFor();
    // The page's own bounds would hold it back.
    await page.route('**/generate', (route) => route.continue({ postData: { ...route.request().postDataJSON(), top_k: 5_000_000 } }));
    await ask(page);
    const alerts = page.locator('.error-note').filter({ hasText: /top_k.*Request id [0-9a-f]{16}/ });
    await alerts.nth(1).waitFor();
  });
});

test('three models scroll where there is no room, with their labels in view', async () => {
  const apis = await Promise.all([startApi(tidesStore()), startApi(tinyStore(), ['--precision', 'float32'])]);
  await withPage(
    apis.map(({ url }) => url),
    async (page) => {
      await page.getByText('Ready').nth(2).waitFor();
      await page.locator('.compare-plot').scrollIntoViewIfNeeded();
      await page.locator('.compare-plot canvas').waitFor();
      const table = page.locator('.scrolls-narrow');
      await table.evaluate((element) => element.scrollTo(10_000, 0));
      expect(await table.evaluate((element) => element.scrollLeft)).toBeGreaterThan(0);
      const label = await page.getByRole('rowheader', { name: 'Steps' }).locator('span').boundingBox();
      expect(label!.x).toBeGreaterThanOrEqual(0);
      await expectNoSidewaysScroll(page);
      await expectAccessible(page);
      await screenshot(page, 'compare-three-narrow');
      await page.setViewportSize({ width: 1280, height: 900 });
      await screenshot(page, 'compare-three-wide');
    },
    { viewport: NARROW },
  );
});
