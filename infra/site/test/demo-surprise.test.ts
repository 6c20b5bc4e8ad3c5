/** The surprise of a text on the demo page: what is shown is what the API computes, in two ways. */
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import type { InspectResponse, ScoredText } from '../src/api/types.ts';
import { demo } from './demo-page.ts';
import {
  NARROW,
  WIDE,
  browserAndServer,
  expectAccessible,
  expectNoSidewaysScroll,
  newPage,
  screenshot,
} from './harness.ts';

const shared = browserAndServer('--precision', 'float32');

async function post<T>(path: string, body: unknown): Promise<T> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(shared.server.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  expect(response.status).toBe(200);
  return (await response.json()) as T;
}

/** The parts of the page that are about surprise. */
function surprise(page: Page) {
  return {
    toggle: page.getByRole('button', { name: 'Surprise' }),
    pieces: page.getByRole('listbox', { name: 'The text in pieces' }).getByRole('option'),
    others: page.getByRole('listbox', { name: 'The other text' }).getByRole('option'),
    likeliest: page.locator('.alternatives').first(),
    means: page.locator('.means'),
    other: page.getByLabel('Beside it, another text'),
    measure: page.getByRole('button', { name: 'Measure' }),
  };
}

/** A probability as the page shows it. */
const shares = (text: string) =>
  [...text.matchAll(/(< )?([\d.]+)%/g)].map(([, less, number]) => (less ? 0 : Number(number) / 100));

/** Writes a text with its surprise shown; gives the text. */
async function write(page: Page, prompt: string, tokens: number): Promise<string> {
  const ui = demo(page);
  await ui.option('Length').fill(String(tokens));
  await ui.prompt.fill(prompt);
  await ui.prompt.press('Enter');
  await ui.done();
  const whole = prompt + (await ui.text.textContent());
  await surprise(page).toggle.click();
  await surprise(page).pieces.first().waitFor();
  return whole;
}

test('probabilities are those of the API, and those of the distribution before each token', async () => {
  const { page, close } = await newPage(shared.browser);
  const view = surprise(page);
  await demo(page).open(shared.server.url);
  const whole = await write(page, 'Every April, in the lamp', 12);
  const { choices } = await post<{ choices: ScoredText[] }>('/v1/completions', {
    prompt: whole,
    max_tokens: 0,
    echo: true,
    logprobs: 5,
  });
  const { tokens, token_logprobs: logprobs } = choices[0]?.logprobs ?? { tokens: [], token_logprobs: [] };
  expect(tokens.join('')).toBe(whole);
  expect(await view.pieces.count()).toBe(tokens.length);
  const names = await view.pieces.evaluateAll((all) => all.map((piece) => piece.getAttribute('aria-label') ?? ''));
  expect(names[0]).toMatch(/, the first$/);
  for (let index = 1; index < tokens.length; index += 1) {
    const [shown] = shares(names[index]?.slice((tokens[index]?.length ?? 0) + 2) ?? '');
    expect(Math.abs((shown ?? NaN) - Math.exp(logprobs[index] ?? NaN))).toBeLessThan(1e-3);
    // The other way: the logits of what comes after the tokens before, through a softmax over all of them.
    const { next } = await post<InspectResponse>('/inspect', { prompt: tokens.slice(0, index).join(''), top_k: 100 });
    await view.pieces.nth(index).hover();
    const listed = await view.likeliest.getByRole('listitem').allInnerTexts();
    expect(listed.length).toBeGreaterThanOrEqual(5);
    next.slice(0, 5).forEach(({ text, probability, logit }, rank) => {
      const line = listed.find((line) => line.startsWith(`“${text.replaceAll('\n', '\\n')}”`)) ?? '';
      expect(Math.abs((shares(line)[0] ?? NaN) - probability)).toBeLessThan(1e-3);
      // Softmax: the ratio of two probabilities is the exponential of the difference of their logits.
      const ratio = Math.exp(logit - (next[0]?.logit ?? NaN));
      expect(
        Math.abs((shares(listed[0] ?? '')[0] ?? NaN) * ratio - (shares(line)[0] ?? NaN)),
        `rank ${rank}`,
      ).toBeLessThan(1e-3);
    });
  }
  // The means are those of the API's numbers, in bits for each byte.
  const mean = (from: number, to: number) => {
    const part = tokens
      .map((token, index) => ({ token, logprob: logprobs[index] ?? null }))
      .slice(from, to)
      .filter(({ logprob }) => logprob !== null);
    const bytes = part.reduce((sum, { token }) => sum + Buffer.byteLength(token), 0);
    return -part.reduce((sum, { logprob }) => sum + (logprob ?? 0), 0) / Math.LN2 / bytes;
  };
  const { tokens: own } = await post<InspectResponse>('/inspect', { prompt: 'Every April, in the lamp', top_k: 1 });
  const said = [...(await view.means.first().innerText()).matchAll(/([\d.]+) bits/g)].map(([, number]) =>
    Number(number),
  );
  expect(said[0]).toBeCloseTo(mean(0, own.length), 1);
  expect(said[1]).toBeCloseTo(mean(own.length, tokens.length), 1);
  await close();
});

test('the pieces can be walked by keyboard, and the shade is not all that tells', async () => {
  const { page, close } = await newPage(shared.browser);
  const view = surprise(page);
  await demo(page).open(shared.server.url);
  await write(page, 'Every April', 20);
  await view.pieces.first().focus();
  await page.keyboard.press('ArrowRight');
  await view.likeliest.getByText('“ April”').first().waitFor();
  expect(await page.evaluate(() => document.activeElement?.getAttribute('aria-label'))).toMatch(
    /^“ April”, (< )?[\d.]+%$/,
  );
  await page.keyboard.press('End');
  expect(await view.pieces.last().getAttribute('aria-selected')).toBe('true');
  const styles = await page
    .locator('.levels .piece')
    .evaluateAll((all) =>
      all.map((piece) => getComputedStyle(piece).borderBottomStyle + getComputedStyle(piece).borderBottomColor),
    );
  expect(new Set(styles).size).toBe(5);
  await view.toggle.click();
  expect(await view.pieces.count()).toBe(0);
  await close();
});

test('a text that the model has read surprises it less than another', async () => {
  const { page, close } = await newPage(shared.browser);
  const view = surprise(page);
  await demo(page).open(shared.server.url);
  const { manifest } = await (await fetch(`${shared.server.url}/model`)).json();
  await write(page, manifest.example_prompts[0], 30);
  await view.other.fill('Quantum zebras juggle xylophones; JSON parsers despise Wednesdays.');
  await view.measure.click();
  await page.getByText('The text above surprises it far less').waitFor();
  expect((await view.others.allTextContents()).join('')).toContain('zebras');
  await close();
});

describe.each(['light', 'dark'] as const)('with surprise, %s', (colorScheme) => {
  test.each([
    ['narrow', NARROW],
    ['wide', WIDE],
    ['smallest', { width: 320, height: 640 }],
  ])('it is accessible and fits: %s', async (width, viewport) => {
    const { page, close } = await newPage(shared.browser, { viewport, colorScheme });
    await demo(page).open(shared.server.url);
    await write(page, 'Every April, in the', 60);
    await surprise(page).pieces.nth(4).click();
    await surprise(page).other.fill('A quite different text');
    await surprise(page).measure.click();
    await surprise(page).others.first().waitFor();
    await expectAccessible(page);
    await expectNoSidewaysScroll(page);
    await screenshot(page, `index-surprise-${width}-${colorScheme}`);
    await close();
  });
});
