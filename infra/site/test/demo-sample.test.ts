/** The demo page while no API answers: recorded texts, which say so. */
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import sample from '../src/demo/sample/sample.json' with { type: 'json' };
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

const shared = browserAndServer();

async function expectRecorded(page: Page, index: number) {
  const label = page.locator('.sheet-recorded');
  await label.waitFor();
  expect(await label.innerText()).toContain('Recorded sample, not live:');
  expect(await label.innerText()).toContain(sample.model.model.version);
  const { answer } = sample.texts[index] ?? { answer: null };
  expect(await page.locator('.sheet-prompt').textContent()).toBe(answer?.prompt);
  expect((await demo(page).text.textContent())?.trim()).toBe(answer?.response.replace(/\n{3,}/g, '\n\n').trim());
}

test('recorded texts are shown, say so, and work without the API', async () => {
  const { page, allow, close } = await newPage(shared.browser);
  allow(/Failed to load resource/);
  await page.route(/\/(model|generate|completions)$/, (route) => route.abort());
  const ui = demo(page);
  await page.goto(shared.server.url);
  await expectRecorded(page, 0);
  // What the model is, is known too.
  await page.getByText(/^the-north-light is a small language model of 162 million parameters/).waitFor();
  await ui.examples.nth(2).click();
  await expectRecorded(page, 2);
  expect(await ui.prompt.inputValue()).toBe(sample.texts[2]?.answer.prompt);
  // The surprise is recorded with it.
  await page.getByRole('button', { name: 'Surprise' }).click();
  const pieces = page.getByRole('listbox', { name: 'The text in pieces' }).getByRole('option');
  expect(await pieces.count()).toBe(sample.texts[2]?.scored.logprobs.tokens.length);
  await page.getByRole('button', { name: 'Surprise' }).click();
  // Once the model is there, the text stays until the reader asks for another.
  await page.unrouteAll();
  await ui.status.getByText('Ready').waitFor({ timeout: 15_000 });
  await expectRecorded(page, 2);
  await ui.prompt.fill('Every April');
  await ui.send.click();
  await ui.done();
  expect(await page.locator('.sheet-recorded').count()).toBe(0);
  await close();
});

describe.each(['light', 'dark'] as const)('with a recorded text, %s', (colorScheme) => {
  test.each([
    ['narrow', NARROW],
    ['wide', WIDE],
  ])('it is accessible and fits: %s', async (width, viewport) => {
    const { page, allow, close } = await newPage(shared.browser, { viewport, colorScheme });
    allow(/Failed to load resource/);
    await page.route(/\/model$/, (route) => route.abort());
    await page.goto(shared.server.url);
    await expectRecorded(page, 0);
    await expectAccessible(page);
    await expectNoSidewaysScroll(page);
    await screenshot(page, `index-sample-${width}-${colorScheme}`);
    await close();
  });
});
