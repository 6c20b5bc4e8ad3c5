/** The page that compares models: two real servers at two origins, with models of different texts. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GenerateRequest, GenerateResponse } from '../src/api/types.ts';
import { bytes, count, loss, milliseconds, percent } from '../src/components/format.ts';
import { scientific } from '../src/compare/format.ts';
import { verdictOn } from '../src/compare/verdict.ts';
import { freePort, published, startPage } from './compare-servers.ts';
import {
  NARROW,
  type Server,
  WIDE,
  expectAccessible,
  expectNoSidewaysScroll,
  newPage,
  pressOnce,
  screenshot,
  startBrowser,
  startServer,
  tidesStore,
  tinyStore,
} from './harness.ts';

let browser: Browser;
/** With the page. */
let own: Server;
let other: Server;

beforeAll(async () => {
  browser = await startBrowser();
  const port = await freePort();
  other = await startServer(tidesStore(), ['--cors-origins', `http://127.0.0.1:${port}`]);
  own = await startPage(tinyStore(), port, [other.url]);
});

afterAll(async () => {
  await browser?.close();
  await Promise.all([own?.stop(), other?.stop()]);
});

/** Opens the page and waits for both models. */
async function open(options: Parameters<typeof newPage>[1] = {}) {
  const opened = await newPage(browser, options);
  await opened.page.goto(`${own.url}/compare.html`);
  await opened.page.getByText('Ready').nth(1).waitFor();
  return opened;
}

/** The cells of a row of the facts, of the group `title`. */
function cellsOf(page: Page, title: string, label: string): Promise<string[]> {
  const group = page.getByRole('rowgroup').filter({ has: page.getByRole('rowheader', { name: new RegExp(`^${title}`) }) });
  const row = group.getByRole('row').filter({ has: page.getByRole('rowheader', { name: label, exact: true }) });
  return row.getByRole('cell').allInnerTexts();
}

const withoutMark = (cell: string | undefined) => cell?.replace(/\s*(lowest|highest|smallest|fastest)$/, '').trim();

async function ask(page: Page, prompt: string): Promise<void> {
  await page.getByLabel('One prompt for all of them').fill(prompt);
  await page.getByRole('button', { name: 'Ask all' }).click();
}

/** Keeps a copy of every answer of `POST /generate` that the page gets, in `window.answers`. */
async function keepAnswers(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const answers: Promise<Asked>[] = [];
    Object.assign(window, { answers });
    const { fetch } = window;
    window.fetch = async (url, init) => {
      const response = await fetch(url, init);
      if (String(url).endsWith('/generate')) {
        const request = JSON.parse(String(init?.body)) as GenerateRequest;
        const copy = response.clone().text();
        answers.push(copy.then((text) => ({ request, answer: JSON.parse(/event: done\ndata: (.*)/.exec(text)?.[1] ?? 'null') })));
      }
      return response;
    };
  });
}

interface Asked {
  request: GenerateRequest;
  answer: GenerateResponse;
}

/** The answers so far, by the model's name. */
async function answersOf(page: Page): Promise<Record<string, Asked[]>> {
  const all = await page.evaluate(() => Promise.all((window as unknown as { answers: Promise<Asked>[] }).answers));
  return Object.fromEntries(['tiny', 'tides'].map((name) => [name, all.filter(({ answer }) => answer.model.name === name)]));
}

test('facts are those of the manifests', async () => {
  const { page, close } = await open();
  const stores = await Promise.all([published(tinyStore()), published(tidesStore())]);
  const expectRow = async (title: string, label: string, of: (store: (typeof stores)[number]) => string) =>
    expect((await cellsOf(page, title, label)).map(withoutMark)).toEqual(stores.map(of));

  expect(stores.map(({ manifest }) => manifest.name)).toEqual(['tiny', 'tides']);
  await expectRow('Model', 'Name', ({ manifest }) => manifest.name);
  await expectRow('Model', 'Version', ({ manifest }) => manifest.version);
  await expectRow('Model', 'Blocks', ({ manifest }) => count(manifest.config.n_layers));
  await expectRow('Model', 'Width', ({ manifest }) => count(manifest.config.d_model));
  await expectRow('Model', 'Context, tokens', ({ manifest }) => count(manifest.config.context_length));
  await expectRow('Corpus', 'Texts', ({ manifest }) => {
    const [text] = manifest.training!.corpus;
    return `${text!.name} ${count(text!.tokens)} tokens`;
  });
  await expectRow('Training', 'Epochs', ({ manifest }) => count(manifest.training!.epochs));
  await expectRow('Training', 'Steps', ({ manifest }) => count(manifest.training!.steps));
  await expectRow('Training', 'Tokens seen', ({ curve }) => count(curve.at(-1)!.tokens_seen));
  await expectRow('Training', 'Device', ({ manifest }) => manifest.training!.device);
  await expectRow('Losses', 'Training text', ({ manifest }) => loss(manifest.training!.final_train_loss));
  await expectRow('Losses', 'Validation text', ({ manifest }) => loss(manifest.evaluation!.val_loss));
  await expectRow('Losses', 'Bits per byte', ({ manifest }) => loss(manifest.evaluation!.bits_per_byte!));
  const served = ({ manifest }: (typeof stores)[number]) => manifest.variants.find(({ precision }) => precision === 'w4')!;
  await expectRow('As served', 'Precision', () => '4-bit weights');
  await expectRow('As served', 'KL divergence', (store) => scientific(served(store).kl_divergence));
  await expectRow('As served', 'Top-1 agreement', (store) => percent(served(store).top_1_agreement, 2));
  await expectRow('Files of weights', 'ONNX, 4-bit weights', (store) => `${bytes(served(store).bytes)} served`);
  await expectRow('Files of weights', 'ONNX, 8-bit weights', ({ manifest }) => bytes(manifest.variants.find(({ precision }) => precision === 'w8')!.bytes));
  await expectRow('Files of weights', 'As trained, safetensors', ({ manifest }) => bytes(manifest.files.find(({ role }) => role === 'weights')!.bytes));
  await expectRow('Speed', 'Tokens per second', () => '–');
  await close();
});

test('the better loss is marked, with the remark that the texts differ', async () => {
  const { page, close } = await open();
  const stores = await Promise.all([published(tinyStore()), published(tidesStore())]);
  const losses = stores.map(({ manifest }) => manifest.evaluation!.val_loss);
  const better = losses[0]! < losses[1]! ? 0 : 1;
  const cells = await cellsOf(page, 'Losses', 'Validation text');
  expect(cells[better]).toMatch(/lowest$/);
  expect(cells[1 - better]).not.toMatch(/lowest/);
  await page.getByText('trained and evaluated on different texts').first().waitFor();
  await page.getByLabel('Only what differs').check();
  expect(await page.getByRole('rowheader', { name: 'Vocabulary, tokens' }).count()).toBe(0);
  expect(await page.getByRole('rowheader', { name: 'Steps' }).count()).toBe(1);
  await close();
});

test('all losses are in one plot, and in tables', async () => {
  const { page, close } = await open();
  const plot = page.getByRole('img', { name: /^tiny: over .* tides: over / });
  await plot.scrollIntoViewIfNeeded();
  await plot.locator('canvas').waitFor();
  const linear = await plot.screenshot();
  await page.getByLabel('Logarithmic scale').check();
  expect((await plot.screenshot()).equals(linear)).toBe(false);
  await page.getByText('The losses as tables').click();
  for (const store of [tinyStore(), tidesStore()]) {
    const { manifest, curve } = await published(store);
    const rows = page.getByRole('table', { name: manifest.name, exact: true }).locator('tbody tr');
    const expected = curve.map((point) => [count(point.tokens_seen), ...[point.train_loss, point.val_loss, point.bits_per_byte!].map(loss)]);
    expect(await Promise.all((await rows.all()).map((row) => row.locator('th, td').allInnerTexts()))).toEqual(expected);
  }
  await close();
});

test('both continue the same prompt with the same seed, and their speeds are those of the answers', async () => {
  const { page, close } = await newPage(browser);
  await keepAnswers(page);
  await page.goto(`${own.url}/compare.html`);
  await page.getByText('Ready').nth(1).waitFor();
  await page.getByLabel('Length, tokens').fill('20');
  await ask(page, 'The tide');
  await page.getByText(/20 tokens in/).nth(1).waitFor();
  const { tiny, tides: other } = await answersOf(page);
  expect(tiny![0]!.request).toEqual(other![0]!.request);
  expect(tiny![0]!.request).toMatchObject({ prompt: 'The tide', max_tokens: 20, temperature: 0.7, top_k: 50, seed: expect.any(Number) });
  const answers = [tiny![0]!.answer, other![0]!.answer];
  for (const { model, response } of answers) {
    expect(await page.getByRole('group', { name: `Answer of ${model.name}` }).textContent()).toBe(`The tide${response}`);
  }
  const expectRow = async (label: string, of: (answer: GenerateResponse) => string) =>
    expect((await cellsOf(page, 'Speed', label)).map(withoutMark)).toEqual(answers.map(of));
  await expectRow('Tokens per second', ({ timing }) => count(timing.tokens_per_second));
  await expectRow('First token after', ({ timing }) => milliseconds(timing.first_token_ms));
  await expectRow('Whole answer', ({ timing }) => `${milliseconds(timing.total_ms)} 20 tokens`);

  // The same seed again gives the same texts.
  await page.getByRole('button', { name: 'Keep this seed' }).click();
  expect(await page.getByLabel('Seed').evaluate((element) => element === document.activeElement)).toBe(true);
  await page.getByLabel('One prompt for all of them').press('Enter');
  await expect.poll(async () => Object.values(await answersOf(page)).map((list) => list.length)).toEqual([2, 2]);
  for (const [first, second] of Object.values(await answersOf(page))) {
    expect(second!.request).toEqual(first!.request);
    expect(second!.answer.response).toBe(first!.answer.response);
  }
  await close();
});

test('the verdict says that models of different texts have no winner, and judges each', async () => {
  const { page, close } = await open();
  const verdict = page.getByRole('region', { name: 'Verdict' });
  await verdict.getByText('Which one is better cannot be told from their losses').waitFor();
  const stores = await Promise.all([published(tinyStore()), published(tidesStore())]);
  const expected = verdictOn(stores.map(({ manifest }) => ({ name: manifest.name, manifest, precision: 'w4' })));
  expect(await verdict.getByRole('listitem').allTextContents()).toEqual(expected.slice(1));
  await close();
});

test('answers, prompt and settings are there after a reload', async () => {
  const { page, close } = await open();
  await page.getByLabel('Length, tokens').fill('20');
  await ask(page, 'The tide');
  await page.getByText(/20 tokens in/).nth(1).waitFor();
  const shown = async () => [
    ...(await page.locator('.answer-text').allTextContents()),
    ...(await page.locator('.answer-foot').allTextContents()),
    ...(await cellsOf(page, 'Speed', 'Whole answer')),
  ];
  const before = await shown();
  await page.reload();
  await page.getByText('Ready').nth(1).waitFor();
  await expect.poll(shown).toEqual(before);
  expect(await page.getByLabel('One prompt for all of them').inputValue()).toBe('The tide');
  expect(await page.getByLabel('Length, tokens').inputValue()).toBe('20');
  await close();
});

test('an invalid number says its range, until it is mended', async () => {
  const { page, close } = await open();
  let asked = 0;
  page.on('request', (request) => (asked += Number(request.url().endsWith('/generate'))));
  const alert = page.locator('.ask').getByRole('alert');
  await page.getByLabel('Length, tokens').fill('2000');
  await page.getByLabel('Top-p').fill('3');
  await alert.getByText('Length, tokens is a whole number from 1 to 1,000.').waitFor();
  await ask(page, 'The');
  expect(await page.getByLabel('Length, tokens').evaluate((element) => element === document.activeElement)).toBe(true);
  await expectAccessible(page);
  await page.getByLabel('Length, tokens').fill('5');
  await alert.getByText('Top-p is a number from 0.01 to 1.').waitFor();
  expect(asked).toBe(0);
  await page.getByLabel('Top-p').fill('1');
  expect(await alert.textContent()).toBe('');
  await ask(page, 'The');
  await page.getByText(/5 tokens in/).nth(1).waitFor();
  await close();
});

test('Escape stops all', async () => {
  const { page, close } = await open();
  await page.getByLabel('Length, tokens').fill('1000');
  await pressOnce(page, '.answer-foot', /^Writing$/, { key: 'Escape' });
  await ask(page, 'The');
  await page.getByText('Stopped', { exact: true }).first().waitFor();
  // The focus stays.
  const button = page.getByRole('button', { name: 'Ask all' });
  await expect.poll(() => button.getAttribute('aria-disabled')).toBe('false');
  expect(await button.evaluate((element) => element === document.activeElement)).toBe(true);
  await close();
});

test('markup stays text', async () => {
  const { page, close } = await open();
  const prompt = '<img src=x onerror="document.title=1"><b>bold</b>';
  await ask(page, prompt);
  await page.getByText(/tokens in/).nth(1).waitFor();
  const answer = page.getByRole('group', { name: 'Answer of tiny' });
  expect(await answer.textContent()).toContain(prompt);
  expect(await page.locator('#main img, #main b').count()).toBe(0);
  await close();
});

describe.each([
  ['narrow', 'light'],
  ['narrow', 'dark'],
  ['wide', 'light'],
  ['wide', 'dark'],
] as const)('%s and %s', (width, colorScheme) => {
  test('fits, is accessible, and does not move by itself', async () => {
    const { page, close } = await newPage(browser, { viewport: width === 'wide' ? WIDE : NARROW, colorScheme });
    await page.addInitScript(() => {
      const target = window as unknown as { shift: number };
      target.shift = 0;
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) target.shift += (entry as unknown as { value: number }).value;
      }).observe({ type: 'layout-shift', buffered: true });
    });
    await page.goto(`${own.url}/compare.html`);
    await page.getByText('Ready').nth(1).waitFor();
    expect(await page.evaluate(() => (window as unknown as { shift: number }).shift)).toBeLessThan(0.01);
    await ask(page, 'The');
    await page.getByText(/50 tokens in/).nth(1).waitFor();
    await page.locator('.compare-plot').scrollIntoViewIfNeeded();
    await page.locator('.compare-plot canvas').waitFor();
    await expectNoSidewaysScroll(page);
    await expectAccessible(page);
    await screenshot(page, `compare-two-${width}-${colorScheme}`);
    await close();
  });
});

test('fits 320 pixels', async () => {
  const { page, close } = await open({ viewport: { width: 320, height: 600 } });
  await ask(page, 'The');
  await page.getByText(/50 tokens in/).nth(1).waitFor();
  await expectNoSidewaysScroll(page);
  await screenshot(page, 'compare-two-320');
  await close();
});
