/** The architecture page: what it shows is what the real server answers for the same text. */
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import type { GenerateResponse, InspectResponse, ModelState } from '../src/api/types.ts';
import { browserAndServer, expectAccessible, newPage } from './harness.ts';

const TEXT = 'The lamp, the ladder and the north window';

/** How long the page may take, on a machine that is busy with other tests. */
const SOON = { timeout: 10_000 };

const shared = browserAndServer();

async function post<T>(path: string, body: unknown): Promise<T> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(shared.server.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  expect(response.status).toBe(200);
  return (await response.json()) as T;
}

const inspect = (prompt: string) => post<InspectResponse>('/inspect', { prompt, top_k: 100 });

/** Opens the page with a text of the test's own, and waits until it is computed. */
async function open(text = TEXT, options: Parameters<typeof newPage>[1] = {}) {
  const opened = await newPage(shared.browser, options);
  await opened.page.goto(`${shared.server.url}/architecture.html`);
  await write(opened.page, text);
  return opened;
}

async function write(page: Page, text: string) {
  await page.getByLabel('Your text').fill(text);
  // Until the page has taken it in, it still says that of the text before.
  await expect.poll(() => page.locator('.walk-text').textContent(), SOON).toBe(text);
  await page.getByText('Every value below was computed for this text').waitFor();
}

/** What the radio buttons of a group say, in order. */
const choices = (page: Page, group: string) => page.getByRole('radiogroup', { name: group }).getByRole('radio').allInnerTexts();

/** The numbers before percent signs. */
const percents = (texts: string[]) => texts.flatMap((text) => [...text.matchAll(/([\d.]+)%/g)].map((match) => Number(match[1])));
const total = (numbers: readonly number[]) => numbers.reduce((sum, number) => sum + number, 0);

describe('a text of the reader', () => {
  test('is shown as the pieces, ids and vectors that the API gives', async () => {
    const { page, close } = await open();
    const { tokens, model_info: info } = await inspect(TEXT);
    expect(tokens.map(({ text }) => text).join('')).toBe(TEXT);
    const shown = tokens.map(({ text, id }) => `${text.replaceAll(' ', '·')}\n${id}`);
    expect((await choices(page, 'Tokens of the text')).map((text) => text.replace(/\n+/, '\n'))).toEqual(shown);

    await page.getByRole('radio', { name: `“${tokens[1]?.text}”, id ${tokens[1]?.id}` }).click();
    const table = page.locator('table.numbers');
    await table.getByText('at position 1').waitFor();
    const signed = (number: number) => `${number < 0 ? '−' : '+'}${Math.abs(number).toFixed(3)}`;
    const [token, position] = [tokens[1]?.token_embedding ?? [], tokens[1]?.position_embedding ?? []];
    const rows = await table.locator('tbody tr').allInnerTexts();
    expect(rows[0]?.split(/\s+/)).toEqual(['1', ...[token[0], position[0], (token[0] ?? 0) + (position[0] ?? 0)].map((number) => signed(number ?? NaN))]);
    const norms = [tokens[1]?.token_norm, tokens[1]?.position_norm].map((norm) => norm?.toFixed(2));
    expect((await table.locator('tfoot').innerText()).trim().split(/\s+/)).toEqual(['length', ...norms]);
    await page.getByText(`${info.vocab_size.toLocaleString('en')} → 1`).waitFor();
    await close();
  });

  test('stays text, whatever it looks like', async () => {
    const markup = '<img src=x onerror=alert(1)>';
    const { page, close } = await open(markup);
    expect((await page.getByRole('group', { name: 'The text so far' }).innerText()).trim()).toBe(markup);
    expect(await page.locator('main img').count()).toBe(0);
    await close();
  });

  test('that is too long is refused, and the values before it stay', async () => {
    const { page, allow, close } = await open();
    allow(/422/);
    await page.getByLabel('Your text').fill('word '.repeat(80));
    await page.getByRole('alert').filter({ hasText: /at most \d+/ }).waitFor();
    expect(await page.getByLabel('Your text').getAttribute('aria-invalid')).toBe('true');
    await page.getByText(`What you see is of “${TEXT}”`).waitFor();
    await write(page, 'The north');
    expect(await page.getByRole('alert').count()).toBe(0);
    await close();
  });
});

test('an example that comes while the reader is about to write gives way', async () => {
  const { page, close } = await newPage(shared.browser);
  let answer = () => {};
  const asked = new Promise<void>((resolve) => {
    answer = resolve;
  });
  await page.route(/\/model$/, async (route) => {
    await asked;
    await route.continue();
  });
  await page.goto(`${shared.server.url}/architecture.html`);
  const field = page.getByLabel('Your text');
  await field.focus();
  answer();
  await expect.poll(() => field.inputValue(), SOON).not.toBe('');
  await page.keyboard.type('Mine');
  expect(await field.inputValue()).toBe('Mine');
  await close();
});

describe('attention', () => {
  test('is shown in rows that sum to 1, for every head and token', async () => {
    const { page, close } = await open();
    const { attention, tokens, model_info: info } = await inspect(TEXT);
    const heads = page.getByRole('radiogroup', { name: 'Layer and head' }).getByRole('radio');
    expect(await heads.count()).toBe(info.layers * info.heads);
    const looking = page.getByRole('radiogroup', { name: 'The token that attends' }).getByRole('radio');
    for (const [layer, head] of [[0, 0], [info.layers - 1, info.heads - 1]] as const) {
      await heads.nth(layer * info.heads + head).click();
      await page.getByRole('heading', { name: `Layer ${layer + 1}, head ${head + 1}` }).waitFor();
      for (const token of [0, 2, tokens.length - 1]) {
        await looking.nth(token).click();
        const shown = percents(await looking.allInnerTexts());
        const row = attention[layer]?.[head]?.[token] ?? [];
        expect(shown).toHaveLength(token + 1);
        shown.forEach((percent, seen) => expect(percent / 100).toBeCloseTo(row[seen] ?? NaN, 2));
        // Each is rounded to a tenth.
        expect(Math.abs(total(shown) - 100)).toBeLessThan(0.05 * shown.length + 0.01);
        expect(await page.locator('.row-sum').innerText()).toBe('1.00');
        // In the sentence, all of it is named too.
        const sentence = percents([await page.locator('.head-words').innerText()]);
        expect(Math.abs(total(sentence) - 100)).toBeLessThan(0.05 * sentence.length + 0.01);
      }
    }
    await close();
  });

  test('can be walked by keyboard, and is told in words', async () => {
    const { page, close } = await open();
    const { model_info: info } = await inspect(TEXT);
    const chosen = (group: string) => page.getByRole('radiogroup', { name: group }).getByRole('radio', { checked: true });
    await chosen('Layer and head').focus();
    await page.keyboard.press('ArrowRight');
    await page.getByRole('heading', { name: 'Layer 1, head 2' }).waitFor();
    await page.keyboard.press('ArrowDown');
    await page.getByRole('heading', { name: 'Layer 2, head 2' }).waitFor();
    expect(await chosen('Block').getAttribute('aria-label')).toContain('Block 2');
    await page.keyboard.press('End');
    await page.getByRole('heading', { name: `Layer ${info.layers}, head ${info.heads}` }).waitFor();

    // The grid is one stop: the next is the tokens, of which the last is chosen.
    await page.keyboard.press('Tab');
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('ArrowLeft');
    await page.locator('.head-words').getByText(/^“ the” attends to /).waitFor();
    expect(await page.evaluate(() => document.activeElement?.getAttribute('aria-label'))).toMatch(/^“ the”, weight [\d.]+%$/);
    await close();
  });

  test('is worked out for a head, from scores that lead to its weights', async () => {
    const { page, close } = await open();
    const { attention, model_info: info } = await inspect(TEXT);
    const looking = page.getByRole('radiogroup', { name: 'The token that attends' }).getByRole('radio');
    await looking.nth(2).click();
    await page.getByText('How these weights come about').click();
    const row = attention[0]?.[0]?.[2] ?? [];
    const sorted = [...row].sort((a, b) => b - a);
    const root = Math.sqrt(info.embedding_dim / info.heads);
    const rows = page.getByRole('group', { name: 'Scores and weights' }).locator('tbody tr');
    expect(await rows.count()).toBe(4);
    for (const [index, weight] of sorted.entries()) {
      const [product, score, , power, share] = (await rows.nth(index).locator('td').allInnerTexts()).map((text) => text.replace('−', '-'));
      const expected = Math.log(weight / sorted[0]!);
      expect(Math.abs(Number(score) - expected)).toBeLessThan(0.006);
      expect(Math.abs(Number(product) - expected * root)).toBeLessThan(0.006);
      expect(Number(power)).toBeCloseTo(weight / sorted[0]!, 2);
      expect(Math.abs(percents([share!])[0]! - 100 * weight)).toBeLessThan(0.06);
    }
    expect(await rows.last().locator('td').allInnerTexts()).toEqual(['comes later', '−∞', '0', '0%']);
    await expectAccessible(page);
    await close();
  });

  test('keeps the token that looks in view', async () => {
    const { page, close } = await open('word '.repeat(60).trim(), { viewport: { width: 390, height: 844 } });
    const looking = page.getByRole('radiogroup', { name: 'The token that attends' });
    const isInView = () =>
      looking.evaluate((list) => {
        const [outer, inner] = [list, list.querySelector('[aria-checked=true]')!].map((element) => element.getBoundingClientRect());
        return inner!.top >= outer!.top - 1 && inner!.bottom <= outer!.bottom + 1;
      });
    expect(await looking.evaluate((list) => list.scrollHeight > list.clientHeight)).toBe(true);
    expect(await isInView()).toBe(true);
    await page.getByRole('radiogroup', { name: 'Tokens of the text' }).getByRole('radio').first().click();
    await expect.poll(isInView, SOON).toBe(true);
    await close();
  });

  test('of the token under the pointer is shown while it is there', async () => {
    const { page, close } = await open();
    const words = page.locator('.head-words');
    const before = await words.innerText();
    await page.getByRole('radiogroup', { name: 'The token that attends' }).getByRole('radio').nth(1).hover();
    await words.getByText(/^“ lamp” attends to /).waitFor();
    await page.getByRole('heading', { name: 'Layer 1, head 1' }).hover();
    await expect.poll(() => words.innerText(), SOON).toBe(before);
    await close();
  });

  test('patterns are found', async () => {
    const { page, close } = await open();
    await page.getByRole('button', { name: 'the token before' }).click();
    const [, layer, head] = /Layer (\d+), head (\d+): on average/.exec(await page.locator('.finder-found').innerText()) ?? [];
    await page.getByRole('heading', { name: `Layer ${layer}, head ${head}` }).waitFor();
    await close();
  });
});

/** Softmax over the first `kept` candidates, in percent, computed in another way than the page does. */
function softmax({ next }: InspectResponse, temperature: number, kept: number): number[] {
  const weights = next.slice(0, kept).map(({ logit }) => Math.exp(logit / temperature));
  return weights.map((weight) => (100 * weight) / total(weights));
}

describe('the next token', () => {
  test('has bars that follow temperature and top-k, and sum to what they claim', async () => {
    const { page, close } = await open();
    const answer = await inspect(TEXT);
    const bars = page.getByRole('radiogroup', { name: 'Candidates for the next token' });
    const sum = page.locator('.bars-sum');
    for (const [temperature, kept] of [[0.7, 50], [2, 50], [2, 5], [0.05, 5], [1, 100]] as const) {
      await slide(page, 'Temperature', temperature, 0.05);
      await slide(page, 'Top-k', kept, 1);
      const expected = softmax(answer, temperature, kept);
      const shown = percents(await bars.getByRole('radio').locator('.bars-number').allInnerTexts());
      expect(shown).toHaveLength(kept);
      shown.forEach((percent, rank) => expect(Math.abs(percent - Math.max(0.05, expected[rank] ?? NaN))).toBeLessThan(0.0501));
      const covered = 100 * total(answer.next.slice(0, kept).map(({ probability }) => probability));
      await sum.getByText(`The ${kept} bars sum to 100.0%`).waitFor();
      expect(percents([await sum.innerText()])[1]).toBeCloseTo(covered, 1);
      // The widths are those of the numbers.
      const widths = await bars.locator('.bar').evaluateAll((all) => all.map((bar) => Number.parseFloat((bar as HTMLElement).style.width)));
      expect((widths[1] ?? 0) / (widths[0] ?? 0)).toBeCloseTo((expected[1] ?? 0) / (expected[0] ?? 0), 3);
    }
    // Top-p keeps the first that reach it, of those that top-k keeps.
    await slide(page, 'Top-p', 0.5, 0.05);
    let reached = 0;
    const nucleus = softmax(answer, 1, 100).findIndex((percent) => (reached += percent) >= 50) + 1;
    await sum.getByText(new RegExp(`The (${nucleus} bars sum|bar sums) to 100.0%`)).waitFor();
    expect(await bars.getByRole('radio').locator('.bars-number').filter({ hasText: 'cut' }).count()).toBe(100 - nucleus);
    await slide(page, 'Temperature', 0, 0.05);
    await sum.getByText('The bar sums to 100.0%').waitFor();
    await close();
  });

  test('has bars that begin with the first for every text', async () => {
    const { page, close } = await open();
    const list = page.locator('.bars-list');
    await list.evaluate((element) => element.scrollTo(0, 400));
    expect(await list.evaluate((element) => element.scrollTop)).toBeGreaterThan(0);
    await write(page, 'The north');
    await expect.poll(() => list.evaluate((element) => element.scrollTop), SOON).toBe(0);
    await close();
  });

  test('says the range of a seed that is none', async () => {
    const { page, close } = await open();
    await page.getByLabel('Seed').fill('-3');
    await page.getByRole('alert').getByText('A seed is a whole number from 0 to 9,007,199,254,740,991.').waitFor();
    await page.getByLabel('Seed').fill('3');
    await page.getByRole('button', { name: 'Next token' }).click();
    await page.getByText('Drawn with seed 3').waitFor();
    expect(await page.getByRole('alert').count()).toBe(0);
    await close();
  });

  test('is explained in steps that lead to the number of its bar', async () => {
    const { page, close } = await open();
    const answer = await inspect(TEXT);
    await page.getByRole('radiogroup', { name: 'Candidates for the next token' }).getByRole('radio').nth(2).click();
    const steps = await page.locator('.softmax-steps dd').allInnerTexts();
    const [first, third] = [answer.next[0]?.logit ?? 0, answer.next[2]?.logit ?? 0];
    const fixed = (number: number) => number.toFixed(3).replace('-', '−');
    expect(steps[0]).toContain(`= ${fixed(third - first)}`);
    expect(steps[2]).toContain(`= ${fixed((third - first) / 0.7)}`);
    expect(percents(steps.slice(-1))[0]).toBeCloseTo(softmax(answer, 0.7, 50)[2] ?? NaN, 1);
    await close();
  });

  test('is drawn, put behind the text, and taken back', async () => {
    const { page, close } = await open('The lamp');
    await page.getByLabel('Seed').fill('7');
    await page.getByLabel('Seed').press('Tab');
    const soFar = page.getByRole('group', { name: 'The text so far' });
    const button = page.getByRole('button', { name: 'Next token' });
    let text = 'The lamp';
    await button.focus();
    for (const seed of [7, 8, 9]) {
      const settings = { max_tokens: 1, temperature: 0.7, top_k: 50, seed };
      text += (await post<GenerateResponse>('/generate', { prompt: text, ...settings })).response;
      await page.keyboard.press('Enter');
      await expect.poll(() => soFar.textContent(), SOON).toBe(text);
      await page.getByText(`Drawn with seed ${seed}`).waitFor();
      await page.getByText('Every value below was computed for this text').waitFor();
      expect(await page.getByLabel('Your text').inputValue()).toBe(text);
      expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Next token');
    }
    const { tokens } = await inspect(text);
    await page.locator('.prompt-count').getByText(`${tokens.length} of`).waitFor();
    await page.getByRole('button', { name: 'Take back' }).click();
    await expect.poll(async () => text.startsWith((await soFar.textContent()) ?? '?'), SOON).toBe(true);
    expect(await page.getByLabel('Seed').inputValue()).toBe('9');
    // The same seed draws the same.
    await page.getByText('Every value below was computed for this text').waitFor();
    await button.click();
    await expect.poll(() => soFar.textContent(), SOON).toBe(text);
    // Another text starts another walk.
    await write(page, 'The ladder');
    expect(await page.locator('.walk-text mark').count()).toBe(0);
    await page.locator('.measured tbody tr').filter({ hasText: 'one token' }).getByText('4', { exact: true }).waitFor();
    await close();
  });
});

/** Moves a slider by keys: from its end, a step at a time. */
async function slide(page: Page, name: string, value: number, step: number) {
  const slider = page.getByRole('slider', { name });
  const found = Number(await slider.inputValue());
  const steps = Math.round((value - found) / step);
  await slider.focus();
  for (let pressed = 0; pressed < Math.abs(steps); pressed += 1) await page.keyboard.press(steps < 0 ? 'ArrowLeft' : 'ArrowRight');
  expect(Number(await slider.inputValue())).toBeCloseTo(value, 6);
}

describe('the way through the model', () => {
  const station = (page: Page, name: string) => page.getByRole('navigation', { name: 'Sections' }).getByRole('link', { name });

  test('has the numbers of the text, and lights up with the section in view', async () => {
    const { page, close } = await open();
    const { tokens, next, model_info: info } = await inspect(TEXT);
    const figure = (name: string) => station(page, name).locator('.contents-figure').innerText();
    expect(await figure('Tokens')).toBe(`${tokens.length} tokens`);
    expect(await figure('Vectors')).toBe(`${tokens.length} × ${info.embedding_dim}`);
    const [likeliest] = next;
    expect(await figure('Next token')).toBe(`${likeliest!.text.replaceAll(' ', '·').replaceAll('\n', '↵')} ${(100 * likeliest!.probability).toFixed(1)}%`);
    for (const name of ['Vectors', 'Attention', 'Training']) {
      await station(page, name).click();
      await expect.poll(() => station(page, name).getAttribute('aria-current'), SOON).toBe('location');
    }
    await page.getByRole('button', { name: 'Next token' }).click();
    await page.getByText('Drawn with seed').waitFor();
    const drawn = await page.locator('.walk-new').textContent();
    await expect.poll(() => figure('Next token'), SOON).toContain(drawn!.replaceAll(' ', '·').replaceAll('\n', '↵'));
    await close();
  });

  test('is toured in six steps, by buttons and by keys', async () => {
    const { page, close } = await open(TEXT, { reducedMotion: 'reduce' });
    await page.getByRole('button', { name: 'Take the tour' }).click();
    const tour = page.getByRole('region', { name: 'Tour' });
    await tour.getByText('1 of 6: Text.').waitFor();
    await tour.getByRole('button', { name: 'Next' }).click();
    await tour.getByText('2 of 6: Tokens.').waitFor();
    await expect.poll(() => page.locator('#tokens').evaluate((section) => Math.abs(section.getBoundingClientRect().top) < 150), SOON).toBe(true);
    for (const name of ['Vectors', 'Blocks', 'Attention', 'Next token']) {
      await page.keyboard.press('ArrowRight');
      await tour.getByText(`: ${name}.`).waitFor();
    }
    await expect.poll(() => station(page, 'Next token').getAttribute('aria-current'), SOON).toBe('location');
    expect(await tour.getByRole('button', { name: 'Next' }).getAttribute('aria-disabled')).toBe('true');
    await page.keyboard.press('ArrowLeft');
    await tour.getByText('5 of 6: Attention.').waitFor();
    await expectAccessible(page);
    await page.keyboard.press('Escape');
    await tour.waitFor({ state: 'detached' });
    await close();
  });
});

test('numbers, training and serving are those of the manifest and of the process', async () => {
  const { page, close } = await open();
  const state = (await (await fetch(`${shared.server.url}/model`)).json()) as ModelState;
  const parameters = state.model_info?.parameters.toLocaleString('en') ?? '?';
  await page.locator('.big-numbers').getByText(parameters, { exact: true }).waitFor();
  const parts = await page.locator('.parts-table tbody td:nth-child(2)').allInnerTexts();
  expect(total(parts.map((part) => Number(part.replaceAll(',', '')))).toLocaleString('en')).toBe(parameters);
  await page.locator('#training').scrollIntoViewIfNeeded();
  await page.locator('.loss-plot canvas').waitFor();
  await page.getByText(state.manifest?.training?.final_val_loss.toFixed(3) ?? '?').first().waitFor();
  await page.getByText('All settings of the run').click();
  await page.locator('.fact').filter({ hasText: 'learning_rate' }).getByText(String(state.manifest?.training?.hyper_parameters['learning_rate'])).waitFor();
  expect(await page.locator('.time-bars dd').count()).toBe(5);

  await page.getByRole('button', { name: 'Generate 50 tokens' }).click();
  const row = page.locator('.measured tbody tr').filter({ hasText: '50 tokens' });
  await row.getByText('1', { exact: true }).waitFor();
  expect((await row.locator('td').allInnerTexts()).slice(1).every((text) => /\d/.test(text))).toBe(true);
  await close();
});
